"""The edge, the store, traffic, dials, logs and time; and what holds for every primitive."""

import json
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.primitives.calls import PRIMITIVES, describe


def is_healthy(sandbox: Sandbox) -> bool:
    return sandbox.visit("chat")["status"] == 200 and sandbox.visit("dashboard")["status"] == 200


def test_a_function_over_its_time_is_ended_and_its_spans_are_lost(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("dial", of="openai", field="latency_ms", value=1500)
    sandbox.inject("edge", part="web", time_limit_s=0.6)
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
    sandbox.inject("edge", part="web", **arguments)
    got = sandbox.visit("chat")
    assert (got["status"], got["headers"]["x-vercel-error"]) == (status, error)
    assert eyes.request_row(got["request_id"])["statusCode"] == row_status
    sandbox.heal()
    assert is_healthy(sandbox)


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


def test_the_store_delays_and_forgets(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("store", delay_s=3600.0)
    got = sandbox.visit("chat")
    time.sleep(1)
    query = {"q": f'{{ span.vercel.request_id = "{got["request_id"]}" }}'}
    assert eyes.get("tempo", "/api/search", params=query).json()["traces"] == []
    sandbox.heal()
    assert eyes.trace(got["request_id"])
    sandbox.inject("store", forget="all")
    assert eyes.get("tempo", "/api/search", params=query).json()["traces"] == []


def test_traffic_changes_its_rate(sandbox: Sandbox) -> None:
    sandbox.inject("traffic", rate_per_s=3.0)
    assert sandbox.status()["traffic_per_s"] == 3.0
    with pytest.raises(UsageError, match="actions are of"):
        sandbox.inject("traffic", actions=["dance"])


def test_a_dial_of_a_facade_is_turned_and_turned_back(sandbox: Sandbox) -> None:
    sandbox.inject("dial", of="openai", field="model_modes.gpt-4o-mini", value="model_gone")
    assert json.loads(sandbox.visit("chat")["body"])["model"].startswith("claude")
    sandbox.inject("dial", of="VercelState", field="delay_s", value=3600.0)
    sandbox.heal()
    assert json.loads(sandbox.visit("chat")["body"])["model"].startswith("gpt-4o-mini")


def test_a_line_of_noise_stands_in_its_place_in_the_log(sandbox: Sandbox) -> None:
    sandbox.inject("log", part="gateway", level="error", message="disk almost full", minutes_ago=45.0)
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
    sandbox.inject("age", by_s=1800.0)
    after = eyes.trace(got["request_id"])
    assert min(s.start_ns for s in before) - min(s.start_ns for s in after) == 1_800_000_000_000


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


def test_every_primitive_is_described_and_injected_by_a_test_of_this_folder() -> None:
    assert set(PRIMITIVES) == {name for name, _, _ in describe()}
    assert all(text for _, _, text in describe())
    texts = [path.read_text() for path in Path(__file__).parent.glob("test_*primitives*.py")]
    injected = {name for text in texts for name in re.findall(r'inject\((?:\w+, )?\s*"(\w+)"', text)}
    assert set(PRIMITIVES) - injected == set()
