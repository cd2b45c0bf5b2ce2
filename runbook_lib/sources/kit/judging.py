"""What a look at a key brings: whether its vendor takes it, with which permission that was found out, and until when.

The vendor's sentences stay outside: some repeat a part of the key. That a key is refused is what was asked for, so such a look is
ok; its other statuses tell that nobody knows.
"""

from dataclasses import dataclass
from enum import StrEnum

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.io.http import Reply


class Refusal(StrEnum):
    """How a vendor refuses a key."""

    rejected = "rejected"
    expired = "expired"
    scope = "scope"


@dataclass(frozen=True)
class AskedKey:
    """A key that is asked about: the variable's name, and what is asked with which permission."""

    name: str
    permission: str

    def accepted(
        self, *, expires_at: str | None = None, mode: str | None = None, note: str = ""
    ) -> Answer[KeyJudgement]:
        """The vendor takes it. `note`: what this does not prove."""
        return Answer(
            Status.ok,
            KeyJudgement(
                name=self.name,
                permission=self.permission,
                accepted=True,
                refusal=None,
                http_status=200,
                code="",
                lacks=note,
                expires_at=expires_at,
                mode=mode,
            ),
        )

    def refused(self, how: Refusal, reply: Reply, *, lacks: str = "", code: str = "") -> Answer[KeyJudgement]:
        """The vendor does not take it, or not for this."""
        return Answer(
            Status.ok,
            KeyJudgement(
                name=self.name,
                permission=self.permission,
                accepted=False,
                refusal=str(how),
                http_status=reply.status_code,
                code=code or vendors_code(reply),
                lacks=lacks,
                expires_at=None,
                mode=None,
            ),
        )


def key_arguments(name: str, place: str = "") -> dict[str, Json]:
    """The arguments of a look at a key."""
    return {"name": name, "place": place or "local"}


def vendors_code(reply: Reply) -> str:
    """The vendor's own code for a refusal, by whatever key it names it; empty where there is none."""
    document = reply.json_or_none()
    error = document.get("error", document) if isinstance(document, dict) else {}
    if not isinstance(error, dict):
        return ""
    found = next((error[key] for key in ("code", "type", "error") if isinstance(error.get(key), str)), "")
    return found if len(found) <= 60 and all(letter.isalnum() or letter in "_-." for letter in found) else ""
