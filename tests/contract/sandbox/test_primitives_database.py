"""The database breaks as Postgres says, and healing restores it."""

from typing import Any

import psycopg

from runbook_lib.sandbox import Sandbox


def is_healthy(sandbox: Sandbox) -> bool:
    return sandbox.visit("chat")["status"] == 200 and sandbox.visit("dashboard")["status"] == 200


def test_sql_breaks_reads_as_postgres_says_and_healing_restores_the_database(sandbox: Sandbox, eyes: Any) -> None:
    statement = (
        "drop policy memberships_select_member on memberships;"
        "create policy memberships_select_member on memberships for select using"
        " (org_id in (select org_id from memberships where user_id = auth.uid()))"
    )
    sandbox.inject("sql", statement=statement, role="postgres")
    got = sandbox.visit("chat")
    assert got["status"] == 500
    spans = eyes.trace(got["request_id"], lambda found: any("db.response.status_code" in s.attributes for s in found))
    (query,) = [span for span in spans if span.attributes.get("db.response.status_code") == "42P17"]
    assert "infinite recursion detected in policy" in query.message
    sandbox.heal()
    assert is_healthy(sandbox)


def test_a_held_lock_makes_a_write_wait_until_its_time_is_up(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject(
        "sql",
        statement="alter role authenticated set statement_timeout = '300ms'; notify pgrst, 'reload config'",
    )
    assert (
        sandbox.visit("usage")["status"] == 200
    )  # PostgREST has heard of it: later it could not even read the catalog
    sandbox.inject("sql", statement="lock table usage_records in access exclusive mode", hold=True)
    got = sandbox.visit("chat")
    spans = eyes.trace(got["request_id"], lambda found: any("db.response.status_code" in s.attributes for s in found))
    assert [s.name for s in spans if s.attributes.get("db.response.status_code") == "57014"] == ["SELECT usage_records"]
    sandbox.heal()
    assert is_healthy(sandbox)


def test_held_connections_use_the_server_up(sandbox: Sandbox) -> None:
    sandbox.inject("sql", statement="", connections=5)
    with psycopg.connect(sandbox.superuser) as connection:
        count = connection.execute(
            "select count(*) from pg_stat_activity where usename = 'supabase_admin' and state = 'idle'"
        )
        assert count.fetchone()[0] >= 5


def test_sql_with_an_undo_leaves_the_rest_of_the_database_alone(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.superuser, autocommit=True) as connection:
        connection.execute("create table public.kept (id int)")
    sandbox.inject(
        "sql",
        statement="revoke select on memberships from authenticated",
        undo="grant select on memberships to authenticated",
    )
    assert sandbox.visit("chat")["status"] == 500
    sandbox.heal()
    assert is_healthy(sandbox)
    with psycopg.connect(sandbox.superuser, autocommit=True) as connection:
        connection.execute("drop table public.kept")
