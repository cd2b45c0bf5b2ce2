"""A restore rehearsed on real databases: what it proves, what it refuses, and that it leaves nothing behind."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from runbook_lib.core.model import Status
from runbook_lib.sandbox.postgres import Postgres
from runbook_lib.sources.recovery import backup_files, restore_drill
from runbook_lib.sources.recovery.pg_contents import checksum_sql, tables
from tests.contract.recovery_looks import Recovery

_VERSION = '[ "$1" = --version ] && exec {real} --version; '
_CUT_OFF = (
    'for word in "$@"; do case "$word" in --file=*) file="${word#--file=}";; esac; done;'
    ' {real} "$@" --file=/dev/stdout | head -c 4000 > "$file"; kill -9 $$'
)


@pytest.fixture(scope="module")
def shared(
    postgres_server: Postgres, new_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Recovery:
    return Recovery.make(postgres_server, new_database(), tmp_path_factory.mktemp("shared"))


@pytest.fixture
def recovery(shared: Recovery, tmp_path: Path) -> Recovery:
    """A source that a test only reads, as a rehearsal does, and a scratch database that is empty again afterwards."""
    return replace(shared, tmp=tmp_path, told=[])


@pytest.fixture
def own(postgres_server: Postgres, new_database: Callable[[], str], tmp_path: Path) -> Recovery:
    """A source and a scratch database of the test's own."""
    return Recovery.make(postgres_server, new_database(), tmp_path)


def test_what_comes_back_is_what_was_there_and_the_source_is_only_read(recovery: Recovery) -> None:
    before = recovery.fingerprint()
    seen = recovery.look(restore_drill.rehearse())
    assert (seen.status, seen.why) == (Status.ok, "")
    compared = seen.value["compared"]
    assert (compared["schema"], compared["tables"], compared["sequences"]) == ([], [], [])
    assert (compared["tables_same"], compared["rows"]) == (9, 140)
    assert compared["policies"] == [10, 10]
    assert compared["rls"] == [7, 7]
    assert compared["grants"][0] == compared["grants"][1] > 10
    assert seen.value["restore"]["error_count"] == 0
    assert 0 < seen.value["restored_s"] < 60
    assert recovery.left() == []
    assert recovery.fingerprint() == before
    assert any("tables" in line for line in recovery.told), "progress is shown"


def test_a_source_that_changes_meanwhile_makes_no_false_difference(own: Recovery) -> None:
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(own.source, autocommit=True) as connection:
            while not stop.is_set():
                connection.execute("insert into public.tickets (price) values (2.50)")
                connection.execute("update public.tickets set price = price + 1 where id % 7 = 0")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = own.look(restore_drill.rehearse())
    finally:
        stop.set()
        writer.join()
    assert seen.value["compared"]["tables"] == []
    assert seen.value["compared"]["sequences"] == []


def test_a_row_that_was_spoilt_on_the_way_shows(recovery: Recovery) -> None:
    psql = recovery.server.program("psql")
    change = "update public.tickets set price = 1.00 where id = 7"
    spoil = f'case "$word" in --dbname=*) {psql} "${{word#--dbname=}}" -qc "{change}";; esac'
    script = f'{{real}} "$@" || exit $?; for word in "$@"; do {spoil}; done'
    seen = recovery.look(restore_drill.rehearse(), RUNBOOK_PG_BIN=recovery.programs(pg_restore=script))
    told = {"table": "public.tickets", "wanted_rows": 50, "got_rows": 50, "same": False}
    assert seen.value["compared"]["tables"] == [told]
    assert recovery.left() == []


def test_the_smallest_change_changes_a_checksum_and_the_order_of_rows_does_not(own: Recovery) -> None:
    changes = {
        "the scale of a number": "update public.tickets set price = 1.00 where id = 7",
        "a label of an enum": "update public.tickets set mood = 'owner' where id = 7",
        "the spelling of a json": "update public.tickets set extra = '{ }' where id = 7",
        "nothing for a value": "update public.tickets set extra = null where id = 7",
        "a row more": "insert into public.tickets (id, price) values (999, null)",
        "a row less": "delete from public.tickets where id = 50",
        "a row twice, another not at all": "update public.tickets set id = 49 where id = 50",
        "two values exchanged": "update public.tickets set id = case id when 1 then 2 else 1 end where id in (1, 2)",
    }
    with psycopg.connect(own.source, row_factory=dict_row) as connection:
        connection.execute(
            "alter table public.tickets drop constraint tickets_pkey; update public.tickets set extra = to_json(id)"
        )
        (table,) = [each for each in tables(connection) if each["name"] == "public.tickets"]

        def summed(version: int) -> Any:
            return connection.execute(checksum_sql(table, version).encode()).fetchone()

        for version in (180000, 130000):
            whole = summed(version)
            for name, change in changes.items():
                connection.execute("savepoint before")
                connection.execute(change)
                assert summed(version) != whole, (version, name)
                connection.execute("rollback to before")
            connection.execute("create table shuffled as select * from public.tickets order by random()")
            connection.execute(
                "truncate public.tickets; insert into public.tickets select * from shuffled; drop table shuffled"
            )
            assert summed(version) == whole


