"""Spans turned back into OTLP: binary, and the two JSON dialects that clients meet.

Tempo writes OTLP through Go's jsonpb: ids in base64, enums as names, zero values left out. Jaeger's API v3 writes OTLP/JSON:
ids in hex, enums as numbers (api-facts.md §8, samples in specs/tempo and specs/jaeger). Both write 64-bit integers as texts.
"""

import base64
import math
from collections.abc import Callable, Iterable
from typing import Any

import orjson

from runbook_lib.sandbox.store.model import Attributes, Resource, Scope, Span, Value

_TEMPO_KINDS = (
    None,
    "SPAN_KIND_INTERNAL",
    "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",
    "SPAN_KIND_PRODUCER",
    "SPAN_KIND_CONSUMER",
)
_TEMPO_STATUSES = (None, "STATUS_CODE_OK", "STATUS_CODE_ERROR")

Group = tuple[Resource, list[tuple[Scope, list[Span]]]]


def group_spans(spans: Iterable[Span]) -> list[Group]:
    """Spans by the export they came with and by scope, both in order of first appearance."""
    groups: dict[int, tuple[Resource, dict[int, tuple[Scope, list[Span]]]]] = {}
    for span in spans:
        _, scopes = groups.setdefault(id(span.resource), (span.resource, {}))
        scopes.setdefault(id(span.scope), (span.scope, []))[1].append(span)
    return [(resource, list(scopes.values())) for resource, scopes in groups.values()]


def tempo_batches(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """resourceSpans as Tempo writes them, for orjson. A span that was exported twice appears once (by id and kind)."""
    seen: set[tuple[bytes, int]] = set()
    unique = []
    for span in spans:
        key = (span.span_id, span.kind)
        if key not in seen:
            seen.add(key)
            unique.append(span)
    return _batches(unique, _tempo_span, lambda resource: resource.attributes)


def jaeger_batches(spans: Iterable[Span]) -> list[dict[str, Any]]:
    """resourceSpans as Jaeger's API v3 writes them, for orjson."""
    return _batches(spans, _jaeger_span, lambda resource: resource.named)


def _batches(
    spans: Iterable[Span], render: Callable[[Span], dict[str, Any]], attributes_of: Callable[[Resource], Attributes]
) -> list[dict[str, Any]]:
    return [
        _with(
            {
                "resource": _with({}, attributes=attribute_list(attributes_of(resource))),
                "scopeSpans": [
                    _with(
                        {"scope": _scope(scope), "spans": json_list(map(render, members))},
                        schemaUrl=scope.schema_url,
                    )
                    for scope, members in scopes
                ],
            },
            schemaUrl=resource.schema_url,
        )
        for resource, scopes in group_spans(spans)
    ]


def _tempo_span(span: Span) -> dict[str, Any]:
    out: dict[str, Any] = {"traceId": _base64(span.trace_id), "spanId": _base64(span.span_id)}
    if span.parent_id:
        out["parentSpanId"] = _base64(span.parent_id)
    _body(out, span, _TEMPO_KINDS[span.kind], _base64)
    status: dict[str, Any] = {}
    if span.status_code:
        status["code"] = _TEMPO_STATUSES[span.status_code]
    if span.status_message:
        status["message"] = span.status_message
    out["status"] = status
    return out


def _jaeger_span(span: Span) -> dict[str, Any]:
    out: dict[str, Any] = {"traceId": span.trace_id.hex(), "spanId": span.span_id.hex()}
    if span.parent_id:
        out["parentSpanId"] = span.parent_id.hex()
    _body(out, span, span.kind, bytes.hex)
    status: dict[str, Any] = {}
    if span.status_code:
        status["code"] = span.status_code
    if span.status_message:
        status["message"] = span.status_message
    out["status"] = status
    return out


def _body(out: dict[str, Any], span: Span, kind: Any, render_id: Any) -> None:
    """The fields both dialects write alike; zero values are left out."""
    if span.trace_state:
        out["traceState"] = span.trace_state
    if span.flags:
        out["flags"] = span.flags
    if span.name:
        out["name"] = span.name
    if kind:
        out["kind"] = kind
    if span.start_ns:
        out["startTimeUnixNano"] = str(span.start_ns)
    if span.end_ns:
        out["endTimeUnixNano"] = str(span.end_ns)
    if span.attributes:
        out["attributes"] = attribute_list(span.attributes)
    if span.events:
        out["events"] = [
            _with(
                {"timeUnixNano": str(event.time_ns), "name": event.name},
                attributes=attribute_list(event.attributes),
            )
            for event in span.events
        ]
    if span.links:
        out["links"] = [
            _with(
                {"traceId": render_id(link.trace_id), "spanId": render_id(link.span_id)},
                traceState=link.trace_state,
                attributes=attribute_list(link.attributes),
                flags=link.flags,
            )
            for link in span.links
        ]


def json_list(items: Iterable[Any]) -> orjson.Fragment:
    """A list, written item by item: of a trace of 100,000 spans only one at a time exists as Python objects."""
    return orjson.Fragment(b"[" + b",".join(map(orjson.dumps, items)) + b"]")


def attribute_list(attributes: Attributes) -> list[dict[str, Any]]:
    """Attributes as OTLP/JSON key-value pairs."""
    return [{"key": key, "value": json_value(value)} for key, value in attributes.items()]


def json_value(value: Value) -> dict[str, Any]:
    """One value as OTLP/JSON AnyValue; `{}` for a value that was sent without one."""
    if type(value) is str:
        return {"stringValue": value}
    if type(value) is int:
        return {"intValue": str(value)}
    if type(value) is bool:
        return {"boolValue": value}
    if type(value) is float:
        return {"doubleValue": value if math.isfinite(value) else _not_finite(value)}
    if isinstance(value, bytes):
        return {"bytesValue": _base64(value)}
    if isinstance(value, list):
        return {"arrayValue": {"values": [json_value(one) for one in value]}}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": attribute_list(value)}}
    return {}


def _scope(scope: Scope) -> dict[str, Any]:
    return _with({}, name=scope.name, version=scope.version, attributes=attribute_list(scope.attributes))


def _with(out: dict[str, Any], **more: Any) -> dict[str, Any]:
    """`out` with those fields that are not empty: neither dialect writes empty ones."""
    out.update({key: value for key, value in more.items() if value})
    return out


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _not_finite(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
