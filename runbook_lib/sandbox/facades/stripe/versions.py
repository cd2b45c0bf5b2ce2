"""How each API version shows an object: what basil (2025-03-31) moved, what came later, and expansions.

At basil the period moved from the subscription to its items, the invoice's subscription moved under `parent`, a line's
price under `pricing`, and usage aggregation left the price. (Stripe's changelog; stripe-python 10.12 and 16.1 types.)
"""

import re
from collections.abc import Iterable
from typing import Any

from runbook_lib.sandbox.facades.stripe.state import LATEST_VERSION, Book, Obj

BASIL = "2025-03-31"
_VERSION = re.compile(r"^\d{4}-\d\d-\d\d(\.[a-z]+)?$")

_ONLY_BEFORE_BASIL = {
    "invoice": ("subscription", "paid", "paid_out_of_band", "charge", "payment_intent", "discount", "quote", "tax"),
    "line_item": (
        "price",
        "plan",
        "type",
        "proration",
        "invoice_item",
        "subscription_item",
        "tax_amounts",
        "tax_rates",
    ),
    "invoiceitem": ("price", "plan", "subscription", "proration_details", "unit_amount"),
    "customer": (),
    "subscription": ("discount",),
    "event": (),
}
_ONLY_SINCE_BASIL = {
    "invoice": ("parent", "amount_overpaid", "confirmation_secret"),
    "line_item": ("parent", "pricing", "taxes", "subtotal"),
    "invoiceitem": ("parent", "pricing"),
    "subscription": ("billing_mode", "billing_schedules"),
    "subscription_item": ("current_period_start", "current_period_end"),
}


def is_version(text: str) -> bool:
    """Whether Stripe has, or had, such a version."""
    return _VERSION.match(text) is not None and "2011-01-01" <= text[:10] <= LATEST_VERSION[:10]


def is_before_basil(version: str) -> bool:
    """Whether usage records and the subscription's own period are still there."""
    return version[:10] < BASIL


def render(obj: Any, version: str) -> Any:
    """An object, and all in it, as this version shows it; fields with a leading underscore are the façade's own."""
    if isinstance(obj, list):
        return [render(item, version) for item in obj]
    if not isinstance(obj, dict):
        return obj
    kind = obj.get("object")
    if kind == "event":
        return _event(obj)
    dropped: Iterable[str] = (_ONLY_BEFORE_BASIL if not is_before_basil(version) else _ONLY_SINCE_BASIL).get(
        str(kind), ()
    )
    shown = {k: render(v, version) for k, v in obj.items() if k not in dropped and not k.startswith("_")}
    if kind == "subscription" and is_before_basil(version):
        shown |= _period(obj)
    if kind == "price" and not is_before_basil(version) and shown.get("recurring"):
        shown["recurring"].pop("aggregate_usage", None)
    return shown


def _period(subscription: Obj) -> Obj:
    """The subscription's own period before basil: that of its first item."""
    items = subscription["items"]["data"]
    first = items[0] if items else {"current_period_start": 0, "current_period_end": 0}
    return {name: first[name] for name in ("current_period_start", "current_period_end")}


def _event(event: Obj) -> Obj:
    """An event's data keep the version that the event was made for, whoever asks."""
    version = event["api_version"]
    data = {key: render(value, version) for key, value in event["data"].items()}
    return {**{k: v for k, v in event.items() if not k.startswith("_")}, "data": data}


def expand(book: Book, shown: Any, paths: Iterable[str], version: str) -> Any:
    """Put the object in place of its id, for each path (`customer`, `items.data.price.product`, `data.customer`)."""
    for path in paths:
        _expand_one(book, shown, path.split("."), version)
    return shown


def _expand_one(book: Book, node: Any, path: list[str], version: str) -> None:
    if isinstance(node, list):
        for item in node:
            _expand_one(book, item, path, version)
        return
    if not isinstance(node, dict) or path[0] not in node:
        return
    key, rest = path[0], path[1:]
    value = node[key]
    if isinstance(value, str):
        found = book.find(value)
        if found is not None:
            node[key] = render(found, version)
    if rest:
        _expand_one(book, node[key], rest, version)
