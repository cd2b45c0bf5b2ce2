"""Recovery to a moment, copies of tables and drift of the schema, on real databases."""

from collections.abc import Callable
from pathlib import Path

import pytest

from runbook_lib.core.model import Status
from runbook_lib.sandbox.postgres import SCHEMA, Postgres
from runbook_lib.sources.postgres import schema_drift
from runbook_lib.sources.recovery import pitr_drill, table_copies
from tests.contract.recovery_looks import Recovery

OWN_SCHEMA = str(SCHEMA / "nexuscore.sql")


@pytest.fixture
def recovery(postgres_server: Postgres, new_database: Callable[[], str], tmp_path: Path) -> Recovery:
    return Recovery.make(postgres_server, new_database(), tmp_path)


@pytest.fixture(scope="module")
def reachable(postgres_server: Postgres, new_database: Callable[[], str]) -> Recovery:
    """Where the server's unprivileged user gets in as well: pytest's own folders are closed to it."""
    return Recovery.make(postgres_server, new_database(), postgres_server.folder)


def test_the_moment_before_a_damage_comes_back_from_base_backup_and_wal(reachable: Recovery) -> None:
    before = reachable.fingerprint()
    seen = reachable.look(pitr_drill.rehearse())
    assert (seen.status, seen.why) == (Status.ok, "")
    assert (seen.value["recovered"], seen.value["tables"]) == (True, [])
    assert seen.value["rows"] == 1140, "what was written after the base backup is among it"
    assert seen.value["damaged"] == "public.tickets"
    assert reachable.fingerprint() == before
    assert reachable.left() == []


def test_wal_that_never_reached_the_archive_cannot_be_recovered_from(reachable: Recovery) -> None:
    programs = reachable.programs(postgres='exec {real} "$@" -c archive_command=/bin/true')
    seen = reachable.look(pitr_drill.rehearse(), RUNBOOK_PG_BIN=programs)
    assert seen.value["recovered"] is False
    assert "recovery target" in seen.value["why"]
    assert reachable.left() == []


def test_tables_come_back_from_sql_and_csv_with_their_oddities(recovery: Recovery) -> None:
    recovery.sql(
        'create table public."Odd, table" (id int, "a ""b""" text, n text, t text[],'
        " twice int generated always as (id * 2) stored);"
        """ insert into public."Odd, table" values (1, '', null, '{a,"b c",null}'), (2, E'line\\nbreak, "quoted"', '\\.', '{}'),"""
        " (3, 'NULL', E'tab\\tand a slash \\\\', null)"
    )
    names = ['public."Odd, table"', "public.tickets", "public.organizations"]
    kept = recovery.tmp / "kept"
    seen = recovery.look(table_copies.copies(names, str(kept)))
    assert (seen.status, seen.why) == (Status.ok, "")
    for form in ("sql", "csv"):
        told = seen.value["forms"][form]
        assert [row["same"] for row in told["tables"]] == [True, True, True], form
        assert (told["sequences"], told["why"]) == ([], "")
    assert len(list(kept.iterdir())) == 4
    assert not list(kept.glob("*.partial"))
    assert recovery.left() == []


def test_a_table_that_is_not_there_is_named_and_proves_nothing(recovery: Recovery) -> None:
    seen = recovery.look(table_copies.copies(["public.nothing"]))
    assert seen.status == Status.not_configured
    assert "public.nothing" in seen.why


def test_the_schema_is_what_its_file_makes_until_somebody_changes_it(recovery: Recovery) -> None:
    recovery.sql("drop table public.tickets")
    seen = recovery.look(schema_drift.drift(OWN_SCHEMA))
    assert (seen.status, seen.why, seen.value["differences"]) == (Status.ok, "", [])
    assert seen.value["compared"]["policy"] == 10
    recovery.sql(
        "alter table public.organizations add column note text; drop policy api_keys_select_member on public.api_keys;"
        " alter table public.billing_customers alter column plan set default 'pro'"
    )
    seen = recovery.look(schema_drift.drift(OWN_SCHEMA))
    assert {(row["kind"], row["name"], row["how"]) for row in seen.value["differences"]} == {
        ("column", "public.organizations.note", "added"),
        ("policy", "public.api_keys.api_keys_select_member", "missing"),
        ("column", "public.billing_customers.plan", "differs"),
    }
    assert recovery.left() == []


def test_files_are_run_in_the_order_of_their_names_and_one_that_is_refused_is_named_with_its_line(
    recovery: Recovery, tmp_path: Path
) -> None:
    folder = tmp_path / "sql"
    folder.mkdir()
    (folder / "001_init.sql").write_text(Path(OWN_SCHEMA).read_text())
    (folder / "002_more.sql").write_text(
        "alter table public.organizations add column note text; select * from nowhere;"
    )
    (folder / "seed.sql").write_text("this is no schema")
    seen = recovery.look(schema_drift.drift(str(folder)))
    assert seen.status == Status.malformed
    assert "002_more.sql: SQLSTATE 42P01, line 1" in seen.why
    (folder / "002_more.sql").write_text("alter table public.organizations add column note text")
    seen = recovery.look(schema_drift.drift(str(folder)))
    assert seen.value["files"] == ["001_init.sql", "002_more.sql"]
    assert ("column", "public.organizations.note", "missing") in {
        (row["kind"], row["name"], row["how"]) for row in seen.value["differences"]
    }
    assert recovery.look(schema_drift.drift(str(tmp_path / "nowhere"))).status == Status.unreachable
    (tmp_path / "none").mkdir()
    assert recovery.look(schema_drift.drift(str(tmp_path / "none"))).status == Status.malformed
