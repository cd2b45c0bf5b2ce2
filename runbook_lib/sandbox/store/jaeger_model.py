"""Traces in the JSON that Jaeger's own user interface reads (API v1).

Translation as specs/jaeger/sample-otlp2jaeger-*.json shows it: the scope and the status become tags, events become logs,
resources become processes, times are microseconds.
"""

from collections.abc import Sequence
from typing import Any

from runbook_lib.sandbox.store.encode import json_list
from runbook_lib.sandbox.store.jaeger_find import as_text, trace_id_text
from runbook_lib.sandbox.store.model import KIND_NAMES, Attributes, Span, Value

_TYPES: dict[type, str] = {str: "string", bool: "bool", int: "int64", float: "float64", bytes: "binary"}


def ui_trace(trace_id: bytes, spans: Sequence[Span]) -> dict[str, Any]:
    """One trace with its processes; resources with the same content are one process. For orjson."""
    processes: dict[str, dict[str, Any]] = {}
    names: dict[int, str] = {}
    known: dict[tuple[tuple[str, str, str], ...], str] = {}
    for span in spans:
        if id(span.resource) in names:
            continue
        attributes = span.resource.named
        content = tuple((k, type(v).__name__, as_text(v)) for k, v in attributes.items())
        if content not in known:
            known[content] = f"p{len(known) + 1}"
            processes[known[content]] = _process(attributes)
        names[id(span.resource)] = known[content]
    return {
        "traceID": trace_id_text(trace_id),
        "spans": json_list(_span(span, names[id(span.resource)]) for span in spans),
        "processes": processes,
        "warnings": None,
    }


def _process(attributes: Attributes) -> dict[str, Any]:
    rest = {key: value for key, value in attributes.items() if key != "service.name"}
    return {"serviceName": str(attributes["service.name"]), "tags": _tags(rest)}


def _span(span: Span, process: str) -> dict[str, Any]:
    trace_id = trace_id_text(span.trace_id)
    references = []
    if span.parent_id:
        references.append({"refType": "CHILD_OF", "traceID": trace_id, "spanID": span.parent_id.hex()})
    for link in span.links:
        child = link.attributes.get("opentracing.ref_type") == "child_of"
        kind = "CHILD_OF" if child else "FOLLOWS_FROM"
        references.append({"refType": kind, "traceID": trace_id_text(link.trace_id), "spanID": link.span_id.hex()})
    return {
        "traceID": trace_id,
        "spanID": span.span_id.hex(),
        "operationName": span.name,
        "references": references,
        "startTime": span.start_ns // 1000,
        "duration": max(0, span.duration_ns) // 1000,
        "tags": _span_tags(span),
        "logs": [
            {
                "timestamp": event.time_ns // 1000,
                "fields": [
                    *([_tag("event", event.name)] if event.name and "event" not in event.attributes else []),
                    *_tags(event.attributes),
                ],
            }
            for event in span.events
        ],
        "processID": process,
        "warnings": None,
    }


def _span_tags(span: Span) -> list[dict[str, Any]]:
    tags = []
    if span.scope.name:
        tags.append(_tag("otel.scope.name", span.scope.name))
    if span.scope.version:
        tags.append(_tag("otel.scope.version", span.scope.version))
    tags.extend(_tags(span.attributes))
    if span.kind:
        tags.append(_tag("span.kind", KIND_NAMES[span.kind]))
    if span.status_code:
        tags.append(_tag("otel.status_code", ("", "OK", "ERROR")[span.status_code]))
        if span.status_code == 2:
            tags.append(_tag("error", True))
    if span.status_message:
        tags.append(_tag("otel.status_description", span.status_message))
    if span.trace_state:
        tags.append(_tag("w3c.tracestate", span.trace_state))
    return tags


def _tags(attributes: Attributes) -> list[dict[str, Any]]:
    return [_tag(key, value) for key, value in attributes.items()]


def _tag(key: str, value: Value) -> dict[str, Any]:
    kind = _TYPES.get(type(value), "string")
    plain = kind in ("string", "binary") and not isinstance(value, str)
    return {"key": key, "type": kind, "value": as_text(value) if plain else value}
