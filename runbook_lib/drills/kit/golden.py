"""The kept records of the drills: recorded once from the sandbox, replayed ever after without one.

`runbook drill --record` keeps what cases saw, `runbook drill --golden` reaches every verdict again from that, and `--accept` takes
the verdicts of today's rules for the ones to reach. A verdict that a drill's own case calls wrong is never accepted.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.drills.kit import records
from runbook_lib.drills.kit.case import Case, Got, is_correct, told, why_wrong
from runbook_lib.drills.kit.listed import CASES
from runbook_lib.drills.kit.records import BROKEN, HEALED, Record
from runbook_lib.drills.kit.run_case import Outcome, is_well
from runbook_lib.run.home import Home
from runbook_lib.run.library import git_state

_NOT_RECORDED = "it has no record: runbook drill --record --case …"


@dataclass(frozen=True)
class Replayed:
    """A record of a case, replayed: what today's rules say, and in a few words what is wrong with it; empty where nothing is."""

    case: Case
    when: str
    verdict: dict[str, Any] | None
    why: str

    def as_dict(self) -> dict[str, Any]:
        """The contract's form of a drill's case, with what went wrong beside it."""
        got = Got.of(self.verdict) if self.verdict else None
        healed = self.when == HEALED
        return {
            "id": self.case.id if not healed else f"{self.case.id} ({HEALED})",
            "procedure": self.case.procedure,
            "kind": self.case.kind if not healed else "healthy",
            "injected": self.case.injected if not healed else [],
            "expected": {
                "status": self.case.status if not healed else "ruled_out",
                "codes": list(self.case.codes if not healed else self.case.healed_codes),
            },
            "got": {"status": got.status, "codes": list(got.codes), "also": list(got.also)} if got else None,
            "correct": not self.why,
            "verdict_s": None,
            "why": self.why,
        }


def keep_records(outcomes: Iterable[Outcome]) -> None:
    """Keep what correct cases saw, each in a file of its own, and their verdicts in the index; others stay as they were."""
    kept: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    commit = git_state(Home.find().root)["commit"]
    for outcome in outcomes:
        if not outcome.is_correct or not outcome.records:
            continue
        case = outcome.case
        records.write(case.procedure, case.id, outcome.records)
        verdicts = {each.when: records.said(each.replay().verdict) for each in outcome.records}
        kept[case.procedure][case.id] = {"case": case.id, "commit": commit, **verdicts}
    for procedure, lines in kept.items():
        _write_index(procedure, {**records.read_index(procedure), **lines})


def _write_index(procedure: str, lines: dict[str, dict[str, Any]]) -> None:
    """In the order of the cases; one that is listed no more is dropped."""
    records.write_index(
        procedure, [lines[case.id] for case in CASES if case.id in lines and case.procedure == procedure]
    )


def replay_case(case: Case, line: dict[str, Any] | None) -> list[Replayed]:
    """Every record of a case by today's rules, against the case itself and against the verdict that the index holds."""
    kept = records.read(case.procedure, case.id)
    if not kept or line is None:
        return [Replayed(case, BROKEN, None, _NOT_RECORDED)]
    return [_judged(case, each, line) for each in kept]


def _judged(case: Case, record: Record, line: dict[str, Any]) -> Replayed:
    verdict = record.replay().verdict
    got = Got.of(verdict)
    if record.when == BROKEN:
        why = why_wrong(case, got) if not is_correct(case, got) else ""
    else:
        why = "" if is_well(case, got) else f"after healing: {told(got.status, got.codes)}"
    if not why and records.said(verdict) != line.get(record.when):
        why = f"another verdict than the index has: {records.said(verdict)}"
    return Replayed(case, record.when, verdict, why)


def replay_cases(cases: Sequence[Case]) -> list[Replayed]:
    """Every record of these cases, in their order."""
    indexes = {procedure: records.read_index(procedure) for procedure in {case.procedure for case in cases}}
    return [each for case in cases for each in replay_case(case, indexes[case.procedure].get(case.id))]


def accept(replayed: Iterable[Replayed]) -> int:
    """Write the verdicts of today's rules into the index, those that are right by their own case. Returns how many changed."""
    changed: dict[str, dict[str, dict[str, Any]]] = {}
    count = 0
    for each in replayed:
        if each.verdict is None or not _is_right(each):
            continue
        index = changed.setdefault(each.case.procedure, records.read_index(each.case.procedure))
        line = index.get(each.case.id)
        now = records.said(each.verdict)
        if line is not None and line.get(each.when) != now:
            line[each.when] = now
            count += 1
    for procedure, lines in changed.items():
        _write_index(procedure, lines)
    return count


def _is_right(each: Replayed) -> bool:
    assert each.verdict is not None
    got = Got.of(each.verdict)
    return is_correct(each.case, got) if each.when == BROKEN else is_well(each.case, got)
