"""Stripe: what it holds of reported usage, and whom it bills for it: for one customer, and for a whole fleet.

Two ledgers. Legacy usage records are summed by billing period and left the API in version 2025-03-31.basil; billing meters sum
events by hour or UTC day. A meter event is accepted first and may be dropped later; only the meter's error reports, events of
`/v2`, tell of that. Sources: Stripe's OpenAPI document at 2024-06-20 and 2026-10-28.endive, and stripe-python 16.1.
"""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import local
from typing import Any, TypeVar

from runbook_lib.clock import Window, from_iso
from runbook_lib.errors import LookError
from runbook_lib.model import Answer, Json, Status, canonical_json
from runbook_lib.observe import Door, Look
from runbook_lib.sources._asking import iso_of_text, number_of, rows_in, span_of, text_of
from runbook_lib.sources._stripe_api import StripeApi, at_of, id_of, shaped
from runbook_lib.sources._stripe_shapes import absent_means_not_found, by_weight, subscription_row

T = TypeVar("T")

_BASIL = "2025-03-31"
_THIN_VERSION = "2026-10-28.endive"  # thin events are not there before 2024-09-30.acacia
_METERS = "Billing meters: read"
_SUBSCRIPTIONS = "Subscriptions: read"
_MOST_OF_FLEET = 100_000
_AT_ONCE = 8
_HOUR_S = 3600
_ERROR_REPORT = "v1.billing.meter.error_report_triggered"
_MOST_REPORTS = 5


def subscriptions(customer_id: str) -> Look:
    """All of a customer's subscriptions, ended ones included, the one that counts first; rows as `stripe.subscription` has them.

    Without any: empty; a customer that Stripe does not know: not_found.
    """

    def fetch(door: Door) -> Answer:
        if not customer_id.strip():
            return Answer(Status.not_found, None, "the customer id is empty")
        api = StripeApi(door)

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            return client.v1.subscriptions.list({"customer": customer_id, "status": "all", **paging})

        rows, _ = absent_means_not_found(lambda: api.pages(ask, _SUBSCRIPTIONS, 200), "customer")
        found = by_weight([shaped(subscription_row, row) for row in rows])
        return Answer(Status.ok, found) if found else Answer(Status.empty, None, "the customer has no subscription")

    return Look("stripe", "subscriptions", {"customer_id": customer_id}, fetch)


def customers_of(customer_id: str, org_id: str) -> Look:
    """Other customers that stand for the same organization: of the same e-mail address, or whose metadata names its id.

    [{"id", "created_at", "same": "org_id" or "email", "subscriptions": how many are not ended}]; none: empty. The address itself
    stays inside the look. A customer that was deleted or is unknown has no likes: empty.
    """

    def fetch(door: Door) -> Answer:
        api = StripeApi(door)
        try:
            own = api.read(lambda c: c.v1.customers.retrieve(customer_id), "Customers: read", dict, one=True)
        except LookError as error:
            if error.status == Status.not_found:
                return Answer(Status.empty, [], "the customer itself is not there")
            raise
        email = text_of(own, "email")
        if not email:
            return Answer(Status.empty, [], "the customer has no e-mail address to look for others by")

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            return client.v1.customers.list({"email": email, **paging})

        rows, _ = api.pages(ask, "Customers: read", 100)
        found = []
        for row in rows:
            named = text_of(row.get("metadata") or {}, "org_id")
            if row["id"] == customer_id or named not in (None, org_id):
                continue  # one person may own several organizations, each with a customer of its own
            running, _ = api.pages(_of_customer(row["id"]), _SUBSCRIPTIONS, 100)
            same = "org_id" if named == org_id else "email"
            found.append(
                {"id": row["id"], "created_at": at_of(row["created"]), "same": same, "subscriptions": len(running)}
            )
        return Answer(Status.ok, found) if found else Answer(Status.empty, [], "no other customer of this address")

    return Look("stripe", "customers_of", {"customer_id": customer_id, "org_id": org_id}, fetch, deadline_s=15)


def _of_customer(customer_id: str) -> Any:
    def ask(client: Any, paging: dict[str, Any]) -> Any:
        return client.v1.subscriptions.list({"customer": customer_id, **paging})

    return ask


def meters() -> Look:
    """The meters, active and inactive: [{"id", "event_name", "name", "status", "formula", "deactivated_at"}]; none: empty."""

    def fetch(door: Door) -> Answer:
        rows, _ = StripeApi(door).pages(lambda client, paging: client.v1.billing.meters.list({**paging}), _METERS, 200)
        found = [shaped(_meter, row) for row in rows]
        return Answer(Status.ok, found) if found else Answer(Status.empty, [], "the account has no meter")

    return Look("stripe", "meters", {}, fetch)


