"""What changed between two runs of one procedure, by fingerprint."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json

_WEIGHT = {"states": 0, "blind": 1, "also": 2, "causes": 3}  # a finding that moves up this list became worse


@dataclass(frozen=True)
class Difference:
    """Findings that are new, worse, gone or the same, each with the list it stands in; `why_not` where none can be told.

    `of_different`: the two are of different procedures or targets, so that nothing was compared and nothing counts.
    """

    new: tuple[Mapping[str, Json], ...] = ()
    worse: tuple[Mapping[str, Json], ...] = ()
    gone: tuple[Mapping[str, Json], ...] = ()
    same: int = 0
    status: tuple[str, str] = ("", "")
    why_not: str = ""
    of_different: bool = False

    @property
    def exit_code(self) -> int:
        """0 no change · 1 something new or worse · 3 not comparable."""
        if self.new or self.worse:
            return 1
        return 3 if self.why_not else 0

    def as_dict(self) -> dict[str, Json]:
        """What `diff --json` prints."""
        return {
            "comparable": not self.why_not,
            "why_not": self.why_not,
            "status": {"before": self.status[0], "after": self.status[1]},
            "new": [dict(each) for each in self.new],
            "worse": [dict(each) for each in self.worse],
            "gone": [dict(each) for each in self.gone],
            "same": self.same,
        }


def diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> Difference:
    """Compare two verdicts of verdict.json's form.

    A later run that could not tell proves nothing gone: without anything new it is not comparable. Both runs being of one
    procedure and one target is what makes them comparable at all.
    """
    for key in ("procedure", "target"):
        if before.get(key) != after.get(key):
            return Difference(
                why_not=f"one is of {key} {before.get(key)}, the other of {after.get(key)}",
                status=(str(before["status"]), str(after["status"])),
                of_different=True,
            )
    old, new = _findings(before), _findings(after)
    gone = tuple(found for key, found in old.items() if key not in new)
    blind = after["status"] == "could_not_tell" and (before["status"] != "could_not_tell" or bool(gone))
    return Difference(
        new=tuple(found for key, found in new.items() if key not in old),
        worse=tuple(
            found for key, found in new.items() if key in old and _WEIGHT[found["in"]] > _WEIGHT[old[key]["in"]]
        ),
        gone=() if blind else gone,
        same=len(old.keys() & new.keys()),
        status=(str(before["status"]), str(after["status"])),
        why_not="the later run could not tell, so nothing is known to be gone" if blind else "",
    )


def _findings(verdict: Mapping[str, Any]) -> dict[str, dict[str, Json]]:
    """Findings by fingerprint; one that stands in two lists counts in the weightier."""
    found: dict[str, dict[str, Json]] = {}
    try:
        for key in _WEIGHT:
            for each in verdict[key]:
                found[each["fingerprint"]] = {
                    "in": key,
                    **{k: each[k] for k in ("code", "subject", "summary", "fingerprint")},
                }
    except (KeyError, TypeError) as error:
        raise UsageError(
            "This artifact is corrupt",
            where="verdict.json",
            came_back=f"a finding lacks {error}",
            do_next="`runbook verify` names what was changed.",
        ) from error
    return found
