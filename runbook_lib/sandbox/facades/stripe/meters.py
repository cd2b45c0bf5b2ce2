"""Billing meters: meters, their events, and what the events add up to.

An event is accepted first and counted later: one that names no meter, no customer or no number is dropped without a word
to whoever sent it, and shows only among the meter's error reports.
"""

import uuid
from typing import Any

from runbook_lib.sandbox.facades.stripe.call import Call, Page, Refused, as_integer
from runbook_lib.sandbox.facades.stripe.state import Book, Obj, StripeState, new_id

_GROUPS = {"hour": 3_600, "day": 86_400}


def new_meter(book: Book, now: int, event_name: str, display_name: str, **fields: Any) -> Obj:
    """A meter over `payload[stripe_customer_id]` and `payload[value]`, summing up."""
    return {
        "id": new_id("mtr_"),
        "object": "billing.meter",
        "created": now,
        "customer_mapping": {"event_payload_key": "stripe_customer_id", "type": "by_id"},
        "default_aggregation": {"formula": "sum"},
        "display_name": display_name,
        "event_name": event_name,
        "event_time_window": None,
        "livemode": book.livemode,
        "status": "active",
        "status_transitions": {"deactivated_at": None},
        "updated": now,
        "value_settings": {"event_payload_key": "value"},
        **fields,
    }


def list_meters(call: Call) -> Page:
    """Meters, by status."""
    items = [m for m in call.book.newest_first("billing.meter") if call.matches(m, "status")]
    return Page(items, "/v1/billing/meters")


def create_meter_event(call: Call) -> Obj:
    """Report usage. Refused at once: a time too far away, an identifier that was used in the last day."""
    timestamp = call.integer("timestamp", call.now) or call.now
    if timestamp < call.now - 35 * 86_400:
        raise Refused(400, "The timestamp must be within the past 35 calendar days.", code="timestamp_too_far_in_past")
    if timestamp > call.now + 300:
        raise Refused(400, "The timestamp must not be more than 5 minutes in the future.", code="timestamp_in_future")
    identifier = call.text("identifier") or str(uuid.uuid4())
    if any(e["identifier"] == identifier and e["created"] > call.now - 86_400 for e in call.book.meter_events):
        message = f"An event already exists with identifier {identifier}."
        raise Refused(400, message, code="duplicate_meter_event", param="identifier")
    payload = call.require("payload")
    return record_event(call.book, call.now, call.require("event_name"), payload, timestamp, identifier)


def record_event(book: Book, now: int, name: str, payload: dict[str, str], timestamp: int, identifier: str) -> Obj:
    """Accept an event; whether it will count is settled now and told to nobody but the error reports."""
    event = {
        "object": "billing.meter_event",
        "created": now,
        "event_name": name,
        "identifier": identifier,
        "livemode": book.livemode,
        "payload": payload,
        "timestamp": timestamp,
        "_is_cancelled": False,
    }
    event["_dropped"] = why_dropped(book, event)
    book.meter_events.append(event)
    if event["_dropped"]:
        book.meter_errors.append({"created": now, "code": event["_dropped"], "identifier": identifier})
    return event


def why_dropped(book: Book, event: Obj) -> str | None:
    """The code under which an accepted event is dropped later, or None when it counts."""
    meters = [m for m in book.of("billing.meter").values() if m["event_name"] == event["event_name"]]
    meter = next((m for m in meters if m["status"] == "active"), None)
    if meter is None:
        return "archived_meter" if meters else "no_meter"
    customer = event["payload"].get(meter["customer_mapping"]["event_payload_key"])
    if customer is None:
        return "missing_dimension_payload_keys"
    found = book.of("customer").get(customer)
    if found is None or found.get("deleted"):
        return "meter_event_customer_not_found"
    try:
        float(event["payload"].get(meter["value_settings"]["event_payload_key"], ""))
    except ValueError:
        return "meter_event_invalid_value"
    return None


def event_summaries(call: Call) -> Page:
    """What one customer's events add up to, newest first: the whole range, or by hour or UTC day; empty groups are left out."""
    meter = call.get("billing.meter", call.ids["id"])
    customer = call.get("customer", call.require("customer"), param="customer")["id"]
    start, end = (as_integer(call.require(name), name) for name in ("start_time", "end_time"))
    group = call.text("value_grouping_window")
    if group is not None and group not in _GROUPS:
        raise Refused(400, "Invalid value_grouping_window: must be one of day or hour", param="value_grouping_window")
    unit = _GROUPS.get(group or "", 60)
    for name, edge in (("start_time", start), ("end_time", end)):
        if edge % unit:
            raise Refused(400, f"{name} must align with {group or 'minute'} boundaries.", param=name)
    if end <= start:
        raise Refused(400, "end_time must be after start_time.", param="end_time")
    width = unit if group else end - start
    values: dict[int, list[tuple[int, float]]] = {}
    for timestamp, value in counted_events(call.state, call.book, meter, customer, call.now):
        if start <= timestamp < end:
            values.setdefault(start + (timestamp - start) // width * width, []).append((timestamp, value))
    items = [
        {
            "id": f"mtrusg_{meter['id'][-8:]}_{customer[-6:]}_{at}",
            "object": "billing.meter_event_summary",
            "aggregated_value": _plain(_aggregate(meter["default_aggregation"]["formula"], found)),
            "end_time": at + width,
            "livemode": call.book.livemode,
            "meter": meter["id"],
            "start_time": at,
        }
        for at, found in sorted(values.items(), reverse=True)
    ]
    return Page(items, f"/v1/billing/meters/{meter['id']}/event_summaries")


def counted_events(state: StripeState, book: Book, meter: Obj, customer: str, now: int) -> list[tuple[int, float]]:
    """(time, value) of the customer's events that this meter has counted by now."""
    to, of = meter["customer_mapping"]["event_payload_key"], meter["value_settings"]["event_payload_key"]
    return [
        (event["timestamp"], float(event["payload"][of]))
        for event in book.meter_events
        if event["event_name"] == meter["event_name"]
        and event["payload"].get(to) == customer
        and not event["_is_cancelled"]
        and event["created"] + state.meter_delay_s <= now
        and event["_dropped"] is None
    ]


def _aggregate(formula: str, found: list[tuple[int, float]]) -> float:
    if formula == "count":
        return float(len(found))
    if formula == "last":
        return max(found)[1]
    return sum(value for _, value in found)


def _plain(value: float) -> float | int:
    """A whole value without its decimal point, as the API writes it."""
    return int(value) if value.is_integer() else value