def meter_usage(meter_id: str, customer_id: str, window: Window) -> Look:
    """What a meter has counted for a customer by full hours: [[start in epoch s, quantity]], oldest first; none: empty.

    The window is widened to full hours, as Stripe asks. A customer or meter that Stripe does not know: not_found.
    """

    def fetch(door: Door) -> Answer:
        api = StripeApi(door)
        rows = _by_hour(api, meter_id, customer_id, window)
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, [], "the meter counted nothing for it")

    arguments = {"meter_id": meter_id, "customer_id": customer_id, **span_of(window)}
    return Look("stripe", "meter_usage", arguments, fetch, deadline_s=30)


def legacy_usage(item_id: str) -> Look:
    """What usage records of an item add up to, by billing period, newest first: [{"total", "invoice" (None: the open period),
    "since", "until" (None for the open one)}].

    Where the version in use has no usage records any more (basil and later), or the item is not there: not_found.
    """

    def fetch(door: Door) -> Answer:
        api = StripeApi(door)
        if api.version[:10] >= _BASIL:
            return Answer(
                Status.not_found, None, f"usage records left the API at {_BASIL}.basil; asked as {api.version}"
            )

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            # the package no longer knows the call
            path = f"/v1/subscription_items/{item_id}/usage_record_summaries"
            return client.raw_request("get", path, **paging)

        rows, _ = absent_means_not_found(lambda: api.pages(ask, "Usage records: read", 100), "subscription item")
        return Answer.of([shaped(_summary, row) for row in rows])

    return Look("stripe", "legacy_usage", {"item_id": item_id}, fetch, deadline_s=15)


def meter_errors(meter_id: str, window: Window) -> Look:
    """Meter events that were accepted and dropped later, by report, newest first: [{"at", "since", "until", "count", "codes":
    {code: how many}, "examples": [identifier]}]; none: empty. Stripe keeps the events 30 days; the newest 5 reports are read."""

    def fetch(door: Door) -> Answer:
        api = StripeApi(door, version=_THIN_VERSION)
        asked: Any = {"object_id": meter_id, "limit": 20}
        permission = "Events (v2): read"
        rows = api.read(lambda c: c.v2.core.events.list(asked), permission, lambda document: rows_in(document, "data"))
        wanted = [row for row in rows if row.get("type") == _ERROR_REPORT and _is_within(row, window)]
        reports = []
        for row in wanted[:_MOST_REPORTS]:
            ask = partial(_retrieve_event, str(row["id"]))
            reports.append(api.read(ask, permission, _report, one=True))
        if not reports:
            return Answer(Status.empty, [], "Stripe reports no dropped meter event")
        if len(wanted) > _MOST_REPORTS:
            return Answer(
                Status.partial, reports, f"{len(wanted)} reports, of which the newest {_MOST_REPORTS} were read"
            )
        return Answer(Status.ok, reports)

    return Look("stripe", "meter_errors", {"meter_id": meter_id, **span_of(window)}, fetch, deadline_s=20)


def _retrieve_event(identity: str, client: Any) -> Any:
    return client.v2.core.events.retrieve(identity)


def fleet_subscriptions() -> Look:
    """Every subscription of the account, ended ones included, newest first: rows as `stripe.subscription` has them with fewer
    fields: {"id", "customer", "status", "period_start", "period_end", "plan", "org_id",
    "paused", "created_at", "items": [{"id", "lookup_key", "usage_type", "meter"}]}. partial above 100,000."""

    def fetch(door: Door) -> Answer:
        api = StripeApi(door)

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            return client.v1.subscriptions.list({"status": "all", **paging})

        rows, more = api.pages(ask, _SUBSCRIPTIONS, _MOST_OF_FLEET)
        found = [_short(shaped(subscription_row, row)) for row in rows]
        if more:
            why = f"more subscriptions than the {len(found)} that were read"
            return Answer(Status.partial, found, why, "look at single organizations")
        return Answer(Status.ok, found) if found else Answer(Status.empty, [], "the account has no subscription")

    return Look("stripe", "fleet_subscriptions", {}, fetch, deadline_s=180)


@dataclass(frozen=True)
class Metered:
    """What is to be asked of a meter: a customer, and the window in which its events are summed."""

    customer: str
    window: Window


def fleet_usage(meter_id: str, wanted: Sequence[Metered]) -> Look:
    """What a meter has counted for each of many customers, in a window of each one's own: {customer: quantity}; 0 where nothing.

    Eight at a time. One that Stripe does not know counts None. partial where the deadline came first: {customer} of the rest are
    left out. Windows are widened to full hours.
    """

    def fetch(door: Door) -> Answer:
        return _of_many(door, list(wanted), lambda api, one: (one.customer, _total(api, meter_id, one)))

    digest = _digest([[each.customer, *each.window.as_dict().values()] for each in wanted])
    arguments = {"meter_id": meter_id, "customers": len(wanted), "asked": digest}
    return Look("stripe", "fleet_usage", arguments, fetch, deadline_s=30 + 0.06 * len(wanted))