def test_the_scratch_database_is_refused_when_it_is_the_source_however_it_is_spelled(recovery: Recovery) -> None:
    before = recovery.fingerprint()
    for spelling in (recovery.source, recovery.source.replace("127.0.0.1", "localhost") + "?application_name=other"):
        seen = recovery.look(restore_drill.rehearse(), RUNBOOK_SCRATCH_DATABASE_URL=spelling)
        assert seen.status == Status.not_configured
        assert "is the source itself" in seen.why
    assert recovery.fingerprint() == before


def test_a_scratch_database_that_is_not_empty_is_refused_and_left_as_it_is(own: Recovery) -> None:
    own.sql("create table public.precious as select 1 as one", own.scratch)
    seen = own.look(restore_drill.rehearse())
    assert seen.status == Status.not_configured
    assert "not empty" in seen.why
    assert "public.precious" in seen.why
    assert own.sql("select one from public.precious", own.scratch) == [(1,)]


def test_what_a_killed_rehearsal_left_is_cleared_away_by_the_next(recovery: Recovery) -> None:
    recovery.sql("create schema runbook_scratch; create table public.half_restored (id int)", recovery.scratch)
    assert recovery.look(restore_drill.rehearse()).status == Status.ok
    assert recovery.left() == []


def test_two_rehearsals_never_share_a_scratch_database(recovery: Recovery) -> None:
    with psycopg.connect(recovery.scratch) as other:
        other.execute("select pg_advisory_lock(7021608)")
        seen = recovery.look(restore_drill.rehearse())
    assert seen.status == Status.not_configured
    assert "another rehearsal" in seen.why


def test_roles_that_the_scratch_server_lacks_are_named_with_the_statement_that_makes_them(recovery: Recovery) -> None:
    from runbook_lib.core.errors import LookError
    from runbook_lib.sources.recovery.scratch import Scratch, check_roles

    held = Scratch("", "scratch", 180000, "UTF8", frozenset({"anon"}), frozenset())
    with pytest.raises(LookError, match="lacks the roles service_role") as caught:
        check_roles(held, {"anon": "nologin", "service_role": "nologin bypassrls"})
    assert 'create role "service_role" nologin bypassrls;' in caught.value.do_next


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("echo 'pg_dump (PostgreSQL) 15.8'", Status.not_configured, "older than the server"),
        (_VERSION + _CUT_OFF, Status.partial, "cut off after 4,000 bytes"),
        (_VERSION + 'exec {real} "$@" --file=/dev/full', Status.partial, "the disk is full"),
        (_VERSION + "exit 0", Status.partial, "wrote nothing"),
        (_VERSION + "echo 'pg_dump: error: connection to server at h failed: timeout' >&2; exit 1", Status.unreachable,
         "connection to server"),
        (_VERSION + "echo 'pg_dump: error: permission denied for table x' >&2; exit 1", Status.denied, "permission denied"),
        (_VERSION + "echo 'pg_dump: detail: server version: 18.6; pg_dump version: 15.8' >&2; echo 'pg_dump: error: aborting"
         " because of server version mismatch' >&2; exit 1", Status.not_configured, "older than the server"),
    ],
    ids=["older", "cut-off", "full-disk", "nothing", "unreachable", "denied", "mismatch"],
)  # fmt: skip
def test_a_dump_that_fails_says_why_and_leaves_nothing_that_looks_like_a_backup(
    recovery: Recovery, script: str, status: Status, words: str
) -> None:
    kept = recovery.tmp / "kept"
    seen = recovery.look(restore_drill.rehearse("", str(kept)), RUNBOOK_PG_BIN=recovery.programs(pg_dump=script))
    assert (seen.status, words in seen.why) == (status, True), seen.why
    assert seen.help or status == Status.partial
    assert not kept.exists() or list(kept.iterdir()) == []
    assert recovery.left() == []


