"""A drill with a wrong verdict keeps what it saw, apart from the golden records."""

from pathlib import Path

import pytest

from runbook_lib.drills.kit import records
from runbook_lib.drills.kit.case import Got
from runbook_lib.drills.kit.case_list import CASES
from runbook_lib.drills.kit.golden import keep_wrong
from runbook_lib.drills.kit.run_case import Outcome

CASE = next(case for case in CASES if case.id == "08/fault/backup.none")
SEEN = tuple(records.read(CASE.procedure, CASE.id))
WRONG, RIGHT = Got("ruled_out", ()), Got(CASE.status, CASE.codes)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(records, "WRONG", tmp_path)
    return tmp_path


def test_what_a_wrong_drill_saw_can_be_replayed(folder: Path) -> None:
    kept = keep_wrong(Outcome(CASE, WRONG, 1.0, 1.0, records=SEEN))
    assert kept is not None
    assert kept.is_relative_to(folder)
    again = records.read(CASE.procedure, CASE.id, folder)
    assert [each.observations for each in again] == [each.observations for each in SEEN]
    assert again[0].replay().verdict["verdict_sha256"] == SEEN[0].replay().verdict["verdict_sha256"]


def test_of_a_right_drill_and_of_one_that_saw_nothing_nothing_is_kept(folder: Path) -> None:
    assert keep_wrong(Outcome(CASE, RIGHT, 1.0, 1.0, records=SEEN)) is None
    assert keep_wrong(Outcome(CASE, None, None, 1.0, error="SandboxError: it did not come up")) is None
    assert list(folder.iterdir()) == []
