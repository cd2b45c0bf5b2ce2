"""Spans as an exporter sends them: binary OTLP."""

from collections.abc import Iterable
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from runbook_lib.sandbox.store.encode import group_spans
from runbook_lib.sandbox.store.model import Attributes, Span, Value


def traces_data(spans: Iterable[Span]) -> bytes:
    """Spans as a binary TracesData message."""
    data = TracesData()
    for resource, scopes in group_spans(spans):
        group = data.resource_spans.add(schema_url=resource.schema_url)
        group.resource.attributes.extend(_pb_attributes(resource.attributes))
        for scope, members in scopes:
            scoped = group.scope_spans.add(schema_url=scope.schema_url)
            scoped.scope.name = scope.name
            scoped.scope.version = scope.version
            scoped.scope.attributes.extend(_pb_attributes(scope.attributes))
            for span in members:
                _pb_span(scoped.spans.add(), span)
    out: bytes = data.SerializeToString()
    return out


def _pb_span(out: Any, span: Span) -> None:
    out.trace_id, out.span_id, out.parent_span_id = span.trace_id, span.span_id, span.parent_id
    out.trace_state, out.flags, out.name, out.kind = span.trace_state, span.flags, span.name, span.kind
    out.start_time_unix_nano, out.end_time_unix_nano = span.start_ns, span.end_ns
    out.attributes.extend(_pb_attributes(span.attributes))
    out.status.code, out.status.message = span.status_code, span.status_message
    for event in span.events:
        added = out.events.add(name=event.name, time_unix_nano=event.time_ns)
        added.attributes.extend(_pb_attributes(event.attributes))
    for link in span.links:
        added = out.links.add(
            trace_id=link.trace_id, span_id=link.span_id, trace_state=link.trace_state, flags=link.flags
        )
        added.attributes.extend(_pb_attributes(link.attributes))


def _pb_attributes(attributes: Attributes) -> list[Any]:
    return [KeyValue(key=key, value=_pb_value(value)) for key, value in attributes.items()]


def _pb_value(value: Value) -> Any:
    out = AnyValue()
    if isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, str):
        out.string_value = value
    elif isinstance(value, int):
        out.int_value = value
    elif isinstance(value, float):
        out.double_value = value
    elif isinstance(value, bytes):
        out.bytes_value = value
    elif isinstance(value, list):
        out.array_value.SetInParent()
        out.array_value.values.extend(_pb_value(one) for one in value)
    elif isinstance(value, dict):
        out.kvlist_value.SetInParent()
        out.kvlist_value.values.extend(_pb_attributes(value))
    return out
