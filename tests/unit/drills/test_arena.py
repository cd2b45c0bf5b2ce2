"""Cases on sandboxes side by side: who shares one, how many there are, and that none is left."""

import threading
from typing import Any

import pytest

from runbook_lib.core.errors import SandboxError
from runbook_lib.drills.kit import arena as module
from runbook_lib.drills.kit.arena import arena
from runbook_lib.drills.kit.case import Case, Got
from runbook_lib.drills.kit.run_case import Outcome


class Stand:
    """In a sandbox's place: remembers what ran on it."""

    def __init__(self, **options: Any) -> None:
        self.options, self.ran, self.is_down = options, [], False

    def down(self) -> None:
        self.is_down = True


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Stand]:
    stands: list[Stand] = []
    lock = threading.Lock()

    def up(**options: Any) -> Stand:
        stand = Stand(**options)
        with lock:
            stands.append(stand)
        return stand

    def run(case: Case, sandbox: Stand, *, kernel: bool) -> Outcome:
        if case.id.endswith("breaks"):
            raise SandboxError("it could not be healed")
        if case.id.endswith("bug"):
            raise ZeroDivisionError
        sandbox.ran.append(case)
        return Outcome(case, Got("ruled_out", ()), 0.0, 0.0)

    monkeypatch.setattr(module, "new_sandbox", up)
    monkeypatch.setattr(module, "run_case", run)
    return stands


def cases(procedure: str, count: int, **options: Any) -> list[Case]:
    return [
        Case(f"{procedure}/{options}/{n}", procedure, "healthy", "ruled_out", options=options) for n in range(count)
    ]


def test_only_cases_of_one_procedure_and_one_kind_of_sandbox_share_one(made: list[Stand]) -> None:
    every = [*cases("01", 30), *cases("02", 3), *cases("01", 3, traffic=False), *cases("03", 12)]
    with arena(every, lambda _: False, workers=3) as running:
        assert all(running.futures[case.id].result(10).is_correct for case in every)
    assert sorted(case.id for stand in made for case in stand.ran) == sorted(case.id for case in every)
    for stand in made:
        assert len({case.sandbox_key for case in stand.ran}) == 1
        assert stand.options == dict(stand.ran[0].options)
    assert all(stand.is_down for stand in made)


def test_workers_spread_over_kinds_before_they_crowd_one(made: list[Stand]) -> None:
    every = [*cases("01", 4), *cases("02", 4), *cases("03", 4)]
    with arena(every, lambda _: False, workers=1) as running:
        assert all(running.futures[case.id].result(10).is_correct for case in every)
    assert len(made) == 3


def test_a_sandbox_that_broke_is_replaced_and_what_it_was_for_is_told(made: list[Stand]) -> None:
    broken = Case("01/breaks", "01", "healthy", "ruled_out")
    every = [*cases("01", 1), broken, *cases("01", 2, anew=True)]
    with arena(every, lambda _: False, workers=1) as running:
        outcome = running.futures[broken.id].result(10)
        assert (outcome.got, "could not be healed" in outcome.why) == (None, True)
        assert all(running.futures[case.id].result(10).is_correct for case in every if case is not broken)
    assert all(stand.is_down for stand in made)


def test_a_bug_is_raised_where_the_outcome_is_waited_for(made: list[Stand]) -> None:
    bug = Case("01/bug", "01", "healthy", "ruled_out")
    with arena([bug], lambda _: False) as running, pytest.raises(ZeroDivisionError):
        running.futures[bug.id].result(10)
    assert all(stand.is_down for stand in made)
