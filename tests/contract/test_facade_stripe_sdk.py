"""The real `stripe` package against the façade, at its own API version and at NexusCore's pin."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
import stripe
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from runbook_lib.sandbox.facades.stripe.app import create_app
from runbook_lib.sandbox.facades.stripe.endpoints import new_endpoint
from runbook_lib.sandbox.facades.stripe.plant import METER_EVENT, Payer, plant, set_subscription
from runbook_lib.sandbox.facades.stripe.state import add_key, now_s, stripe_state

PAYER = "cus_NexusPayer0001"
OLD = "2024-06-20"


class Receiver:
    """An endpoint that takes events: what it got, and what it answers."""

    def __init__(self) -> None:
        self.bodies: list[tuple[bytes, str]] = []
        self.status = 200
        self.app = Starlette(routes=[Route("/hook", self.take, methods=["POST"])])

    async def take(self, request: Request) -> PlainTextResponse:
        self.bodies.append((await request.body(), request.headers["stripe-signature"]))
        return PlainTextResponse("taken", self.status)


def wait_for(what: Any, limit_s: float = 60) -> Any:
    """What it returns as soon as it is true."""
    end = time.monotonic() + limit_s
    while not (value := what()) and time.monotonic() < end:
        time.sleep(0.01)
    assert value
    return value


@pytest.fixture
def client_of(world, served) -> Any:
    """`client_of(key, version=None)`: the SDK's client of the façade."""
    plant(world, [Payer(PAYER, "billing@acme.example", "Acme", "pro", world.now() + timedelta(days=9))])
    stripe_state(world).retry_s = (0.05, 0.05)
    url = served(create_app(world))

    def make(key: str | None = None, version: str | None = None, retries: int = 0) -> stripe.StripeClient:
        options: dict[str, Any] = {"stripe_version": version} if version else {}
        return stripe.StripeClient(
            key or world.keys.stripe_secret, base_addresses={"api": url}, max_network_retries=retries, **options
        )

    return make


@pytest.fixture
def endpoint(world, served) -> Any:
    """`endpoint(receiver, *event types, **fields)`: an endpoint of the account that tells this receiver."""
    book = stripe_state(world).book(False)

    def make(receiver: Receiver, *events: str, **fields: Any) -> Any:
        return book.add(new_endpoint(book, now_s(world), f"{served(receiver.app)}/hook", list(events), **fields))

    return make


@pytest.fixture
def client(client_of) -> stripe.StripeClient:
    return client_of()


def test_a_customer_subscribes_pays_changes_and_leaves(client, world):
    v1 = client.v1
    customer = v1.customers.create({"email": "new@example.com", "payment_method": "pm_card_visa"})
    subscription = v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": "price_pro_monthly", "quantity": 2}]}
    )
    assert subscription.status == "active"
    invoice = stripe_state(world).book(False).of("invoice")[subscription.latest_invoice]
    assert (invoice["status"], invoice["amount_paid"], invoice["customer"]) == ("paid", 9_800, customer.id)
    item = subscription["items"].data[0]
    assert item.current_period_end > item.current_period_start
    ending = v1.subscriptions.update(subscription.id, {"cancel_at_period_end": True, "metadata": {"why": "price"}})
    assert (ending.cancel_at_period_end, ending.metadata["why"]) == (True, "price")
    assert v1.subscriptions.cancel(subscription.id).status == "canceled"
    types = [event.type for event in v1.events.list({"limit": 20}).data]
    assert types[:2] == ["customer.subscription.deleted", "customer.subscription.updated"]
    assert {"customer.created", "customer.subscription.created", "invoice.paid"} <= set(types)


def test_a_declined_card_leaves_an_incomplete_subscription(client):
    customer = client.v1.customers.create({"payment_method": "pm_card_chargeCustomerFail"})
    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": "price_pro_monthly"}]})
    (again,) = client.v1.subscriptions.list({"customer": customer.id, "status": "all"}).data
    assert (again.id, again.status) == (made.id, "incomplete")
    assert client.v1.events.list({"type": "invoice.payment_failed"}).data[0].data.object["id"] == made.latest_invoice


def test_no_card_at_all_is_refused(client):
    customer = client.v1.customers.create({})
    with pytest.raises(stripe.InvalidRequestError, match="no attached payment source"):
        client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": "price_pro_monthly"}]})


