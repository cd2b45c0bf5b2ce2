"""Stripe: what it holds of one customer's reported usage, and what it bills the customer for.

Two ledgers. Legacy usage records are summed by billing period and left the API in version 2025-03-31.basil; billing meters sum
events by hour or UTC day. A meter event is accepted first and may be dropped later; only the meter's error reports, events of
`/v2`, tell of that. Sources: Stripe's OpenAPI document at 2024-06-20 and 2026-10-28.endive, and stripe-python 16.1.
"""

from datetime import timedelta
from functools import partial
from typing import Any

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.meters import DroppedEvents, Meter, MeterHour, UsageRecordTotal
from runbook_lib.core.records.subscriptions import OtherCustomer, Subscription
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, rows_in, text_of, window_arguments
from runbook_lib.sources.stripe.api import StripeApi, at_of, shaped
from runbook_lib.sources.stripe.shapes import (
    BASIL,
    absent_means_not_found,
    bucket_row,
    by_weight,
    full_hours,
    subscription_row,
    summary_row,
)

_THIN_VERSION = "2026-10-28.endive"  # thin events are not there before 2024-09-30.acacia
_METERS = "Billing meters: read"
_SUBSCRIPTIONS = "Subscriptions: read"
_ERROR_REPORT = "v1.billing.meter.error_report_triggered"
_MOST_REPORTS = 5


def subscriptions(customer_id: str) -> Look[list[Subscription]]:
    """All of a customer's subscriptions, ended ones included, the one that counts first.

    Without any: empty; a customer that Stripe does not know: not_found.
    """

    def fetch(door: Door) -> Answer[list[Subscription]]:
        if not customer_id.strip():
            return Answer(Status.not_found, None, "the customer id is empty")
        api = StripeApi(door)

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            return client.v1.subscriptions.list({"customer": customer_id, "status": "all", **paging})

        rows, _ = absent_means_not_found(lambda: api.pages(ask, _SUBSCRIPTIONS, 200), "customer")
        found = by_weight([shaped(subscription_row, row) for row in rows])
        return Answer(Status.ok, found) if found else Answer(Status.empty, None, "the customer has no subscription")

    return Look("stripe", "subscriptions", {"customer_id": customer_id}, fetch)


def customers_of(customer_id: str, org_id: str) -> Look[list[OtherCustomer]]:
    """Other customers that stand for the same organization: of the same e-mail address, or whose metadata names its id.

    None: empty; so it is for a customer that was deleted or is unknown. The address itself stays inside the look.
    """

    def fetch(door: Door) -> Answer[list[OtherCustomer]]:
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
        found: list[OtherCustomer] = []
        for row in rows:
            other, created_at, org = shaped(_identity, row)
            if other == customer_id or org not in (None, org_id):
                continue  # one person may own several organizations, each with a customer of its own
            running, _ = api.pages(_of_customer(other), _SUBSCRIPTIONS, 100)
            same = "org_id" if org == org_id else "email"
            found.append({"id": other, "created_at": created_at, "same": same, "subscriptions": len(running)})
        return Answer(Status.ok, found) if found else Answer(Status.empty, [], "no other customer of this address")

    return Look("stripe", "customers_of", {"customer_id": customer_id, "org_id": org_id}, fetch, deadline_s=15)


def _identity(row: dict[str, Json]) -> tuple[str, str | None, str | None]:
    """A customer's id, when it was made, and the organization that its metadata names."""
    return str(row["id"]), at_of(row["created"]), text_of(row.get("metadata") or {}, "org_id")


def _of_customer(customer_id: str) -> Any:
    def ask(client: Any, paging: dict[str, Any]) -> Any:
        return client.v1.subscriptions.list({"customer": customer_id, **paging})

    return ask


def meters() -> Look[list[Meter]]:
    """The meters, active and inactive; none: empty."""

    def fetch(door: Door) -> Answer[list[Meter]]:
        rows, _ = StripeApi(door).pages(lambda client, paging: client.v1.billing.meters.list({**paging}), _METERS, 200)
        found = [shaped(_meter, row) for row in rows]
        return Answer(Status.ok, found) if found else Answer(Status.empty, [], "the account has no meter")

    return Look("stripe", "meters", {}, fetch)