def fleet_legacy(item_ids: Sequence[str]) -> Look:
    """What usage records of many items add up to in their open period: {item id: total}, None for an item that is not there.

    Eight at a time; partial where the deadline came first. Where the version in use has no usage records any more: not_found.
    """

    def fetch(door: Door) -> Answer:
        version = door.settings.stripe_api_version
        if version[:10] >= _BASIL:
            return Answer(Status.not_found, None, f"usage records left the API at {_BASIL}.basil; asked as {version}")
        return _of_many(door, list(item_ids), _open_total)

    arguments = {"items": len(item_ids), "asked": _digest(list(item_ids))}
    return Look("stripe", "fleet_legacy", arguments, fetch, deadline_s=30 + 0.06 * len(item_ids))


def _of_many(door: Door, wanted: list[T], ask_one: Callable[[StripeApi, T], tuple[str, float | None]]) -> Answer:
    """One answer for each, by its key, eight at a time, each thread with a client of its own."""
    held = local()
    counted: dict[str, float | None] = {}

    def ask(one: T) -> tuple[str, float | None] | LookError:
        if not hasattr(held, "api"):
            held.api = StripeApi(door)
        try:
            return ask_one(held.api, one)
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
                lambda document: [_summary(row) for row in rows_in(document, "data")],
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
    start, end = _full_hours(one.window)
    if end <= start:
        return 0.0
    asked: Any = {"customer": one.customer, "start_time": start, "end_time": end, "limit": 1}
    try:
        rows = absent_means_not_found(
            lambda: api.read(
                lambda c: c.v1.billing.meters.event_summaries.list(meter_id, asked),
                _METERS,
                lambda document: [_bucket(row) for row in rows_in(document, "data")],
            ),
            "customer",
        )
    except LookError as error:
        if error.status == Status.not_found:
            return None
        raise
    return float(sum(quantity for _, quantity in rows))


def _by_hour(api: StripeApi, meter_id: str, customer_id: str, window: Window) -> list[list[Json]]:
    start, end = _full_hours(window)
    asked = {"customer": customer_id, "start_time": start, "end_time": end, "value_grouping_window": "hour"}

    def ask(client: Any, paging: dict[str, Any]) -> Any:
        return client.v1.billing.meters.event_summaries.list(meter_id, {**asked, **paging})

    rows, _ = absent_means_not_found(lambda: api.pages(ask, _METERS, 10_000), "customer")
    return [list(bucket) for bucket in sorted((_hour(row) for row in rows), key=lambda bucket: bucket[0])]


def _hour(row: dict[str, Json]) -> list[Json]:
    found: Any = shaped(_bucket, row)
    return list(found)


def _full_hours(window: Window) -> tuple[int, int]:
    start, end = int(window.since.timestamp()), int(window.until.timestamp())
    return start - start % _HOUR_S, end + -end % _HOUR_S


def _bucket(row: dict[str, Json]) -> list[Json]:
    quantity = number_of(row["aggregated_value"])
    start = row["start_time"]
    if quantity is None or isinstance(start, bool) or not isinstance(start, int):
        raise TypeError("a summary without start or quantity")
    return [start, int(quantity) if float(quantity).is_integer() else quantity]


def _meter(row: dict[str, Json]) -> dict[str, Json]:
    return {
        "id": str(row["id"]),
        "event_name": str(row["event_name"]),
        "name": text_of(row, "display_name"),
        "status": str(row["status"]),
        "formula": text_of(row["default_aggregation"], "formula"),
        "deactivated_at": at_of((row.get("status_transitions") or {}).get("deactivated_at")),
    }


def _summary(row: dict[str, Json]) -> dict[str, Json]:
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


def _is_within(row: dict[str, Json], window: Window) -> bool:
    """Whether an error report was made in the window, or within a day after it: reports come later than what they are about."""
    at = iso_of_text(row.get("created"))
    return at is not None and window.since <= from_iso(at) <= window.until + timedelta(days=1)


def _report(document: dict[str, Json]) -> dict[str, Json]:
    data = document["data"]
    types = rows_in(data["reason"], "error_types")
    examples = [
        str((sample.get("request") or {}).get("identifier") or "")
        for each in types
        for sample in rows_in(each, "sample_errors", may_lack=True)
    ]
    return {
        "at": iso_of_text(document["created"]),
        "since": iso_of_text(data.get("validation_start")),
        "until": iso_of_text(data.get("validation_end")),
        "count": int(data["reason"]["error_count"]),
        "codes": {str(each["code"]): int(each["error_count"]) for each in types},
        "examples": [each for each in examples if each][:5],
    }


def _short(row: dict[str, Any]) -> dict[str, Json]:
    kept = ("id", "customer", "status", "period_start", "period_end", "plan", "org_id", "paused", "created_at")
    items = [{name: item[name] for name in ("id", "lookup_key", "usage_type", "meter")} for item in row["items"]]
    return {**{name: row[name] for name in kept}, "items": items}
