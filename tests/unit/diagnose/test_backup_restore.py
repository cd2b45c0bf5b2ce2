"""Procedure 08's rules on hand-made evidence: clean, broken, repaired, look-alike, could not look."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.evidence import NOW, look
from support.verdicts import codes

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Conclusion, Status
from runbook_lib.procedures.backup_restore.causes import COPIES, POINT_IN_TIME, REHEARSAL
from runbook_lib.procedures.backup_restore.reading import Evidence
from runbook_lib.procedures.backup_restore.rules import diagnose, ledger_entry

HOUR = 3600.0


def ago(hours: float) -> str:
    return to_iso(NOW - timedelta(hours=hours))


def backups(*attempts: tuple[float, str], pitr: tuple[float, float] | None = None, **more: Any) -> Any:
    """Supabase's answer: (hours ago, status) of each attempt, and (reaches back, lags) in hours where recovery is on."""
    value = {
        "region": "eu", "wal": True, "pitr": pitr is not None,
        "pitr_earliest_at": ago(pitr[0]) if pitr else None, "pitr_latest_at": ago(pitr[1]) if pitr else None,
        "backups": [{"id": str(n), "at": ago(age), "status": said, "physical": True} for n, (age, said) in enumerate(attempts)],
        **more,
    }  # fmt: skip
    return look("supabase", "backups", value)


AIMS = {
    "file": "recovery_objectives.toml",
    "rpo_s": 24 * HOUR,
    "rto_s": 4 * HOUR,
    "rehearsed_s": 90 * 24 * HOUR,
    "pitr_window_s": None,
}
REHEARSED = [{"at": ago(300), "outcome": "whole", "restored_s": 40.0, "what": "postgres: nightly.dump"}]
CLEAN = Evidence(
    NOW,
    not_used=look("team", "not_used", ["dumps", "migrations"]),
    objectives=look("team", "recovery_objectives", AIMS),
    rehearsals=look("team", "restore_rehearsals", REHEARSED),
    backups=backups((6, "completed"), (30, "completed")),
    schedule=look("supabase", "backup_schedule", {"offered": False, "at": None}),
    files=look("dumps", "folder", None, Status.not_configured, path=""),
    migrations=look("supabase", "migrations", [], Status.empty),
    drift=look("schema", "drift", {"path": "sql", "differences": [], "count": 0}, path=""),
)


ASKED = {"drill": REHEARSAL, "recovery": POINT_IN_TIME, "copies": COPIES}


def seen(**changed: Any) -> Conclusion:
    """The verdict on clean evidence with these changes; a look at work means that the run was asked for it."""
    asked = tuple(words for topic, words in ASKED.items() if topic in changed)
    return diagnose(replace(CLEAN, asked=asked, **changed))


def also(conclusion: Conclusion) -> list[str]:
    return [finding.code for finding in conclusion.also]


def folder(*files: tuple[str, float, int], **newest: Any) -> Any:
    """The team's dumps: (name, hours ago, bytes), oldest first; what is said of the newest."""
    rows = [{"name": name, "at": ago(age), "bytes": size} for name, age, size in files]
    told = {"format": "custom", "entries": 90, "tables_with_data": 8, "whole": True, "why": "", **rows[-1], **newest}
    return look(
        "dumps", "folder", {"folder": "/b", "files": rows, "unfinished": [], "packed": [], "newest": told}, path="/b"
    )


def difference(kind: str, name: str, how: str = "missing", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "name": name, "how": how, "wanted": "x", "got": None, **more}


def drill(*schema: dict[str, Any], exact: bool = True, **changed: Any) -> Any:
    """A rehearsal whose comparison brought these differences."""
    compared = {
        "schema": list(schema), "schema_count": len(schema), "tables": [], "tables_same": 8, "rows": 120, "sequences": [],
        "policies": [10, 10], "rls": [7, 7], "grants": [40, 40], "source_has_rows": True, "exact": exact, "seconds": 0.1,
    }  # fmt: skip
    value: dict[str, Any] = {
        "backup": {
            "fresh": exact,
            "file": "x.dump",
            "bytes": 9000,
            "tables_with_data": 8,
            "dump_s": 0.1,
            "kept_as": None,
        },
        "source": {"database": "postgres", "version": 180006, "bytes": 9_000_000, "tables": 8, "left_out": []},
        "restore": {"seconds": 0.4, "gave_up": "", "error_count": 0, "errors": [], "left_out": []},
        "restored_s": 0.5,
        "at": ago(0),
        "compared": compared,
    }
    for name, part in changed.items():
        value[name] = {**value[name], **part} if isinstance(part, dict) and value.get(name) else part
    return look("restore", "rehearse", value)


