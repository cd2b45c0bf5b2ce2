"""Stripe's events of some types, counted: how many an endpoint should have got, and how many none has taken."""

from typing_extensions import TypedDict

from runbook_lib.core.records.counts import Counts


class CountedEndpoint(TypedDict):
    """A webhook endpoint with the event types that it asks for."""

    id: str
    url: str | None
    status: str | None
    types: list[str]


class UndeliveredEvent(TypedDict):
    """An event that no endpoint has taken."""

    id: str
    type: str
    at: str


class WebhookCoverage(TypedDict):
    """Who asks for the events. `uncovered`: the types that no enabled endpoint asks for. Both None where endpoints may not
    be read."""

    endpoints: list[CountedEndpoint] | None
    uncovered: list[str] | None


class WebhookCounts(Counts, WebhookCoverage):
    """Events by hour, without those that are still on their way. `undelivered`: the newest of those that nobody took."""

    undelivered: list[UndeliveredEvent]
