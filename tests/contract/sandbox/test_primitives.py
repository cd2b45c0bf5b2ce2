"""Every primitive shows on the wire, and healing undoes it."""

import itertools
import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import psycopg
import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.primitives.calls import describe
from runbook_lib.sandbox.primitives.general import PRIMITIVES

_TESTED = set[str]()


def _inject(sandbox: Sandbox, primitive: str, **arguments: Any) -> Any:
    _TESTED.add(primitive)
    return sandbox.inject(primitive, **arguments)


def _is_healthy(sandbox: Sandbox) -> bool:
    return sandbox.visit("chat")["status"] == 200 and sandbox.visit("dashboard")["status"] == 200


def _code(got: dict[str, Any]) -> str:
    return str(json.loads(got["body"])["error"]["code"])


# --- http ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    ["web", "api", "gateway", "web-edge", "api-edge", "gateway-edge", "openai", "tempo", "supabase", "vercel", "otlp"],
)
def test_any_http_part_answers_a_given_status_and_body(sandbox: Sandbox, part: str) -> None:
    _inject(sandbox, "http", part=part, status=418, body='{"short": "and stout"}', headers={"X-Pot": "tea"})
    answer = httpx.get(f"{sandbox.endpoints[part]}/anything", trust_env=False)
    assert (answer.status_code, answer.json(), answer.headers["x-pot"]) == (418, {"short": "and stout"}, "tea")
    assert answer.headers["content-type"] == "application/json"
    sandbox.heal()
    assert httpx.get(f"{sandbox.endpoints[part]}/anything", trust_env=False).status_code != 418


def _how_it_fails(url: str, timeout_s: float = 0.5) -> type[BaseException] | int:
    try:
        return httpx.get(url, timeout=timeout_s, trust_env=False).status_code
    except httpx.HTTPError as error:
        return type(error)


@pytest.mark.parametrize(
    ("what", "seen"),
    [
        ({"hang": True}, httpx.ReadTimeout),
        ({"reset": True}, httpx.ReadError),
        ({"truncate_bytes": 5}, httpx.ReadError),
        ({"refuse": True}, httpx.ConnectError),
        ({"latency_s": 5.0}, httpx.ReadTimeout),
    ],
)
@pytest.mark.parametrize("part", ["openai", "api"])
def test_a_part_hangs_resets_breaks_off_or_refuses(
    sandbox: Sandbox, part: str, what: dict[str, Any], seen: Any
) -> None:
    where = sandbox.status()["parts"]["api"]["process"] if part == "api" else sandbox.endpoints[part]
    path = "/api/health" if part == "api" else "/v1/models"
    _inject(sandbox, "http", part=part, **what)
    assert _how_it_fails(f"{where}{path}") is seen
    sandbox.heal()
    assert _how_it_fails(f"{where}{path}", 5) in (200, 401)


def test_a_dripping_part_outlives_a_timeout_per_read(sandbox: Sandbox) -> None:
    _inject(sandbox, "http", part="status", path="/openai/*", body="x" * 100, drip_bytes_per_s=50)
    started = time.monotonic()
    assert httpx.get(f"{sandbox.endpoints['status']}/openai/x", timeout=0.5, trust_env=False).text == "x" * 100
    assert time.monotonic() - started > 1


def test_only_the_routes_methods_and_bodies_meant_are_struck(sandbox: Sandbox) -> None:
    _inject(sandbox, "http", part="supabase", path="/rest/v1/usage_records", method="post", status=503)
    assert sandbox.visit("usage", org="Initech")["status"] == 200
    assert sandbox.visit("chat", org="Initech")["status"] == 500
    sandbox.heal()
    _inject(sandbox, "http", part="openai", body_contains="gpt-4o-mini", status=500)
    assert json.loads(sandbox.visit("chat", model="openai/gpt-4o")["body"])["model"].startswith("gpt-4o")
    assert json.loads(sandbox.visit("chat")["body"])["model"].startswith("claude")