def test_fresh_backups_that_were_tried_are_ruled_out() -> None:
    conclusion = seen()
    assert (str(conclusion.status), codes(conclusion)) == ("ruled_out", [])
    assert conclusion.not_seen == ()
    assert conclusion.facts["newest_good_backup_at"] == ago(6)


def test_no_backup_at_all_is_none() -> None:
    assert codes(seen(backups=backups())) == ["backup.none"]


def test_with_point_in_time_recovery_an_empty_daily_list_is_no_none() -> None:
    assert codes(seen(backups=backups(pitr=(200, 0.1)))) == []


def test_a_newest_backup_older_than_the_rpo_is_too_old_since_the_rpo_passed() -> None:
    conclusion = seen(backups=backups((30, "completed"), (54, "completed")))
    assert codes(conclusion) == ["backup.too_old.daily"]
    assert "RPO is 24 h" in conclusion.causes[0].summary
    assert "recovery_objectives.toml" in conclusion.causes[0].summary
    assert conclusion.situation.onset == ago(6)


def test_a_parameter_is_preferred_to_the_teams_file_and_said_to_be_one() -> None:
    assert codes(seen(backups=backups((30, "completed")), given={"rpo": 48 * HOUR})) == []
    conclusion = seen(given={"rpo": 30 * HOUR, "rto": HOUR})
    assert conclusion.facts["objectives"]["rpo"] == {"seconds": 30 * HOUR, "from": "a parameter of this run"}
    assert "recovery_objectives.toml" in conclusion.facts["objectives"]["rehearsed"]["from"]


def test_without_a_file_the_usual_objectives_hold_and_are_said_to_be_that() -> None:
    conclusion = seen(objectives=look("team", "recovery_objectives", None, Status.not_found))
    assert codes(conclusion) == []
    assert conclusion.facts["objectives"]["rpo"] == {"seconds": 24 * HOUR, "from": "no file: what is usual"}


def test_a_file_of_objectives_that_cannot_be_read_leaves_it_open() -> None:
    conclusion = seen(objectives=look("team", "recovery_objectives", None, Status.malformed))
    assert str(conclusion.status) == "could_not_tell"
    assert "team" in [each.source for each in conclusion.not_seen]


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_failed_newest_attempt_is_the_root_and_the_age_follows_from_it(status: str) -> None:
    conclusion = seen(backups=backups((5, status), (29, "completed")))
    assert (codes(conclusion), also(conclusion)) == (["backup.failed.last"], ["backup.too_old.daily"])


def test_attempts_that_all_failed_are_failed_and_none_follows() -> None:
    conclusion = seen(backups=backups((5, "failed"), (29, "failed")))
    assert (codes(conclusion), also(conclusion)) == (["backup.failed.last"], ["backup.none"])
    assert "2 in a row" in conclusion.causes[0].summary


def test_a_failed_attempt_that_a_later_one_made_good_is_no_fault() -> None:
    assert codes(seen(backups=backups((3, "completed"), (27, "failed"), (51, "completed")))) == []


def test_a_backup_that_is_being_made_is_no_fault_until_it_takes_half_a_day() -> None:
    assert codes(seen(backups=backups((1, "pending"), (20, "completed")))) == []
    assert codes(seen(backups=backups((14, "pending"), (20, "completed")))) == ["backup.failed.stuck"]


def test_removed_backups_are_no_backups() -> None:
    assert codes(seen(backups=backups((6, "removed"), (30, "removed")))) == ["backup.none"]


def test_recovery_points_that_lag_are_too_old_whatever_the_rpo() -> None:
    assert codes(seen(backups=backups(pitr=(200, 3)))) == ["backup.too_old.pitr_lags"]
    assert codes(seen(backups=backups(pitr=(200, 0.6)), given={"rpo": 900.0})) == ["backup.too_old.pitr_lags"]


def test_recovery_without_a_recovery_point_is_neither_good_nor_bad() -> None:
    empty = backups(pitr=(1, 1), pitr_earliest_at=None, pitr_latest_at=None)
    conclusion = seen(backups=empty)
    assert str(conclusion.status) == "could_not_tell"
    assert [each.code for each in conclusion.suspects] == ["backup.none"]
    assert "Point in time" in conclusion.suspects[0].deciding_look


