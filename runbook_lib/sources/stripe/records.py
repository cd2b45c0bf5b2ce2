"""Stripe: a customer, its subscription, recent events; read through the `stripe` package with the version NexusCore pins."""

from typing import Any

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.subscriptions import (
    CurrentSubscription,
    DeletedCustomer,
    StripeAccess,
    StripeCustomer,
    StripeEvent,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import (
    answer_with_rows,
    beyond_retention,
    judge_absence,
    rows_in,
    text_of,
    window_arguments,
)
from runbook_lib.sources.stripe.api import StripeApi, at_of, id_of, shaped
from runbook_lib.sources.stripe.shapes import absent_means_not_found, by_weight, subscription_row

_EVENTS_KEPT_H = 30 * 24.0
_MOST_EVENTS = 500


def subscription(customer_id: str) -> Look[CurrentSubscription]:
    """A customer's subscription; of several the one that counts.

    Without any: empty; a customer that Stripe does not know: not_found.
    """

    def fetch(door: Door) -> Answer[CurrentSubscription]:
        if not customer_id.strip():
            return Answer(Status.not_found, None, "the customer id is empty")
        api = StripeApi(door)

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            return client.v1.subscriptions.list({"customer": customer_id, "status": "all", **paging})

        rows, _ = absent_means_not_found(lambda: api.pages(ask, "Subscriptions: read", 100), "customer")
        found = [shaped(subscription_row, row) for row in rows]
        if not found:
            return Answer(Status.empty, None, "the customer has no subscription")
        return Answer(Status.ok, CurrentSubscription(**by_weight(found)[0], others=len(found) - 1))

    return Look("stripe", "subscription", {"customer_id": customer_id}, fetch)


def customer(customer_id: str) -> Look[StripeCustomer | DeletedCustomer]:
    """A customer. One that Stripe does not know: not_found; one that was deleted: the same, with the word that it was."""

    def fetch(door: Door) -> Answer[StripeCustomer | DeletedCustomer]:
        if not customer_id.strip():
            return Answer(Status.not_found, None, "the customer id is empty")
        found = StripeApi(door).read(
            lambda client: client.v1.customers.retrieve(customer_id), "Customers: read", _customer, one=True
        )
        if found is None:
            return Answer(Status.not_found, DeletedCustomer(deleted=True), "the customer was deleted")
        return Answer(Status.ok, found)

    return Look("stripe", "customer", {"customer_id": customer_id}, fetch)


def events(window: Window, types: tuple[str, ...] = (), *, undelivered: bool = False) -> Look[list[StripeEvent]]:
    """Stripe's events of a window, newest first. Stripe keeps them 30 days.

    Args:
        types: only these, for example `invoice.paid`; empty: all.
        undelivered: only those that some endpoint has not answered with a 2xx yet.
    """

    def fetch(door: Door) -> Answer[list[StripeEvent]]:
        api = StripeApi(door)
        asked: dict[str, Any] = {
            "created": {"gte": int(window.since.timestamp()), "lte": int(window.until.timestamp())}
        }
        asked |= {"types": list(types)} if types else {}
        asked |= {"delivery_success": False} if undelivered else {}

        def ask(client: Any, paging: dict[str, Any]) -> Any:
            return client.v1.events.list({**asked, **paging})

        rows, more = api.pages(ask, "Events: read", _MOST_EVENTS)
        return answer_with_rows(
            [shaped(_event, row) for row in rows],
            more,
            "events",
            lambda: judge_absence(door, "event", delay_s=0, retention_h=_EVENTS_KEPT_H, window=window),
            beyond_retention(door, window, _EVENTS_KEPT_H),
        )

    arguments = {**window_arguments(window), "types": list(types), "undelivered": undelivered}
    return Look("stripe", "events", arguments, fetch, deadline_s=20)


def health() -> Look[StripeAccess]:
    """What the key may read.

    denied where one of them is refused, with what is missing; the value is there all the same.
    """

    def fetch(door: Door) -> Answer[StripeAccess]:
        api = StripeApi(door)
        may: dict[str, bool] = {}
        refused: LookError | None = None
        for name, ask in _READS.items():
            try:
                api.read(ask, f"{name.capitalize()}: read", lambda document: rows_in(document, "data"))
                may[name] = True
            except LookError as error:
                if error.status != Status.denied:
                    raise
                may[name], refused = False, error
        value: StripeAccess = {"livemode": api.is_live, "api_version": api.version, "may_read": may}
        if refused is None:
            return Answer(Status.ok, value)
        missing = ", ".join(f"{name.capitalize()}: read" for name, allowed in may.items() if not allowed)
        return Answer(Status.denied, value, refused.tried, f"the key of RUNBOOK_STRIPE_KEY needs: {missing}")

    return Look("stripe", "health", {}, fetch)


_READS: dict[str, Any] = {
    "customers": lambda client: client.v1.customers.list({"limit": 1}),
    "subscriptions": lambda client: client.v1.subscriptions.list({"limit": 1}),
    "events": lambda client: client.v1.events.list({"limit": 1}),
}


def _customer(row: dict[str, Json]) -> StripeCustomer | None:
    """None for one that was deleted."""
    if row.get("deleted"):
        return None
    return {
        "id": str(row["id"]),
        "email": text_of(row, "email"),
        "name": text_of(row, "name"),
        "livemode": bool(row.get("livemode")),
        "delinquent": row.get("delinquent"),
        "currency": text_of(row, "currency"),
        "balance": row.get("balance"),
        "created_at": at_of(row["created"]),
        "metadata": dict(row.get("metadata") or {}),
    }


def _event(row: dict[str, Json]) -> StripeEvent:
    held = row["data"]["object"]
    about = held.get("customer") or (held.get("id") if held.get("object") == "customer" else None)
    request = row.get("request")
    return {
        "id": str(row["id"]),
        "at": at_of(row["created"]),
        "type": str(row["type"]),
        "object": text_of(held, "id"),
        "customer": id_of(about) if about else None,
        "api_version": text_of(row, "api_version"),
        "livemode": bool(row.get("livemode")),
        "pending_webhooks": row.get("pending_webhooks"),
        "request": text_of(request, "id") if isinstance(request, dict) else request,
    }
