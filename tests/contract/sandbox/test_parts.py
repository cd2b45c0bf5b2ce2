"""web, API, gateway and database as they are when nothing is broken."""

import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import psycopg
import pytest

from runbook_lib.sandbox import Sandbox


def test_a_chat_is_one_tree_of_spans_across_three_parts(sandbox: Sandbox, eyes: Any) -> None:
    got = sandbox.visit("chat", org="Acme Rockets")
    assert got["status"] == 200
    assert json.loads(got["body"])["reply"]
    spans = eyes.trace(got["request_id"])
    ids = {span.id for span in spans}
    (root,) = [span for span in spans if not span.parent]
    assert all(span.parent in ids for span in spans if span is not root)
    servers = [span.attributes["http.route"] for span in spans if span.kind == "server"]
    assert servers.count("/chat") == servers.count("/api/chat") == servers.count("/v1/chat") == 1
    names = {span.name for span in spans}
    assert {
        "auth.getUser",
        "SELECT memberships",
        "SELECT usage_records",
        "stripe.subscriptions.list",
        "chat gpt-4o-mini",
    } <= names
    assert not any(span.is_error for span in spans)


def test_one_service_name_for_all_but_each_part_can_be_told_by_what_its_spans_say(sandbox: Sandbox, eyes: Any) -> None:
    spans = eyes.trace(sandbox.visit("chat")["request_id"])
    assert {span.service for span in spans} == {"nexuscore"}
    (gateway,) = [span for span in spans if span.attributes.get("http.route") == "/v1/chat"]
    (web,) = [span for span in spans if span.attributes.get("http.route") == "/chat" and span.kind == "server"]
    assert gateway.scope == "opentelemetry.instrumentation.fastapi"
    assert gateway.resource["telemetry.sdk.language"] == "python"
    assert web.scope == "next.js"
    assert web.resource["telemetry.sdk.language"] == "nodejs"
    assert web.attributes["vercel.deployment_id"] == web.resource["vercel.deployment_id"]


def test_a_model_call_says_what_was_asked_and_what_it_took(sandbox: Sandbox, eyes: Any) -> None:
    spans = eyes.trace(sandbox.visit("chat")["request_id"])
    (call,) = [span for span in spans if "gen_ai.provider.name" in span.attributes]
    assert call.attributes["gen_ai.request.model"] == "gpt-4o-mini"
    assert call.attributes["gen_ai.usage.output_tokens"] > 0
    assert call.attributes["http.response.status_code"] == 200


def test_the_log_of_each_platform_knows_the_request_and_its_trace(sandbox: Sandbox, eyes: Any) -> None:
    got = sandbox.visit("chat")
    row = eyes.request_row(got["request_id"])
    assert row["statusCode"] == 200
    assert eyes.trace(got["request_id"])
    assert eyes.spans(row["traceId"])
    assert got["headers"]["x-vercel-id"] == f"iad1::iad1::{got['request_id']}"


def test_a_streamed_chat_arrives_in_pieces_and_is_counted(sandbox: Sandbox) -> None:
    before = _usage(sandbox)
    got = sandbox.visit("chat", org="Initech", stream=True)
    assert got["headers"]["content-type"].startswith("text/event-stream")
    assert got["body"].count("event: delta") > 5
    assert _usage(sandbox)["requests"] == before["requests"] + 1


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"session": "none"}, 401, "no_session"),
        ({"session": "expired"}, 401, "session_expired"),
        ({"session": "forged"}, 401, "bad_session"),
        ({"message": " "}, 400, "invalid_request"),
        ({"user": "grace@acme.example", "org": "Initech"}, 403, "not_a_member"),
    ],
)
def test_what_the_api_refuses_by_design(sandbox: Sandbox, how: dict[str, Any], status: int, code: str) -> None:
    got = sandbox.visit("chat", **how)
    assert (got["status"], json.loads(got["body"])["error"]["code"]) == (status, code)


def test_a_used_up_plan_is_refused(sandbox: Sandbox) -> None:
    (org,) = [o["id"] for o in sandbox.organizations if o["name"] == "Initech"]
    sandbox.inject("sql", statement=f"insert into usage_records (org_id, tokens, requests) values ('{org}', 900000, 1)")
    got = sandbox.visit("chat", org="Initech")
    assert (got["status"], json.loads(got["body"])["error"]["code"]) == (429, "quota_exceeded")
    sandbox.heal()
    assert sandbox.visit("chat", org="Initech")["status"] == 200


@pytest.mark.parametrize("action", ["home", "dashboard", "usage", "chat", "checkout"])
def test_every_action_of_a_person_works(sandbox: Sandbox, action: str) -> None:
    assert sandbox.visit(action, org="Acme Rockets")["status"] == 200