def test_a_window_shorter_than_wanted_is_short() -> None:
    wanted = look("team", "recovery_objectives", {**AIMS, "pitr_window_s": 14 * 24 * HOUR})
    assert codes(seen(backups=backups(pitr=(200, 0.1)), objectives=wanted)) == ["pitr.window_short"]
    assert codes(seen(backups=backups(pitr=(15 * 24, 0.1)), objectives=wanted)) == []
    assert codes(seen(backups=backups(pitr=(30, 0.1)))) == ["pitr.window_short"], "shorter than any that is sold"


def test_recovery_that_is_off_is_a_fault_only_where_the_objectives_need_it() -> None:
    wanted = look("team", "recovery_objectives", {**AIMS, "pitr_window_s": 7 * 24 * HOUR})
    assert codes(seen(objectives=wanted)) == ["pitr.off"]
    assert codes(seen(given={"rpo": 12 * HOUR})) == ["pitr.off"]
    assert codes(seen(given={"rpo": 24 * HOUR})) == []


def test_a_backup_that_nobody_restored_is_untested() -> None:
    assert codes(seen(rehearsals=look("team", "restore_rehearsals", [], Status.empty))) == ["backup.untested.never"]
    spoilt = [{**REHEARSED[0], "outcome": "not whole"}]
    assert codes(seen(rehearsals=look("team", "restore_rehearsals", spoilt))) == ["backup.untested.never"]
    old = [{**REHEARSED[0], "at": ago(100 * 24)}]
    assert codes(seen(rehearsals=look("team", "restore_rehearsals", old))) == ["backup.untested.long_ago"]


def test_a_rehearsal_in_this_run_is_a_test() -> None:
    assert codes(seen(rehearsals=look("team", "restore_rehearsals", [], Status.empty), drill=drill())) == []


def test_a_rehearsal_that_could_not_be_made_is_no_test() -> None:
    unmade = look("restore", "rehearse", None, Status.denied)
    conclusion = seen(rehearsals=look("team", "restore_rehearsals", [], Status.empty), drill=unmade)
    assert codes(conclusion) == ["backup.untested.never"]
    assert "restore" in [each.source for each in conclusion.not_seen]


@pytest.mark.parametrize(
    "status", [Status.unreachable, Status.denied, Status.timed_out, Status.malformed, Status.not_configured]
)
def test_a_vendor_that_cannot_be_seen_leaves_it_open_and_a_known_fault_stands(status: Status) -> None:
    unseen = look("supabase", "backups", None, status)
    conclusion = seen(backups=unseen)
    assert str(conclusion.status) == "could_not_tell"
    assert conclusion.suspects
    assert "supabase" in [each.source for each in conclusion.not_seen]
    known = seen(backups=unseen, rehearsals=look("team", "restore_rehearsals", [], Status.empty))
    assert codes(known) == ["backup.untested.never"]


def test_a_folder_without_dumps_has_none() -> None:
    assert codes(seen(files=look("dumps", "folder", None, Status.empty, path="/b"))) == ["backup.none.file"]


def test_a_folder_that_is_not_there_proves_nothing() -> None:
    conclusion = seen(files=look("dumps", "folder", None, Status.unreachable, path=""))
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
    assert codes(seen(files=folder(("a.dump", 5, 1000), **newest))) == [code]
    old = seen(files=folder(("a.dump", 30, 1000), **newest))
    assert (codes(old), also(old)) == ([code], ["backup.too_old.file"])


def test_a_dump_far_smaller_than_those_before_it_has_shrunk() -> None:
    before = [("a.dump", 72, 1000), ("b.dump", 48, 1100), ("c.dump", 24, 1200)]
    assert codes(seen(files=folder(*before, ("d.dump", 1, 400)))) == ["backup.shrunk"]
    assert codes(seen(files=folder(*before, ("d.dump", 1, 900)))) == []
    assert codes(seen(files=folder(*before[1:], ("d.dump", 1, 100)))) == [], "two dumps are no measure"


