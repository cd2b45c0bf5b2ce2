"""Two audits compared by fingerprint, and what makes an audit red.

A finding is muted where the team's file says so, until a day and with a reason. A muted finding is shown, and counts for
nothing. What could not be told always counts: a night that saw nothing is no quiet night.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from runbook_lib.artifact.diff import Difference, diff
from runbook_lib.core.model import Json
from runbook_lib.run.audits.file import Mute
from runbook_lib.run.audits.record import JobResult, Record

_RED = ("causes", "also")
_WORST = (5, 1, 3)


@dataclass(frozen=True)
class Change:
    """One job's findings against those of the audit before; `difference` None where there is nothing to compare with."""

    result: JobResult
    difference: Difference | None


@dataclass(frozen=True)
class Comparison:
    """Two audits, job by job; `lost` are jobs that only the earlier one had."""

    changes: tuple[Change, ...]
    lost: tuple[JobResult, ...] = ()

    @property
    def exit_code(self) -> int:
        """As `runbook diff`: 0 no change · 1 something new or worse · 3 not comparable."""
        codes = [3 if each.difference is None else each.difference.exit_code for each in self.changes]
        codes += [3] * len(self.lost)
        return 1 if 1 in codes else 3 if 3 in codes else 0

    def as_dict(self) -> dict[str, Json]:
        """What `diff --json` prints of two audits."""
        return {
            "jobs": [
                {
                    **_names(each.result),
                    **(each.difference.as_dict() if each.difference else {"comparable": False, "why_not": _NO_BEFORE}),
                }
                for each in self.changes
            ],
            "lost": [_names(result) for result in self.lost],
            "exit_code": self.exit_code,
        }


_NO_BEFORE = "the earlier audit did not run it, or it brought no verdict"


def compare(before: Record | None, after: Record) -> Comparison:
    """Every job of the later audit against the same one of the earlier."""
    old = {result.key: result for result in before.results} if before else {}
    changes = []
    for result in after.results:
        earlier = old.get(result.key)
        comparable = earlier is not None and earlier.status is not None and result.status is not None
        changes.append(Change(result, diff(earlier.verdict, result.verdict) if comparable and earlier else None))
    now = {result.key for result in after.results}
    return Comparison(tuple(changes), tuple(result for key, result in old.items() if key not in now))


@dataclass(frozen=True)
class JudgedJob:
    """One job as the audit counts it.

    Attributes:
        exit_code: 0, 1, 3 or 5, after mutes and, where only changes count, after what was known before.
        told: the findings that count.
        muted: those that would, were they not muted.
        known: those that the audit before had as well, where only changes count.
    """

    result: JobResult
    exit_code: int
    told: tuple[Any, ...]
    muted: tuple[Any, ...] = ()
    known: tuple[Any, ...] = ()


def judge_jobs(
    after: Record, before: Record | None, mutes: Sequence[Mute], today: date, *, only_changes: bool
) -> list[JudgedJob]:
    """What counts of each job.

    Args:
        before: the last audit of this name; None for the first: then everything is new.
        only_changes: a confirmed job counts only where a finding of it is new or worse than before.
    """
    judged = []
    for change in compare(before, after).changes:
        result = change.result
        found = {each["fingerprint"]: each for key in _RED for each in result.verdict.get(key, ())}
        muted = [each for key, each in found.items() if any(mute.applies(key, result.target, today) for mute in mutes)]
        known: list[Any] = []
        if only_changes and change.difference is not None:
            fresh = {each["fingerprint"] for each in (*change.difference.new, *change.difference.worse)}
            known = [each for key, each in found.items() if key not in fresh and each not in muted]
        told = [each for each in found.values() if each not in muted and each not in known]
        judged.append(JudgedJob(result, _code(result, told), tuple(told), tuple(muted), tuple(known)))
    return judged


def worst_exit_code(judged: Sequence[JudgedJob]) -> int:
    """An audit's exit code: the worst of its jobs, in the order 5, 1, 3, 0."""
    codes = {each.exit_code for each in judged}
    return next((code for code in _WORST if code in codes), 0)


def unused_mutes(mutes: Sequence[Mute], judged: Sequence[JudgedJob], today: date) -> list[str]:
    """Words on mutes that are over, or that nothing found needs any more; a list that is not read grows."""
    used = {each["fingerprint"] for job in judged for each in job.muted}
    words = []
    for mute in mutes:
        if mute.until < today:
            words.append(f"the mute of {mute.fingerprint} ended on {mute.until} ({mute.reason})")
        elif mute.fingerprint not in used:
            words.append(f"nothing that was found needs the mute of {mute.fingerprint} ({mute.reason})")
    return words


def _code(result: JobResult, told: Sequence[Any]) -> int:
    if result.status is None or result.exit_code not in (0, 1, 3):
        return 5
    if result.exit_code == 1 and not told:
        return 0
    return result.exit_code


def _names(result: JobResult) -> dict[str, str]:
    return {"procedure": result.procedure, "target": result.target, "org": result.org}
