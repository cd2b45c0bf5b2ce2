"""What the sandbox's PostgREST says when something behind it fails: the database, its limits, a stale schema cache."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from runbook_lib.sandbox.facades.supabase.gateway import create_project_app
from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.world import World


@pytest.fixture
def rest(supabase_world: World, in_process: Callable[..., httpx.Client]) -> httpx.Client:
    """The project's host, asked with the service key."""
    key = supabase_world.keys.supabase_service_role
    return in_process(create_project_app(supabase_world), headers={"apikey": key, "Authorization": f"Bearer {key}"})


@pytest.fixture
def owner(supabase_world: World) -> Iterator[Callable[[str], None]]:
    """`owner(sql)`: run SQL as the superuser, acting as the owner of the tables."""
    assert supabase_world.database is not None
    with psycopg.connect(supabase_world.database, autocommit=True) as connection:
        connection.execute("set role postgres")
        yield lambda sql: connection.execute(sql.encode()) and None


def _said(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def test_a_database_that_cannot_be_reached_is_503(rest: httpx.Client, supabase_world: World) -> None:
    there, supabase_world.database = supabase_world.database, "postgresql://nobody@127.0.0.1:1/none"
    assert _said(rest.get("/rest/v1/profiles")) == (503, "PGRST002")
    supabase_world.database = there
    assert rest.get("/rest/v1/profiles").status_code == 200
    supabase_world.database = "postgresql://nobody@127.0.0.1:1/none"
    lost = rest.get("/rest/v1/profiles")
    assert _said(lost) == (503, "PGRST000")
    assert "refused" in lost.json()["details"]
    assert [
        line.attributes["table"] for line in supabase_world.logs if line.level == "error" and "PGRST" in line.message
    ] == [
        "postgrest_logs",
        "postgrest_logs",
    ]


def test_connections_that_were_cut_are_replaced(rest: httpx.Client, supabase_world: World) -> None:
    assert rest.get("/rest/v1/profiles").status_code == 200
    assert supabase_world.database is not None
    with psycopg.connect(supabase_world.database, autocommit=True) as connection:
        connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'")
    assert rest.get("/rest/v1/profiles").status_code == 200


def test_a_full_server_refuses_postgrest_though_a_superuser_still_gets_in(
    rest: httpx.Client, supabase_world: World
) -> None:
    assert supabase_world.database is not None
    with contextlib.ExitStack() as held:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                held.enter_context(psycopg.connect(supabase_world.database))
        full = rest.get("/rest/v1/profiles")
        assert full.status_code == 503
    assert rest.get("/rest/v1/profiles").status_code == 200


def test_a_request_that_finds_no_free_connection_in_time_is_504(
    supabase_world: World, owner: Callable[[str], None]
) -> None:
    owner("create view public.nap as select pg_sleep(2)::text as slept")
    settings = supabase_world.state(SupabaseState).rest
    settings.pool_size, settings.pool_wait_s = 1, 0.05
    key = supabase_world.keys.supabase_service_role
    transport = httpx.ASGITransport(create_project_app(supabase_world))

    async def race() -> list[httpx.Response]:
        headers = {"apikey": key, "Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
            await client.get("/rest/v1/profiles")
            asked: list[Coroutine[Any, Any, httpx.Response]] = [client.get("/rest/v1/nap") for _ in range(2)]
            return await asyncio.gather(*asked)

    first, second = sorted(asyncio.run(race()), key=lambda answer: answer.status_code)
    assert first.status_code == 200
    assert _said(second) == (504, "PGRST003")


def test_every_role_has_its_own_time_for_a_statement(
    rest: httpx.Client, supabase_world: World, owner: Callable[[str], None]
) -> None:
    owner("create view public.limits as select current_setting('statement_timeout') as statement")
    key = supabase_world.keys.supabase_anon
    anon = {"apikey": key, "Authorization": f"Bearer {key}"}
    assert rest.get("/rest/v1/limits", headers=anon).json() == [{"statement": "3s"}]
    assert rest.get("/rest/v1/limits").json() == [{"statement": "8s"}]  # the authenticator's own: service_role has none


def test_a_lock_that_is_held_ends_in_a_statement_timeout(rest: httpx.Client, supabase_world: World) -> None:
    assert supabase_world.database is not None
    with psycopg.connect(supabase_world.database, autocommit=True) as superuser:
        superuser.execute("alter role service_role set statement_timeout = '100ms'")
        try:
            assert rest.get("/rest/v1/profiles").status_code == 200
            with superuser.transaction():
                superuser.execute("lock table public.profiles in access exclusive mode")
                late = rest.get("/rest/v1/profiles")
        finally:
            superuser.execute("alter role service_role reset statement_timeout")
    assert _said(late) == (500, "57014")
    assert late.json()["message"] == "canceling statement due to statement timeout"


def test_a_table_made_behind_a_silent_cache_is_unknown_until_it_is_told(
    rest: httpx.Client, supabase_world: World, owner: Callable[[str], None]
) -> None:
    assert rest.get("/rest/v1/profiles").status_code == 200
    assert supabase_world.database is not None
    with psycopg.connect(supabase_world.database, autocommit=True) as superuser:
        superuser.execute("alter event trigger pgrst_ddl_watch disable")
    owner("create table public.late (id int primary key)")
    owner("alter table public.profiles add column nickname text")
    unknown = rest.get("/rest/v1/late")
    assert _said(unknown) == (404, "PGRST205")
    user = {"id": "00000000-0000-4000-8000-000000000001", "email": "x", "nickname": "n"}
    assert _said(rest.post("/rest/v1/profiles", json=user)) == (400, "PGRST204")
    owner("notify pgrst, 'reload schema'")
    assert rest.get("/rest/v1/late").status_code == 200


def test_schemas_can_be_exposed_by_the_database_itself(
    rest: httpx.Client, supabase_world: World, owner: Callable[[str], None]
) -> None:
    owner("create schema api")
    owner("grant usage on schema api to service_role")
    owner("create table api.things (id int primary key)")
    owner("grant select on api.things to service_role")
    hidden = rest.get("/rest/v1/things", headers={"Accept-Profile": "api"})
    assert _said(hidden) == (406, "PGRST106")
    assert supabase_world.database is not None
    name = supabase_world.database.rsplit("/", 1)[1]
    with psycopg.connect(supabase_world.database, autocommit=True) as superuser:
        superuser.execute(f"alter role authenticator in database {name} set pgrst.db_schemas = 'public, api'".encode())
        superuser.execute("notify pgrst, 'reload config'")
    assert rest.get("/rest/v1/things", headers={"Accept-Profile": "api"}).status_code == 200


def test_schemas_can_be_hidden_by_the_projects_settings(rest: httpx.Client, supabase_world: World) -> None:
    assert rest.get("/rest/v1/profiles").status_code == 200
    supabase_world.state(SupabaseState).rest.schemas = ["graphql_public"]
    assert _said(rest.get("/rest/v1/profiles")) == (404, "PGRST205")


def test_rows_stop_at_the_most_that_the_project_gives(
    rest: httpx.Client, supabase_world: World, owner: Callable[[str], None]
) -> None:
    owner("create table public.many as select generate_series(1, 30) as id")
    supabase_world.state(SupabaseState).rest.max_rows = 20
    answer = rest.get("/rest/v1/many?select=id", headers={"Prefer": "count=exact"})
    assert (len(answer.json()), answer.status_code, answer.headers["content-range"]) == (20, 206, "0-19/30")


def test_a_policy_sees_the_claims_and_the_headers_of_the_request(
    rest: httpx.Client, owner: Callable[[str], None]
) -> None:
    owner(
        "create view public.seen as select auth.role() as role, current_setting('request.method') as method, "
        "current_setting('request.headers')::json ->> 'user-agent' as agent, current_setting('request.path') as path"
    )
    (seen,) = rest.get("/rest/v1/seen", headers={"User-Agent": "tester"}).json()
    assert {**seen, "path": seen["path"].removeprefix("/rest/v1")} == {
        "role": "service_role",
        "agent": "tester",
        "method": "GET",
        "path": "/seen",
    }


def test_a_write_that_may_not_be_read_back_succeeds_only_when_nothing_is_asked_back(
    supabase_world: World, in_process: Callable[..., httpx.Client], owner: Callable[[str], None]
) -> None:
    owner("create table public.drops (id int primary key)")
    owner("alter table public.drops enable row level security")
    owner("create policy write_only on public.drops for insert with check (true)")
    key = supabase_world.keys.supabase_anon
    anon = in_process(create_project_app(supabase_world), headers={"apikey": key, "Authorization": f"Bearer {key}"})
    assert anon.post("/rest/v1/drops", json={"id": 1}).status_code == 201
    refused = anon.post("/rest/v1/drops", json={"id": 2}, headers={"Prefer": "return=representation"})
    assert _said(refused) == (401, "42501")
    assert refused.json()["message"] == 'new row violates row-level security policy for table "drops"'
