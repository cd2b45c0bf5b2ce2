"""08 on the vendor's backups: how old the newest good one is, what failed, and how far back recovery reaches."""

import pytest
from support.evidence import look
from support.recovery_evidence import AIMS, HOUR, ago, also, backups, verdict
from support.verdicts import codes

from runbook_lib.core.model import Status


def test_fresh_backups_that_were_tried_are_ruled_out() -> None:
    conclusion = verdict()
    assert (str(conclusion.status), codes(conclusion)) == ("ruled_out", [])
    assert conclusion.not_seen == ()
    assert conclusion.facts["newest_good_backup_at"] == ago(6)


def test_no_backup_at_all_is_none() -> None:
    assert codes(verdict(backups=backups())) == ["backup.none"]


def test_with_point_in_time_recovery_an_empty_daily_list_is_no_none() -> None:
    assert codes(verdict(backups=backups(pitr=(200, 0.1)))) == []


def test_a_newest_backup_older_than_the_rpo_is_too_old_since_the_rpo_passed() -> None:
    conclusion = verdict(backups=backups((30, "completed"), (54, "completed")))
    assert codes(conclusion) == ["backup.too_old.daily"]
    assert "RPO is 24 h" in conclusion.causes[0].summary
    assert "recovery_objectives.toml" in conclusion.causes[0].summary
    assert conclusion.situation.onset == ago(6)


def test_a_parameter_is_preferred_to_the_teams_file_and_said_to_be_one() -> None:
    assert codes(verdict(backups=backups((30, "completed")), given={"rpo": 48 * HOUR})) == []
    conclusion = verdict(given={"rpo": 30 * HOUR, "rto": HOUR})
    assert conclusion.facts["objectives"]["rpo"] == {"seconds": 30 * HOUR, "from": "a parameter of this run"}
    assert "recovery_objectives.toml" in conclusion.facts["objectives"]["rehearsed"]["from"]


def test_without_a_file_the_usual_objectives_hold_and_are_said_to_be_that() -> None:
    conclusion = verdict(objectives=look("team", "recovery_objectives", None, Status.not_found))
    assert codes(conclusion) == []
    assert conclusion.facts["objectives"]["rpo"] == {"seconds": 24 * HOUR, "from": "no file: what is usual"}


def test_a_file_of_objectives_that_cannot_be_read_leaves_it_open() -> None:
    conclusion = verdict(objectives=look("team", "recovery_objectives", None, Status.malformed))
    assert str(conclusion.status) == "could_not_tell"
    assert "team" in [each.source for each in conclusion.not_seen]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_failed_newest_attempt_is_the_root_and_the_age_follows_from_it(status: str) -> None:
    conclusion = verdict(backups=backups((5, status), (29, "completed")))
    assert (codes(conclusion), also(conclusion)) == (["backup.failed.last"], ["backup.too_old.daily"])


def test_attempts_that_all_failed_are_failed_and_none_follows() -> None:
    conclusion = verdict(backups=backups((5, "failed"), (29, "failed")))
    assert (codes(conclusion), also(conclusion)) == (["backup.failed.last"], ["backup.none"])
    assert "2 in a row" in conclusion.causes[0].summary


def test_a_failed_attempt_that_a_later_one_made_good_is_no_fault() -> None:
    assert codes(verdict(backups=backups((3, "completed"), (27, "failed"), (51, "completed")))) == []


def test_a_backup_that_is_being_made_is_no_fault_until_it_takes_half_a_day() -> None:
    assert codes(verdict(backups=backups((1, "pending"), (20, "completed")))) == []
    assert codes(verdict(backups=backups((14, "pending"), (20, "completed")))) == ["backup.failed.stuck"]


def test_removed_backups_are_no_backups() -> None:
    assert codes(verdict(backups=backups((6, "removed"), (30, "removed")))) == ["backup.none"]


def test_recovery_points_that_lag_are_too_old_whatever_the_rpo() -> None:
    assert codes(verdict(backups=backups(pitr=(200, 3)))) == ["backup.too_old.pitr_lags"]
    assert codes(verdict(backups=backups(pitr=(200, 0.6)), given={"rpo": 900.0})) == ["backup.too_old.pitr_lags"]


def test_recovery_without_a_recovery_point_is_neither_good_nor_bad() -> None:
    empty = backups(pitr=(1, 1), pitr_earliest_at=None, pitr_latest_at=None)
    conclusion = verdict(backups=empty)
    assert str(conclusion.status) == "could_not_tell"
    assert [each.code for each in conclusion.suspects] == ["backup.none"]
    assert "Point in time" in conclusion.suspects[0].deciding_look


def test_a_window_shorter_than_wanted_is_short() -> None:
    wanted = look("team", "recovery_objectives", {**AIMS, "pitr_window_s": 14 * 24 * HOUR})
    assert codes(verdict(backups=backups(pitr=(200, 0.1)), objectives=wanted)) == ["pitr.window_short"]
    assert codes(verdict(backups=backups(pitr=(15 * 24, 0.1)), objectives=wanted)) == []
    assert codes(verdict(backups=backups(pitr=(30, 0.1)))) == ["pitr.window_short"], "shorter than any that is sold"


def test_recovery_that_is_off_is_a_fault_only_where_the_objectives_need_it() -> None:
    wanted = look("team", "recovery_objectives", {**AIMS, "pitr_window_s": 7 * 24 * HOUR})
    assert codes(verdict(objectives=wanted)) == ["pitr.off"]
    assert codes(verdict(given={"rpo": 12 * HOUR})) == ["pitr.off"]
    assert codes(verdict(given={"rpo": 24 * HOUR})) == []


@pytest.mark.parametrize(
    "status", [Status.unreachable, Status.denied, Status.timed_out, Status.malformed, Status.not_configured]
)
def test_a_vendor_that_cannot_be_seen_leaves_it_open_and_a_known_fault_stands(status: Status) -> None:
    unseen = look("supabase", "backups", None, status)
    conclusion = verdict(backups=unseen)
    assert str(conclusion.status) == "could_not_tell"
    assert conclusion.suspects
    assert "supabase" in [each.source for each in conclusion.not_seen]
    known = verdict(backups=unseen, rehearsals=look("team", "restore_rehearsals", [], Status.empty))
    assert codes(known) == ["backup.untested.never"]


def test_what_was_migrated_since_the_newest_good_backup_would_be_lost_with_it() -> None:
    rows = [
        {"version": "1", "at": ago(2), "what": "migration plans", "platform": "supabase"},
        {"version": "0", "at": ago(50), "what": "migration init", "platform": "supabase"},
    ]
    conclusion = verdict(migrations=look("supabase", "migrations", rows))
    assert [change.what for change in conclusion.situation.changes] == ["migration plans"]
