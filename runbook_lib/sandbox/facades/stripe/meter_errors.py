"""What Stripe says of meter events that it accepted and dropped later: thin events of `/v2/core/events` about the meter.

The list holds no data; each event, fetched by its id, holds the report (stripe-python 16.1,
V1BillingMeterErrorReportTriggeredEvent). An event for each code and hour in which events were dropped.
"""

import hashlib
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from runbook_lib.sandbox.facades.stripe.call import Call, Refused
from runbook_lib.sandbox.facades.stripe.state import Obj

TYPE = "v1.billing.meter.error_report_triggered"
_WORDS = {
    "meter_event_customer_not_found": "Customer not found.",
    "meter_event_invalid_value": "The value in the payload is not a number.",
    "archived_meter": "The meter is deactivated.",
    "no_meter": "No meter has this event name.",
}
_KEPT_S = 30 * 86_400
_SAMPLES = 5


def list_thin_events(call: Call) -> Obj:
    """Events about one object, newest first, of thirty days."""
    about = call.text("object_id")
    meters = call.book.of("billing.meter")
    found = [_event(call, *group, meter) for group in _groups(call) for meter in meters if about in (None, meter)]
    types = call.params.get("types") or []
    return {
        "data": [event for event in found if not types or event["type"] in types],
        "next_page_url": None,
        "previous_page_url": None,
    }


def get_thin_event(call: Call) -> Obj:
    """One event with its report."""
    for code, hour, errors in _groups(call):
        for meter in call.book.of("billing.meter"):
            event = _event(call, code, hour, errors, meter)
            if event["id"] == call.ids["id"]:
                return {**event, "data": _report(code, hour, errors)}
    raise Refused(404, f"No such event: '{call.ids['id']}'", code="resource_missing")


def _groups(call: Call) -> list[tuple[str, int, list[Obj]]]:
    groups: dict[tuple[int, str], list[Obj]] = defaultdict(list)
    for error in call.book.meter_errors:
        if error["created"] > call.now - _KEPT_S:
            groups[error["created"] // 3600 * 3600, error["code"]].append(error)
    return [(code, hour, errors) for (hour, code), errors in sorted(groups.items(), reverse=True)]


def _event(call: Call, code: str, hour: int, errors: list[Obj], meter: str) -> Obj:
    identity = hashlib.sha256(f"{code} {hour} {meter} {len(errors)}".encode()).hexdigest()[:24]
    return {
        "id": f"evt_test_{identity}",
        "object": "v2.core.event",
        "type": TYPE,
        "created": _iso(max(error["created"] for error in errors)),
        "livemode": call.book.livemode,
        "context": None,
        "reason": None,
        "related_object": {"id": meter, "type": "billing.meter", "url": f"/v1/billing/meters/{meter}"},
    }


def _report(code: str, hour: int, errors: list[Obj]) -> dict[str, Any]:
    words = _WORDS.get(code, code)
    samples = [{"error_message": words, "request": {"identifier": e["identifier"]}} for e in errors[:_SAMPLES]]
    count = len(errors)
    return {
        "developer_message_summary": f"There {'is' if count == 1 else 'are'} {count} invalid event{'s' if count > 1 else ''}",
        "reason": {
            "error_count": count,
            "error_types": [{"code": code, "error_count": count, "sample_errors": samples}],
        },
        "validation_start": _iso(hour),
        "validation_end": _iso(hour + 3600),
    }


def _iso(epoch_s: int) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