def test_a_count_strikes_so_often_and_no_more(sandbox: Sandbox) -> None:
    _inject(sandbox, "http", part="web-edge", status=503, count=2)
    assert [sandbox.visit("home")["status"] for _ in range(3)] == [503, 503, 200]


def test_healing_frees_what_hangs(sandbox: Sandbox) -> None:
    _inject(sandbox, "http", part="openai", hang=True)
    _inject(sandbox, "code", part="gateway", timeout_s=30.0)
    assert sandbox.visit("chat", leave_after_s=0.5)["error"]
    sandbox.heal()
    assert _is_healthy(sandbox)


# --- process ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["stop", "kill"])
def test_a_dead_function_is_a_502_and_a_row_without_a_status(sandbox: Sandbox, eyes: Any, action: str) -> None:
    _inject(sandbox, "process", part="web", action=action)
    got = sandbox.visit("home")
    assert (got["status"], got["headers"]["x-vercel-error"]) == (502, "NO_RESPONSE_FROM_FUNCTION")
    assert eyes.request_row(got["request_id"])["statusCode"] == -1
    sandbox.heal()
    assert _is_healthy(sandbox)


def test_a_gateway_on_another_port_cannot_be_reached_through_its_edge(sandbox: Sandbox) -> None:
    before = sandbox.status()["parts"]["gateway"]["process"]
    _inject(sandbox, "process", part="gateway", action="move")
    moved = sandbox.status()["parts"]["gateway"]["process"]
    assert moved != before
    assert httpx.get(moved, trust_env=False).status_code == 200
    assert httpx.get(sandbox.endpoints["gateway"], trust_env=False).json()["message"] == "Application failed to respond"
    sandbox.heal()
    assert sandbox.status()["parts"]["gateway"]["process"] == before
    assert _is_healthy(sandbox)


def test_a_restarted_part_is_another_process_with_the_same_trouble(sandbox: Sandbox) -> None:
    sandbox.inject("http", part="api", path="/api/health", status=599)
    before = sandbox.status()["parts"]["api"]["pid"]
    _inject(sandbox, "process", part="api", action="restart")
    assert sandbox.status()["parts"]["api"]["pid"] != before
    assert httpx.get(f"{sandbox.endpoints['api']}/api/health", trust_env=False).status_code == 599


@pytest.mark.parametrize("action", ["stop", "kill"])
def test_without_a_database_chats_fail_and_healing_brings_its_rows_back(sandbox: Sandbox, action: str) -> None:
    _inject(sandbox, "process", part="postgres", action=action)
    got = sandbox.visit("chat")
    assert got["status"] in (500, 502, 503, 504)
    sandbox.heal()
    assert _is_healthy(sandbox)


def test_a_moved_facade_refuses_at_its_old_address(sandbox: Sandbox) -> None:
    _inject(sandbox, "process", part="tempo", action="move")
    assert _how_it_fails(sandbox.endpoints["tempo"]) is httpx.ConnectError
    sandbox.heal()
    assert _how_it_fails(sandbox.endpoints["tempo"]) == 404


# --- env and deploy -----------------------------------------------------------------------------------------------


def _variables(sandbox: Sandbox) -> dict[str, dict[str, Any]]:
    env = sandbox.env
    answer = httpx.get(
        f"{sandbox.endpoints['vercel']}/v10/projects/{env['RUNBOOK_VERCEL_API_PROJECT']}/env",
        params={"teamId": env["RUNBOOK_VERCEL_TEAM_ID"]},
        headers={"Authorization": f"Bearer {env['RUNBOOK_VERCEL_TOKEN']}"},
        trust_env=False,
    )
    return {row["key"]: row for row in answer.json()["envs"]}


def _deployments(sandbox: Sandbox) -> list[dict[str, Any]]:
    env = sandbox.env
    answer = httpx.get(
        f"{sandbox.endpoints['vercel']}/v7/deployments",
        params={"teamId": env["RUNBOOK_VERCEL_TEAM_ID"], "projectId": env["RUNBOOK_VERCEL_API_PROJECT"]},
        headers={"Authorization": f"Bearer {env['RUNBOOK_VERCEL_TOKEN']}"},
        trust_env=False,
    )
    return list(answer.json()["deployments"])


