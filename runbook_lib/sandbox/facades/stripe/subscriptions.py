"""Subscriptions and their items: begun, changed, ended; and what a paid or refused invoice does to them."""

import calendar
from datetime import UTC, datetime
from typing import Any

from runbook_lib.sandbox.facades.stripe import shapes
from runbook_lib.sandbox.facades.stripe.call import Call, Page, Refused, as_integer
from runbook_lib.sandbox.facades.stripe.events import changed, emit
from runbook_lib.sandbox.facades.stripe.invoices import charge, finalize, invoice_period
from runbook_lib.sandbox.facades.stripe.state import Obj
from runbook_lib.sandbox.facades.stripe.status import end_subscription

_DAY = 86_400


def period_end(start: int, recurring: Obj, count: int = 1) -> int:
    """The end of the period that begins at `start`: calendar months keep their day, as far as the month has it."""
    interval, length = recurring["interval"], recurring["interval_count"] * count
    if interval in ("day", "week"):
        return int(start + length * _DAY * (7 if interval == "week" else 1))
    months = length * (12 if interval == "year" else 1)
    at = datetime.fromtimestamp(start, UTC)
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    end: datetime = at.replace(year=year, month=month + 1, day=day)
    return int(end.timestamp())


def create_subscription(call: Call) -> Obj:
    """Begin a subscription. A card that is declined leaves it `incomplete`; a trial is paid later."""
    customer = call.get("customer", call.require("customer"), param="customer")
    sent = call.params.get("items")
    if not isinstance(sent, list) or not sent:
        raise Refused(400, "Missing required param: items.", code="parameter_missing", param="items")
    prices = [_price(call, item, nth) for nth, item in enumerate(sent)]
    trial_days = call.integer("trial_period_days", 0) or 0
    subscription = shapes.subscription(
        call.book,
        call.now,
        customer=customer["id"],
        currency=prices[0]["currency"],
        metadata=call.metadata(),
        description=call.text("description"),
        collection_method=call.text("collection_method", "charge_automatically"),
        cancel_at_period_end=call.flag("cancel_at_period_end"),
        default_payment_method=call.text("default_payment_method"),
    )
    if trial_days:
        end = call.now + trial_days * _DAY
        subscription.update(status="trialing", trial_start=call.now, trial_end=end, billing_cycle_anchor=end)
    _set_trial_behaviour(call, subscription)
    for price, item in zip(prices, sent, strict=True):
        end = subscription["trial_end"] or period_end(call.now, price["recurring"])
        add_item(call, subscription, price, (call.now, end), as_integer(item.get("quantity", 1), "quantity"))
    _check_card(customer, subscription)
    call.book.add(subscription)
    invoice = invoice_period(call, subscription, "subscription_create")
    emit(call, "customer.subscription.created", subscription)
    emit(call, "invoice.created", invoice)
    finalize(call, invoice)
    if invoice["status"] == "open" and subscription["collection_method"] == "charge_automatically":
        charge(call, invoice, subscription["default_payment_method"])
    return subscription


