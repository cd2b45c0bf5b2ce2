"""What Stripe holds when a sandbox comes up: plans with prices, paying customers, their paid invoices, and where events go."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from runbook_lib.sandbox.facades.stripe import shapes
from runbook_lib.sandbox.facades.stripe.call import Call
from runbook_lib.sandbox.facades.stripe.endpoints import new_endpoint
from runbook_lib.sandbox.facades.stripe.events import changed, raise_event
from runbook_lib.sandbox.facades.stripe.invoices import invoice_period
from runbook_lib.sandbox.facades.stripe.meters import new_meter, record_event
from runbook_lib.sandbox.facades.stripe.state import Book, Key, Obj, now_s, stripe_state
from runbook_lib.sandbox.facades.stripe.subscriptions import add_item, period_end
from runbook_lib.sandbox.facades.stripe.usage import record_usage
from runbook_lib.sandbox.world import World

PLANS = {"pro": 4_900, "enterprise": 49_900}
METER_EVENT = "nexus_tokens"
BILLING_EVENTS = (
    "invoice.paid",
    "invoice.payment_failed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
)


@dataclass(frozen=True)
class Payer:
    """A paying organization: its customer's id, who gets the invoices, its plan, and when its running period ends."""

    customer: str
    email: str
    name: str
    plan: str
    period_end: datetime
    metadata: dict[str, str] = field(default_factory=dict)


def plant(world: World, payers: list[Payer], endpoint_url: str | None = None) -> None:
    """Fill the test book. `endpoint_url` None: no dashboard endpoint, as on a developer's machine.

    Every payer has a card that works, a subscription with a monthly and a metered item, and a paid invoice for each of the
    last three periods; the events of the last thirty days are there and were delivered.
    """
    call = _own_call(world)
    book, now = call.book, call.now
    founded = now - 200 * 86_400
    product = book.add(shapes.product(book, founded, id="prod_nexuscore", name="NexusCore"))
    prices = {
        plan: book.add(
            shapes.price(
                book,
                founded,
                id=f"price_{plan}_monthly",
                product=product["id"],
                unit_amount=amount,
                lookup_key=plan,
                nickname=plan.capitalize(),
                recurring=shapes.recurring(),
            )
        )
        for plan, amount in PLANS.items()
    }
    usage = shapes.recurring(usage_type="metered", aggregate_usage="sum")
    metered = shapes.price(
        book, founded, id="price_tokens_metered", product=product["id"], recurring=usage, nickname="Tokens"
    )
    book.add(metered)
    book.add(new_meter(book, founded, METER_EVENT, "Tokens", id="mtr_test_nexus_tokens"))
    if endpoint_url is not None:
        secret = world.keys.stripe_webhook_secret
        book.add(
            new_endpoint(book, founded, endpoint_url, list(BILLING_EVENTS), api_version="2024-06-20", _secret=secret)
        )
    for payer in payers:
        _plant_payer(call, payer, prices[payer.plan], metered)


def _own_call(world: World) -> Call:
    """The account acting for itself."""
    state = stripe_state(world)
    return Call(world, state, state.book(False), Key("secret", livemode=False), state.account_version, {})


def _plant_payer(call: Call, payer: Payer, price: Obj, metered: Obj) -> None:
    book = call.book
    end = int(payer.period_end.timestamp())
    edges = [period_end(end, shapes.recurring(), -n) for n in range(4, 0, -1)] + [end]
    customer = book.add(
        shapes.customer(book, edges[0], id=payer.customer, email=payer.email, name=payer.name, metadata=payer.metadata)
    )
    card = book.add(
        {**shapes.payment_method(book, edges[0], "tok_visa"), "customer": customer["id"], "_token": "tok_visa"}
    )
    customer["invoice_settings"]["default_payment_method"] = card["id"]
    subscription = shapes.subscription(
        book,
        edges[0],
        customer=customer["id"],
        metadata={"plan": payer.plan, **payer.metadata},
        billing_cycle_anchor=edges[0],
        default_payment_method=card["id"],
    )
    book.add(subscription)
    add_item(call, subscription, price, (edges[-2], edges[-1]))
    add_item(call, subscription, metered, (edges[-2], edges[-1]))
    for start, stop in pairwise(edges):
        _plant_invoice(call, subscription, (start, stop), is_first=start == edges[0])


def _plant_invoice(call: Call, subscription: Obj, period: tuple[int, int], *, is_first: bool) -> None:
    """The invoice that opened a period, paid within the minute."""
    for item in subscription["items"]["data"]:
        item["current_period_start"], item["current_period_end"] = period
    reason = "subscription_create" if is_first else "subscription_cycle"
    invoice = invoice_period(call, subscription, reason, at=period[0])
    customer = call.book.of("customer")[subscription["customer"]]
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    customer["next_invoice_sequence"] += 1
    paid = {"amount_paid": invoice["amount_due"], "amount_remaining": 0, "attempt_count": 1, "attempted": True}
    invoice.update(status="paid", paid=True, number=number, effective_at=period[0], **paid)
    invoice["status_transitions"].update(finalized_at=period[0], paid_at=period[0] + 40)
    if not is_first:  # the invoice at the start of a period is about the usage of the one before
        invoice["period_start"], invoice["period_end"] = period_end(period[0], shapes.recurring(), -1), period[0]
    if period[0] > call.now - 30 * 86_400:
        for type_, obj, at in (
            ("invoice.created", invoice, 0),
            ("invoice.finalized", invoice, 1),
            ("invoice.paid", invoice, 40),
            ("invoice.payment_succeeded", invoice, 40),
            ("customer.subscription.updated", subscription, 41),
        ):
            raise_event(call.world, call.book, type_, obj, created=period[0] + at, deliver=False)


def set_subscription(world: World, customer: str, *, deliver: bool = True, at: int | None = None, **fields: Any) -> Obj:
    """Change a customer's newest subscription as time or a refused card would (`status="past_due"`), and tell it.

    `deliver` False: nobody is told. `at`: the event's time in epoch seconds, by default now.
    Raises KeyError when the customer has none.
    """
    call = _own_call(world)
    found = [s for s in call.book.newest_first("subscription") if s["customer"] == customer]
    if not found:
        raise KeyError(customer)
    before = changed(found[0], fields)
    type_ = "customer.subscription.deleted" if fields.get("status") == "canceled" else "customer.subscription.updated"
    raise_event(world, call.book, type_, found[0], before=before, created=at, deliver=deliver)
    return found[0]


def report_usage(
    world: World, customer: str, at: datetime, tokens: int, identifier: str, sent_at: datetime | None = None
) -> None:
    """One report of the daily usage job, in both of Stripe's ledgers: the metered item, and the meter.

    Args:
        at: the moment that the usage is about.
        sent_at: when the job sent it; None: at that very moment.
    """
    call = _own_call(world)
    book, timestamp = call.book, int(at.timestamp())
    created = timestamp if sent_at is None else int(sent_at.timestamp())
    for item in _metered_items(book, customer):
        record_usage(book, item["id"], timestamp, tokens, "set")
    payload = {"stripe_customer_id": customer, "value": str(tokens)}
    record_event(book, min(now_s(world), created), METER_EVENT, payload, timestamp, identifier)


def _metered_items(book: Book, customer: str) -> list[Obj]:
    subscriptions = [s for s in book.newest_first("subscription") if s["customer"] == customer]
    return [
        item
        for subscription in subscriptions[:1]
        for item in subscription["items"]["data"]
        if item["price"]["recurring"]["usage_type"] == "metered"
    ]