def test_an_unset_variable_is_gone_from_the_platform_and_from_the_part(sandbox: Sandbox) -> None:
    before = _variables(sandbox)["STRIPE_WEBHOOK_SECRET"]
    _inject(sandbox, "env", part="api", name="STRIPE_WEBHOOK_SECRET")
    assert "STRIPE_WEBHOOK_SECRET" not in _variables(sandbox)
    url = f"{sandbox.endpoints['api']}/api/stripe/webhook"
    signed = {"stripe-signature": "t=1,v1=00"}
    assert httpx.post(url, headers=signed, trust_env=False).text == "Missing webhook secret or signature"
    sandbox.heal()
    assert _variables(sandbox)["STRIPE_WEBHOOK_SECRET"]["updatedAt"] == before["updatedAt"]
    assert httpx.post(url, headers=signed, trust_env=False).text.startswith(
        "Webhook Error: No signatures found matching"
    )


def test_a_variable_set_without_restart_is_not_in_the_running_process(sandbox: Sandbox) -> None:
    before = _variables(sandbox)["LLM_GATEWAY_URL"]["updatedAt"]
    _inject(sandbox, "env", part="api", name="LLM_GATEWAY_URL", value="http://127.0.0.1:9", restart=False)
    assert _variables(sandbox)["LLM_GATEWAY_URL"]["updatedAt"] > before
    assert sandbox.visit("chat")["status"] == 200
    sandbox.inject("process", part="api", action="restart")
    assert sandbox.visit("chat")["status"] == 200, "a restart of the same deployment keeps its variables"
    sandbox.inject("deploy", part="api")
    assert sandbox.visit("chat")["status"] == 502


def test_a_deployment_shows_on_the_platform_and_in_the_spans(sandbox: Sandbox, eyes: Any) -> None:
    before = _deployments(sandbox)[0]["uid"]
    made = _inject(sandbox, "deploy", part="api", message="Rework the quota", commit_sha="c0ffee" + "0" * 34)
    newest = _deployments(sandbox)[0]
    assert (newest["uid"], newest["meta"]["githubCommitMessage"]) == (made, "Rework the quota")
    spans = eyes.trace(sandbox.visit("chat")["request_id"])
    (api,) = [span for span in spans if span.attributes.get("http.route") == "/api/chat" and span.kind == "server"]
    assert api.resource["vercel.deployment_id"] == made
    assert api.resource["vercel.sha"].startswith("c0ffee")
    sandbox.heal()
    assert _deployments(sandbox)[0]["uid"] == before


def test_a_failed_deployment_is_listed_and_does_not_serve(sandbox: Sandbox) -> None:
    pid = sandbox.status()["parts"]["api"]["pid"]
    _inject(sandbox, "deploy", part="api", state="ERROR", error='Command "next build" exited with 1')
    assert _deployments(sandbox)[0]["state"] == "ERROR"
    assert sandbox.status()["parts"]["api"]["pid"] == pid


# --- sql ----------------------------------------------------------------------------------------------------------


def test_sql_breaks_reads_as_postgres_says_and_healing_restores_the_database(sandbox: Sandbox, eyes: Any) -> None:
    statement = (
        "drop policy memberships_select_member on memberships;"
        "create policy memberships_select_member on memberships for select using"
        " (org_id in (select org_id from memberships where user_id = auth.uid()))"
    )
    _inject(sandbox, "sql", statement=statement, role="postgres")
    got = sandbox.visit("chat")
    assert got["status"] == 500
    spans = eyes.trace(got["request_id"], lambda found: any("db.response.status_code" in s.attributes for s in found))
    (query,) = [span for span in spans if span.attributes.get("db.response.status_code") == "42P17"]
    assert "infinite recursion detected in policy" in query.message
    sandbox.heal()
    assert _is_healthy(sandbox)


