"""The sandbox's Supabase Management API, held against the vendor's OpenAPI document."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from runbook_lib.sandbox.facades.supabase.gateway import create_project_app
from runbook_lib.sandbox.facades.supabase.management import create_management_app
from runbook_lib.sandbox.facades.supabase.state import Backup, SupabaseState
from runbook_lib.sandbox.world import LogLine, World

SPEC = "supabase/management-openapi-subset.json"
READS = (
    "/v1/projects/{ref}",
    "/v1/projects/{ref}/health",
    "/v1/projects/{ref}/database/migrations",
    "/v1/projects/{ref}/database/backups",
    "/v1/projects/{ref}/analytics/endpoints/logs.all",
)


@pytest.fixture
def api(supabase_world: World, in_process: Callable[..., httpx.Client]) -> httpx.Client:
    headers = {"Authorization": f"Bearer {supabase_world.keys.supabase_access_token}"}
    return in_process(create_management_app(supabase_world), headers=headers)


@pytest.fixture
def project(supabase_world: World) -> str:
    return f"/v1/projects/{supabase_world.ids.supabase_ref}"


def _query(api: httpx.Client, project: str, sql: str, **more: Any) -> httpx.Response:
    return api.post(f"{project}/database/query/read-only", json={"query": sql, **more})


@pytest.mark.parametrize("path", READS)
def test_every_read_is_what_the_specification_promises(
    api: httpx.Client, supabase_world: World, path: str, promised: Any
) -> None:
    services = {"services": ["auth", "db", "rest"]} if path.endswith("health") else {}
    answer = api.get(path.replace("{ref}", supabase_world.ids.supabase_ref), params=services)
    assert answer.status_code == 200
    promised(SPEC, "get", path, answer)


def test_tokens_are_refused_by_their_kind(api: httpx.Client, project: str, supabase_world: World) -> None:
    assert api.get(project, headers={"Authorization": ""}).status_code == 401
    assert api.get(project, headers={"Authorization": "Bearer sbp_0000"}).json() == {"message": "Unauthorized"}
    state = supabase_world.state(SupabaseState)
    state.token_scopes = {"projects:read"}
    assert api.get(project).status_code == 200
    assert _query(api, project, "select 1").status_code == 403
    state.management_calls_left = 1
    assert [api.get(project).status_code for _ in range(2)] == [200, 429]


def test_another_projects_ref_is_not_found(api: httpx.Client) -> None:
    assert api.get(f"/v1/projects/{'a' * 20}").status_code == 404


def test_read_only_sql_sees_past_policies_and_writes_nothing(api: httpx.Client, project: str) -> None:
    who = _query(api, project, "select current_user::text as who, count(*) as rows from public.profiles")
    assert (who.status_code, who.json()) == (201, [{"who": "supabase_read_only_user", "rows": 0}])
    write = _query(api, project, "create table public.x (id int)")
    assert write.status_code == 400
    assert "25006" in write.json()["message"] or "42501" in write.json()["message"]


def test_read_only_sql_wants_names_with_their_schema(api: httpx.Client, project: str) -> None:
    answer = _query(api, project, "select 1\nfrom profiles")
    assert answer.status_code == 400
    assert answer.json()["message"].startswith(
        'Failed to run sql query: ERROR:  42P01: relation "profiles" does not exist\nLINE 2:'
    )


def test_read_only_sql_cannot_impersonate(api: httpx.Client, project: str) -> None:
    answer = _query(api, project, "begin; set local role authenticated; select 1; rollback")
    assert answer.status_code == 400
    assert "permission denied to set role" in answer.json()["message"]


def test_sql_takes_parameters_and_gives_json_rows(api: httpx.Client, project: str) -> None:
    sql = "select $1::int + 1 as n, $2::timestamptz as at, 12345678901 as big, 1.50 as exact, '{a,b}'::name[] as names"
    rows = _query(api, project, sql, parameters=[41, "2026-01-02T03:04:05Z"]).json()
    assert rows == [{"n": 42, "at": "2026-01-02 03:04:05+00", "big": 12345678901, "exact": "1.50", "names": ["a", "b"]}]


def test_health_tells_a_database_that_cannot_be_reached(api: httpx.Client, project: str, supabase_world: World) -> None:
    healthy = api.get(f"{project}/health?services=db&services=rest").json()
    assert [service["status"] for service in healthy] == ["ACTIVE_HEALTHY", "ACTIVE_HEALTHY"]
    supabase_world.database = "postgresql://nobody@127.0.0.1:1/none"
    down = api.get(f"{project}/health?services=db&services=realtime").json()
    assert [service["status"] for service in down] == ["UNHEALTHY", "ACTIVE_HEALTHY"]
    assert "refused" in down[0]["error"]


def test_backups_are_daily_until_they_are_set(api: httpx.Client, project: str, supabase_world: World) -> None:
    daily = api.get(f"{project}/database/backups").json()
    assert [backup["status"] for backup in daily["backups"]] == ["COMPLETED"] * 7
    newest = datetime.fromisoformat(daily["backups"][0]["inserted_at"])
    assert timedelta(0) < supabase_world.now() - newest < timedelta(days=1)
    plan = supabase_world.state(SupabaseState).backup_plan(supabase_world.now())
    plan.backups, plan.pitr_enabled, plan.latest_at = [Backup(1, newest, "FAILED")], True, newest
    body = api.get(f"{project}/database/backups").json()
    assert [backup["status"] for backup in body["backups"]] == ["FAILED"]
    assert body["physical_backup_data"] == {"latest_physical_backup_date_unix": int(newest.timestamp())}
    assert api.get(f"{project}/database/backups/schedule").status_code == 402


def test_a_schedule_that_the_plan_offers_is_what_the_specification_promises(
    api: httpx.Client, project: str, supabase_world: World, promised: Any
) -> None:
    supabase_world.state(SupabaseState).backup_schedule = "04:00:00"
    answer = api.get(f"{project}/database/backups/schedule")
    promised(SPEC, "get", "/v1/projects/{ref}/database/backups/schedule", answer)
    assert answer.json()["schedule_for"] == "04:00:00"


def test_migrations_are_read_from_the_clis_own_table(api: httpx.Client, project: str, supabase_world: World) -> None:
    assert api.get(f"{project}/database/migrations").json() == []
    assert supabase_world.database is not None
    with psycopg.connect(supabase_world.database, autocommit=True) as connection:
        connection.execute("set role postgres")
        connection.execute("create schema supabase_migrations")
        connection.execute("create table supabase_migrations.schema_migrations (version text primary key, name text)")
        connection.execute("insert into supabase_migrations.schema_migrations values ('20260101', 'init')")
    assert api.get(f"{project}/database/migrations").json() == [{"version": "20260101", "name": "init"}]


@pytest.fixture
def logged(supabase_world: World, in_process: Callable[..., httpx.Client]) -> None:
    """One good request, one that the gateway refuses, one that Postgres refuses, and Postgres' own line about that."""
    host = in_process(create_project_app(supabase_world))
    headers = {"apikey": supabase_world.keys.supabase_anon}
    host.get("/rest/v1/profiles", headers=headers)
    host.get("/rest/v1/profiles")
    host.get("/rest/v1/profiles?id=eq.x", headers=headers)
    message, attributes = (
        'invalid input syntax for type uuid: "x"',
        {"sql_state_code": "22P02", "user_name": "authenticator"},
    )
    supabase_world.logs.append(
        LogLine("supabase", "postgres", supabase_world.now(), "error", message, attributes=attributes)
    )


