"""The webhook route and Stripe's side of it as sources: signatures that Stripe's own package takes, and what refusals mean."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import stripe
from support.loopback import Asked, Loopback, Reply
from support.source_cases import EVENT, PAST

from runbook_lib.core.model import Observation, Status
from runbook_lib.sources.stripe import webhooks as stripe_webhooks
from runbook_lib.sources.this_machine import webhook

SECRET = "whsec_canary0123456789abcdef"
MakeLook = Callable[..., Observation]
HERE = {"RUNBOOK_HOST_PROCESSES": "none"}


class Route:
    """NexusCore's API as a server: its health page and its webhook, which verifies with stripe-python."""

    def __init__(self, secret: str | None = SECRET, clock_ahead_s: float = 0.0, *, parses: bool = False) -> None:
        self.secret, self.ahead_s, self.parses = secret, clock_ahead_s, parses
        self.taken: list[dict[str, Any]] = []

    def __call__(self, asked: Asked) -> Reply:
        if asked.path == "/api/health":
            return Reply(200, {"status": "ok"})
        if asked.path == "/v1/account":
            return Reply(401, {"error": {"message": "no key"}})
        if asked.path != webhook.PATH:
            return Reply(404, "nothing here")
        if asked.method != "POST":
            return Reply(405, "")
        header = asked.headers.get("stripe-signature")
        if not self.secret or not header:
            return Reply(400, "Missing webhook secret or signature")
        body = json.dumps(json.loads(asked.body), separators=(",", ":")).encode() if self.parses else asked.body
        stamp = int(dict(pair.split("=") for pair in header.split(","))["t"])
        try:
            event = stripe.Webhook.construct_event(body, header, self.secret, tolerance=None)
        except stripe.SignatureVerificationError:
            return Reply(400, "Webhook Error: No signatures found matching the expected signature for payload.")
        if datetime.now(UTC).timestamp() + self.ahead_s - stamp > 300:
            return Reply(400, "Webhook Error: Timestamp outside the tolerance zone")
        self.taken.append(json.loads(asked.body))
        return Reply(200, {"received": True, "type": event.type})


@pytest.fixture
def tested(loopback: Loopback, make_look: MakeLook) -> Callable[..., dict[str, Any]]:
    """`tested(route, secret)`: what signed test events bring there, for the configured secret."""

    def make(route: Route, secret: str = SECRET) -> dict[str, Any]:
        loopback.answer = route
        seen = make_look(webhook.signed(), STRIPE_WEBHOOK_SECRET=secret, **HERE)
        assert seen.status == Status.ok, seen.why
        assert SECRET not in json.dumps(seen.as_dict())
        (row,) = seen.value["tests"]
        return {form: (row[form] or {}).get("status_code") for form in ("compact", "spaced", "old", "future")}

    return make


def test_stripes_own_package_verifies_our_test_events_and_refuses_the_old_one(tested: Any) -> None:
    route = Route()
    assert tested(route) == {"compact": 200, "spaced": 200, "old": 400, "future": None}
    assert [event["type"] for event in route.taken] == [webhook.TEST_TYPE] * 2
    assert not any(event["livemode"] for event in route.taken)


def test_another_secret_is_refused_in_every_form(tested: Any) -> None:
    assert tested(Route(), "whsec_another_one_entirely") == {"compact": 400, "spaced": 400, "old": 400, "future": 400}


def test_a_body_parsed_first_verifies_compact_and_not_spaced(tested: Any) -> None:
    assert tested(Route(parses=True)) == {"compact": 200, "spaced": 400, "old": 400, "future": None}


def test_a_clock_ahead_refuses_now_and_takes_the_future(tested: Any) -> None:
    assert tested(Route(clock_ahead_s=900)) == {"compact": 400, "spaced": 400, "old": 400, "future": 200}
    assert tested(Route(clock_ahead_s=-900))["compact"] == 200


def test_stamps_follow_stripes_clock_where_it_can_be_read(
    loopback: Loopback, make_look: MakeLook, closed_port: str
) -> None:
    loopback.answer = Route()
    given = {"STRIPE_WEBHOOK_SECRET": SECRET, **HERE}
    seen = make_look(webhook.signed(), **given)
    assert (seen.value["reference"], seen.value["offset_s"]) == ("stripe", 0.0)
    seen = make_look(webhook.signed(), RUNBOOK_STRIPE_API_URL=closed_port, **given)
    assert (seen.value["reference"], seen.value["offset_s"]) == ("own", None)


