"""What answers over HTTP, and the processes behind it: broken as asked, seen on the wire, and healed."""

import json
import time
from typing import Any

import httpx
import pytest

from runbook_lib.sandbox import Sandbox


def is_healthy(sandbox: Sandbox) -> bool:
    return sandbox.visit("chat")["status"] == 200 and sandbox.visit("dashboard")["status"] == 200


@pytest.mark.parametrize(
    "part",
    ["web", "api", "gateway", "web-edge", "api-edge", "gateway-edge", "openai", "tempo", "supabase", "vercel", "otlp"],
)
def test_any_http_part_answers_a_given_status_and_body(sandbox: Sandbox, part: str) -> None:
    sandbox.inject("http", part=part, status=418, body='{"short": "and stout"}', headers={"X-Pot": "tea"})
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
    sandbox.inject("http", part=part, **what)
    assert _how_it_fails(f"{where}{path}") is seen
    sandbox.heal()
    assert _how_it_fails(f"{where}{path}", 5) in (200, 401)


def test_a_dripping_part_outlives_a_timeout_per_read(sandbox: Sandbox) -> None:
    sandbox.inject("http", part="status", path="/openai/*", body="x" * 100, drip_bytes_per_s=50)
    started = time.monotonic()
    assert httpx.get(f"{sandbox.endpoints['status']}/openai/x", timeout=0.5, trust_env=False).text == "x" * 100
    assert time.monotonic() - started > 1


def test_only_the_routes_methods_and_bodies_meant_are_struck(sandbox: Sandbox) -> None:
    sandbox.inject("http", part="supabase", path="/rest/v1/usage_records", method="post", status=503)
    assert sandbox.visit("usage", org="Initech")["status"] == 200
    assert sandbox.visit("chat", org="Initech")["status"] == 500
    sandbox.heal()
    sandbox.inject("http", part="openai", body_contains="gpt-4o-mini", status=500)
    assert json.loads(sandbox.visit("chat", model="openai/gpt-4o")["body"])["model"].startswith("gpt-4o")
    assert json.loads(sandbox.visit("chat")["body"])["model"].startswith("claude")


def test_a_count_strikes_so_often_and_no_more(sandbox: Sandbox) -> None:
    sandbox.inject("http", part="web-edge", status=503, count=2)
    assert [sandbox.visit("home")["status"] for _ in range(3)] == [503, 503, 200]


def test_healing_frees_what_hangs(sandbox: Sandbox) -> None:
    sandbox.inject("http", part="openai", hang=True)
    sandbox.inject("code", part="gateway", timeout_s=30.0)
    assert sandbox.visit("chat", leave_after_s=0.5)["error"]
    sandbox.heal()
    assert is_healthy(sandbox)


@pytest.mark.parametrize("action", ["stop", "kill"])
def test_a_dead_function_is_a_502_and_a_row_without_a_status(sandbox: Sandbox, eyes: Any, action: str) -> None:
    sandbox.inject("process", part="web", action=action)
    got = sandbox.visit("home")
    assert (got["status"], got["headers"]["x-vercel-error"]) == (502, "NO_RESPONSE_FROM_FUNCTION")
    assert eyes.request_row(got["request_id"])["statusCode"] == -1
    sandbox.heal()
    assert is_healthy(sandbox)


def test_a_gateway_on_another_port_cannot_be_reached_through_its_edge(sandbox: Sandbox) -> None:
    before = sandbox.status()["parts"]["gateway"]["process"]
    sandbox.inject("process", part="gateway", action="move")
    moved = sandbox.status()["parts"]["gateway"]["process"]
    assert moved != before
    assert httpx.get(moved, trust_env=False).status_code == 200
    assert httpx.get(sandbox.endpoints["gateway"], trust_env=False).json()["message"] == "Application failed to respond"
    sandbox.heal()
    assert sandbox.status()["parts"]["gateway"]["process"] == before
    assert is_healthy(sandbox)


def test_a_restarted_part_is_another_process_with_the_same_trouble(sandbox: Sandbox) -> None:
    sandbox.inject("http", part="api", path="/api/health", status=599)
    before = sandbox.status()["parts"]["api"]["pid"]
    sandbox.inject("process", part="api", action="restart")
    assert sandbox.status()["parts"]["api"]["pid"] != before
    assert httpx.get(f"{sandbox.endpoints['api']}/api/health", trust_env=False).status_code == 599


@pytest.mark.parametrize("action", ["stop", "kill"])
def test_without_a_database_chats_fail_and_healing_brings_its_rows_back(sandbox: Sandbox, action: str) -> None:
    sandbox.inject("process", part="postgres", action=action)
    got = sandbox.visit("chat")
    assert got["status"] in (500, 502, 503, 504)
    sandbox.heal()
    assert is_healthy(sandbox)


def test_a_moved_facade_refuses_at_its_old_address(sandbox: Sandbox) -> None:
    sandbox.inject("process", part="tempo", action="move")
    assert _how_it_fails(sandbox.endpoints["tempo"]) is httpx.ConnectError
    sandbox.heal()
    assert _how_it_fails(sandbox.endpoints["tempo"]) == 404
