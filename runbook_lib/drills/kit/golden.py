"""The kept records of the drills: recorded once from the sandbox, replayed ever after without one.

`runbook drill --record` keeps what cases saw, `runbook drill --golden` reaches every verdict again from that, and `--accept` takes
the verdicts of today's rules for the ones to reach. A verdict that a drill's own case calls wrong is never accepted.
"""

import multiprocessing
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from runbook_lib.drills.kit import records
from runbook_lib.drills.kit.ablation import Taken, ablate, pairs
from runbook_lib.drills.kit.case import Case, Got, why_wrong
from runbook_lib.drills.kit.case_list import CASES
from runbook_lib.drills.kit.records import BROKEN, HEALED, Record
from runbook_lib.drills.kit.run_case import Outcome, why_unwell
from runbook_lib.run.home import Home
from runbook_lib.run.library import git_state

_T = TypeVar("_T")
_FEW = 8  # so few records are quicker here than in processes of their own
_NOT_RECORDED = "it has no record: runbook drill --record --case …"


@dataclass(frozen=True)
class Replayed:
    """A record of a case, replayed: what today's rules say, and in a few words what is wrong with it; empty where nothing is."""

    case: Case
    when: str
    verdict: dict[str, Any] | None
    why: str

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return self.case.id if self.when == BROKEN else f"{self.case.id} ({self.when})"

    def as_dict(self) -> dict[str, Any]:
        """The contract's form of a drill's case, with what went wrong beside it."""
        got = Got.of(self.verdict) if self.verdict else None
        healed = self.when == HEALED
        return {
            "id": self.name,
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
        verdicts = {each.when: records.verdict_claims(each.replay().verdict) for each in outcome.records}
        kept[case.procedure][case.id] = {"case": case.id, "commit": commit, **verdicts}
    for procedure, lines in kept.items():
        _write_index(procedure, {**records.read_index(procedure), **lines})


def keep_wrong(outcome: Outcome) -> Path | None:
    """Keep what a case with a wrong verdict saw, apart from the golden records; returns the file, None where it saw nothing."""
    if outcome.is_correct or not outcome.records:
        return None
    return records.write(outcome.case.procedure, outcome.case.id, outcome.records, records.WRONG)


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
    why = _why_wrong(case, record.when, verdict)
    if not why and records.verdict_claims(verdict) != line.get(record.when):
        why = f"another verdict than the index has: {records.verdict_claims(verdict)}"
    return Replayed(case, record.when, verdict, why)


def _why_wrong(case: Case, when: str, verdict: dict[str, Any]) -> str:
    """In a few words what is wrong with a verdict by the case itself; empty where nothing is."""
    got = Got.of(verdict)
    return why_wrong(case, got) if when == BROKEN else why_unwell(case, got)


def replay_cases(cases: Sequence[Case]) -> list[Replayed]:
    """Every record of these cases, in their order, on every processor."""
    indexes = {procedure: records.read_index(procedure) for procedure in {case.procedure for case in cases}}
    work = [(place, indexes[case.procedure].get(case.id)) for place, case in _placed(cases)]
    told = zip(work, _side_by_side(_replayed, work), strict=True)
    return [Replayed(CASES[place], *each) for (place, _), found in told for each in found]


def _replayed(place: int, line: dict[str, Any] | None) -> list[tuple[str, dict[str, Any] | None, str]]:
    """What `replay_case` brings, without the case."""
    return [(each.when, each.verdict, each.why) for each in replay_case(CASES[place], line)]


@dataclass(frozen=True)
class Ablation:
    """What ablation came to: how many records and replays, and what became surer without a look."""

    records: int
    replays: int
    wrong: tuple[Taken, ...]


def ablate_cases(cases: Sequence[Case], *, share: float = 1.0, seed: int = 1) -> Ablation:
    """Take away every look of every record of these cases, on every processor.

    Args:
        share: the part of all pairs of look and way to try, drawn by `seed` for each record, so that it is the same everywhere.
    """
    work = [(place, share, seed) for place, _ in _placed(cases)]
    found = list(_side_by_side(_ablated, work))
    wrong = tuple(each for _, _, wrongs in found for each in wrongs)
    return Ablation(sum(count for count, _, _ in found), sum(made for _, made, _ in found), wrong)


def _ablated(place: int, share: float, seed: int) -> tuple[int, int, list[Taken]]:
    case = CASES[place]
    kept = records.read(case.procedure, case.id)
    made, wrong = 0, []
    for record in kept:
        draw = random.Random(f"{seed} {record.name}")  # noqa: S311 (a sample that is the same everywhere)
        only = None if share >= 1 else [pair for pair in range(pairs(record)) if draw.random() < share]
        for taken in ablate(record, only, strip=only is None or draw.random() < share):
            made += 1
            wrong += [taken] if taken.why else []
    return len(kept), made, wrong


def _placed(cases: Sequence[Case]) -> list[tuple[int, Case]]:
    """Cases with their places in the list of all: a case holds functions and cannot be sent to another process."""
    wanted = {case.id for case in cases}
    return [(place, case) for place, case in enumerate(CASES) if case.id in wanted]


def _side_by_side(job: Callable[..., _T], work: Sequence[tuple[Any, ...]]) -> Iterator[_T]:
    """What a job brings for each piece of work, in order, from as many processes as there are processors."""
    if len(work) < _FEW:
        yield from (job(*each) for each in work)
        return
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        yield from pool.map(job, *zip(*work, strict=True), chunksize=4)


def accept(replayed: Iterable[Replayed]) -> int:
    """Write the verdicts of today's rules into the index, those that are right by their own case. Returns how many changed."""
    changed: dict[str, dict[str, dict[str, Any]]] = {}
    count = 0
    for each in replayed:
        if each.verdict is None or _why_wrong(each.case, each.when, each.verdict):
            continue
        index = changed.setdefault(each.case.procedure, records.read_index(each.case.procedure))
        line = index.get(each.case.id)
        now = records.verdict_claims(each.verdict)
        if line is not None and line.get(each.when) != now:
            line[each.when] = now
            count += 1
    for procedure, lines in changed.items():
        _write_index(procedure, lines)
    return count
