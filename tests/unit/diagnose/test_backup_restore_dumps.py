"""08 on the team's own dumps, and on when a restore was last rehearsed."""

from typing import Any

import pytest
from support.evidence import look
from support.recovery_evidence import REHEARSED, ago, also, drill, folder, verdict
from support.verdicts import codes

from runbook_lib.core.model import Status


def test_a_backup_that_nobody_restored_is_untested() -> None:
    assert codes(verdict(rehearsals=look("team", "restore_rehearsals", [], Status.empty))) == ["backup.untested.never"]
    spoilt = [{**REHEARSED[0], "outcome": "not whole"}]
    assert codes(verdict(rehearsals=look("team", "restore_rehearsals", spoilt))) == ["backup.untested.never"]
    old = [{**REHEARSED[0], "at": ago(100 * 24)}]
    assert codes(verdict(rehearsals=look("team", "restore_rehearsals", old))) == ["backup.untested.long_ago"]


def test_a_rehearsal_in_this_run_is_a_test() -> None:
    assert codes(verdict(rehearsals=look("team", "restore_rehearsals", [], Status.empty), drill=drill())) == []


def test_a_rehearsal_that_could_not_be_made_is_no_test() -> None:
    unmade = look("restore", "rehearse", None, Status.denied)
    conclusion = verdict(rehearsals=look("team", "restore_rehearsals", [], Status.empty), drill=unmade)
    assert codes(conclusion) == ["backup.untested.never"]
    assert "restore" in [each.source for each in conclusion.not_seen]


def test_a_folder_without_dumps_has_none() -> None:
    assert codes(verdict(files=look("dumps", "folder", None, Status.empty, path="/b"))) == ["backup.none.file"]


def test_a_folder_that_is_not_there_proves_nothing() -> None:
    conclusion = verdict(files=look("dumps", "folder", None, Status.unreachable, path=""))
    assert str(conclusion.status) == "could_not_tell"


@pytest.mark.parametrize(
    ("newest", "code"),
    [
        ({"bytes": 0, "whole": False}, "backup.empty_file.no_bytes"),
        ({"whole": False, "why": "could not read from input file: end of file"}, "backup.failed.truncated"),
        ({"tables_with_data": 0}, "backup.empty_file.no_data"),
    ],
)
def test_a_spoilt_dump_is_named_by_what_is_wrong_with_it(newest: dict[str, Any], code: str) -> None:
    assert codes(verdict(files=folder(("a.dump", 5, 1000), **newest))) == [code]
    old = verdict(files=folder(("a.dump", 30, 1000), **newest))
    assert (codes(old), also(old)) == ([code], ["backup.too_old.file"])


def test_a_dump_far_smaller_than_those_before_it_has_shrunk() -> None:
    before = [("a.dump", 72, 1000), ("b.dump", 48, 1100), ("c.dump", 24, 1200)]
    assert codes(verdict(files=folder(*before, ("d.dump", 1, 400)))) == ["backup.shrunk"]
    assert codes(verdict(files=folder(*before, ("d.dump", 1, 900)))) == []
    assert codes(verdict(files=folder(*before[1:], ("d.dump", 1, 100)))) == [], "two dumps are no measure"
