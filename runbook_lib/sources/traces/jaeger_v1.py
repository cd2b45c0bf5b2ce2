"""Jaeger's first JSON (`/api/traces`, up to v2.20) as a span table: references become the parent, logs become events.

An OpenTelemetry span's own fields travel in it as tags, and are put back: span.kind, otel.status_code, error,
otel.status_description, otel.scope.name. Times are whole microseconds.
"""

from collections.abc import Iterable

import orjson

from runbook_lib.core.model import Json
from runbook_lib.core.records.traces import Span, SpanEvent
from runbook_lib.sources.kit.asking import whole_number
from runbook_lib.sources.traces.span_table import KINDS, SpanCollector

_HEADERS = ("http.request.header.", "http.response.header.")
_OWN_TAGS = frozenset(
    {
        "span.kind",
        "error",
        "otel.status_code",
        "otel.status_description",
        "otel.scope.name",
        "otel.scope.version",
        "otel.library.name",
        "otel.library.version",
        "internal.span.format",
    }
)


def add_v1(table: SpanCollector, traces: list[dict[str, Json]]) -> None:
    """Take the `data` list of a v1 answer into the table. Raises KeyError, TypeError or ValueError for another shape."""
    for trace in traces:
        resources = {
            name: table.resource({"service.name": process["serviceName"], **_values(process.get("tags"))})
            for name, process in trace["processes"].items()
        }
        for span in trace["spans"]:
            table.spans.append(_span(span, resources, table))


def headers_as_lists(spans: Iterable[Span]) -> None:
    """Captured headers are lists of texts; what is kept in Jaeger's first model, which has no lists, comes back as their JSON."""
    for span in spans:
        lists = {
            name: _list_from(value)
            for name, value in span["attributes"].items()
            if isinstance(value, str) and value[:2] == '["' and value[-2:] == '"]' and str(name).startswith(_HEADERS)
        }
        if lists:
            span["attributes"] = {**span["attributes"], **lists}


def _list_from(text: str) -> Json:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text  # it was no list


def _span(span: dict[str, Json], resources: dict[str, int], table: SpanCollector) -> Span:
    tags = _values(span.get("tags"))
    start_ns = whole_number(int(span["startTime"]) * 1000)
    kind = str(tags.get("span.kind", "internal" if "otel.scope.name" in tags else "unspecified")).lower()
    row: Span = {
        "trace": table.hex_id(str(span["traceID"]).rjust(32, "0")),
        "id": table.hex_id(str(span["spanID"]).rjust(16, "0")),
        "parent": _parent(span, table),
        "name": str(span["operationName"]),
        "kind": kind if kind in KINDS else "unspecified",
        "start_ns": start_ns,
        "end_ns": whole_number(start_ns + int(span["duration"]) * 1000),
        "status": _status(tags),
        "message": str(tags.get("otel.status_description", "")),
        "attributes": {key: value for key, value in tags.items() if key not in _OWN_TAGS},
        "resource": resources[span["processID"]],
        "scope": str(tags.get("otel.scope.name") or tags.get("otel.library.name") or ""),
    }
    if logs := span.get("logs"):
        row["events"] = [_event(log) for log in logs]
    return row


def _parent(span: dict[str, Json], table: SpanCollector) -> str:
    """The span it is a child of, else one of the same trace that it follows from, else none."""
    of_trace = [ref for ref in span.get("references") or () if ref["traceID"] == span["traceID"]]
    ordered = sorted(of_trace, key=lambda ref: ref["refType"] != "CHILD_OF")
    return table.hex_id(str(ordered[0]["spanID"]).rjust(16, "0")) if ordered else ""


def _status(tags: dict[str, Json]) -> str:
    code = str(tags.get("otel.status_code", "")).lower()
    if code in ("ok", "error"):
        return code
    return "error" if tags.get("error") in (True, "true") else "unset"


def _event(log: dict[str, Json]) -> SpanEvent:
    fields = _values(log.get("fields"))
    name = fields.pop("event", None) or fields.pop("message", "")
    return {"name": str(name), "at_ns": whole_number(int(log["timestamp"]) * 1000), "attributes": fields}


def _values(tags: Json) -> dict[str, Json]:
    return {tag["key"]: _typed(tag) for tag in tags or ()}


def _typed(tag: dict[str, Json]) -> Json:
    """A tag's value; some versions write whole numbers as text."""
    value = tag["value"]
    return int(value) if tag.get("type") == "int64" and isinstance(value, str) else value