def test_a_held_lock_makes_a_write_wait_until_its_time_is_up(sandbox: Sandbox, eyes: Any) -> None:
    _inject(
        sandbox,
        "sql",
        statement="alter role authenticated set statement_timeout = '300ms'; notify pgrst, 'reload config'",
    )
    assert (
        sandbox.visit("usage")["status"] == 200
    )  # PostgREST has heard of it: later it could not even read the catalog
    _inject(sandbox, "sql", statement="lock table usage_records in access exclusive mode", hold=True)
    got = sandbox.visit("chat")
    spans = eyes.trace(got["request_id"], lambda found: any("db.response.status_code" in s.attributes for s in found))
    assert [s.name for s in spans if s.attributes.get("db.response.status_code") == "57014"] == ["SELECT usage_records"]
    sandbox.heal()
    assert _is_healthy(sandbox)


def test_held_connections_use_the_server_up(sandbox: Sandbox) -> None:
    _inject(sandbox, "sql", statement="", connections=5)
    with psycopg.connect(sandbox.superuser) as connection:
        count = connection.execute(
            "select count(*) from pg_stat_activity where usename = 'supabase_admin' and state = 'idle'"
        )
        assert count.fetchone()[0] >= 5


def test_sql_with_an_undo_leaves_the_rest_of_the_database_alone(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.superuser, autocommit=True) as connection:
        connection.execute("create table public.kept (id int)")
    _inject(
        sandbox,
        "sql",
        statement="revoke select on memberships from authenticated",
        undo="grant select on memberships to authenticated",
    )
    assert sandbox.visit("chat")["status"] == 500
    sandbox.heal()
    assert _is_healthy(sandbox)
    with psycopg.connect(sandbox.superuser, autocommit=True) as connection:
        connection.execute("drop table public.kept")


# --- clock --------------------------------------------------------------------------------------------------------


def test_a_part_whose_clock_is_ahead_stamps_its_spans_ahead(sandbox: Sandbox, eyes: Any) -> None:
    _inject(sandbox, "clock", part="gateway", shift_s=120.0)
    spans = eyes.trace(sandbox.visit("chat")["request_id"])
    (gateway,) = [span for span in spans if span.attributes.get("http.route") == "/v1/chat"]
    (caller,) = [span for span in spans if span.id == gateway.parent]
    assert 119e9 < gateway.start_ns - caller.start_ns < 121e9


def test_the_facades_clock_can_be_shifted(sandbox: Sandbox) -> None:
    _inject(sandbox, "clock", part="facades", shift_s=-7200.0)
    got = sandbox.visit("home")
    stamp = int(got["request_id"].split("-")[1]) / 1000
    assert 7190 < time.time() - stamp < 7210
    sandbox.heal()
    assert abs(time.time() - int(sandbox.visit("home")["request_id"].split("-")[1]) / 1000) < 10


# --- spans --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "holds"),
    [
        ({"part": "gateway", "drop": True}, lambda spans: not any("fastapi" in s.scope for s in spans)),
        (
            {"part": "api", "name": "SELECT *", "rename": "query"},
            lambda spans: sum(s.name == "query" for s in spans) == 3,
        ),
        (
            {"part": "api", "scope": "@nexuscore/database", "drop_attributes": ["db.*"]},
            lambda spans: not any(key.startswith("db.") for s in spans for key in s.attributes),
        ),
        ({"part": "gateway", "unsampled": 1.0}, lambda spans: not any("fastapi" in s.scope for s in spans)),
        (
            {"part": "gateway", "scope": "*fastapi", "lose_parent": True},
            lambda spans: sum(not s.parent for s in spans) > 1,
        ),
        (
            {"part": "web", "set_attributes": {"team": "growth"}},
            lambda spans: any(s.attributes.get("team") == "growth" for s in spans),
        ),
        ({"part": "api", "send_no_traceparent": True}, lambda spans: not any("fastapi" in s.scope for s in spans)),
        ({"part": "gateway", "ignore_traceparent": True}, lambda spans: not any("fastapi" in s.scope for s in spans)),
    ],
)
def test_spans_are_lost_renamed_stripped_or_torn(
    sandbox: Sandbox, eyes: Any, arguments: dict[str, Any], holds: Callable[[list[Any]], bool]
) -> None:
    _inject(sandbox, "spans", **arguments)
    got = sandbox.visit("chat")
    time.sleep(0.8)  # what is still under way would arrive in this time
    spans = eyes.trace(got["request_id"], lambda found: _whole_of_web_and_api(found) and holds(found))
    assert holds(spans)
    sandbox.heal()
    spans = eyes.trace(sandbox.visit("chat")["request_id"])
    assert any("fastapi" in span.scope for span in spans)
    assert not holds(spans)


