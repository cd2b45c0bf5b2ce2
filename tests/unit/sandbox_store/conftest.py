"""Spans, clocks and stores for the store's unit tests."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings

from runbook_lib.sandbox.store.model import Resource, Scope, Span, Trace
from runbook_lib.sandbox.store.spans import Store, create_store
from runbook_lib.sandbox.store.traceql import parse, runner

# The machine may be busy: how long an example takes says nothing about the code.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

T0 = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)
T0_NS = int(T0.timestamp()) * 10**9
MS = 10**6


@dataclass
class Clock:
    """A clock that moves when told."""

    at: datetime = T0

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **parts: float) -> None:
        self.at += timedelta(**parts)


@dataclass
class Maker:
    """Makes spans of one trace with running ids; `service` names the resource, times are milliseconds after T0."""

    trace: int = 1
    next_id: int = 1
    resources: dict[str, Resource] = field(default_factory=dict)

    def span(
        self,
        name: str = "op",
        *,
        parent: Span | None = None,
        service: str = "svc",
        start_ms: int = 0,
        duration_ms: int = 10,
        attributes: dict[str, Any] | None = None,
        **more: Any,
    ) -> Span:
        resource = self.resources.setdefault(service, Resource({"service.name": service} if service else {}))
        span_id = self.next_id.to_bytes(8, "big")
        self.next_id += 1
        start_ns = T0_NS + start_ms * MS
        fixed: dict[str, Any] = {"kind": 1, "scope": Scope("lib", "1.0", {"lib.attr": "here"})}
        return Span(
            trace_id=self.trace.to_bytes(16, "big"),
            span_id=span_id,
            parent_id=parent.span_id if parent else b"",
            name=name,
            start_ns=start_ns,
            end_ns=start_ns + duration_ms * MS,
            attributes=attributes or {},
            resource=resource,
            **{**fixed, **more},
        )


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make() -> Maker:
    return Maker()


@pytest.fixture
def new_maker() -> Callable[..., Maker]:
    """A maker of another trace."""
    return Maker


@pytest.fixture
def new_store(clock: Clock) -> Callable[..., Store]:
    """`new_store(spans, **options)`: a store on the test's clock that has just taken these spans in."""

    def make_store(spans: list[Span] | None = None, **options: Any) -> Store:
        store = create_store(now=clock, **options)
        store.add(spans or [])
        return store

    return make_store


@pytest.fixture
def selects() -> Callable[[str, list[Span]], list[str]]:
    """`selects(query, spans)`: names of the spans of one trace that a TraceQL query leaves."""

    def run(query: str, spans: list[Span]) -> list[str]:
        trace = Trace(spans[0].trace_id, tuple(spans))
        return [span.name for span in runner(parse(query))(trace)]

    return run
