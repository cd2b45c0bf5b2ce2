"""Tracing as NexusCore's parts do it: the real OpenTelemetry SDK, batches, OTLP over HTTP, configured by the environment.

Handlers always set the stable attribute names; with `semconv="old"` the exporter writes the names of before. What is
wrong with a part's tracing is applied in the same place, where a misconfigured SDK would do it.
"""

import fnmatch
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, SamplingResult
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from runbook_lib.sandbox.apps.tampering import Condition, SpanRule

EXPORT_DELAY_MS = 200
OLD_NAMES = {
    "http.request.method": "http.method",
    "http.response.status_code": "http.status_code",
    "url.path": "http.target",
    "url.full": "http.url",
    "url.scheme": "http.scheme",
    "server.address": "net.peer.name",
    "server.port": "net.peer.port",
    "user_agent.original": "http.user_agent",
    "db.system.name": "db.system",
    "db.namespace": "db.name",
    "db.operation.name": "db.operation",
    "db.collection.name": "db.sql.table",
    "db.query.text": "db.statement",
    "gen_ai.provider.name": "gen_ai.system",
    "gen_ai.usage.input_tokens": "gen_ai.usage.prompt_tokens",
    "gen_ai.usage.output_tokens": "gen_ai.usage.completion_tokens",
}


class _LiveSampler(Sampler):
    """Follows the parent's decision, samples roots, and leaves out the share that the part's condition asks for."""

    def __init__(self, condition: Condition) -> None:
        self._condition = condition
        self._usual = ParentBased(ALWAYS_ON)

    def should_sample(self, parent_context: Context | None, trace_id: int, *args: Any, **kwargs: Any) -> SamplingResult:
        """The same trace gets the same answer throughout the part."""
        share = self._condition.now.unsampled
        chosen = ALWAYS_OFF if (trace_id & 0xFFFFFFFF) / 0x100000000 < share else self._usual
        return chosen.should_sample(parent_context, trace_id, *args, **kwargs)

    def get_description(self) -> str:
        """The usual sampler's name."""
        return str(self._usual.get_description())  # type: ignore[no-untyped-call]


class _Exporter(SpanExporter):
    """Rewrites spans on their way out: names of the chosen conventions, the part's clock, and the span rules."""

    def __init__(self, condition: Condition, has_old_names: bool) -> None:
        self._inner = OTLPSpanExporter()
        self._condition = condition
        self._has_old_names = has_old_names
        self.lost_traces: set[int] = set()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send what is left of the batch."""
        leaving = [rewritten for span in spans if (rewritten := self._rewrite(span)) is not None]
        return self._inner.export(leaving) if leaving else SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the connection."""
        self._inner.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is held back here."""
        return self._inner.force_flush(timeout_millis)

    def _rewrite(self, span: ReadableSpan) -> ReadableSpan | None:
        rules = [rule for rule in self._condition.now.span_rules if _matches(rule, span)]
        if any(rule.drop for rule in rules) or (span.context and span.context.trace_id in self.lost_traces):
            return None
        shift_ns = int(self._condition.now.clock_shift_s * 1e9)
        if not (rules or shift_ns or self._has_old_names):
            return span
        name, parent, attributes = span.name, span.parent, dict(span.attributes or {})
        for rule in rules:
            name = rule.rename or name
            parent = None if rule.lose_parent else parent
            attributes = {k: v for k, v in attributes.items() if not any(map(_glob(k), rule.drop_attributes))}
            attributes.update(rule.set_attributes)
        if self._has_old_names:
            attributes = {OLD_NAMES.get(key, key): value for key, value in attributes.items()}
        return ReadableSpan(
            name=name,
            context=span.context,
            parent=parent,
            resource=span.resource,
            attributes=attributes,
            events=[Event(event.name, event.attributes, event.timestamp + shift_ns) for event in span.events],
            links=span.links,
            kind=span.kind,
            status=span.status,
            start_time=(span.start_time or 0) + shift_ns,
            end_time=(span.end_time or 0) + shift_ns,
            instrumentation_scope=span.instrumentation_scope,
        )


def _matches(rule: SpanRule, span: ReadableSpan) -> bool:
    scope = span.instrumentation_scope.name if span.instrumentation_scope else ""
    return fnmatch.fnmatchcase(span.name, rule.name) and fnmatch.fnmatchcase(scope, rule.scope)


def _glob(name: str) -> Any:
    return lambda pattern: fnmatch.fnmatchcase(name, pattern)


class Tracing:
    """A part's tracer provider. `span` opens one span; `incoming` and `outgoing` carry W3C trace context.

    Args:
        condition: what is wrong with the part.
        attributes: resource attributes besides what OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say.
        has_old_names: semantic-convention names of before 1.24.
        is_on: False: the part was never given OpenTelemetry.
    """

    def __init__(
        self, condition: Condition, attributes: Mapping[str, str], has_old_names: bool, *, is_on: bool = True
    ) -> None:
        self._condition, self._is_on = condition, is_on
        named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", "nexuscore")}
        self._provider = TracerProvider(
            sampler=_LiveSampler(condition),
            resource=Resource.create({**named, **attributes}),
            shutdown_on_exit=False,
        )
        self._exporter = _Exporter(condition, has_old_names)
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter, schedule_delay_millis=EXPORT_DELAY_MS))

    def incoming_context(self, headers: Mapping[str, str]) -> Context:
        """The caller's trace context, or an empty one."""
        is_read = self._is_on and not self._condition.now.ignores_traceparent
        return propagate.extract(headers, context=Context()) if is_read else Context()

    def outgoing_headers(self) -> dict[str, str]:
        """Headers that carry the current trace context to a callee."""
        headers: dict[str, str] = {}
        if self._is_on and not self._condition.now.sends_no_traceparent:
            propagate.inject(headers)
        return headers

    @contextmanager
    def span(
        self,
        scope: str,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, Any] | None = None,
        context: Context | None = None,
    ) -> Iterator[Span]:
        """A current span for the block. Exceptions pass through; recording them is the caller's choice."""
        provider = self._provider if self._is_on else trace.NoOpTracerProvider()
        tracer = provider.get_tracer(scope)
        with tracer.start_as_current_span(
            name, context, kind, attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span

    def drop_unsent(self, trace_id: str | None) -> None:
        """Spans of this trace that are not sent yet never will be: the platform killed the function under them."""
        if trace_id:
            self._exporter.lost_traces.add(int(trace_id, 16))

    def shutdown(self) -> None:
        """Send what is left and stop."""
        self._provider.shutdown()


def trace_id() -> str | None:
    """The current trace's id in hex, or None outside a trace."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def fail(span: Span, kind: str, message: str, place: str = "", recorded_as: str = "event") -> None:
    """Mark a span as failed by an exception.

    `place` is the stack line below the head. `recorded_as`: "event" (a span event), "attributes" (on the span itself),
    or "status" (status and error.type are all there is).
    """
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, message))
    described = {
        "exception.type": kind,
        "exception.message": message,
        "exception.stacktrace": f"{kind}: {message}\n{place}",
    }
    if recorded_as == "event":
        span.add_event("exception", described)
    elif recorded_as == "attributes":
        span.set_attributes(described)


def refuse(span: Span, kind: str, message: str = "") -> None:
    """Mark a span as failed without an exception."""
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, message))


def has_failed(span: Span) -> bool:
    """Whether the span is marked as failed already; True for one that is not recorded."""
    status = getattr(span, "status", None)
    return status is None or status.status_code is StatusCode.ERROR