def _whole_of_web_and_api(spans: list[Any]) -> bool:
    routes = {span.attributes.get("http.route") for span in spans}
    return {"/chat", "/api/chat"} <= routes


# --- code ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recorded_as", ["event", "attributes", "status"])
def test_an_exception_of_a_part_is_a_500_and_recorded_as_asked(sandbox: Sandbox, eyes: Any, recorded_as: str) -> None:
    _inject(
        sandbox,
        "code",
        part="api",
        route="/api/chat",
        raise_type="TypeError",
        raise_message="x is undefined",
        recorded_as=recorded_as,
    )
    got = sandbox.visit("chat")
    assert got["status"] == 500
    spans = eyes.trace(got["request_id"], _whole_of_web_and_api)
    (handler,) = [span for span in spans if span.name == "executing api route (app) /api/chat"]
    assert (handler.is_error, handler.message, handler.attributes["error.type"]) == (
        True,
        "x is undefined",
        "TypeError",
    )
    assert any(event["name"] == "exception" for event in handler.events) == (recorded_as == "event")
    assert ("exception.type" in handler.attributes) == (recorded_as == "attributes")
    sandbox.heal()
    assert _is_healthy(sandbox)


def test_an_exception_in_the_middle_of_a_stream_breaks_it_off(sandbox: Sandbox) -> None:
    _inject(
        sandbox,
        "code",
        part="gateway",
        route="/v1/chat",
        raise_type="ValueError",
        raise_message="bad",
        after_reply=True,
    )
    got = sandbox.visit("chat", stream=True)
    assert got["status"] == 200
    assert got["error"]
    assert "event: done" not in got["body"]


def test_a_delay_is_self_time_of_the_handler(sandbox: Sandbox, eyes: Any) -> None:
    _inject(sandbox, "code", part="api", route="/api/chat", delay_s=0.5)
    spans = eyes.trace(sandbox.visit("chat")["request_id"])
    (handler,) = [span for span in spans if span.name == "executing api route (app) /api/chat"]
    inside = sum(span.end_ns - span.start_ns for span in spans if span.parent == handler.id)
    assert handler.end_ns - handler.start_ns - inside > 0.45e9


