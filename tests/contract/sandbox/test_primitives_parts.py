"""What goes on inside a part: its variables, clock, spans and code break as asked, and heal."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from runbook_lib.sandbox import Sandbox


def is_healthy(sandbox: Sandbox) -> bool:
    return sandbox.visit("chat")["status"] == 200 and sandbox.visit("dashboard")["status"] == 200


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
    sandbox.inject("env", part="api", name="STRIPE_WEBHOOK_SECRET")
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
    sandbox.inject("env", part="api", name="LLM_GATEWAY_URL", value="http://127.0.0.1:9", restart=False)
    assert _variables(sandbox)["LLM_GATEWAY_URL"]["updatedAt"] > before
    assert sandbox.visit("chat")["status"] == 200
    sandbox.inject("process", part="api", action="restart")
    assert sandbox.visit("chat")["status"] == 200, "a restart of the same deployment keeps its variables"
    sandbox.inject("deploy", part="api")
    assert sandbox.visit("chat")["status"] == 502


def test_a_deployment_shows_on_the_platform_and_in_the_spans(sandbox: Sandbox, eyes: Any) -> None:
    before = _deployments(sandbox)[0]["uid"]
    made = sandbox.inject("deploy", part="api", message="Rework the quota", commit_sha="c0ffee" + "0" * 34)
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
    sandbox.inject("deploy", part="api", state="ERROR", error='Command "next build" exited with 1')
    assert _deployments(sandbox)[0]["state"] == "ERROR"
    assert sandbox.status()["parts"]["api"]["pid"] == pid


def test_a_part_whose_clock_is_ahead_stamps_its_spans_ahead(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("clock", part="gateway", shift_s=120.0)
    spans = eyes.trace(sandbox.visit("chat")["request_id"])
    (gateway,) = [span for span in spans if span.attributes.get("http.route") == "/v1/chat"]
    (caller,) = [span for span in spans if span.id == gateway.parent]
    assert 119e9 < gateway.start_ns - caller.start_ns < 121e9


def test_the_facades_clock_can_be_shifted(sandbox: Sandbox) -> None:
    sandbox.inject("clock", part="facades", shift_s=-7200.0)
    got = sandbox.visit("home")
    stamp = int(got["request_id"].split("-")[1]) / 1000
    assert 7190 < time.time() - stamp < 7210
    sandbox.heal()
    assert abs(time.time() - int(sandbox.visit("home")["request_id"].split("-")[1]) / 1000) < 10


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
    sandbox.inject("spans", **arguments)
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


@pytest.mark.parametrize("recorded_as", ["event", "attributes", "status"])
def test_an_exception_of_a_part_is_a_500_and_recorded_as_asked(sandbox: Sandbox, eyes: Any, recorded_as: str) -> None:
    sandbox.inject(
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
    assert is_healthy(sandbox)


def test_an_exception_in_the_middle_of_a_stream_breaks_it_off(sandbox: Sandbox) -> None:
    sandbox.inject(
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
    sandbox.inject("code", part="api", route="/api/chat", delay_s=0.5)
    spans = eyes.trace(sandbox.visit("chat")["request_id"])
    (handler,) = [span for span in spans if span.name == "executing api route (app) /api/chat"]
    inside = sum(span.end_ns - span.start_ns for span in spans if span.parent == handler.id)
    assert handler.end_ns - handler.start_ns - inside > 0.45e9


def test_retries_without_backoff_follow_each_other_at_once(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("dial", of="openai", field="mode", value="server_error")
    sandbox.inject("code", part="gateway", attempts=5, no_backoff=True, no_fallback=True)
    got = sandbox.visit("chat")
    assert got["status"] == 502
    spans = eyes.trace(got["request_id"], lambda found: sum("gen_ai.provider.name" in s.attributes for s in found) >= 5)
    attempts = sorted((s for s in spans if "gen_ai.provider.name" in s.attributes), key=lambda s: s.start_ns)
    assert [s.attributes.get("http.request.resend_count", 0) for s in attempts] == [0, 1, 2, 3, 4]
    assert all(later.start_ns - earlier.end_ns < 100e6 for earlier, later in itertools.pairwise(attempts))


def test_a_client_with_a_shorter_budget_gives_up_on_a_healthy_callee(sandbox: Sandbox, eyes: Any) -> None:
    sandbox.inject("dial", of="openai", field="latency_ms", value=900)
    sandbox.inject("code", part="web", timeout_s=0.5)
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
