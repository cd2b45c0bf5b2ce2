"""What GitHub tells of RUNBOOK_GITHUB_TOKEN, in the headers of any answer: the scopes of a classic token, and until when.

Headers: GitHub's REST documentation, "Authenticating" (X-OAuth-Scopes, which a fine-grained token has not) and
"github-authentication-token-expiration", a date with its zone.
"""

from datetime import datetime

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Answer
from runbook_lib.core.records.keys import KeyReach
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.github.github import HELP, GithubApi
from runbook_lib.sources.kit.asking import require_list

_READ = ("read:", "user:email")


def reach() -> Look[KeyReach]:
    """What the token may do. A fine-grained one tells nothing of its permissions, so that `can_write` is None."""

    def fetch(door: Door) -> Answer[KeyReach]:
        headers = require_list(GithubApi(door).get(""), HELP).headers
        told = headers.get("x-oauth-scopes")
        scopes = sorted(filter(None, (each.strip() for each in (told or "").split(","))))
        return Answer.of(
            KeyReach(
                name="RUNBOOK_GITHUB_TOKEN",
                can_write=None if told is None else any(not scope.startswith(_READ) for scope in scopes),
                opens="" if told is None else f"scopes {', '.join(scopes) or 'none: what is public'}",
                expires_at=_moment(headers.get("github-authentication-token-expiration", "")),
            )
        )

    return Look("github", "reach", {"name": "RUNBOOK_GITHUB_TOKEN"}, fetch)


def _moment(text: str) -> str | None:
    """`2027-10-12 09:00:00 UTC`, or with an offset in place of UTC; None for anything else."""
    try:
        return to_iso(datetime.strptime(text.strip().replace("UTC", "+0000"), "%Y-%m-%d %H:%M:%S %z"))
    except ValueError:
        return None
