"""Postgres as a source, against a real one: sessions and who blocks whom, read-only, deadlines, refusals without passwords."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
import pytest

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.permissions import NotPermittedError
from runbook_lib.io.http import Deadline
from runbook_lib.io.observe import Look, Observer
from runbook_lib.io.room import Room, Share
from runbook_lib.io.sql import Sql
from runbook_lib.settings import Settings
from runbook_lib.sources.postgres import health as postgres


@pytest.fixture
def dsn(new_database: Callable[[], str]) -> str:
    return new_database()


def _look(look: Look, dsn: str) -> Observation:
    settings = Settings.from_mapping({"RUNBOOK_DATABASE_URL": dsn})
    return Observer(active=True, now=datetime.now(UTC), settings=settings).together(look)[0]


def test_a_session_that_waits_and_the_one_that_blocks_it_are_told(dsn: str) -> None:
    with psycopg.connect(dsn) as holder, psycopg.connect(dsn, autocommit=True) as waiter, ThreadPoolExecutor(1) as pool:
        holder.execute("lock table public.profiles in access exclusive mode")
        pending = pool.submit(waiter.execute, "select count(*) from public.profiles")
        seen = _look(postgres.activity(), dsn)
        while seen.value and not seen.value["waiting"]:  # the server has the query, it only has to get to the lock
            time.sleep(0.01)
            seen = _look(postgres.activity(), dsn)
        assert seen.status == Status.ok
        assert seen.value["waiting"] == [waiter.info.backend_pid]
        assert seen.value["blocking"] == [holder.info.backend_pid]
        (waiting,) = [row for row in seen.value["sessions"] if row["pid"] == waiter.info.backend_pid]
        assert (waiting["blocked_by"], waiting["wait_event_type"]) == ([holder.info.backend_pid], "Lock")
        assert "public.profiles" in waiting["query"]
        holder.rollback()
        pending.result()


def test_settings_and_health_tell_how_it_is_set_and_who_asks(dsn: str) -> None:
    seen = _look(postgres.settings(), dsn)
    assert seen.value["settings"]["max_connections"]["setting"].isdigit()
    assert seen.value["in_recovery"] is False
    assert _look(postgres.health(), dsn).value["role"] == seen.value["role"]


def test_a_look_cannot_write(dsn: str) -> None:
    """The transaction refuses what begins as if it read; what does not is not even sent."""
    for statement in (
        "with made as (insert into public.organizations default values returning 1) select * from made",
        "select set_config('transaction_read_only', 'off', true), nextval('public.s')",
        "explain analyze delete from public.profiles",
    ):
        with pytest.raises(LookError, match=r"25006|25001|42P01"):
            Sql(Deadline(10)).query(dsn, statement)


def test_a_statement_ends_with_the_looks_deadline(dsn: str) -> None:
    with pytest.raises(LookError, match="57014") as caught:
        Sql(Deadline(0.5)).query(dsn, "select pg_sleep(60)")
    assert caught.value.status == Status.timed_out


@pytest.mark.parametrize(
    "statement",
    [
        "select 1; commit; create table public.leftover (id int)",
        "explain select E'\\'' ; commit; create table public.leftover (id int) --'",
        "explain select 1 as a$x$; commit; create table public.leftover (id int); --$x$",
        "show server_version; drop table public.profiles",
    ],
)
def test_the_server_itself_refuses_a_second_statement_in_a_message(dsn: str, statement: str) -> None:
    """However it is hidden: by the extended protocol a message holds one, and none can end the transaction that cannot write."""
    with pytest.raises(LookError, match="42601"):
        Sql(Deadline(10)).query(dsn, statement)
    assert Sql(Deadline(10)).query(dsn, "select to_regclass('public.leftover') as t") == [{"t": None}]
    assert Sql(Deadline(10)).query(dsn, "select ';' as a, $$;$$ as b /* ; */; ")[0] == {"a": ";", "b": ";"}


@pytest.mark.parametrize(
    "statement",
    ["commit", "end", "begin read write", "set transaction read write", "rollback", "insert into public.notes default values",
     "do $$ begin end $$", "copy public.notes from stdin", "/**/ commit", "call f()", "reset role; commit", "lock public.notes"],
)  # fmt: skip
def test_what_does_not_begin_as_a_statement_that_reads_is_not_sent(dsn: str, statement: str) -> None:
    with pytest.raises(NotPermittedError, match="was not sent"):
        Sql(Deadline(10)).query(dsn, statement)


def test_rows_without_end_are_malformed(dsn: str) -> None:
    endless = "select generate_series(1, 1000000000) as n, repeat('x', 1000) as text"
    with pytest.raises(LookError, match="too large") as caught:
        Sql(Deadline(20), Share(Room(8 << 20))).query(dsn, endless)
    assert caught.value.status == Status.malformed


def test_what_is_not_there_is_not_found_and_what_is_forbidden_is_denied(dsn: str) -> None:
    with pytest.raises(LookError) as caught:
        Sql(Deadline(10)).query(dsn, "select * from public.no_such_table")
    assert caught.value.status == Status.not_found
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop role if exists runbook_nobody")
        connection.execute("create role runbook_nobody login password 'a-password-for-tests'")
    parts = urlsplit(dsn)
    weak = dsn.replace(
        f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@",
        "runbook_nobody:a-password-for-tests@",
    )
    with pytest.raises(LookError) as caught:
        Sql(Deadline(10)).query(weak, "select * from pg_catalog.pg_authid")
    assert caught.value.status == Status.denied


def test_a_server_that_is_not_there_is_unreachable_and_its_password_is_not_told() -> None:
    dsn = "postgresql://someone:very-secret-password@127.0.0.1:1/postgres"
    seen = _look(postgres.health(), dsn)
    assert seen.status == Status.unreachable
    assert "very-secret-password" not in str(seen.as_dict())


def test_other_roles_queries_that_are_hidden_make_the_look_partial(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop role if exists runbook_weak")
        connection.execute("create role runbook_weak login password 'a-password-for-tests'")
        parts = urlsplit(dsn)
        user = f"{parts.username}:{parts.password}@" if parts.password else f"{parts.username}@"
        seen = _look(postgres.activity(), dsn.replace(user, "runbook_weak:a-password-for-tests@"))
    assert (seen.status, seen.help) == (Status.partial, "the role needs pg_monitor to see other roles' queries")
