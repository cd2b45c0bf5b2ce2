"""New Stripe objects: every field of every version with its usual value. The handlers fill in what was sent.

The fields stand in shapes.json, after stripe/openapi's fixtures of 2025-02 and 2026-07 and the types of stripe-python 10.12 and
16.1 (tests/specs/stripe); null where each object has its own.
"""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from runbook_lib.sandbox.facades.stripe.state import Book, Obj, new_id

_SHAPES: dict[str, Obj] = json.loads(Path(__file__).with_suffix(".json").read_text())
# What a plan says as its price does, and what as the price's recurring part does.
_OF_PRICE = ("id", "active", "billing_scheme", "created", "currency", "livemode", "metadata", "nickname", "product")
_OF_RECURRING = ("aggregate_usage", "interval", "interval_count", "meter", "trial_period_days", "usage_type")


def _new(kind: str, **fields: Any) -> Obj:
    return {**deepcopy(_SHAPES[kind]), **fields}


def listing(items: list[Obj], url: str) -> Obj:
    """A list inside an object."""
    return {"object": "list", "data": items, "has_more": False, "url": url}


def customer(book: Book, now: int, **fields: Any) -> Obj:
    """A customer."""
    own = {"id": new_id("cus_", 14), "invoice_prefix": new_id("", 8).upper()}
    return _new("customer", **{**own, "created": now, "livemode": book.livemode, **fields})


def product(book: Book, now: int, **fields: Any) -> Obj:
    """A product."""
    own = {"id": new_id("prod_", 14), "created": now, "updated": now, "livemode": book.livemode}
    return _new("product", **{**own, **fields})


def price(book: Book, now: int, **fields: Any) -> Obj:
    """A price. `recurring` None: one-time."""
    row = _new("price", **{"id": new_id("price_"), "created": now, "livemode": book.livemode, **fields})
    return {
        **row,
        "type": "recurring" if row["recurring"] else "one_time",
        "unit_amount_decimal": str(row["unit_amount"]),
    }


def recurring(interval: str = "month", **fields: Any) -> Obj:
    """A price's recurring part."""
    return _new("recurring", **{"interval": interval, **fields})


def plan(of: Obj) -> Obj:
    """The plan that stands beside a recurring price in its items."""
    part = of["recurring"] or recurring()
    return {
        "object": "plan",
        **{name: of[name] for name in _OF_PRICE},
        **{name: part[name] for name in _OF_RECURRING},
        "amount": of["unit_amount"],
        "amount_decimal": of["unit_amount_decimal"],
        "tiers_mode": None,
        "transform_usage": None,
    }


def payment_method(book: Book, now: int, token: str) -> Obj:
    """A card. Test tokens and ids tell what happens to it: one with `Fail` or `declined` in its name is declined."""
    row = _new("payment_method", id=new_id("pm_"), created=now, livemode=book.livemode, _declines=is_declined(token))
    row["card"]["last4"] = "0341" if is_declined(token) else "4242"
    return row


def is_declined(token: str) -> bool:
    """Whether Stripe's test card of this name is declined when it is charged."""
    return any(word in token.lower() for word in ("fail", "declined", "threedsecure2required"))


def subscription(book: Book, now: int, **fields: Any) -> Obj:
    """A subscription without items."""
    own = {"id": new_id("sub_"), "created": now, "start_date": now, "billing_cycle_anchor": now}
    return _new("subscription", **{**own, "livemode": book.livemode, **fields})


def subscription_item(of: Obj, price_: Obj, now: int, period: tuple[int, int], quantity: int | None = 1) -> Obj:
    """One price of a subscription and its period. A metered price has no quantity."""
    row = _new(
        "subscription_item",
        id=new_id("si_", 14),
        created=now,
        current_period_start=period[0],
        current_period_end=period[1],
        plan=plan(price_),
        price=price_,
        quantity=quantity,
        subscription=of["id"],
    )
    if price_["recurring"] and price_["recurring"]["usage_type"] == "metered":
        del row["quantity"]
    return row


def invoice(book: Book, now: int, customer_: Obj, **fields: Any) -> Obj:
    """A draft invoice without lines."""
    id_ = new_id("in_")
    own = {
        "id": id_,
        "created": now,
        "customer": customer_["id"],
        "customer_email": customer_["email"],
        "customer_name": customer_["name"],
        "lines": listing([], f"/v1/invoices/{id_}/lines"),
        "livemode": book.livemode,
        "period_end": now,
        "period_start": now,
    }
    return _new("invoice", **{**own, **fields})
