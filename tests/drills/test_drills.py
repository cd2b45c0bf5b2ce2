"""One live drill of every cause, and one fault and one healthy system of each procedure through the real notebook.

A wrong verdict is wrong: nothing is tried twice, and what the run saw is kept in build/wrong-drills. `make drills` runs every case.
"""

from collections.abc import Iterator

import pytest
from support.needs import missing

from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.arena import Arena, arena
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.case_list import CASES, cause_of, once_per_cause
from runbook_lib.drills.kit.golden import keep_wrong
from runbook_lib.procedures.catalogues import CATALOGUES

THROUGH_THE_NOTEBOOK = {
    next(case.id for case in CASES if (case.procedure, case.kind, case.status) == (catalogue.procedure, kind, status))
    for catalogue in CATALOGUES
    for kind, status in (("fault", "confirmed"), ("healthy", "ruled_out"))
}
_OF_EACH_CAUSE = {case.id for case in once_per_cause(CASES)}
LIVE = [case for case in CASES if case.id in _OF_EACH_CAUSE | THROUGH_THE_NOTEBOOK]
PATIENCE_S = 1800


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest) -> Iterator[Arena]:
    """The cases that this test run asks for, under way on sandboxes side by side."""
    wanted = {
        item.callspec.params["case"].id
        for item in request.session.items
        if hasattr(item, "callspec") and "case" in item.callspec.params
    }
    with arena([case for case in LIVE if case.id in wanted], lambda case: case.id in THROUGH_THE_NOTEBOOK) as under_way:
        yield under_way


@pytest.mark.timeout(PATIENCE_S)  # a case waits for those before it
@pytest.mark.parametrize("case", LIVE, ids=lambda case: case.id)
def test_the_verdict_is_the_expected_one(case: Case, running: Arena) -> None:
    outcome = running.futures[case.id].result()
    if outcome.lacks:
        missing(outcome.why)
    kept = keep_wrong(outcome)
    assert outcome.is_correct, f"{outcome.why}\nwhat it saw: {kept or 'nothing'}"


def test_every_cause_of_every_procedure_is_drilled_live() -> None:
    named = {(catalogue.procedure, cause_of(code)) for catalogue in CATALOGUES for code in catalogue.codes()}
    assert named - {(case.procedure, cause_of(code)) for case in LIVE for code in case.injected} == set()


def test_case_ids_are_unique() -> None:
    assert len({case.id for case in CASES}) == len(CASES)


def test_every_cause_has_a_fault_and_a_drill() -> None:
    named = {code for catalogue in CATALOGUES for code in catalogue.codes()}
    assert named - set(faults.codes()) == set()
    assert named - {code for case in CASES for code in case.injected} == set()


def test_no_fault_is_named_that_no_procedure_can_find() -> None:
    assert set(faults.codes()) - {code for catalogue in CATALOGUES for code in catalogue.codes()} == set()
