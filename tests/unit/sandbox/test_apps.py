"""The parts' own reasoning: tampering, periods, streams, chains, and spans on their way out."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from runbook_lib.sandbox.apps import streams, tracing
from runbook_lib.sandbox.apps.billing import period_start
from runbook_lib.sandbox.apps.tampering import Bug, Condition, SpanRule, Tampering
from runbook_lib.sandbox.primitives.overrides import Override


def test_tampering_survives_its_way_through_the_pipe() -> None:
    given_ = Tampering(
        overrides=[Override(status=503, headers={"a": "b"})],
        bugs=[Bug(raise_type="X")],
        span_rules=[SpanRule(drop=True)],
        unsampled=0.5,
    )
    assert Tampering.from_dict(json.loads(json.dumps(asdict(given_)))) == given_


def test_a_bug_strikes_its_routes_and_so_often() -> None:
    condition = Condition()
    condition.replace(Tampering(bugs=[Bug(route="/api/*", raise_type="E", count=2)]))
    assert condition.bug_for("/other") is None
    assert [condition.bug_for("/api/chat") is not None for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("now", "end", "start"),
    [
        ("2026-11-23T10:00:00+00:00", None, "2026-11-01T00:00:00+00:00"),
        ("2026-11-23T10:00:00+00:00", "2026-12-10T00:00:00+00:00", "2026-11-10T00:00:00+00:00"),
        ("2026-03-15T00:00:00+00:00", "2026-03-31T00:00:00+00:00", "2026-02-28T00:00:00+00:00"),
        ("2026-01-05T00:00:00+00:00", "2026-01-31T00:00:00+00:00", "2025-12-31T00:00:00+00:00"),
        ("2026-01-05T00:00:00+00:00", "2026-06-20T00:00:00+00:00", "2025-12-20T00:00:00+00:00"),
    ],
)
def test_a_billing_period_begins_months_before_its_end(now: str, end: str | None, start: str) -> None:
    from datetime import datetime

    assert period_start(datetime.fromisoformat(now).timestamp(), end) == start


def _events(pieces: list[bytes]) -> list[streams.Event]:
    class Body(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

    async def read() -> list[streams.Event]:
        return [event async for event in streams.events(httpx.Response(200, stream=Body()))]

    return asyncio.run(read())


@given(cuts=st.lists(st.integers(0, 70), max_size=6))
def test_events_are_the_same_however_the_bytes_arrive(cuts: list[int]) -> None:
    text = b'event: delta\ndata: {"text": "a"}\n\ndata: [DONE]\n\nevent: error\ndata: {"error": {"message": "no"}}\n\n'
    bounds = sorted({0, len(text), *cuts})
    seen = _events([text[a:b] for a, b in itertools.pairwise(bounds)])
    assert [(event.name, event.error()) for event in seen] == [("delta", None), ("message", None), ("error", "no")]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ('{"error": {"message": "overloaded"}}', "overloaded"),
        ('{"error": "plain"}', "plain"),
        ('{"a": 1}', None),
        ("[1]", None),
    ],
)
def test_an_error_inside_a_stream_is_noticed(data: str, error: str | None) -> None:
    (event,) = _events([f"data: {data}\n\n".encode()])
    assert event.error() == error


class _Kept(SpanExporter):
    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        return


def _leaving(tampering: Tampering, has_old_names: bool = False, lost: bool = False) -> list[ReadableSpan]:
    """What leaves of a parent and its child."""
    condition, kept = Condition(), _Kept()
    condition.replace(tampering)
    exporter = tracing._Exporter(condition, has_old_names)
    exporter._inner = kept  # type: ignore[assignment]
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("next.js")
    with tracer.start_as_current_span("POST /x") as parent, tracer.start_as_current_span("SELECT t") as child:
        parent.set_attribute("http.request.method", "POST")
        child.set_attributes({"db.system.name": "postgresql", "db.operation.name": "SELECT"})
        tracing.fail(child, "42P17", "recursion")
    if lost:
        exporter.lost_traces.add(parent.get_span_context().trace_id)
    exporter.export([parent, child])  # type: ignore[list-item]
    return kept.spans


def test_untouched_spans_leave_as_they_are() -> None:
    parent, child = _leaving(Tampering())
    assert (parent.name, child.parent is not None) == ("POST /x", True)


def test_old_names_are_written_for_an_old_sdk() -> None:
    parent, child = _leaving(Tampering(), has_old_names=True)
    assert parent.attributes == {"http.method": "POST"}
    assert {"db.system", "db.operation"} <= set(child.attributes or {})


def test_span_rules_do_what_they_say() -> None:
    (child,) = _leaving(Tampering(span_rules=[SpanRule(name="POST *", drop=True)]))
    assert child.name == "SELECT t"
    rule = SpanRule(name="SELECT *", rename="q", drop_attributes=["db.*"], set_attributes={"a": 1}, lose_parent=True)
    parent, child = _leaving(Tampering(span_rules=[rule]))
    assert (parent.name, child.name, child.parent) == ("POST /x", "q", None)
    assert dict(child.attributes or {}) == {"error.type": "42P17", "a": 1}
    assert _leaving(Tampering(span_rules=[SpanRule(scope="other", drop=True)]))[0].name == "POST /x"


def test_a_shifted_clock_moves_spans_and_their_events() -> None:
    (_, usual), (_, moved) = _leaving(Tampering()), _leaving(Tampering(clock_shift_s=3600))
    assert 3590e9 < (moved.start_time or 0) - (usual.start_time or 0) < 3610e9
    assert 3590e9 < moved.events[0].timestamp - usual.events[0].timestamp < 3610e9


def test_spans_of_a_killed_request_are_lost() -> None:
    assert _leaving(Tampering(), lost=True) == []


@pytest.mark.parametrize(
    ("how", "events", "attribute"), [("event", 1, False), ("attributes", 0, True), ("status", 0, False)]
)
def test_an_exception_is_recorded_as_asked(how: str, events: int, attribute: bool) -> None:
    with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("s") as span:
        tracing.fail(span, "TypeError", "boom", "    at f (a.ts:1:1)", how)
    assert isinstance(span, ReadableSpan)
    assert len(span.events) == events
    assert ("exception.type" in (span.attributes or {})) is attribute
    assert (span.status.description, (span.attributes or {})["error.type"]) == ("boom", "TypeError")
