"""Every kind of verdict is what docs/verdict.schema.json says; a verdict that breaks the law is not."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from runbook_lib.drills.kit.case_list import CASES
from runbook_lib.drills.kit.records import read
from runbook_lib.procedures.catalogues import CATALOGUES

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs" / "verdict.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)
STATUSES = ("confirmed", "ruled_out", "could_not_tell")


@cache
def verdict_of(procedure: str, status: str) -> dict[str, Any]:
    """The verdict of the first case of a procedure that expects this status."""
    case = next(case for case in CASES if (case.procedure, case.status) == (procedure, status))
    return read(procedure, case.id)[0].replay().verdict


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("procedure", [catalogue.procedure for catalogue in CATALOGUES])
def test_a_verdict_of_every_status_fits_the_schema(procedure: str, status: str) -> None:
    verdict = verdict_of(procedure, status)
    assert verdict["status"] == status
    assert [error.message for error in VALIDATOR.iter_errors(verdict)] == []


def test_the_schema_refuses_what_the_law_forbids() -> None:
    verdict = verdict_of("08_backup_restore", "ruled_out")
    unproven = [{**verdict["coverage"][0], "state": "excluded", "by": []}]
    assert not VALIDATOR.is_valid({**verdict, "coverage": unproven})
    assert not VALIDATOR.is_valid({**verdict, "status": "could_not_tell", "suspects": []})
    assert not VALIDATOR.is_valid({**verdict, "status": "confirmed"})


@pytest.mark.parametrize("catalogue", CATALOGUES, ids=lambda catalogue: str(catalogue.procedure))
def test_a_verdict_covers_every_cause_once(catalogue: Any) -> None:
    covered = [each["code"] for each in verdict_of(catalogue.procedure, "ruled_out")["coverage"]]
    assert covered == [cause.code for cause in catalogue.all()]
