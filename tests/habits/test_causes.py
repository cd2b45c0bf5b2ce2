"""Every cause has a rule that can name it, a drill that proves it, a remedy and a line of documentation."""

from pathlib import Path

import pytest

from runbook_lib.core.model import Kind
from runbook_lib.drills.kit.case_list import CASES as DRILLED
from runbook_lib.drills.kit.case_list import cause_of
from runbook_lib.judging.causes import Catalogue, Cause
from runbook_lib.procedures.catalogues import CATALOGUES

ROOT = Path(__file__).resolve().parents[2]
CAUSES = [(catalogue, cause) for catalogue in CATALOGUES for cause in catalogue.causes.values()]


@pytest.mark.parametrize(("catalogue", "cause"), CAUSES, ids=lambda value: getattr(value, "code", ""))
def test_a_cause_says_what_is_so_and_what_to_do(catalogue: Catalogue, cause: Cause) -> None:
    assert cause.what
    assert cause.remedy.endswith((".", "instead"))
    assert all(sub.what for sub in cause.subcodes.values())
    assert isinstance(cause.kind, Kind)
    assert catalogue.find(cause.code) is cause


def test_codes_are_unique_over_all_procedures() -> None:
    codes = [code for catalogue in CATALOGUES for code in catalogue.codes()]
    assert len(codes) == len(set(codes))


def test_a_code_that_two_procedures_name_is_owned_by_one_and_is_the_same_cause() -> None:
    owned = {code: cause for catalogue in CATALOGUES for code, cause in catalogue.causes.items()}
    for catalogue in CATALOGUES:
        for code, cause in catalogue.also.items():
            assert owned[code] is cause
            assert code not in catalogue.causes


def test_every_code_is_documented() -> None:
    page = (ROOT / "docs" / "causes.md").read_text("utf-8")
    assert [code for catalogue in CATALOGUES for code in catalogue.codes() if f"`{code}`" not in page] == []


def test_what_a_procedure_names_of_anothers_causes_it_drills_itself() -> None:
    for catalogue in CATALOGUES:
        own = {cause_of(code) for case in DRILLED if case.procedure == catalogue.procedure for code in case.injected}
        assert [code for code in catalogue.also if cause_of(code) not in own] == []