def meter_usage(meter_id: str, customer_id: str, window: Window) -> Look[list[MeterHour]]:
    """What a meter has counted for a customer by full hours, oldest first; none: empty.

    The window is widened to full hours, as Stripe asks. A customer or meter that Stripe does not know: not_found.
    """

    def fetch(door: Door) -> Answer[list[MeterHour]]:
        api = StripeApi(door)
        rows = _by_hour(api, meter_id, customer_id, window)
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, [], "the meter counted nothing for it")

    arguments = {"meter_id": meter_id, "customer_id": customer_id, **window_arguments(window)}
    return Look("stripe", "meter_usage", arguments, fetch, deadline_s=30)


def legacy_usage(item_id: str) -> Look[list[UsageRecordTotal]]:
    """What usage records of an item add up to, by billing period, newest first.

    Where the version in use has no usage records any more (basil and later), or the item is not there: not_found.
    """

    def fetch(door: Door) -> Answer[list[UsageRecordTotal]]:
        api = StripeApi(door)
        if api.version[:10] >= BASIL:
            return Answer(
                Status.not_found, None, f"usage records left the API at {BASIL}.basil; asked as {api.version}"
            )

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            # the package no longer knows the call
            path = f"/v1/subscription_items/{item_id}/usage_record_summaries"
            return client.raw_request("get", path, **paging)

        rows, _ = absent_means_not_found(lambda: api.pages(ask, "Usage records: read", 100), "subscription item")
        return Answer.of([shaped(summary_row, row) for row in rows])

    return Look("stripe", "legacy_usage", {"item_id": item_id}, fetch, deadline_s=15)


def meter_errors(meter_id: str, window: Window) -> Look[list[DroppedEvents]]:
    """Meter events that were accepted and dropped later, by report, newest first; none: empty.

    Stripe keeps the events 30 days; the newest 5 reports are read.
    """

    def fetch(door: Door) -> Answer[list[DroppedEvents]]:
        api = StripeApi(door, version=_THIN_VERSION)
        asked: Any = {"object_id": meter_id, "limit": 20}
        permission = "Events (v2): read"
        rows = api.read(lambda c: c.v2.core.events.list(asked), permission, lambda document: rows_in(document, "data"))
        wanted = [row for row in rows if row.get("type") == _ERROR_REPORT and shaped(_is_within, row, window)]
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

    return Look("stripe", "meter_errors", {"meter_id": meter_id, **window_arguments(window)}, fetch, deadline_s=20)


def _retrieve_event(identity: str, client: Any) -> Any:
    return client.v2.core.events.retrieve(identity)


def _by_hour(api: StripeApi, meter_id: str, customer_id: str, window: Window) -> list[MeterHour]:
    start, end = full_hours(window)
    asked = {"customer": customer_id, "start_time": start, "end_time": end, "value_grouping_window": "hour"}

    def ask(client: Any, paging: dict[str, Any]) -> Any:
        return client.v1.billing.meters.event_summaries.list(meter_id, {**asked, **paging})

    rows, _ = absent_means_not_found(lambda: api.pages(ask, _METERS, 10_000), "customer")
    return sorted((shaped(bucket_row, row) for row in rows), key=lambda hour: hour[0])


def _meter(row: dict[str, Json]) -> Meter:
    return {
        "id": str(row["id"]),
        "event_name": str(row["event_name"]),
        "name": text_of(row, "display_name"),
        "status": str(row["status"]),
        "formula": text_of(row["default_aggregation"], "formula"),
        "deactivated_at": at_of((row.get("status_transitions") or {}).get("deactivated_at")),
    }


def _is_within(row: dict[str, Json], window: Window) -> bool:
    """Whether an error report was made in the window, or within a day after it: reports come later than what they are about."""
    at = iso_of_text(row.get("created"))
    return at is not None and window.since <= from_iso(at) <= window.until + timedelta(days=1)


def _report(document: dict[str, Json]) -> DroppedEvents:
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
