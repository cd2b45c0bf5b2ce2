"""Which cases run through the real notebook: of every fault one, whatever is selected."""

from runbook_lib.drills.kit.case_list import CASES, select, through_the_notebook


def test_every_fault_goes_through_the_notebook_once() -> None:
    chosen = through_the_notebook(CASES)
    faults = [(case.procedure, case.injected[0]) for case in CASES if case.kind == "fault" and case.faults]
    through = [(case.procedure, case.injected[0]) for case in CASES if case.id in chosen]
    assert sorted(through) == sorted(set(faults))


def test_a_repetition_that_is_drilled_by_itself_goes_through_the_notebook() -> None:
    repeated = [case for case in CASES if case.kind == "fault" and case.id not in through_the_notebook(CASES)]
    assert repeated
    assert through_the_notebook(select(ids=[repeated[0].id])) == {repeated[0].id}


def test_cases_stand_in_the_order_of_their_procedures() -> None:
    # the blind spots of 06 and 07 are one list
    numbers = [case.procedure[:2] for case in CASES if not case.id.startswith("blind/0")]
    assert numbers == sorted(numbers)
