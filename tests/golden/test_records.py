"""Every kept record reaches its verdict again by today's rules, and becomes no surer without a look. No sandbox, no clock."""

import pytest

from runbook_lib.drills.kit.case_list import CASES, select
from runbook_lib.drills.kit.golden import ablate_cases, replay_cases
from runbook_lib.drills.kit.records import RECORDS, path_of, read_index
from runbook_lib.procedures.catalogues import CATALOGUES

PROCEDURES = sorted(catalogue.procedure for catalogue in CATALOGUES)
SHARE = 0.1
MOST_BYTES = 15_000_000


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_every_record_reaches_its_verdict_again(procedure: str) -> None:
    wrong = {each.name: each.why for each in replay_cases(select(procedure=procedure)) if each.why}
    assert wrong == {}


@pytest.mark.slow
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_no_record_becomes_surer_without_a_look(procedure: str) -> None:
    result = ablate_cases(select(procedure=procedure), share=SHARE)
    assert result.replays > 0
    assert [each.as_dict() for each in result.wrong] == []


def test_every_case_has_a_record_and_no_record_is_of_no_case() -> None:
    wanted = {path_of(case.procedure, case.id) for case in CASES}
    assert wanted == set(RECORDS.glob("*/*.json.xz"))
    assert {case.id for case in CASES} == {case for procedure in PROCEDURES for case in read_index(procedure)}


def test_every_record_says_at_which_commit_it_was_made() -> None:
    without = [case for procedure in PROCEDURES for case, line in read_index(procedure).items() if not line["commit"]]
    assert without == []


def test_the_records_stay_small_enough_to_be_cloned() -> None:
    assert sum(path.stat().st_size for path in RECORDS.rglob("*") if path.is_file()) < MOST_BYTES