def test_the_routes_that_nexuscore_has_today(sandbox: Sandbox, eyes: Any) -> None:
    assert eyes.get("api", "/api/health").json() == {"status": "ok"}
    assert eyes.get("gateway", "/").status_code == 200
    assert eyes.get("gateway", "/openapi.json").json()["openapi"].startswith("3.")
    assert eyes.get("gateway", "/health").status_code == 404
    assert eyes.get("api", "/api/stripe/webhook").status_code == 405


def _signed(sandbox: Sandbox, body: bytes, at: int | None = None) -> dict[str, str]:
    stamp = str(at or int(time.time()))
    secret = sandbox.env["STRIPE_WEBHOOK_SECRET"].encode()
    return {
        "stripe-signature": f"t={stamp},v1={hmac.new(secret, stamp.encode() + b'.' + body, hashlib.sha256).hexdigest()}"
    }


def test_a_signed_stripe_event_is_applied_to_the_database(sandbox: Sandbox) -> None:
    (org,) = [o["id"] for o in sandbox.organizations if o["name"] == "Acme Rockets"]
    with psycopg.connect(sandbox.superuser) as connection:
        customer = connection.execute(
            "select stripe_customer_id from billing_customers where org_id = %s", (org,)
        ).fetchone()[0]
    event = {"id": "evt_1", "type": "invoice.payment_failed", "data": {"object": {"customer": customer}}}
    body = json.dumps(event, indent=3).encode()
    sandbox.inject("sql", statement="select 1")  # so that healing puts the row back
    answer = httpx.post(
        f"{sandbox.endpoints['api']}/api/stripe/webhook", content=body, headers=_signed(sandbox, body), trust_env=False
    )
    assert answer.json() == {"received": True, "type": "invoice.payment_failed"}
    with psycopg.connect(sandbox.superuser) as connection:
        status = connection.execute("select status from billing_customers where org_id = %s", (org,)).fetchone()[0]
    assert status == "past_due"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("no header", "Missing webhook secret or signature"),
        ("other body", "Webhook Error: No signatures found matching the expected signature for payload."),
        ("old", "Webhook Error: Timestamp outside the tolerance zone"),
    ],
)
def test_a_stripe_event_that_does_not_verify_is_refused(sandbox: Sandbox, change: str, words: str) -> None:
    body = b'{"id":"evt_2","type":"invoice.paid","data":{"object":{}}}'
    headers = (
        {} if change == "no header" else _signed(sandbox, body, int(time.time()) - 301 if change == "old" else None)
    )
    sent = body.replace(b":", b": ") if change == "other body" else body
    answer = httpx.post(
        f"{sandbox.endpoints['api']}/api/stripe/webhook", content=sent, headers=headers, trust_env=False
    )
    assert answer.status_code == 400
    assert answer.text.startswith(words)


def test_rows_are_seen_by_members_only(sandbox: Sandbox) -> None:
    with psycopg.connect(sandbox.superuser) as connection:

        def seen_by(email: str, table: str) -> int:
            (person,) = [p["id"] for p in sandbox.people if p["email"] == email]
            connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps({"sub": person}),))
            connection.execute("set local role authenticated")
            count = connection.execute(f"select count(*) from {table}").fetchone()[0]
            connection.rollback()
            return int(count)

        tables = ["profiles", "organizations", "memberships", "billing_customers", "api_keys", "invitations"]
        assert [seen_by("grace@acme.example", table) for table in tables] == [1, 1, 3, 1, 1, 1]
        assert [seen_by("barbara@globex.example", table) for table in tables] == [1, 1, 3, 1, 1, 0]
        connection.execute("set local role anon")
        assert connection.execute("select count(*) from usage_records").fetchone()[0] == 0


def test_a_write_without_a_policy_is_refused(sandbox: Sandbox) -> None:
    org, person = sandbox.organizations[0]["id"], sandbox.people[0]["id"]
    with psycopg.connect(sandbox.superuser) as connection:
        connection.execute("select set_config('request.jwt.claims', %s, true)", (json.dumps({"sub": person}),))
        connection.execute("set local role authenticated")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("insert into usage_records (org_id, tokens) values (%s, 1)", (org,))


def test_the_settings_tell_of_no_fault_and_are_for_their_owner_only(sandbox: Sandbox) -> None:
    before = sandbox.env_file.read_text()
    sandbox.inject("dial", of="openai", field="mode", value="overloaded")
    assert sandbox.env_file.read_text() == before
    assert sandbox.env_file.stat().st_mode & 0o077 == 0
    assert not {"override", "inject", "fault", "broken"} & set(before.lower().split())


def _usage(sandbox: Sandbox) -> dict[str, Any]:
    body = sandbox.visit("usage", org="Initech")["body"]
    found: dict[str, Any] = json.loads(body[body.index("{") : body.rindex("}") + 1])
    return found