def _price(call: Call, item: Any, nth: int) -> Obj:
    id_ = item.get("price") or item.get("plan") if isinstance(item, dict) else None
    if not id_:
        raise Refused(
            400, f"Missing required param: items[{nth}][price].", code="parameter_missing", param=f"items[{nth}][price]"
        )
    price = call.get("price", id_, param=f"items[{nth}][price]")
    if price["recurring"] is None:
        message = (
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`."
        )
        raise Refused(400, message, param=f"items[{nth}][price]")
    return price


def _check_card(customer: Obj, subscription: Obj) -> None:
    is_free = all("quantity" not in i or not i["price"]["unit_amount"] for i in subscription["items"]["data"])
    has_card = subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]
    if is_free or has_card or subscription["trial_end"] or subscription["collection_method"] == "send_invoice":
        return
    message = "This customer has no attached payment source or default payment method. Please consider adding one."
    raise Refused(400, message, code="resource_missing")


def _set_trial_behaviour(call: Call, subscription: Obj) -> None:
    sent = call.params.get("trial_settings")
    if isinstance(sent, dict):
        subscription["trial_settings"] = sent


def add_item(call: Call, subscription: Obj, price: Obj, period: tuple[int, int], quantity: int = 1) -> Obj:
    """Put a price on a subscription."""
    item = shapes.subscription_item(subscription, price, call.now, period, quantity)
    subscription["items"]["data"].append(item)
    subscription["items"]["url"] = f"/v1/subscription_items?subscription={subscription['id']}"
    return call.book.add(item)


def update_subscription(call: Call) -> Obj:
    """Change a subscription: metadata, prices, whether it ends with its period, the end of its trial."""
    subscription = call.get("subscription", call.ids["id"])
    if subscription["status"] == "canceled":
        raise Refused(404, f"No such subscription: '{subscription['id']}'", code="resource_missing", param="id")
    fields: Obj = {}
    if "metadata" in call.params:
        fields["metadata"] = call.metadata(subscription["metadata"])
    if "cancel_at_period_end" in call.params:
        ends = call.flag("cancel_at_period_end")
        end = min(item["current_period_end"] for item in subscription["items"]["data"])
        fields |= {"cancel_at_period_end": ends, "cancel_at": end if ends else None}
        fields["canceled_at"] = call.now if ends else None
    if "default_payment_method" in call.params:
        fields["default_payment_method"] = call.text("default_payment_method")
    if call.text("trial_end") == "now" and subscription["status"] == "trialing":
        fields |= {"trial_end": call.now, "status": _status_after_trial(call, subscription)}
    before = changed(subscription, fields)
    if isinstance(sent := call.params.get("items"), list):
        before["items"] = {"object": "list", "data": [dict(item) for item in subscription["items"]["data"]]}
        _change_items(call, subscription, sent)
    emit(call, "customer.subscription.updated", subscription, before)
    if fields.get("status") == "paused":
        emit(call, "customer.subscription.paused", subscription)
    return subscription


def _status_after_trial(call: Call, subscription: Obj) -> str:
    customer = call.book.of("customer")[subscription["customer"]]
    if subscription["default_payment_method"] or customer["invoice_settings"]["default_payment_method"]:
        return "active"
    behaviour = subscription["trial_settings"]["end_behavior"]["missing_payment_method"]
    return {"pause": "paused", "cancel": "canceled"}.get(behaviour, "past_due")


def _change_items(call: Call, subscription: Obj, sent: list[Any]) -> None:
    own = subscription["items"]["data"]
    for nth, change in enumerate(sent):
        item = next((i for i in own if i["id"] == change.get("id")), None)
        if item is None:
            period = (own[0]["current_period_start"], own[0]["current_period_end"])
            add_item(
                call, subscription, _price(call, change, nth), period, as_integer(change.get("quantity", 1), "quantity")
            )
            continue
        if str(change.get("deleted")).lower() == "true":
            own.remove(item)
            item["deleted"] = True
            continue
        if change.get("price"):
            price = _price(call, change, nth)
            item.update(price=price, plan=shapes.plan(price))
        if change.get("quantity"):
            item["quantity"] = as_integer(change["quantity"], "quantity")


def cancel_subscription(call: Call) -> Obj:
    """End a subscription now."""
    subscription = call.get("subscription", call.ids["id"])
    if subscription["status"] == "canceled":
        raise Refused(404, f"No such subscription: '{subscription['id']}'", code="resource_missing", param="id")
    return end_subscription(call, subscription)


def list_subscriptions(call: Call) -> Page:
    """Subscriptions by customer, price, status and time; those that ended only when asked for (`status=all` or `canceled`)."""
    _check_customer(call)
    status = call.text("status")
    price = call.text("price")
    items = [
        s
        for s in call.book.newest_first("subscription")
        if _is_listed(s["status"], status)
        and call.matches(s, "customer", "collection_method")
        and call.in_range(s["created"], "created")
        and call.in_range(min(i["current_period_end"] for i in s["items"]["data"]), "current_period_end")
        and call.in_range(min(i["current_period_start"] for i in s["items"]["data"]), "current_period_start")
        and (price is None or any(i["price"]["id"] == price for i in s["items"]["data"]))
    ]
    return Page(items, "/v1/subscriptions")


def _check_customer(call: Call) -> None:
    if customer := call.text("customer"):
        call.get("customer", customer, param="customer")


def _is_listed(status: str, wanted: str | None) -> bool:
    has_ended = status in ("canceled", "incomplete_expired")
    if wanted in (None, "ended"):
        return has_ended == (wanted == "ended")
    return wanted in ("all", status)
