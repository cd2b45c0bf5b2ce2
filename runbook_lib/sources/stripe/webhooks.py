"""Stripe's side of a webhook: the endpoints, accounts and modes of the keys, and what became of the events that matter to billing.

Stripe does not tell single delivery attempts. `pending_webhooks` counts the endpoints and listening CLIs that were to have an
event and have not answered with a 2xx; an event that nobody wanted when it was raised has 0 too (Stripe's OpenAPI, event).
"""

from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.webhooks import BillingEvent, StripeKeys, WebhookEndpoint
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import (
    answer_with_rows,
    beyond_retention,
    judge_absence,
    require_setting,
    rows_in,
    text_of,
    window_arguments,
)
from runbook_lib.sources.stripe.api import StripeApi, at_of, id_of, page_of, shaped
from runbook_lib.sources.stripe.key_facts import key_facts

BILLING_EVENTS = ("customer.subscription.updated", "invoice.paid", "invoice.payment_failed")
_ALSO_READ = ("customer.subscription.created", "customer.subscription.deleted")
_KEPT_H = 30 * 24.0
_MOST_EVENTS = 300


def endpoints() -> Look[list[WebhookEndpoint]]:
    """The account's webhook endpoints in the mode of the runbook's key. None at all: empty."""

    def fetch(door: Door) -> Answer[list[WebhookEndpoint]]:
        api = StripeApi(door)
        rows, more = api.pages(
            lambda client, paging: client.v1.webhook_endpoints.list(paging), "Webhook endpoints: read", 100
        )
        found = [shaped(_endpoint, row) for row in rows]
        return answer_with_rows(
            found, more, "endpoints", lambda: Answer(Status.empty, None, "the account has no webhook endpoint")
        )

    return Look("stripe", "webhook_endpoints", {}, fetch)


def keys() -> Look[StripeKeys]:
    """The keys at hand without their values, and the accounts that they belong to."""

    def fetch(door: Door) -> Answer[StripeKeys]:
        settings = door.settings
        own = require_setting(door, "stripe_key")
        api_key = reveal(settings.stripe_secret_key)
        account, refused = _account(door, own)
        if refused is not None and refused.status_code == 401:
            refused.raise_for_status("the key of RUNBOOK_STRIPE_KEY is no valid key")
        api_account, api_refused = (account, refused) if api_key == own else _account(door, api_key)
        words = api_refused.complaint() if api_refused is not None and api_refused.status_code == 401 else None
        value: StripeKeys = {
            "runbook": key_facts(door, own),
            "api": key_facts(door, api_key),
            "publishable": key_facts(door, settings.stripe_publishable_key),
            "account": account,
            "api_account": api_account,
            "api_refused": words,
            "pinned_version": settings.stripe_api_version,
        }
        return Answer(Status.ok, value)

    return Look("stripe", "keys", {}, fetch)


def deliveries(window: Window, event_id: str = "") -> Look[list[BillingEvent]]:
    """The billing events of a window, newest first.

    Args:
        event_id: this one event instead, whatever its type and age; not_found where this account and mode have no such event.
    """

    def fetch(door: Door) -> Answer[list[BillingEvent]]:
        api = StripeApi(door)
        youngest = door.clock() - timedelta(seconds=door.settings.webhook_delay_s)
        if event_id:
            row = api.read(lambda client: client.v1.events.retrieve(event_id), "Events: read", _row, one=True)
            return Answer(Status.ok, [shaped(_event, row, youngest)])
        asked: dict[str, Any] = {
            "created": {"gte": int(window.since.timestamp()), "lte": int(window.until.timestamp()) + 1},
            "types": [*BILLING_EVENTS, *_ALSO_READ],
        }
        rows, more = api.pages(
            lambda client, paging: client.v1.events.list({**asked, **paging}), "Events: read", _MOST_EVENTS
        )
        return answer_with_rows(
            [shaped(_event, row, youngest) for row in rows],
            more,
            "events",
            lambda: judge_absence(door, "billing event", delay_s=0, retention_h=_KEPT_H, window=window),
            beyond_retention(door, window, _KEPT_H),
        )

    return Look("stripe", "deliveries", {**window_arguments(window), "event_id": event_id}, fetch, deadline_s=20)


def last_delivered() -> Look[list[BillingEvent]]:
    """The newest billing event of the last 30 days that every receiver answered with a 2xx, as in `deliveries`; else empty."""

    def fetch(door: Door) -> Answer[list[BillingEvent]]:
        api = StripeApi(door)
        asked: Any = {"types": list(BILLING_EVENTS), "delivery_success": True, "limit": 1}
        rows, _ = api.read(lambda client: client.v1.events.list(asked), "Events: read", page_of)
        youngest = door.clock() - timedelta(seconds=door.settings.webhook_delay_s)
        if not rows:
            return Answer(Status.empty, None, "no billing event of the last 30 days was delivered")
        return Answer(Status.ok, [shaped(_event, rows[0], youngest)])

    return Look("stripe", "last_delivered", {}, fetch)


def _account(door: Door, key: str | None) -> tuple[str | None, Reply | None]:
    """The id of the account a key belongs to, or Stripe's answer where there is none."""
    if not key:
        return None, None
    headers = {"Authorization": f"Bearer {key}", "Stripe-Version": door.settings.stripe_api_version}
    reply = door.http.get(f"{require_setting(door, 'stripe_api_url')}/v1/account", headers=headers)
    if reply.status_code in (401, 403):
        return None, reply
    if reply.status_code != 200:
        reply.raise_for_status("the key of RUNBOOK_STRIPE_KEY needs: Accounts: read")
    return reply.parsed(lambda document: text_of(document, "id")), None


def _row(document: Json) -> dict[str, Json]:
    if not isinstance(document, dict) or document.get("object") != "event":
        raise TypeError("no event")
    return document


def _endpoint(row: dict[str, Json]) -> WebhookEndpoint:
    events = row["enabled_events"]
    if not isinstance(events, list):
        raise TypeError("enabled_events is no list")
    return {
        "id": str(row["id"]),
        "url": str(row["url"]),
        "status": str(row["status"]),
        "enabled_events": sorted(map(str, events)),
        "api_version": text_of(row, "api_version"),
        "created_at": at_of(row["created"]),
        "livemode": bool(row.get("livemode")),
    }


def _event(row: dict[str, Json], youngest: datetime) -> BillingEvent:
    held = row["data"]["object"]
    kind = str(row["type"])
    at = at_of(row["created"])
    if at is None:
        raise KeyError("created")
    found: BillingEvent = {
        "id": str(row["id"]),
        "at": at,
        "type": kind,
        "customer": id_of(held["customer"]) if held.get("customer") else None,
        "api_version": text_of(row, "api_version"),
        "livemode": bool(row.get("livemode")),
        "pending": int(row["pending_webhooks"]),
        "is_young": from_iso(at) > youngest,
        "status": None,
        "plan": None,
        "period_end": None,
    }
    if kind == "invoice.paid":
        found["status"] = "active"
    elif kind == "invoice.payment_failed":
        found["status"] = "past_due"
    elif kind.startswith("customer.subscription."):
        _tell_subscription(held, found)
    return found


def _tell_subscription(held: dict[str, Json], found: BillingEvent) -> None:
    items = rows_in(held["items"], "data") if held.get("items") else []
    first: dict[str, Json] = items[0] if items else {}
    plan = text_of(held.get("metadata") or {}, "plan") or text_of(first.get("price") or {}, "lookup_key")
    end = held.get("current_period_end") or first.get("current_period_end")
    found["status"], found["plan"], found["period_end"] = text_of(held, "status"), plan, at_of(end)
