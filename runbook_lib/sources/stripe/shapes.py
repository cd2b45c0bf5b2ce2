"""Stripe's objects in the shapes that our looks hand out, and what Stripe says where there is no such object."""

from collections.abc import Callable
from typing import TypeVar

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Json, Status
from runbook_lib.core.records.meters import MeterHour, UsageRecordTotal
from runbook_lib.core.records.subscriptions import Subscription, SubscriptionItem
from runbook_lib.sources.kit.asking import number_of, rows_in, text_of
from runbook_lib.sources.stripe.api import at_of, id_of

T = TypeVar("T")

BASIL = "2025-03-31"  # from here on usage records are gone, and periods are the items'
_CURRENT_FIRST = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled", "incomplete_expired")


def absent_means_not_found(ask: Callable[[], T], what: str) -> T:
    """Run `ask`; Stripe's 400 for an id it does not know (`resource_missing`) becomes not_found."""
    try:
        return ask()
    except LookError as error:
        if error.status == Status.malformed and "No such " in error.tried:
            raise LookError(
                Status.not_found, f"Stripe knows no such {what}: {error.tried}", where=error.where
            ) from error
        raise


def subscription_row(row: dict[str, Json]) -> Subscription:
    """A subscription; its own period is that of its first item where the version keeps it there (since basil)."""
    items = rows_in(row["items"], "data")
    first: dict[str, Json] = items[0] if items else {}
    invoice = row.get("latest_invoice")
    return {
        "id": str(row["id"]),
        "status": str(row["status"]),
        "customer": id_of(row["customer"]),
        "period_start": at_of(row.get("current_period_start") or first.get("current_period_start")),
        "period_end": at_of(row.get("current_period_end") or first.get("current_period_end")),
        "cancel_at_period_end": bool(row.get("cancel_at_period_end")),
        "canceled_at": at_of(row.get("canceled_at")),
        "ended_at": at_of(row.get("ended_at")),
        "created_at": at_of(row["created"]),
        "paused": row.get("pause_collection") is not None,
        "livemode": bool(row.get("livemode")),
        "latest_invoice": id_of(invoice) if invoice else None,
        "plan": text_of(row.get("metadata") or {}, "plan"),
        "org_id": text_of(row.get("metadata") or {}, "org_id"),
        "items": [_item(item) for item in items],
    }


def by_weight(rows: list[Subscription]) -> list[Subscription]:
    """Subscriptions, the one that counts first: active before past_due before canceled, then the newest."""
    newest = sorted(rows, key=lambda row: row["created_at"] or "", reverse=True)
    return sorted(
        newest, key=lambda row: _CURRENT_FIRST.index(row["status"]) if row["status"] in _CURRENT_FIRST else 99
    )


def _item(item: dict[str, Json]) -> SubscriptionItem:
    price = item["price"]
    recurring = price.get("recurring") or {}
    return {
        "id": str(item["id"]),
        "price": str(price["id"]),
        "lookup_key": text_of(price, "lookup_key"),
        "nickname": text_of(price, "nickname"),
        "product": id_of(price["product"]) if price.get("product") else None,
        "usage_type": text_of(recurring, "usage_type"),
        "meter": text_of(recurring, "meter"),
        "quantity": item.get("quantity"),
        "period_start": at_of(item.get("current_period_start")),
        "period_end": at_of(item.get("current_period_end")),
    }


def full_hours(window: Window) -> tuple[int, int]:
    """A window's edges in epoch seconds, widened to full hours."""
    start, end = int(window.since.timestamp()), int(window.until.timestamp())
    return start - start % 3600, end + -end % 3600


def bucket_row(row: dict[str, Json]) -> MeterHour:
    """A meter event summary."""
    quantity = number_of(row["aggregated_value"])
    start = row["start_time"]
    if quantity is None or isinstance(start, bool) or not isinstance(start, int):
        raise TypeError("a summary without start or quantity")
    return start, int(quantity) if float(quantity).is_integer() else quantity


def summary_row(row: dict[str, Json]) -> UsageRecordTotal:
    """A usage record summary."""
    total = row["total_usage"]
    if isinstance(total, bool) or not isinstance(total, int):
        raise TypeError(f"total_usage is {total!r:.40}")
    period = row["period"]
    return {
        "total": total,
        "invoice": id_of(row["invoice"]) if row.get("invoice") else None,
        "since": at_of(period.get("start")),
        "until": at_of(period.get("end")),
    }