def test_retries_without_backoff_follow_each_other_at_once(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("dial", of="openai", field="mode", value="server_error")
    _inject(sandbox, "code", part="gateway", attempts=5, no_backoff=True, no_fallback=True)
    got = sandbox.visit("chat")
    assert got["status"] == 502
    spans = eyes.trace(got["request_id"], lambda found: sum("gen_ai.provider.name" in s.attributes for s in found) >= 5)
    attempts = sorted((s for s in spans if "gen_ai.provider.name" in s.attributes), key=lambda s: s.start_ns)
    assert [s.attributes.get("http.request.resend_count", 0) for s in attempts] == [0, 1, 2, 3, 4]
    assert all(later.start_ns - earlier.end_ns < 100e6 for earlier, later in itertools.pairwise(attempts))


def test_a_client_with_a_shorter_budget_gives_up_on_a_healthy_callee(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("dial", of="openai", field="latency_ms", value=900)
    _inject(sandbox, "code", part="web", timeout_s=0.5)
    got = sandbox.visit("chat")
    assert got["status"] == 500
    spans = eyes.trace(
        got["request_id"],  # the caller's end and the callee's, which goes on: each part reports at its own pace
        lambda found: (
            any(s.name.startswith("INSERT") for s in found)
            and any(s.attributes.get("error.type") == "TimeoutError" for s in found)
            and any(s.attributes.get("http.route") == "/api/chat" and s.kind == "server" for s in found)
        ),
    )
    (call,) = [span for span in spans if span.attributes.get("error.type") == "TimeoutError" and span.kind == "client"]
    (callee,) = [span for span in spans if span.parent == call.id]
    assert callee.attributes["http.response.status_code"] == 200
    assert callee.end_ns > call.end_ns


# --- edge ---------------------------------------------------------------------------------------------------------


def test_a_function_over_its_time_is_ended_and_its_spans_are_lost(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("dial", of="openai", field="latency_ms", value=1500)
    _inject(sandbox, "edge", part="web", time_limit_s=0.6)
    got = sandbox.visit("chat")
    assert (got["status"], got["headers"]["x-vercel-error"]) == (504, "FUNCTION_INVOCATION_TIMEOUT")
    row = eyes.request_row(got["request_id"])
    assert any("Task timed out after 0.6 seconds" in line["message"] for line in row["logs"])
    time.sleep(1.5)
    query = {"q": f'{{ span.vercel.request_id = "{got["request_id"]}" }}'}
    assert eyes.get("tempo", "/api/search", params=query).json()["traces"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "error", "row_status"),
    [
        ({"deny": "/chat"}, 403, "FORBIDDEN", 403),
        ({"protect": True}, 401, "DEPLOYMENT_PROTECTED", 401),
        ({"out_of_memory": "/chat"}, 500, "FUNCTION_INVOCATION_FAILED", -1),
        ({"missing": True}, 404, "DEPLOYMENT_NOT_FOUND", 404),
    ],
)
def test_the_platform_refuses_in_its_own_words(
    sandbox: Sandbox, eyes: Any, arguments: dict[str, Any], status: int, error: str, row_status: int
) -> None:
    _inject(sandbox, "edge", part="web", **arguments)
    got = sandbox.visit("chat")
    assert (got["status"], got["headers"]["x-vercel-error"]) == (status, error)
    assert eyes.request_row(got["request_id"])["statusCode"] == row_status
    sandbox.heal()
    assert _is_healthy(sandbox)


def test_a_client_that_leaves_is_written_down_as_gone(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("dial", of="openai", field="latency_ms", value=800)
    began_ms = int(time.time() * 1000)
    got = sandbox.visit("chat", leave_after_s=0.3, headers={"user-agent": "leaver"})
    assert got["status"] is None
    env, now = sandbox.env, int(time.time() * 1000)
    query = {"projectId": env["RUNBOOK_VERCEL_WEB_PROJECT"], "ownerId": env["RUNBOOK_VERCEL_TEAM_ID"]}
    query |= {"startDate": began_ms, "endDate": now + 60_000, "statusCode": "499"}
    headers = {"Authorization": f"Bearer {env['RUNBOOK_VERCEL_TOKEN']}"}
    rows = []
    for _ in range(300):
        rows = eyes.get("vercel", "/api/logs/request-logs", params=query, headers=headers).json()["rows"]
        if rows:
            break
        time.sleep(0.1)
    assert [row["requestPath"] for row in rows] == ["/chat"]


# --- store, traffic, dial, log, age -------------------------------------------------------------------------------


def test_the_store_delays_and_forgets(sandbox: Sandbox, eyes: Any) -> None:
    _inject(sandbox, "store", delay_s=3600.0)
    got = sandbox.visit("chat")
    time.sleep(1)
    query = {"q": f'{{ span.vercel.request_id = "{got["request_id"]}" }}'}
    assert eyes.get("tempo", "/api/search", params=query).json()["traces"] == []
    sandbox.heal()
    assert eyes.trace(got["request_id"])
    _inject(sandbox, "store", forget="all")
    assert eyes.get("tempo", "/api/search", params=query).json()["traces"] == []


def test_traffic_changes_its_rate(sandbox: Sandbox) -> None:
    _inject(sandbox, "traffic", rate_per_s=3.0)
    assert sandbox.status()["traffic_per_s"] == 3.0
    with pytest.raises(UsageError, match="actions are of"):
        sandbox.inject("traffic", actions=["dance"])


def test_a_dial_of_a_facade_is_turned_and_turned_back(sandbox: Sandbox) -> None:
    _inject(sandbox, "dial", of="openai", field="model_modes.gpt-4o-mini", value="model_gone")
    assert json.loads(sandbox.visit("chat")["body"])["model"].startswith("claude")
    _inject(sandbox, "dial", of="VercelState", field="delay_s", value=3600.0)
    sandbox.heal()
    assert json.loads(sandbox.visit("chat")["body"])["model"].startswith("gpt-4o-mini")


def test_a_line_of_noise_stands_in_its_place_in_the_log(sandbox: Sandbox) -> None:
    _inject(sandbox, "log", part="gateway", level="error", message="disk almost full", minutes_ago=45.0)
    env = sandbox.env
    asked = 'query($id: String!) { environmentLogs(environmentId: $id, filter: "disk", beforeLimit: 10) { timestamp message } }'
    variables = {"id": env["RUNBOOK_RAILWAY_ENVIRONMENT_ID"]}
    answer = httpx.post(
        env["RUNBOOK_RAILWAY_URL"],
        json={"query": asked, "variables": variables},
        headers={"Authorization": f"Bearer {env['RUNBOOK_RAILWAY_TOKEN']}"},
        trust_env=False,
    ).json()
    (line,) = answer["data"]["environmentLogs"]
    assert line["message"] == "disk almost full"
    age_s = time.time() - datetime.fromisoformat(line["timestamp"].replace("Z", "+00:00")).timestamp()
    assert 2690 < age_s < 2720


def test_time_passes(sandbox: Sandbox, eyes: Any) -> None:
    got = sandbox.visit("chat")
    before = eyes.trace(got["request_id"])
    _inject(sandbox, "age", by_s=1800.0)
    after = eyes.trace(got["request_id"])
    assert min(s.start_ns for s in before) - min(s.start_ns for s in after) == 1_800_000_000_000


# --- all of them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("primitive", "arguments", "words"),
    [
        ("nothing", {}, "no primitive named nothing"),
        ("http", {}, "http needs part"),
        ("http", {"part": "api"}, "needs something to do"),
        ("http", {"part": "api", "status": "soon"}, "not of its type"),
        ("http", {"part": "api", "status": 99}, "between 100 and 599"),
        ("http", {"part": "nowhere", "status": 500}, "no part named nowhere"),
        ("http", {"part": "api", "colour": "red"}, "no argument colour"),
        ("process", {"part": "api", "action": "explode"}, "action is stop"),
        ("env", {"part": "postgres", "name": "X"}, "web, api or gateway"),
        ("sql", {"statement": "selekt"}, "SQL was refused"),
        ("dial", {"of": "openai", "field": "charm", "value": 1}, "no dial charm"),
        ("dial", {"of": "moon", "field": "x", "value": 1}, "No façade keeps"),
        ("spans", {"part": "api"}, "needs something to do"),
    ],
)
def test_what_cannot_be_injected_is_refused_and_nothing_changes(
    sandbox: Sandbox, primitive: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        sandbox.inject(primitive, **arguments)
    assert sandbox.status()["injected"] == []


def test_what_is_broken_is_known_until_it_is_healed(sandbox: Sandbox) -> None:
    sandbox.inject("http", part="openai", status=500)
    assert [row["primitive"] for row in sandbox.status()["injected"]] == ["http"]
    sandbox.heal()
    assert sandbox.status()["injected"] == []


def test_every_primitive_is_tested_here_and_described() -> None:
    assert set(PRIMITIVES) == {name for name, _, _ in describe()}
    assert all(text for _, _, text in describe())
    if len(_TESTED) > 5:  # the whole file ran in this process
        here = {
            name for name, made in PRIMITIVES.items() if made.__module__ == "runbook_lib.sandbox.primitives.general"
        }
        assert here == _TESTED  # those of another module are tested in a file of its name