def test_our_own_requests_are_known_by_their_trace_and_are_not_sampled(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = Route()
    make_look(webhook.route())
    make_look(webhook.signed(), STRIPE_WEBHOOK_SECRET=SECRET, **HERE)
    sent = [asked.headers for asked in loopback.asked if asked.path == webhook.PATH]
    assert len(sent) >= 6
    assert all(headers["traceparent"].startswith("00-72756e626f6f6b") for headers in sent)
    assert all(headers["traceparent"].endswith("-00") for headers in sent)


def test_without_a_secret_there_is_nothing_to_sign_with(make_look: MakeLook) -> None:
    seen = make_look(webhook.signed(), STRIPE_WEBHOOK_SECRET="", **HERE)
    assert (seen.status, "STRIPE_WEBHOOK_SECRET" in seen.help) == (Status.not_configured, True)


def test_the_route_is_told_from_what_it_answers_to_what_is_not_signed(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = Route()
    seen = make_look(webhook.route())
    answers = {name: seen.value[name]["status_code"] for name in ("health", "get", "unsigned", "badly_signed")}
    assert answers == {"health": 200, "get": 405, "unsigned": 400, "badly_signed": 400}
    assert "Missing webhook secret" in seen.value["unsigned"]["words"]
    assert "No signatures found" in seen.value["badly_signed"]["words"]
    loopback.answer = Route(secret=None)
    assert "Missing webhook secret" in make_look(webhook.route()).value["badly_signed"]["words"]


def test_a_redirect_is_not_followed(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(307, "", {"Location": "/login"})
    seen = make_look(webhook.route())
    assert (seen.value["unsigned"]["status_code"], seen.value["unsigned"]["location"]) == (307, "/login")


def test_where_nothing_listens_the_route_is_unreachable_and_where_none_answers_timed_out(
    loopback: Loopback, make_look: MakeLook, closed_port: str
) -> None:
    assert make_look(webhook.route(), RUNBOOK_API_URL=closed_port).status == Status.unreachable
    loopback.answer = lambda _: Reply(200, "", how="silent")
    assert make_look(webhook.route(), deadline_s=0.3).status == Status.timed_out


@pytest.mark.parametrize(
    ("url", "host", "port", "is_local"),
    [
        ("http://localhost:3001", "localhost", 3001, True),
        ("http://127.0.0.1", "127.0.0.1", 80, True),
        ("http://[::1]:3001", "::1", 3001, True),
        ("https://api.nexuscore.example", "api.nexuscore.example", 443, False),
    ],
)
def test_where_the_api_is_stands_in_the_settings(
    make_look: MakeLook, url: str, host: str, port: int, is_local: bool
) -> None:
    value = make_look(webhook.place(), RUNBOOK_API_URL=url).value
    assert (value["host"], value["port"], value["is_local"]) == (host, port, is_local)


def test_a_key_that_may_not_read_its_account_still_tells_its_mode(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(403, {"error": {"message": "does not have the required permissions"}})
    seen = make_look(stripe_webhooks.keys(), STRIPE_SECRET_KEY="sk_live_51Canary0000000")
    assert (seen.status, seen.value["account"], seen.value["api_account"]) == (Status.ok, None, None)
    assert (seen.value["runbook"]["mode"], seen.value["api"]["mode"]) == ("test", "live")
    assert "Canary" not in json.dumps(seen.as_dict())


def test_a_key_that_is_none_is_denied(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(401, {"error": {"message": "Invalid API Key provided"}})
    assert make_look(stripe_webhooks.keys()).status == Status.denied


def test_one_event_is_asked_for_by_its_id(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda asked: Reply(200, EVENT) if asked.path == "/v1/events/evt_1" else Reply(404, {})
    assert make_look(stripe_webhooks.deliveries(PAST, "evt_1")).value[0]["id"] == "evt_1"
    assert make_look(stripe_webhooks.deliveries(PAST, "evt_2")).status == Status.not_found


def test_only_billing_events_of_the_window_are_asked_for(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, {"object": "list", "data": [], "has_more": False})
    assert make_look(stripe_webhooks.deliveries(PAST)).status == Status.empty
    query = loopback.asked[0].query
    assert query["created[gte]"] == [str(int(PAST.since.timestamp()))]
    assert {"invoice.paid", "customer.subscription.updated"} <= {
        v for k, vs in query.items() if "types" in k for v in vs
    }


def test_an_event_younger_than_its_first_attempt_is_marked(loopback: Loopback, make_look: MakeLook) -> None:
    young = {**EVENT, "created": int(datetime.now(UTC).timestamp()), "pending_webhooks": 1}
    loopback.answer = lambda _: Reply(200, {"object": "list", "data": [young, EVENT], "has_more": False})
    rows = make_look(stripe_webhooks.deliveries(PAST)).value
    assert [row["is_young"] for row in rows] == [True, False]
    rows = make_look(stripe_webhooks.deliveries(PAST), RUNBOOK_WEBHOOK_DELAY_S="0").value
    assert [row["is_young"] for row in rows] == [False, False]