def test_a_refused_invoice_is_a_card_error_and_can_be_paid_later(client):
    customer = client.v1.customers.create({"payment_method": "pm_card_chargeCustomerFail"})
    client.v1.invoice_items.create({"customer": customer.id, "amount": 700, "currency": "usd"})
    invoice = client.v1.invoices.create({"customer": customer.id, "pending_invoice_items_behavior": "include"})
    with pytest.raises(stripe.CardError) as refused:
        client.v1.invoices.pay(invoice.id)
    assert refused.value.code == "card_declined"
    good = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    assert client.v1.invoices.pay(invoice.id, {"payment_method": good.id}).status == "paid"
    with pytest.raises(stripe.InvalidRequestError, match="already paid"):
        client.v1.invoices.pay(invoice.id)


def test_a_trial_is_free_and_its_end_is_the_periods(client, world):
    customer = client.v1.customers.create({})
    trial = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": "price_pro_monthly"}], "trial_period_days": 7}
    )
    assert (trial.status, trial["items"].data[0].current_period_end) == ("trialing", trial.trial_end)
    assert stripe_state(world).book(False).of("invoice")[trial.latest_invoice]["total"] == 0


def test_at_nexuscores_pin_usage_is_reported_on_the_item(client_of):
    client = client_of(version=OLD)
    subscription = client.v1.subscriptions.list({"customer": PAYER}).data[0]
    assert subscription.to_dict()["current_period_end"] > time.time()
    metered = next(i for i in subscription["items"].data if i.price.recurring.usage_type == "metered")
    path = f"/v1/subscription_items/{metered.id}/usage_record"
    client.raw_request("post", f"{path}s", quantity=120, timestamp="now", action="set")
    summary = client.raw_request("get", f"{path}_summaries").data["data"][0]
    assert (summary["total_usage"], summary["invoice"]) == (120, None)
    with pytest.raises(stripe.InvalidRequestError, match="basil"):
        client_of().raw_request("get", f"{path}_summaries")


def test_at_the_packages_own_version_usage_is_metered(client):
    now = int(time.time()) // 60 * 60
    for value in ("10", "5"):
        payload = {"stripe_customer_id": PAYER, "value": value}
        client.v1.billing.meter_events.create({"event_name": METER_EVENT, "payload": payload})
    meter = client.v1.billing.meters.list().data[0]
    window = {"customer": PAYER, "start_time": now - 3600, "end_time": now + 60}
    (summary,) = client.v1.billing.meters.event_summaries.list(meter.id, window).data
    assert summary.aggregated_value == 15


def test_lists_page_by_themselves(client):
    for nth in range(25):
        client.v1.customers.create({"name": f"Customer {nth}"})
    names = [customer.name for customer in client.v1.customers.list({"limit": 10}).auto_paging_iter()]
    assert names == [f"Customer {nth}" for nth in range(24, -1, -1)] + ["Acme"]


def test_refusals_become_the_packages_errors(client_of, world):
    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key"):
        client_of("sk_test_wrong").v1.balance.retrieve()
    with pytest.raises(stripe.PermissionError, match="rak_customer_write"):
        client_of(world.keys.stripe_restricted).v1.customers.create({})
    with pytest.raises(stripe.InvalidRequestError, match="live mode key") as missing:
        client_of(add_key(world, "secret", livemode=True)).v1.customers.retrieve(PAYER)
    assert (missing.value.code, missing.value.request_id[:4]) == ("resource_missing", "req_")
    stripe_state(world).calls_left = 0
    with pytest.raises(stripe.RateLimitError):
        client_of().v1.balance.retrieve()


def test_the_account_and_its_mode_are_told(client, world):
    assert client.v1.accounts.retrieve_current().id == world.ids.stripe_account
    assert client.v1.balance.retrieve().livemode is False


def test_an_event_is_delivered_once_signed_over_its_very_bytes(client, endpoint):
    receiver = Receiver()
    secret = endpoint(receiver, "customer.created", api_version=OLD)["_secret"]
    made = client.v1.customers.create({"name": "Signed"})
    body, signature = wait_for(lambda: receiver.bodies)[0]
    event = stripe.Webhook.construct_event(body, signature, secret)
    assert (event.type, event.data.object["id"], event.api_version) == ("customer.created", made.id, OLD)
    assert b"\n  " in body
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(body, signature, secret + "x")
    wait_for(lambda: client.v1.events.retrieve(event.id).pending_webhooks == 0)
    client.v1.products.create({"name": "Nobody asked"})
    assert len(receiver.bodies) == 1


