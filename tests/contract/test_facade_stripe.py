"""Stripe's façade: its answers are what both API versions promise, and its refusals are Stripe's."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from runbook_lib.sandbox.facades.stripe.app import create_app
from runbook_lib.sandbox.facades.stripe.form import parse_form
from runbook_lib.sandbox.facades.stripe.plant import METER_EVENT, Payer, plant, report_usage
from runbook_lib.sandbox.facades.stripe.state import add_key, now_s, stripe_state

OLD, NEW = "2024-06-20", "2026-10-28.endive"
SPEC = {OLD: "stripe/openapi-2024-06-20-derived.json", NEW: "stripe/openapi-2026-10-28.endive-derived.json"}
PAYER = "cus_NexusPayer0001"


@pytest.fixture
def stocked(world):
    """A world whose Stripe knows two paying customers and some usage."""
    end = (world.now() + timedelta(days=10)).replace(hour=0, minute=0, second=0, microsecond=0)
    payers = [
        Payer(PAYER, "billing@acme.example", "Acme", "pro", end, {"org_id": "org-1"}),
        Payer("cus_NexusPayer0002", "billing@globex.example", "Globex", "enterprise", end),
    ]
    plant(world, payers, "http://127.0.0.1:9/api/stripe/webhook")
    for hours in (50, 26, 2):
        report_usage(world, PAYER, world.now() - timedelta(hours=hours), 1000 * hours, f"report-{hours}")
    return world


@pytest.fixture
def stripe(stocked, in_process) -> Any:
    """`stripe(method, path, version=OLD, **form)`: one call with the secret key."""
    client: httpx.Client = in_process(
        create_app(stocked), headers={"authorization": f"Bearer {stocked.keys.stripe_secret}"}
    )

    def call(
        method: str, path: str, version: str = OLD, headers: dict[str, str] | None = None, **form: Any
    ) -> httpx.Response:
        where = {"params" if method == "GET" else "data": form} if form else {}
        return client.request(method, path, headers={"stripe-version": version, **(headers or {})}, **where)

    return call


def summaries(world) -> dict[str, Any]:
    day = now_s(world) // 86_400 * 86_400
    return {"customer": PAYER, "start_time": day - 3 * 86_400, "end_time": day + 86_400}


@pytest.mark.parametrize("version", [OLD, NEW])
def test_answers_are_what_the_version_promises(stripe, stocked, promised, version):
    event = stripe("GET", "/v1/events").json()["data"][0]["id"]
    meter = stripe("GET", "/v1/billing/meters").json()["data"][0]["id"]
    reads = [
        ("/v1/customers", "/v1/customers", {}),
        ("/v1/customers/{customer}", f"/v1/customers/{PAYER}", {}),
        ("/v1/subscriptions", "/v1/subscriptions", {"status": "all"}),
        ("/v1/events", "/v1/events", {}),
        ("/v1/events/{id}", f"/v1/events/{event}", {}),
        ("/v1/webhook_endpoints", "/v1/webhook_endpoints", {}),
        ("/v1/billing/meters", "/v1/billing/meters", {}),
        ("/v1/billing/meters/{id}/event_summaries", f"/v1/billing/meters/{meter}/event_summaries", summaries(stocked)),
    ]
    if version == NEW:
        reads += [("/v1/balance", "/v1/balance", {})]
    for template, path, query in reads:
        answer = stripe("GET", path, version, **query)
        assert answer.status_code == 200, answer.text
        promised(SPEC[version], "GET", template, answer)
    sent = {"event_name": METER_EVENT, "payload[stripe_customer_id]": PAYER, "payload[value]": "7"}
    promised(
        SPEC[version], "POST", "/v1/billing/meter_events", stripe("POST", "/v1/billing/meter_events", version, **sent)
    )


def test_legacy_usage_is_promised_before_basil_and_gone_since(stripe, promised):
    subscription = stripe("GET", "/v1/subscriptions", customer=PAYER).json()["data"][0]
    metered = next(i["id"] for i in subscription["items"]["data"] if i["price"]["recurring"]["usage_type"] == "metered")
    path = f"/v1/subscription_items/{metered}/usage_record"
    form = {"quantity": 5, "timestamp": "now", "action": "increment"}
    template = "/v1/subscription_items/{subscription_item}/usage_record"
    promised(SPEC[OLD], "POST", f"{template}s", stripe("POST", f"{path}s", OLD, **form))
    listed = stripe("GET", f"{path}_summaries", OLD)
    promised(SPEC[OLD], "GET", f"{template}_summaries", listed)
    for version in ("2025-02-24.acacia", OLD):
        assert stripe("GET", f"{path}_summaries", version).status_code == 200
    for version in ("2025-03-31.basil", NEW):
        assert stripe("GET", f"{path}_summaries", version).status_code == 404
        assert stripe("POST", f"{path}s", version, **form).status_code == 404


def test_usage_summaries_are_newest_first_and_the_open_period_has_no_invoice(stripe):
    subscription = stripe("GET", "/v1/subscriptions", customer=PAYER).json()["data"][0]
    metered, licensed = sorted(
        subscription["items"]["data"], key=lambda i: i["price"]["recurring"]["usage_type"], reverse=True
    )
    rows = stripe("GET", f"/v1/subscription_items/{metered['id']}/usage_record_summaries").json()["data"]
    assert [row["invoice"] is None for row in rows] == [True, False, False, False]
    assert rows[0]["total_usage"] == 78_000
    assert rows[1]["period"]["start"] > rows[2]["period"]["start"]
    refused = stripe("GET", f"/v1/subscription_items/{licensed['id']}/usage_record_summaries")
    assert refused.status_code == 400


def test_set_replaces_and_increment_adds(stripe):
    subscription = stripe("GET", "/v1/subscriptions", customer=PAYER).json()["data"][0]
    metered = next(i for i in subscription["items"]["data"] if i["price"]["recurring"]["usage_type"] == "metered")
    path = f"/v1/subscription_items/{metered['id']}/usage_record"
    at = subscription["current_period_start"] + 60
    for quantity, action in ((10, "increment"), (5, "increment"), (7, "set"), (1, "increment")):
        stripe("POST", f"{path}s", quantity=quantity, action=action, timestamp=at)
    assert stripe("GET", f"{path}_summaries").json()["data"][0]["total_usage"] == 78_000 + 8
    outside = stripe("POST", f"{path}s", quantity=1, timestamp=subscription["current_period_start"] - 1)
    assert (outside.status_code, outside.json()["error"]["param"]) == (400, "timestamp")


def test_the_period_stands_on_the_subscription_before_basil_and_on_its_items_since(stripe):
    old = stripe("GET", "/v1/subscriptions", OLD, customer=PAYER).json()["data"][0]
    new = stripe("GET", "/v1/subscriptions", NEW, customer=PAYER).json()["data"][0]
    assert "current_period_end" not in new
    assert "current_period_end" not in old["items"]["data"][0]
    assert old["current_period_end"] == new["items"]["data"][0]["current_period_end"]
    form = {"customer": PAYER, "limit": 1, "expand[]": "data.latest_invoice"}
    invoices = {
        v: stripe("GET", "/v1/subscriptions", v, **form).json()["data"][0]["latest_invoice"] for v in (OLD, NEW)
    }
    assert invoices[OLD]["subscription"] == invoices[NEW]["parent"]["subscription_details"]["subscription"] == old["id"]
    assert "subscription" not in invoices[NEW]
    assert "parent" not in invoices[OLD]


def test_an_unknown_version_is_refused_and_the_accounts_own_is_used_without_one(stripe, stocked, in_process):
    assert stripe("GET", "/v1/balance", "2030-01-01").status_code == 400
    client = in_process(create_app(stocked), headers={"authorization": f"Bearer {stocked.keys.stripe_secret}"})
    assert client.get("/v1/balance").headers["stripe-version"] == OLD


def test_lists_are_paged_by_cursor_in_both_directions(stripe):
    for nth in range(6):
        stripe("POST", "/v1/customers", name=f"Customer {nth}")
    everything = [row["id"] for row in stripe("GET", "/v1/customers", limit=100).json()["data"]]
    pages, cursor = [], {}
    while True:
        page = stripe("GET", "/v1/customers", limit=3, **cursor).json()
        pages += [row["id"] for row in page["data"]]
        if not page["has_more"]:
            break
        cursor = {"starting_after": pages[-1]}
    assert pages == everything
    assert len(everything) == 8
    before = stripe("GET", "/v1/customers", limit=2, ending_before=everything[4]).json()
    assert [row["id"] for row in before["data"]] == everything[2:4]
    assert stripe("GET", "/v1/customers", limit=101).status_code == 400
    assert stripe("GET", "/v1/customers", starting_after="cus_none").status_code == 400


def test_canceled_subscriptions_are_listed_only_when_asked_for(stripe, stocked):
    id_ = stripe("GET", "/v1/subscriptions", customer=PAYER).json()["data"][0]["id"]
    assert stripe("DELETE", f"/v1/subscriptions/{id_}").json()["status"] == "canceled"
    assert stripe("GET", "/v1/subscriptions", customer=PAYER).json()["data"] == []
    for status in ("all", "canceled", "ended"):
        listed = stripe("GET", "/v1/subscriptions", customer=PAYER, status=status).json()["data"]
        assert [s["id"] for s in listed] == [id_], status
    assert stripe("DELETE", f"/v1/subscriptions/{id_}").status_code == 404


def test_expansion_puts_objects_in_place_of_ids(stripe):
    form = {"expand[0]": "data.customer", "expand[1]": "data.latest_invoice", "limit": 1}
    row = stripe("GET", "/v1/subscriptions", **form).json()["data"][0]
    assert row["customer"]["object"] == "customer"
    assert row["latest_invoice"]["object"] == "invoice"
    plain = stripe("GET", "/v1/subscriptions", limit=1).json()["data"][0]
    assert isinstance(plain["customer"], str)


def test_what_is_not_there_and_what_is_in_the_other_mode_are_told_apart(stripe, stocked, in_process):
    refused = stripe("GET", "/v1/customers/cus_none").json()["error"]
    assert (refused["code"], refused["message"]) == ("resource_missing", "No such customer: 'cus_none'")
    live = in_process(
        create_app(stocked), headers={"authorization": f"Bearer {add_key(stocked, 'secret', livemode=True)}"}
    )
    words = live.get(f"/v1/customers/{PAYER}").json()["error"]["message"]
    assert words.endswith("a similar object exists in test mode, but a live mode key was used to make this request.")
    assert live.get("/v1/customers").json()["data"] == []
    assert stripe("GET", "/v1/subscriptions", customer="cus_none").status_code == 400


def test_keys_are_checked_by_kind_state_and_mode(stocked, in_process):
    client = in_process(create_app(stocked))

    def refusal(authorization: str) -> tuple[int, str]:
        answer = client.get("/v1/balance", headers={"authorization": authorization} if authorization else {})
        return answer.status_code, answer.json().get("error", {}).get("code", "")

    expired = add_key(stocked, "secret", livemode=False)
    stripe_state(stocked).keys[expired].state = "expired"
    assert refusal("") == (401, "")
    assert refusal("Bearer sk_test_wrong") == (401, "")
    assert refusal(f"Bearer {expired}") == (401, "api_key_expired")
    assert refusal(f"Bearer {stocked.keys.stripe_publishable}") == (401, "secret_key_required")
    assert refusal(f"Bearer {stocked.keys.stripe_secret}") == (200, "")
    assert client.get("/v1/balance", auth=(stocked.keys.stripe_secret, "")).status_code == 200


def test_no_refusal_repeats_a_whole_key(stocked, in_process):
    key = "sk_test_51AAAABBBBCCCCDDDDEEEE"
    text = in_process(create_app(stocked)).get("/v1/balance", headers={"authorization": f"Bearer {key}"}).text
    assert key not in text
    assert "EEEE" in text


def test_a_restricted_key_reads_and_is_told_the_permission_it_lacks(stocked, in_process):
    client = in_process(create_app(stocked), headers={"authorization": f"Bearer {stocked.keys.stripe_restricted}"})
    assert client.get("/v1/subscriptions").status_code == 200
    refused = client.post("/v1/customers", data={"name": "x"})
    assert (refused.status_code, "rak_customer_write" in refused.json()["error"]["message"]) == (403, True)
    del stripe_state(stocked).keys[stocked.keys.stripe_restricted].permissions["subscription"]
    refused = client.get("/v1/subscriptions")
    assert (refused.status_code, "rak_subscription_read" in refused.json()["error"]["message"]) == (403, True)


def test_an_idempotency_key_makes_one_object_and_refuses_another_call(stripe):
    headers = {"idempotency-key": "once"}
    first = stripe("POST", "/v1/customers", headers=headers, name="A")
    again = stripe("POST", "/v1/customers", headers=headers, name="A")
    other = stripe("POST", "/v1/customers", headers=headers, name="B")
    assert first.json() == again.json()
    assert (again.headers["idempotent-replayed"], "idempotent-replayed" in first.headers) == ("true", False)
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    assert len(stripe("GET", "/v1/customers").json()["data"]) == 3


def test_the_rate_limit_is_a_429_with_its_reason(stripe, stocked):
    stripe_state(stocked).calls_left = 1
    assert stripe("GET", "/v1/balance").status_code == 200
    refused = stripe("GET", "/v1/balance")
    assert (refused.status_code, refused.headers["stripe-rate-limited-reason"]) == (429, "global-rate")
    assert refused.headers["stripe-should-retry"] == "true"


def test_refusals_are_what_the_version_promises(stripe, promised):
    for method, path, form in (
        ("GET", "/v1/customers/cus_none", {}),
        ("POST", "/v1/billing/meter_events", {}),
    ):
        template = "/v1/customers/{customer}" if method == "GET" else path
        promised(SPEC[NEW], method, template, stripe(method, path, NEW, **form))
    unknown = stripe("GET", "/v1/nothing")
    assert (unknown.status_code, unknown.json()["error"]["message"]) == (
        404,
        "Unrecognized request URL (GET: /v1/nothing).",
    )
    assert unknown.headers["request-id"].startswith("req_")


def test_meter_summaries_group_by_hour_and_day_and_want_whole_boundaries(stripe, stocked):
    meter = stripe("GET", "/v1/billing/meters").json()["data"][0]["id"]
    path, whole = f"/v1/billing/meters/{meter}/event_summaries", summaries(stocked)
    (total,) = stripe("GET", path, **whole).json()["data"]
    assert total["aggregated_value"] == 78_000
    days = stripe("GET", path, **whole, value_grouping_window="day").json()["data"]
    assert sum(row["aggregated_value"] for row in days) == 78_000
    assert [row["start_time"] for row in days] == sorted((row["start_time"] for row in days), reverse=True)
    assert all(row["end_time"] - row["start_time"] == 86_400 for row in days)
    hours = stripe("GET", path, **whole, value_grouping_window="hour", limit=100).json()["data"]
    assert len(hours) == 3
    assert stripe("GET", path, **{**whole, "start_time": whole["start_time"] + 1}).status_code == 400
    uneven = {**whole, "start_time": whole["start_time"] + 3600}
    assert stripe("GET", path, **uneven, value_grouping_window="day").status_code == 400
    assert stripe("GET", path, **{**whole, "customer": "cus_NexusPayer0002"}).json()["data"] == []


def test_a_meter_event_is_accepted_first_and_may_be_dropped_later(stripe, stocked):
    meter = stripe("GET", "/v1/billing/meters").json()["data"][0]["id"]

    def send(**form: Any) -> int:
        fixed = {"event_name": METER_EVENT, "payload[stripe_customer_id]": PAYER, "payload[value]": "1"}
        return stripe("POST", "/v1/billing/meter_events", **{**fixed, **form}).status_code

    assert send(**{"payload[stripe_customer_id]": "cus_none"}) == 200
    assert send(**{"payload[value]": "many"}) == 200
    assert send(event_name="nobody_listens") == 200
    assert send(identifier="same") == 200
    assert send(identifier="same") == 400
    assert send(timestamp=now_s(stocked) - 36 * 86_400) == 400
    assert send(timestamp=now_s(stocked) + 400) == 400
    (row,) = stripe("GET", f"/v1/billing/meters/{meter}/event_summaries", **summaries(stocked)).json()["data"]
    assert row["aggregated_value"] == 78_001
    codes = [error["code"] for error in stripe_state(stocked).book(False).meter_errors]
    assert codes == ["meter_event_customer_not_found", "meter_event_invalid_value", "no_meter"]


def test_meter_events_are_counted_only_after_the_delay(stripe, stocked):
    stripe_state(stocked).meter_delay_s = 3600
    meter = stripe("GET", "/v1/billing/meters").json()["data"][0]["id"]
    sent = {"event_name": METER_EVENT, "payload[stripe_customer_id]": PAYER, "payload[value]": "5"}
    stripe("POST", "/v1/billing/meter_events", **sent)
    (row,) = stripe("GET", f"/v1/billing/meters/{meter}/event_summaries", **summaries(stocked)).json()["data"]
    assert row["aggregated_value"] == 78_000


def test_events_are_found_by_type_time_and_delivery(stripe, stocked):
    set_types = {e["type"] for e in stripe("GET", "/v1/events", limit=100).json()["data"]}
    assert {"invoice.paid", "customer.subscription.updated"} <= set_types
    only = stripe("GET", "/v1/events", **{"types[]": "invoice.paid"}).json()["data"]
    assert {e["type"] for e in only} == {"invoice.paid"}
    assert stripe("GET", "/v1/events", delivery_success="false").json()["data"] == []
    recent = stripe("GET", "/v1/events", **{"created[gte]": now_s(stocked)}).json()["data"]
    assert recent == []
    assert stripe("GET", "/v1/events", **{"created[since]": 1}).status_code == 400


def test_an_event_keeps_the_accounts_version_whoever_asks(stripe):
    event = stripe("GET", "/v1/events", NEW, type="customer.subscription.updated").json()["data"][0]
    assert event["api_version"] == OLD
    assert "current_period_end" in event["data"]["object"]


def test_no_list_shows_an_endpoints_secret(stripe, stocked):
    (endpoint,) = stripe_state(stocked).book(False).of("webhook_endpoint").values()
    shown = stripe("GET", "/v1/webhook_endpoints").text
    assert endpoint["id"] in shown
    assert endpoint["_secret"] not in shown


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1&b[c]=2", {"a": "1", "b": {"c": "2"}}),
        ("a[]=1&a[]=2", {"a": ["1", "2"]}),
        ("items[0][price]=p&items[1][price]=q", {"items": [{"price": "p"}, {"price": "q"}]}),
        ("metadata[key]=", {"metadata": {"key": ""}}),
        ("a[b][]=1", {"a": {"b": ["1"]}}),
        ("", {}),
        ("a=1&a[b]=2", {"a": {"b": "2"}}),
    ],
)
def test_brackets_make_objects_and_lists(text, value):
    assert parse_form(text) == value
