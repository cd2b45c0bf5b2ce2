"""Stripe: every customer and subscription of the account, and what it holds of many customers' usage, as one sum for each.

There is no call that sums for all: each customer is asked about, eight at a time, under one deadline that grows with their number.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from typing import Any, TypeVar

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status, canonical_json
from runbook_lib.core.records.meters import ReportedTotals
from runbook_lib.core.records.subscriptions import (
    ItemInShort,
    Subscription,
    SubscriptionInShort,
    SubscriptionItem,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import rows_in, text_of
from runbook_lib.sources.stripe.api import StripeApi, shaped
from runbook_lib.sources.stripe.shapes import (
    BASIL,
    absent_means_not_found,
    bucket_row,
    full_hours,
    subscription_row,
    summary_row,
)

T = TypeVar("T")

_MOST_OF_FLEET = 100_000
_AT_ONCE = 8


def fleet_subscriptions() -> Look[list[SubscriptionInShort]]:
    """Every subscription of the account, ended ones included, newest first. partial above 100,000."""

    def fetch(door: Door) -> Answer[list[SubscriptionInShort]]:
        api = StripeApi(door)

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            return client.v1.subscriptions.list({"status": "all", **paging})

        rows, more = api.pages(ask, "Subscriptions: read", _MOST_OF_FLEET)
        found = [_short(shaped(subscription_row, row)) for row in rows]
        if more:
            why = f"more subscriptions than the {len(found)} that were read"
            return Answer(Status.partial, found, why, "look at single organizations")
        return Answer(Status.ok, found) if found else Answer(Status.empty, [], "the account has no subscription")

    return Look("stripe", "fleet_subscriptions", {}, fetch, deadline_s=180)


def fleet_customers() -> Look[dict[str, list[str]]]:
    """The organizations for which the account has more than one customer, by their metadata: {org_id: [customer id]}; none: empty.
    partial above 100,000 customers."""

    def fetch(door: Door) -> Answer[dict[str, list[str]]]:
        rows, more = StripeApi(door).pages(
            lambda client, paging: client.v1.customers.list({**paging}), "Customers: read", _MOST_OF_FLEET
        )
        found: dict[str, list[str]] = defaultdict(list)
        for row in rows:
            if org_id := shaped(_org_of, row):
                found[org_id].append(str(row["id"]))
        double = {org_id: ids for org_id, ids in found.items() if len(ids) > 1}
        if more:
            return Answer(Status.partial, double, f"more customers than the {len(rows)} that were read")
        return Answer(Status.ok, double) if double else Answer(Status.empty, {}, "no organization has two customers")

    return Look("stripe", "fleet_customers", {}, fetch, deadline_s=180)


@dataclass(frozen=True)
class Metered:
    """What is to be asked of a meter: a customer, and the window in which its events are summed."""

    customer: str
    window: Window


def fleet_usage(meter_id: str, wanted: Sequence[Metered]) -> Look[ReportedTotals]:
    """What a meter has counted for each of many customers, in a window of each one's own: {customer: quantity}; 0 where nothing.

    Eight at a time. One that Stripe does not know counts None. partial where the deadline came first: {customer} of the rest are
    left out. Windows are widened to full hours.
    """

    def fetch(door: Door) -> Answer[ReportedTotals]:
        return _of_many(door, list(wanted), lambda api, one: (one.customer, _total(api, meter_id, one)))

    digest = _digest([[each.customer, *each.window.as_dict().values()] for each in wanted])
    arguments = {"meter_id": meter_id, "customers": len(wanted), "asked": digest}
    return Look("stripe", "fleet_usage", arguments, fetch, deadline_s=30 + 0.06 * len(wanted))


def fleet_legacy(item_ids: Sequence[str]) -> Look[ReportedTotals]:
    """What usage records of many items add up to in their open period: {item id: total}, None for an item that is not there.

    Eight at a time; partial where the deadline came first. Where the version in use has no usage records any more: not_found.
    """

    def fetch(door: Door) -> Answer[ReportedTotals]:
        version = door.settings.stripe_api_version
        if version[:10] >= BASIL:
            return Answer(Status.not_found, None, f"usage records left the API at {BASIL}.basil; asked as {version}")
        return _of_many(door, list(item_ids), _open_total)

    arguments = {"items": len(item_ids), "asked": _digest(list(item_ids))}
    return Look("stripe", "fleet_legacy", arguments, fetch, deadline_s=30 + 0.06 * len(item_ids))


def _org_of(row: dict[str, Json]) -> str | None:
    return text_of(row.get("metadata") or {}, "org_id")


def _of_many(
    door: Door, wanted: list[T], ask_one: Callable[[StripeApi, T], tuple[str, float | None]]
) -> Answer[ReportedTotals]:
    """One answer for each, by its key, eight at a time, each thread with a client of its own."""
    of_thread = local()
    counted: ReportedTotals = {}

    def ask(one: T) -> tuple[str, float | None] | LookError:
        if not hasattr(of_thread, "api"):
            of_thread.api = StripeApi(door)
        try:
            return ask_one(of_thread.api, one)
        except LookError as error:
            return error

    lost: LookError | None = None
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        first = [ask(each) for each in wanted[:1]]
        if first and isinstance(first[0], LookError):
            raise first[0]
        for answer in (*first, *pool.map(ask, wanted[1:])):
            if isinstance(answer, LookError):
                lost = lost or answer
            else:
                counted[answer[0]] = answer[1]
    if lost is not None:
        why = f"{len(counted)} of {len(wanted)}; then {lost.tried}"
        return Answer(Status.partial, counted, why, "look at single organizations, or give the run more time")
    return Answer(Status.ok, counted) if counted else Answer(Status.empty, {}, "nothing to ask about")


def _open_total(api: StripeApi, item_id: str) -> tuple[str, float | None]:
    path = f"/v1/subscription_items/{item_id}/usage_record_summaries"
    try:
        rows = absent_means_not_found(
            lambda: api.read(
                lambda c: c.raw_request("get", path, limit=1),
                "Usage records: read",
                lambda document: [summary_row(row) for row in rows_in(document, "data")],
            ),
            "subscription item",
        )
    except LookError as error:
        if error.status == Status.not_found:
            return item_id, None
        raise
    return item_id, float(next((row["total"] for row in rows if row["invoice"] is None), 0))


def _digest(value: Json) -> str:
    return hashlib.sha256(canonical_json(value)).hexdigest()[:16]


def _total(api: StripeApi, meter_id: str, one: Metered) -> float | None:
    start, end = full_hours(one.window)
    if end <= start:
        return 0.0
    asked: Any = {"customer": one.customer, "start_time": start, "end_time": end, "limit": 1}
    try:
        rows = absent_means_not_found(
            lambda: api.read(
                lambda c: c.v1.billing.meters.event_summaries.list(meter_id, asked),
                "Billing meters: read",
                lambda document: [bucket_row(row) for row in rows_in(document, "data")],
            ),
            "customer",
        )
    except LookError as error:
        if error.status == Status.not_found:
            return None
        raise
    return float(sum(quantity for _, quantity in rows))


def _short(row: Subscription) -> SubscriptionInShort:
    return {
        "id": row["id"],
        "customer": row["customer"],
        "status": row["status"],
        "period_start": row["period_start"],
        "period_end": row["period_end"],
        "plan": row["plan"],
        "org_id": row["org_id"],
        "paused": row["paused"],
        "created_at": row["created_at"],
        "items": [_item_in_short(item) for item in row["items"]],
    }


def _item_in_short(item: SubscriptionItem) -> ItemInShort:
    return {
        "id": item["id"],
        "lookup_key": item["lookup_key"],
        "usage_type": item["usage_type"],
        "meter": item["meter"],
    }