def test_a_folder_that_cannot_be_written_to_keeps_nothing_and_says_so(recovery: Recovery, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    seen = recovery.look(restore_drill.rehearse("", str(taken / "kept")))
    assert seen.status is Status.denied
    assert str(taken / "kept") in seen.why
    assert "keep_in" in seen.help


def test_a_wrong_password_is_denied_and_never_told(recovery: Recovery) -> None:
    recovery.sql("drop role if exists backup_reader; create role backup_reader login password 'right-password-1'")
    host = recovery.source.split("@", 1)[1]
    seen = recovery.look(
        restore_drill.rehearse(), RUNBOOK_DATABASE_URL=f"postgresql://backup_reader:very-secret-word@{host}"
    )
    assert seen.status == Status.denied
    assert "very-secret-word" not in str(seen.as_dict())
    assert recovery.left() == []


def test_a_role_that_does_not_see_past_rls_is_refused_and_makes_no_half_dump(recovery: Recovery) -> None:
    recovery.sql(
        "drop role if exists half_reader; create role half_reader login password 'a-password-for-tests' in role pg_read_all_data"
    )
    host = recovery.source.split("@", 1)[1]
    seen = recovery.look(
        restore_drill.rehearse(), RUNBOOK_DATABASE_URL=f"postgresql://half_reader:a-password-for-tests@{host}"
    )
    assert seen.status == Status.denied
    assert recovery.left() == []


def test_no_secret_stands_in_the_arguments_of_a_program(recovery: Recovery) -> None:
    noted = recovery.tmp / "arguments"
    script = f'echo "$@" >> {noted}; exec {{real}} "$@"'
    programs = recovery.programs(pg_dump=script, pg_restore=script)
    assert recovery.look(restore_drill.rehearse(), RUNBOOK_PG_BIN=programs).status == Status.ok
    assert "--dbname=" in noted.read_text()
    assert recovery.server.passwords["supabase_admin"] not in noted.read_text()


def test_a_rehearsal_that_runs_out_of_time_ends_its_programs_and_tidies_up(recovery: Recovery) -> None:
    pid = recovery.tmp / "pid"
    script = _VERSION + f"echo $$ > {pid}; exec sleep 60"
    begun = time.monotonic()
    seen = recovery.look(restore_drill.rehearse(), deadline_s=2.0, RUNBOOK_PG_BIN=recovery.programs(pg_dump=script))
    assert seen.status == Status.timed_out
    assert time.monotonic() - begun < 15
    assert not Path(f"/proc/{pid.read_text().strip()}").exists()
    assert recovery.left() == []


def test_what_a_restore_complains_of_holds_no_row(own: Recovery) -> None:
    own.sql(
        "create function public.known(id uuid) returns boolean language plpgsql as"
        " $$ begin return exists (select from organizations o where o.id = known.id); end $$;"
        " alter table public.api_keys add constraint known check (public.known(org_id));"
        " insert into public.api_keys (org_id, name, hashed_key) select id, 'k', 'the-content-of-a-row' from public.organizations"
    )
    seen = own.look(restore_drill.rehearse())
    (error,) = seen.value["restore"]["errors"]
    assert 'relation "organizations" does not exist' in error["message"]
    assert error["message"].endswith("COPY api_keys, line 1")
    assert "the-content-of-a-row" not in str(seen.value)


def test_a_dump_that_is_kept_is_whole_and_private_and_can_be_tried_again(recovery: Recovery) -> None:
    kept = recovery.tmp / "kept"
    seen = recovery.look(restore_drill.rehearse("", str(kept)))
    (file,) = kept.iterdir()
    assert seen.value["backup"]["kept_as"] == str(file)
    assert file.stat().st_mode & 0o077 == 0
    told = recovery.look(backup_files.dumps(str(kept)))
    assert (told.value["newest"]["whole"], told.value["newest"]["tables_with_data"]) == (True, 9)
    again = recovery.look(restore_drill.rehearse(str(file)))
    assert (again.value["compared"]["exact"], again.value["compared"]["tables"]) == (False, [])
    assert file.exists()


def test_what_the_team_keeps_is_read_through_to_its_end(recovery: Recovery) -> None:
    kept = recovery.tmp / "kept"
    assert recovery.look(restore_drill.rehearse("", str(kept))).status == Status.ok
    (file,) = kept.iterdir()
    file.write_bytes(file.read_bytes()[:-4000])
    told = recovery.look(backup_files.dumps(str(kept)))
    assert (told.value["newest"]["whole"], bool(told.value["newest"]["why"])) == (False, True)
    file.write_bytes(b"")
    assert recovery.look(backup_files.dumps(str(kept))).value["newest"]["why"] == "it has no bytes"
    file.rename(kept / "night.dump.partial")
    empty = recovery.look(backup_files.dumps(str(kept)))
    assert (empty.status, "1 unfinished" in empty.why) == (Status.empty, True)
    (kept / "night.dump.gz").write_bytes(b"x")
    assert recovery.look(backup_files.dumps(str(kept))).status == Status.malformed
    assert recovery.look(backup_files.dumps(str(kept / "nowhere"))).status == Status.unreachable


def test_a_rehearsal_is_written_down_a_line_each(recovery: Recovery) -> None:
    ledger = recovery.tmp / "ledger" / "drills.jsonl"
    entry: dict[str, Any] = {"at": "2026-11-23T09:00:00.000Z", "outcome": "whole", "restored_s": 1.0, "what": "x"}
    for _ in range(2):
        assert recovery.look(restore_drill.note(entry), RUNBOOK_RESTORE_LEDGER=str(ledger)).status == Status.ok
    assert len(ledger.read_text().splitlines()) == 2
