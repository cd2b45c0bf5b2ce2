"""08 on what came back: a restored dump, a recovery to a moment, and copied tables."""

from dataclasses import replace
from typing import Any

import pytest
from support.evidence import look
from support.recovery_evidence import CLEAN, ago, difference, drill, verdict
from support.verdicts import codes

from runbook_lib.core.model import Status
from runbook_lib.procedures.backup_restore.rules import ledger_entry


def test_a_whole_rehearsal_is_ruled_out_and_is_written_down_as_whole() -> None:
    assert codes(verdict(drill=drill())) == []
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
    assert codes(verdict(drill=gave_up)) == [code]
    assert ledger_entry(replace(CLEAN, drill=gave_up))["outcome"] == "not whole"


def test_rows_that_are_missing_or_others_are_incomplete() -> None:
    rows = [{"table": "public.t", "wanted_rows": 10, "got_rows": 9, "same": False}]
    conclusion = verdict(drill=drill(compared={"tables": rows}))
    assert codes(conclusion) == ["restore.incomplete.rows"]
    assert "9 of 10 rows" in conclusion.causes[0].summary
    rows = [{"table": "public.t", "wanted_rows": 10, "got_rows": 10, "same": False}]
    assert "other contents" in verdict(drill=drill(compared={"tables": rows})).causes[0].summary


def test_a_table_that_is_missing_is_an_object_and_neither_its_rows_nor_its_policies_are_counted_again() -> None:
    lost = (
        difference("table", "public.t"),
        difference("policy", "public.t.read_own"),
        difference("grant", "table public.t to anon"),
        difference("column", "public.t.id"),
    )
    rows = [{"table": "public.t", "wanted_rows": 10, "got_rows": None, "same": False}]
    assert codes(verdict(drill=drill(*lost, compared={"tables": rows}))) == ["restore.incomplete.objects"]


def test_a_missing_table_hides_nothing_of_one_whose_name_begins_alike() -> None:
    lost = (difference("table", "public.t"), difference("policy", "public.tickets.read_own"))
    assert codes(verdict(drill=drill(*lost))) == ["restore.incomplete.objects", "restore.policies_lost.policies"]


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
    assert codes(verdict(drill=drill(row))) == [f"restore.policies_lost.{code}"]


def test_protection_that_only_the_restored_database_has_is_not_lost() -> None:
    looser = difference("rls", "public.t", "differs", wanted="enabled false, forced false")
    assert codes(verdict(drill=drill(difference("policy", "public.t.p", "added"), looser))) == []


def test_of_an_older_dump_a_difference_may_be_younger_than_it() -> None:
    conclusion = verdict(drill=drill(difference("policy", "public.t.p"), difference("table", "public.u"), exact=False))
    assert str(conclusion.status) == "could_not_tell"
    assert {each.code for each in conclusion.suspects} == {
        "restore.policies_lost.policies",
        "restore.incomplete.objects",
    }


def test_an_older_dump_without_any_policy_has_lost_them() -> None:
    none = drill(difference("policy", "public.t.p"), exact=False, compared={"policies": [10, 0]})
    none.value["compared"]["schema"] = [difference("policy", "public.t.p")]
    assert codes(verdict(drill=none)) == ["restore.policies_lost.policies"]


def test_a_dump_that_brings_back_not_one_row_is_empty() -> None:
    assert codes(verdict(drill=drill(exact=False, compared={"rows": 0}))) == ["backup.empty_file.no_data"]
    assert codes(verdict(drill=drill(compared={"rows": 0, "source_has_rows": False}))) == [], "so is the source"


def test_a_sequence_behind_its_table_is_named() -> None:
    behind = [{"sequence": "public.t_id_seq", "last": None, "highest": 40}]
    assert codes(verdict(drill=drill(compared={"sequences": behind}))) == ["restore.sequences_behind"]


def test_a_restore_longer_than_the_rto_is_too_slow() -> None:
    assert codes(verdict(drill=drill(restored_s=14_500.0))) == ["restore.too_slow"]
    assert codes(verdict(drill=drill(restored_s=14_300.0))) == []


@pytest.mark.parametrize("status", [Status.denied, Status.not_configured, Status.partial, Status.timed_out])
def test_what_was_asked_for_and_not_done_leaves_it_open(status: Status) -> None:
    for name, call in (("drill", "rehearse"), ("recovery", "point_in_time"), ("copies", "copies")):
        conclusion = verdict(**{name: look("restore", call, None, status)})
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
    assert codes(verdict(recovery=look("restore", "point_in_time", RECOVERED))) == []
    lost = {**RECOVERED, "tables": [{"table": "public.t", "wanted_rows": 9, "got_rows": None}]}
    assert codes(verdict(recovery=look("restore", "point_in_time", lost))) == ["pitr.not_recovered"]
    stuck = {**RECOVERED, "recovered": False, "why": "recovery ended before configured recovery target was reached"}
    assert codes(verdict(recovery=look("restore", "point_in_time", stuck))) == ["pitr.not_recovered"]


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
    assert codes(verdict(copies=look("restore", "copies", {"forms": {"sql": good, "csv": good}}))) == []
    assert codes(verdict(copies=look("restore", "copies", {"forms": {"sql": good, "csv": bad}}))) == [
        "restore.incomplete.csv_copy"
    ]