def test_a_whole_rehearsal_is_ruled_out_and_is_written_down_as_whole() -> None:
    assert codes(seen(drill=drill())) == []
    assert ledger_entry(replace(CLEAN, drill=drill()))["outcome"] == "whole"
    slow = replace(CLEAN, drill=drill(restored_s=20_000.0))
    assert ledger_entry(slow)["outcome"] == "whole", "slow is not spoilt"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("unsupported version (1.99) in file header", "restore.failed.newer_format"),
        ("could not read from input file: end of file", "backup.failed.truncated"),
        ("could not uncompress data: (null)", "restore.failed.unreadable"),
    ],
)
def test_a_restore_that_gave_up_is_named_by_its_words(words: str, code: str) -> None:
    gave_up = drill(restore={"gave_up": words}, compared=None)
    assert codes(seen(drill=gave_up)) == [code]
    assert ledger_entry(replace(CLEAN, drill=gave_up))["outcome"] == "not whole"


def test_rows_that_are_missing_or_others_are_incomplete() -> None:
    rows = [{"table": "public.t", "wanted_rows": 10, "got_rows": 9, "same": False}]
    conclusion = seen(drill=drill(compared={"tables": rows}))
    assert codes(conclusion) == ["restore.incomplete.rows"]
    assert "9 of 10 rows" in conclusion.causes[0].summary
    rows = [{"table": "public.t", "wanted_rows": 10, "got_rows": 10, "same": False}]
    assert "other contents" in seen(drill=drill(compared={"tables": rows})).causes[0].summary


def test_a_table_that_is_missing_is_an_object_and_neither_its_rows_nor_its_policies_are_counted_again() -> None:
    lost = (
        difference("table", "public.t"),
        difference("policy", "public.t.read_own"),
        difference("grant", "table public.t to anon"),
        difference("column", "public.t.id"),
    )
    rows = [{"table": "public.t", "wanted_rows": 10, "got_rows": None, "same": False}]
    assert codes(seen(drill=drill(*lost, compared={"tables": rows}))) == ["restore.incomplete.objects"]


def test_a_missing_table_hides_nothing_of_one_whose_name_begins_alike() -> None:
    lost = (difference("table", "public.t"), difference("policy", "public.tickets.read_own"))
    assert codes(seen(drill=drill(*lost))) == ["restore.incomplete.objects", "restore.policies_lost.policies"]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (difference("policy", "public.t.p"), "policies"),
        (difference("policy", "public.t.p", "differs"), "policies"),
        (difference("rls", "public.t", "differs", wanted="enabled true, forced false"), "rls_off"),
        (difference("grant", "table public.t to anon"), "grants"),
    ],
)
def test_protection_that_did_not_come_back_is_lost(row: dict[str, Any], code: str) -> None:
    assert codes(seen(drill=drill(row))) == [f"restore.policies_lost.{code}"]


def test_protection_that_only_the_restored_database_has_is_not_lost() -> None:
    looser = difference("rls", "public.t", "differs", wanted="enabled false, forced false")
    assert codes(seen(drill=drill(difference("policy", "public.t.p", "added"), looser))) == []


def test_of_an_older_dump_a_difference_may_be_younger_than_it() -> None:
    conclusion = seen(drill=drill(difference("policy", "public.t.p"), difference("table", "public.u"), exact=False))
    assert str(conclusion.status) == "could_not_tell"
    assert {each.code for each in conclusion.suspects} == {
        "restore.policies_lost.policies",
        "restore.incomplete.objects",
    }


def test_an_older_dump_without_any_policy_has_lost_them() -> None:
    none = drill(difference("policy", "public.t.p"), exact=False, compared={"policies": [10, 0]})
    none.value["compared"]["schema"] = [difference("policy", "public.t.p")]
    assert codes(seen(drill=none)) == ["restore.policies_lost.policies"]


def test_a_dump_that_brings_back_not_one_row_is_empty() -> None:
    assert codes(seen(drill=drill(exact=False, compared={"rows": 0}))) == ["backup.empty_file.no_data"]
    assert codes(seen(drill=drill(compared={"rows": 0, "source_has_rows": False}))) == [], "so is the source"


def test_a_sequence_behind_its_table_is_named() -> None:
    behind = [{"sequence": "public.t_id_seq", "last": None, "highest": 40}]
    assert codes(seen(drill=drill(compared={"sequences": behind}))) == ["restore.sequences_behind"]


def test_a_restore_longer_than_the_rto_is_too_slow() -> None:
    assert codes(seen(drill=drill(restored_s=14_500.0))) == ["restore.too_slow"]
    assert codes(seen(drill=drill(restored_s=14_300.0))) == []


