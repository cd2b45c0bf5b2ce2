"""Spans and traces as the trace backends tell them, in one form. Ids are hex: 32 digits a trace, 16 a span."""

from collections.abc import Mapping
from typing import NotRequired

from typing_extensions import TypedDict

from runbook_lib.core.model import Json

Attributes = Mapping[str, Json]  # in the instrumentation's own words: reading/spans knows their old and new names


class SpanEvent(TypedDict):
    """Something that happened while a span ran, such as an exception."""

    name: str
    at_ns: int
    attributes: Attributes


class Span(TypedDict):
    """One span of a span table.

    `parent`: empty for a root. `kind`: internal, server, client, producer, consumer or unspecified. `status`: unset, ok or error.
    `message`: what the status says; empty where it says nothing. `resource`: its place in the table's resources. `scope`: the
    instrumentation's name, empty where it has none. `events` stands there only where there are some: a trace may have a hundred
    thousand spans.
    """

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    start_ns: int
    end_ns: int
    status: str
    message: str
    attributes: Attributes
    resource: int
    scope: str
    events: NotRequired[list[SpanEvent]]


class SpanTable(TypedDict):
    """The spans of one or more traces, and the processes that reported them.

    `whole` stands there only in a search that may have missed traces: each trace that it brought is complete.
    """

    resources: list[Attributes]
    spans: list[Span]
    whole: NotRequired[bool]


class SpanRow(TypedDict):
    """A span by itself, without its place in the trace. A call's attributes also hold its `kind` and `status`."""

    trace: str
    id: str
    name: str
    start_ns: int
    duration_ms: float
    attributes: Attributes


class MatchedSpan(TypedDict):
    """A span that a search matched, or that failed."""

    id: str
    name: str
    start_ns: int
    duration_ms: float
    attributes: Attributes


class TraceSummary(TypedDict):
    """A trace in short. `service`, `name`: the root's; empty without one. Counts: None where a search does not tell."""

    trace: str
    service: str
    name: str
    start_ns: int
    duration_ms: float
    span_count: int | None
    error_count: int | None
    spans: list[MatchedSpan]


class OrgRequest(TypedDict):
    """A request of an organization, by its span. `ms`: how long it took."""

    trace: str
    at: str
    ms: float
    status: int | None
    route: str | None
    org: str
    user: str | None


class TempoHealth(TypedDict):
    """That Tempo answers and lets this key search it; `version` None where it does not say."""

    version: str | None
    may_search: bool


class JaegerHealth(TypedDict):
    """That Jaeger answers: by which version of its API (v3 or v1), and how many services it knows."""

    api: str
    services: int