def test_a_failing_endpoint_is_tried_again_and_leaves_the_event_pending(client, endpoint, world):
    receiver = Receiver()
    receiver.status = 500
    endpoint(receiver, "*")
    client.v1.customers.create({"name": "Unlucky"})
    wait_for(lambda: len(receiver.bodies) == 3)
    (pending,) = client.v1.events.list({"delivery_success": False}).data
    assert pending.pending_webhooks == 1
    delivery = stripe_state(world).book(False).deliveries[-1]
    assert [(status, words) for _, status, words in delivery.attempts] == [(500, "taken")] * 3
    receiver.status = 200
    (listed,) = client.v1.webhook_endpoints.list().data
    client.raw_request("post", f"/v1/events/{pending.id}/retry", webhook_endpoint=listed.id)
    wait_for(lambda: client.v1.events.list({"delivery_success": False}).data == [])


def test_a_disabled_endpoint_gets_nothing_and_nothing_is_pending(client, endpoint):
    receiver = Receiver()
    endpoint(receiver, "*", status="disabled")
    client.v1.customers.create({})
    assert client.v1.events.list({"limit": 1}).data[0].pending_webhooks == 0
    assert receiver.bodies == []


def test_a_subscription_that_time_changed_is_told(client, served, world):
    async def change() -> None:
        set_subscription(world, PAYER, status="past_due")

    served.run(change())
    assert client.v1.subscriptions.list({"customer": PAYER}).data[0].status == "past_due"
    event = client.v1.events.list({"type": "customer.subscription.updated", "limit": 1}).data[0]
    assert event.data["previous_attributes"]["status"] == "active"


@pytest.mark.parametrize("version", [OLD, None])
def test_endpoints_and_waiting_events_are_read_at_the_pin_and_at_the_packages_own_version(
    client_of, world, served, endpoint, version
):
    client = client_of(version=version)
    receiver = Receiver()
    receiver.status = 500
    made = endpoint(receiver, "customer.subscription.updated")
    (listed,) = client.v1.webhook_endpoints.list().data
    assert (listed.id, listed.status, listed.api_version, getattr(listed, "secret", None)) == (
        made["id"], "enabled", None, None,
    )  # fmt: skip

    async def change() -> None:
        set_subscription(world, PAYER, status="past_due")

    served.run(change())
    (event,) = client.v1.events.list({"delivery_success": False, "types": ["customer.subscription.updated"]}).data
    assert (event.pending_webhooks, event.data["object"]["customer"]) == (1, PAYER)


def test_an_endpoint_gets_events_in_its_own_version_and_in_the_accounts_without_one(client, world, served, endpoint):
    own, accounts = Receiver(), Receiver()
    endpoint(own, "customer.subscription.updated", api_version="2026-10-28.endive")
    endpoint(accounts, "customer.subscription.updated")

    async def change() -> None:
        set_subscription(world, PAYER, status="past_due")

    served.run(change())
    newest, pinned = (json.loads(wait_for(lambda r=r: r.bodies)[0][0]) for r in (own, accounts))
    assert (newest["api_version"], pinned["api_version"]) == ("2026-10-28.endive", OLD)
    assert "current_period_end" in pinned["data"]["object"]
    assert "current_period_end" not in newest["data"]["object"]
    assert "current_period_end" in newest["data"]["object"]["items"]["data"][0]


def test_an_event_that_was_answered_is_sent_again_when_asked_for(client, endpoint):
    receiver = Receiver()
    made = endpoint(receiver, "*")
    client.v1.customers.create({})
    wait_for(lambda: receiver.bodies)
    event = client.v1.events.list({"limit": 1}).data[0]
    client.raw_request("post", f"/v1/events/{event.id}/retry", webhook_endpoint=made["id"])
    wait_for(lambda: len(receiver.bodies) == 2)


def test_a_key_of_another_account_tells_that_account(client_of, world):
    key = add_key(world, "secret", livemode=False, account="acct_1SomebodyElse00")
    assert client_of(key).v1.accounts.retrieve_current().id == "acct_1SomebodyElse00"