@pytest.mark.parametrize("status", [Status.denied, Status.not_configured, Status.partial, Status.timed_out])
def test_what_was_asked_for_and_not_done_leaves_it_open(status: Status) -> None:
    for name, call in (("drill", "rehearse"), ("recovery", "point_in_time"), ("copies", "copies")):
        conclusion = seen(**{name: look("restore", call, None, status)})
        assert str(conclusion.status) == "could_not_tell"
        assert conclusion.suspects[0].deciding_look


RECOVERED = {
    "recovered": True,
    "why": "",
    "target_at": ago(0),
    "damaged": "public.t",
    "tables": [],
    "compared": 9,
    "rows": 10,
}


def test_a_recovery_to_a_moment_must_bring_everything_back() -> None:
    assert codes(seen(recovery=look("restore", "point_in_time", RECOVERED))) == []
    lost = {**RECOVERED, "tables": [{"table": "public.t", "wanted_rows": 9, "got_rows": None}]}
    assert codes(seen(recovery=look("restore", "point_in_time", lost))) == ["pitr.not_recovered"]
    stuck = {**RECOVERED, "recovered": False, "why": "recovery ended before configured recovery target was reached"}
    assert codes(seen(recovery=look("restore", "point_in_time", stuck))) == ["pitr.not_recovered"]


def test_copies_are_judged_by_their_form() -> None:
    good = {
        "tables": [{"table": "public.t", "wanted_rows": 3, "got_rows": 3, "same": True}],
        "sequences": [],
        "why": "",
    }
    bad = {
        "tables": [{"table": "public.t", "wanted_rows": 3, "got_rows": 2, "same": False}],
        "sequences": [],
        "why": "cut",
    }
    assert codes(seen(copies=look("restore", "copies", {"forms": {"sql": good, "csv": good}}))) == []
    assert codes(seen(copies=look("restore", "copies", {"forms": {"sql": good, "csv": bad}}))) == [
        "restore.incomplete.csv_copy"
    ]


def drifted(*rows: dict[str, Any], status: Status = Status.ok) -> Any:
    return look("schema", "drift", {"path": "sql", "differences": list(rows), "count": len(rows)}, status, path="")


def test_drift_is_named_by_which_side_lacks_it() -> None:
    rows = (
        difference("table", "public.new"),
        difference("column", "public.new.id"),
        difference("index", "public.t.i", "added"),
        difference("policy", "public.t.p", "differs"),
    )
    conclusion = seen(drift=drifted(*rows))
    assert codes(conclusion) == ["schema.drift.not_applied", "schema.drift.only_in_database", "schema.drift.differs"]
    assert "public.new.id" not in conclusion.causes[0].summary, "a table's columns go without saying"


def test_files_that_failed_to_run_say_nothing_of_drift() -> None:
    conclusion = seen(drift=drifted(difference("table", "public.new"), status=Status.partial))
    assert str(conclusion.status) == "could_not_tell"


UNNAMED = look("schema", "drift", None, Status.not_configured, path="")


def test_a_repository_that_nobody_named_leaves_the_answer_open() -> None:
    conclusion = seen(drift=UNNAMED, not_used=look("team", "not_used", ["dumps"]))
    assert str(conclusion.status) == "could_not_tell"
    assert "schema" in [each.source for each in conclusion.not_seen]
    assert [each.code for each in conclusion.suspects] == ["schema.drift"]


def test_a_repository_that_the_team_says_it_does_not_have_is_not_missed() -> None:
    conclusion = seen(drift=UNNAMED)
    assert str(conclusion.status) == "ruled_out"
    assert "schema" not in [each.source for each in conclusion.not_seen]
    assert [str(each.state) for each in conclusion.coverage if each.code == "schema.drift"] == ["not_applicable"]


def test_a_repository_that_this_run_was_given_is_asked_whatever_the_team_says() -> None:
    named = seen(drift=look("schema", "drift", None, Status.not_configured, path="sql"))
    assert str(named.status) == "could_not_tell"


def test_what_was_migrated_since_the_newest_good_backup_would_be_lost_with_it() -> None:
    rows = [
        {"version": "1", "at": ago(2), "what": "migration plans", "platform": "supabase"},
        {"version": "0", "at": ago(50), "what": "migration init", "platform": "supabase"},
    ]
    conclusion = seen(migrations=look("supabase", "migrations", rows))
    assert [change.what for change in conclusion.situation.changes] == ["migration plans"]
