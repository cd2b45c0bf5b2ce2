"""Supabase and Stripe through their own packages: sums over pages, the subscription that counts, refusals with their words."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.loopback import Asked, Loopback, Reply
from support.source_cases import EVENT, SUBSCRIPTION

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.supabase import rls as supabase_rls
from runbook_lib.sources.supabase.api import key_facts

NOW = datetime.now(UTC)
WINDOW = Window(NOW - timedelta(hours=2), NOW - timedelta(hours=1))
MakeLook = Callable[..., Observation]


def test_usage_is_summed_over_all_pages_even_where_the_project_caps_them(
    loopback: Loopback, make_look: MakeLook
) -> None:
    records = [{"tokens": n, "requests": 1, "at": to_iso(WINDOW.since + timedelta(seconds=n))} for n in range(7)]

    def answer(asked: Asked) -> Reply:
        start = int(asked.query.get("offset", ["0"])[0])
        return Reply(200, records[start : start + 3])

    loopback.answer = answer
    seen = make_look(supabase.usage("org-1", WINDOW))
    assert (seen.status, seen.value["tokens"], seen.value["requests"], seen.value["records"]) == (Status.ok, 21, 7, 7)
    assert (seen.value["first_at"], seen.value["last_at"]) == (records[0]["at"], records[6]["at"])
    first = loopback.asked[0]
    assert first.query["org_id"] == ["eq.org-1"]
    assert first.headers["apikey"] == "sb_secret_for_tests_only"


def test_records_without_tokens_are_counted_apart_and_no_records_are_zeros(
    loopback: Loopback, make_look: MakeLook
) -> None:
    rows = [{"tokens": None, "requests": 2, "at": to_iso(WINDOW.since)}]
    loopback.answer = lambda asked: Reply(200, [] if asked.query.get("offset", ["0"]) != ["0"] else rows)
    seen = make_look(supabase.usage("org-1", WINDOW))
    assert (seen.value["tokens"], seen.value["without_tokens"], seen.value["requests"]) == (0, 1, 2)
    loopback.answer = lambda _: Reply(200, [])
    seen = make_look(supabase.usage("org-1", WINDOW))
    assert (seen.status, seen.value["tokens"], seen.value["records"]) == (Status.ok, 0, 0)


@pytest.mark.parametrize("text", ["x,org_id.gt.0", 'a"b', "a&select=*", "(a)", "../..", "日本"])
def test_an_organizations_id_travels_as_a_filters_value(text: str, loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, [])
    make_look(supabase.billing_customer(text))
    (asked,) = loopback.asked
    assert asked.query["org_id"] == [f"eq.{text}"]
    assert set(asked.query) == {"select", "org_id", "limit"}


@pytest.mark.parametrize(
    ("code", "body", "status"),
    [
        (401, {"code": "PGRST301", "message": "No suitable key"}, Status.denied),
        (403, {"code": "42501", "message": "permission denied"}, Status.denied),
        (404, {"code": "PGRST205", "message": "Could not find the table"}, Status.malformed),
        (400, {"code": "22P02", "message": "invalid input syntax for type uuid"}, Status.not_found),
        (503, {"code": "PGRST002", "message": "Could not query the database"}, Status.unreachable),
        (500, {"code": "42P17", "message": "infinite recursion"}, Status.malformed),
        (540, {"message": "Project paused"}, Status.malformed),
    ],
)
def test_what_postgrest_answers_instead_of_rows_keeps_its_code_and_words(
    code: int, body: dict[str, Any], status: Status, loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(code, body, {"Retry-After": "600"})
    seen = make_look(supabase.billing_customer("o1"))
    assert seen.status == status
    assert body["message"] in seen.why


def test_a_database_that_postgrest_cannot_reach_is_data_of_the_probe(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(503, {"code": "PGRST002", "message": "Could not query the database"})
    seen = make_look(supabase.health())
    assert (seen.status, seen.value["rest"], seen.value["auth"]) == (Status.ok, 503, 503)
    assert len(loopback.asked) == 2, "each is probed once"


def test_a_paused_project_is_not_asked_for_its_services(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, {"name": "n", "status": "INACTIVE", "region": "eu"})
    seen = make_look(supabase.project_health())
    assert (seen.value["status"], seen.value["services"], len(loopback.asked)) == ("INACTIVE", [], 1)


def test_a_log_query_that_supabase_refuses_is_malformed_with_its_words(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(200, {"error": {"message": "Unrecognized name: x"}, "result": None})
    seen = make_look(supabase_rls.refusals("profiles", WINDOW))
    assert (seen.status, "Unrecognized name: x" in seen.why) == (Status.malformed, True)


def test_a_key_tells_what_it_is_and_when_it_expires_but_never_itself(loopback: Loopback, make_look: MakeLook) -> None:
    def part(claims: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")

    key = f"{part({'alg': 'HS256'})}.{part({'role': 'anon', 'ref': 'abc', 'exp': 1893456000})}.c2lnbmF0dXJl"
    loopback.answer = lambda _: Reply(200, {"version": "v2"})
    seen = make_look(supabase.health(), SUPABASE_ANON_KEY=key)
    assert seen.value["anon_key"] == {
        "kind": "jwt",
        "role": "anon",
        "ref": "abc",
        "expires_at": "2030-01-01T00:00:00.000Z",
    }
    assert key not in json.dumps(seen.as_dict())
    assert [key_facts(text)["kind"] for text in ("x", "a.b.c", "a.!!!.c", "eyJ.bm90IGpzb24.x")] == ["unknown"] * 4  # type: ignore[index]


def test_of_several_subscriptions_the_one_that_counts_is_told(loopback: Loopback, make_look: MakeLook) -> None:
    def one(name: str, status: str, created: int) -> dict[str, Any]:
        return {**SUBSCRIPTION, "id": name, "status": status, "created": created}

    rows = [one("new", "canceled", 1790000300), one("old", "active", 1790000100), one("late", "past_due", 1790000200)]
    loopback.answer = lambda _: Reply(200, {"object": "list", "data": rows, "has_more": False})
    seen = make_look(stripe.subscription("cus_1"))
    assert (seen.value["id"], seen.value["status"], seen.value["others"]) == ("old", "active", 2)
    assert loopback.asked[0].query["status"] == ["all"]


def test_the_period_is_the_subscriptions_or_in_newer_versions_its_items(
    loopback: Loopback, make_look: MakeLook
) -> None:
    newer = {key: value for key, value in SUBSCRIPTION.items() if not key.startswith("current_period")}
    item = {**newer["items"]["data"][0], "current_period_start": 1790000000, "current_period_end": 1792000000}
    newer = {**newer, "items": {"object": "list", "data": [item]}}
    periods = []
    for row in (SUBSCRIPTION, newer):
        loopback.answer = lambda _, row=row: Reply(200, {"object": "list", "data": [row], "has_more": False})
        value = make_look(stripe.subscription("cus_1")).value
        periods.append((value["period_start"], value["period_end"]))
    assert periods[0] == periods[1] == ("2026-09-21T14:13:20.000Z", "2026-10-14T17:46:40.000Z")


def test_a_customer_without_subscription_is_empty_and_an_unknown_one_not_found(
    loopback: Loopback, make_look: MakeLook
) -> None:
    loopback.answer = lambda _: Reply(200, {"object": "list", "data": [], "has_more": False})
    assert make_look(stripe.subscription("cus_1")).status == Status.empty
    missing = {
        "error": {"type": "invalid_request_error", "code": "resource_missing", "message": "No such customer: 'cus_1'"}
    }
    loopback.answer = lambda _: Reply(400, missing)
    assert make_look(stripe.subscription("cus_1")).status == Status.not_found
    loopback.answer = lambda _: Reply(200, {"id": "cus_1", "object": "customer", "deleted": True})
    assert make_look(stripe.customer("cus_1")).status == Status.not_found


def test_events_are_read_page_by_page_within_the_window(loopback: Loopback, make_look: MakeLook) -> None:
    def answer(asked: Asked) -> Reply:
        after = asked.query.get("starting_after", [""])[0]
        rows = [{**EVENT, "id": "evt_b"}] if after else [{**EVENT, "id": "evt_a"}]
        return Reply(200, {"object": "list", "data": rows, "has_more": not after})

    loopback.answer = answer
    seen = make_look(stripe.events(WINDOW, ("invoice.paid",), undelivered=True))
    assert [row["id"] for row in seen.value] == ["evt_a", "evt_b"]
    query = loopback.asked[0].query
    assert query["created[gte]"] == [str(int(WINDOW.since.timestamp()))]
    assert (query["types[0]"], query["delivery_success"]) == (["invoice.paid"], ["false"])


def test_a_key_without_a_permission_is_denied_with_what_it_lacks_and_what_it_has(
    loopback: Loopback, make_look: MakeLook
) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/v1/subscriptions":
            return Reply(403, {"error": {"message": "The provided key does not have the required permissions"}})
        return Reply(200, {"object": "list", "data": [], "has_more": False})

    loopback.answer = answer
    seen = make_look(stripe.health())
    assert (seen.status, seen.help) == (Status.denied, "the key of RUNBOOK_STRIPE_KEY needs: Subscriptions: read")
    assert seen.value["may_read"] == {"customers": True, "subscriptions": False, "events": True}


def test_a_server_error_of_stripe_is_not_retried_by_its_package(loopback: Loopback, make_look: MakeLook) -> None:
    loopback.answer = lambda _: Reply(500, {"error": {"message": "try again"}}, {"Stripe-Should-Retry": "true"})
    assert make_look(stripe.customer("cus_1")).status == Status.malformed
    assert len(loopback.asked) == 1
