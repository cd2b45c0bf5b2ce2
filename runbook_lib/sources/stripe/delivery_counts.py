"""How many of Stripe's events an endpoint should have got, and how many none has taken: by hour.

The denominator is Stripe's: an event that never arrived is counted as well. `pending_webhooks` is the number of endpoints without
a 2xx so far; an event that no enabled endpoint asks for has none pending and was delivered to nobody, so such types are told
apart. Events are kept for thirty days.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.deliveries import (
    CountedEndpoint,
    UndeliveredEvent,
    WebhookCounts,
    WebhookCoverage,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import judge_absence, text_of, window_arguments
from runbook_lib.sources.kit.counts import HOUR_S, Row, Steps
from runbook_lib.sources.stripe.api import StripeApi

_KEPT_H = 30 * 24.0
_MOST_EVENTS = 20_000
_GRACE = timedelta(minutes=10)  # an event that is still on its way is neither taken nor lost
_SHOWN = 20


def webhook_counts(window: Window, types: Sequence[str]) -> Look[WebhookCounts | WebhookCoverage]:
    """Events of these types by hour: `total` without those younger than ten minutes that wait, `failed` that no endpoint took.

    The newest twenty of those are told by their ids. Where there was no event: who asks for them, and nothing else.
    """

    def fetch(door: Door) -> Answer[WebhookCounts | WebhookCoverage]:
        api = StripeApi(door)
        wanted = {
            "created": {"gte": int(window.since.timestamp()), "lte": int(window.until.timestamp())},
            "types": list(types),
        }

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            return client.v1.events.list({**wanted, **paging})

        rows, more = api.pages(ask, "Events: read", _MOST_EVENTS)
        endpoints, why = _endpoints(api)
        events = [_event(row) for row in rows]
        coverage: WebhookCoverage = {"endpoints": endpoints, "uncovered": _uncovered(types, endpoints)}
        if not events:
            none = judge_absence(door, "event of these types", delay_s=0, retention_h=_KEPT_H + 1, window=window)
            return Answer(none.status, coverage, none.why, none.help)
        return Answer(Status.ok, _counted(door, window, events, more, coverage), why)

    return Look("stripe", "webhook_counts", {**window_arguments(window), "types": list(types)}, fetch, deadline_s=60)


def _counted(
    door: Door, window: Window, events: list[dict[str, Any]], more: bool, coverage: WebhookCoverage
) -> WebhookCounts:
    """Counts by hour; what was not read for its number counts as forgotten."""
    steps = Steps(int(window.since.timestamp()), HOUR_S, -(-int(window.seconds) // HOUR_S))
    total, failed = Row(steps), Row(steps)
    young = (door.clock() - _GRACE).timestamp()
    undelivered: list[UndeliveredEvent] = []
    for event in events:
        if event["pending"] and event["at_s"] > young:
            continue
        at = [(max(event["at_s"], steps.since_s + 1), 1.0)]
        total.add(at)
        if event["pending"]:
            failed.add(at)
            undelivered.append({"id": event["id"], "type": event["type"], "at": _iso(event["at_s"])})
    oldest = (door.clock() - timedelta(hours=_KEPT_H)).timestamp()
    kept_s = max(oldest, events[-1]["at_s"] if more else 0.0)
    return {
        "service": "stripe",
        "by": "Stripe's events",
        "step_s": HOUR_S,
        "since": to_iso(window.since),
        "until": _iso(steps.until_s),
        "kept_since": _iso(kept_s) if kept_s > steps.since_s + HOUR_S else None,
        "total": total.clean(),
        "failed": failed.clean(),
        "slow": None,
        "latency": None,
        "endpoints": coverage["endpoints"],
        "uncovered": coverage["uncovered"],
        "undelivered": undelivered[:_SHOWN],
    }


def _endpoints(api: StripeApi) -> tuple[list[CountedEndpoint] | None, str]:
    """The endpoints, or None and why they may not be read: then the counts stand, and nobody can say who was asked."""
    try:
        rows, _ = api.pages(
            lambda client, paging: client.v1.webhook_endpoints.list(paging), "Webhook endpoints: read", 100
        )
    except LookError as error:
        if error.status != Status.denied:
            raise
        return None, f"endpoints may not be read: {error.tried}"
    return [_endpoint(row) for row in rows], ""


def _endpoint(row: dict[str, Json]) -> CountedEndpoint:
    """Raises LookError(malformed) for a row that lacks what it needs."""
    types = row.get("enabled_events") or []
    if not isinstance(types, list):
        raise LookError(Status.malformed, f"unexpected shape of an endpoint: its events are {type(types).__name__}")
    return {
        "id": str(row["id"]),
        "url": text_of(row, "url"),
        "status": text_of(row, "status"),
        "types": [str(each) for each in types],
    }


def _uncovered(types: Sequence[str], endpoints: list[CountedEndpoint] | None) -> list[str] | None:
    if endpoints is None:
        return None
    asked = {each for endpoint in endpoints if endpoint["status"] == "enabled" for each in endpoint["types"]}
    return [] if "*" in asked else [each for each in types if each not in asked]


def _event(row: dict[str, Json]) -> dict[str, Any]:
    """Raises LookError(malformed) for a row that lacks what it needs."""
    try:
        return {
            "id": str(row["id"]),
            "type": str(row["type"]),
            "at_s": float(row["created"]),
            "pending": int(row["pending_webhooks"]),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise LookError(
            Status.malformed, f"unexpected shape of an event: {type(error).__name__} {error}"[:300]
        ) from error


def _iso(epoch_s: float) -> str:
    return to_iso(datetime.fromtimestamp(epoch_s, UTC))