def _logs(api: httpx.Client, project: str, **asked: str) -> dict[str, Any]:
    return dict(api.get(f"{project}/analytics/endpoints/logs.all", params=asked).json())


def test_logs_hold_the_gateways_requests_and_the_databases_errors(
    api: httpx.Client, project: str, logged: None
) -> None:
    edge = _logs(api, project)["result"]
    assert [row["metadata"][0]["response"][0]["status_code"] for row in edge] == [400, 401, 200]
    sql = (
        "select id, t.timestamp, event_message, metadata from postgres_logs t cross join unnest(metadata) as m "
        "cross join unnest(m.parsed) as p where p.sql_state_code = '22P02' and event_message like '%uuid%' limit 5"
    )
    rows = _logs(api, project, sql=sql)["result"]
    assert [row["metadata"][0]["parsed"][0]["sql_state_code"] for row in rows] == ["22P02"]
    assert "invalid input syntax for type uuid" in rows[0]["event_message"]


def test_a_log_query_that_is_not_understood_gives_an_error_and_no_rows(
    api: httpx.Client, project: str, logged: None
) -> None:
    for sql in ("select count(*), path from edge_logs group by path", "select id from edge_logs where lower(x) = 'y'"):
        body = _logs(api, project, sql=sql)
        assert body["result"] == []
        assert body["error"]


def test_logs_keep_to_their_window(api: httpx.Client, project: str, logged: None) -> None:
    now = datetime.now(UTC)
    before = {
        "iso_timestamp_start": (now - timedelta(hours=2)).isoformat(),
        "iso_timestamp_end": (now - timedelta(hours=1)).isoformat(),
    }
    assert _logs(api, project, **before)["result"] == []
    around = {
        "iso_timestamp_start": (now - timedelta(hours=1)).isoformat(),
        "iso_timestamp_end": (now + timedelta(hours=1)).isoformat(),
    }
    assert len(_logs(api, project, **around)["result"]) == 3
    wide = {"iso_timestamp_start": (now - timedelta(days=3)).isoformat(), "iso_timestamp_end": now.isoformat()}
    assert "24 hours" in _logs(api, project, **wide)["error"]
