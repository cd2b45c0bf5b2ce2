"""OTLP export requests, protobuf and JSON, turned into the store's spans.

Wire formats: opentelemetry-proto trace.proto and trace_service.proto; in JSON ids are hex, 64-bit integers may be texts or
numbers, enums are numbers and unknown fields are ignored (opentelemetry.io/docs/specs/otlp, JSON Protobuf Encoding).
"""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from sys import intern
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from runbook_lib.sandbox.store.model import KIND_NAMES, Attributes, Event, Link, Resource, Scope, Span, Value

_SHORT = 32
_KINDS = {f"SPAN_KIND_{name.upper()}": number for number, name in enumerate(KIND_NAMES)}
_STATUSES = {"STATUS_CODE_UNSET": 0, "STATUS_CODE_OK": 1, "STATUS_CODE_ERROR": 2}


class MalformedExportError(ValueError):
    """The body is no OTLP trace export; the text says where and why."""


def decode_protobuf(body: bytes) -> list[Span]:
    """Spans of a binary ExportTraceServiceRequest. Raises MalformedExportError."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise MalformedExportError(f"proto: {error}") from None
    spans: list[Span] = []
    for group in request.resource_spans:
        resource = Resource(_pb_attributes(group.resource.attributes), group.schema_url)
        for scoped in group.scope_spans:
            scope = Scope(
                scoped.scope.name,
                scoped.scope.version,
                _pb_attributes(scoped.scope.attributes),
                scoped.schema_url,
            )
            spans.extend(_pb_span(item, resource, scope) for item in scoped.spans)
    return spans


def decode_json(body: bytes) -> list[Span]:
    """Spans of an OTLP/JSON export (`{"resourceSpans":[…]}`). Raises MalformedExportError."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedExportError(f"json: {error}") from None
    if not isinstance(document, dict):
        raise MalformedExportError("json: an object with resourceSpans is expected")
    return spans_of(document)


def spans_of(document: dict[str, Any]) -> list[Span]:
    """Spans of a parsed OTLP/JSON document. Raises MalformedExportError, naming the field."""
    spans: list[Span] = []
    for group in _items(document, "resourceSpans"):
        resource = Resource(_json_attributes(_object(group, "resource")), _text(group, "schemaUrl"))
        for scoped in _items(group, "scopeSpans"):
            named = _object(scoped, "scope")
            scope = Scope(
                _text(named, "name"),
                _text(named, "version"),
                _json_attributes(named),
                _text(scoped, "schemaUrl"),
            )
            spans.extend(_json_span(item, resource, scope) for item in _items(scoped, "spans"))
    return spans


# --- protobuf ---


def _pb_span(item: Any, resource: Resource, scope: Scope) -> Span:
    return Span(
        trace_id=_sized(item.trace_id, 16, "trace_id"),
        span_id=_sized(item.span_id, 8, "span_id"),
        parent_id=_parent(item.parent_span_id),
        name=intern(item.name),
        kind=_known(item.kind, 5),
        start_ns=item.start_time_unix_nano,
        end_ns=item.end_time_unix_nano,
        attributes=_pb_attributes(item.attributes),
        resource=resource,
        scope=scope,
        status_code=_known(item.status.code, 2),
        status_message=item.status.message,
        events=[Event(e.name, e.time_unix_nano, _pb_attributes(e.attributes)) for e in item.events],
        links=[
            Link(
                _sized(li.trace_id, 16, "link trace_id"),
                _sized(li.span_id, 8, "link span_id"),
                li.trace_state,
                _pb_attributes(li.attributes),
                li.flags,
            )
            for li in item.links
        ],
        trace_state=item.trace_state,
        flags=item.flags,
    )


def _pb_attributes(pairs: Iterable[Any]) -> Attributes:
    # The same few keys and words come with every span; kept once, the store is half the size.
    return {intern(pair.key): _pb_value(pair.value) for pair in pairs}


def _pb_value(value: Any) -> Value:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "string_value":
        text: str = value.string_value
        return intern(text) if len(text) <= _SHORT else text
    if which == "array_value":
        return [_pb_value(one) for one in value.array_value.values]
    if which == "kvlist_value":
        return _pb_attributes(value.kvlist_value.values)
    return getattr(value, which)


# --- JSON ---


def _json_span(item: dict[str, Any], resource: Resource, scope: Scope) -> Span:
    status = _object(item, "status")
    return Span(
        trace_id=_sized(_hex(item, "traceId"), 16, "traceId"),
        span_id=_sized(_hex(item, "spanId"), 8, "spanId"),
        parent_id=_parent(_hex(item, "parentSpanId")),
        name=_text(item, "name"),
        kind=_known(_enum(item, "kind", _KINDS), 5),
        start_ns=_integer(item, "startTimeUnixNano"),
        end_ns=_integer(item, "endTimeUnixNano"),
        attributes=_json_attributes(item),
        resource=resource,
        scope=scope,
        status_code=_known(_enum(status, "code", _STATUSES), 2),
        status_message=_text(status, "message"),
        events=[
            Event(_text(e, "name"), _integer(e, "timeUnixNano"), _json_attributes(e)) for e in _items(item, "events")
        ],
        links=[
            Link(
                _sized(_hex(li, "traceId"), 16, "link traceId"),
                _sized(_hex(li, "spanId"), 8, "link spanId"),
                _text(li, "traceState"),
                _json_attributes(li),
                _integer(li, "flags"),
            )
            for li in _items(item, "links")
        ],
        trace_state=_text(item, "traceState"),
        flags=_integer(item, "flags"),
    )


def _json_attributes(owner: dict[str, Any]) -> Attributes:
    return {intern(_text(pair, "key")): _json_value(_object(pair, "value")) for pair in _items(owner, "attributes")}


def _json_value(value: dict[str, Any]) -> Value:
    for name, read in _VALUES.items():
        if value.get(name) is not None:
            try:
                return read(value[name])
            except (TypeError, ValueError, KeyError, AttributeError, binascii.Error) as error:
                raise MalformedExportError(f"json: {name} {value[name]!r}: {error}") from None
    return None


def _exact(kind: type) -> Callable[[Any], Value]:
    def read(raw: Any) -> Value:
        if not isinstance(raw, kind):
            raise TypeError(f"expected {kind.__name__}")
        return raw

    return read


def _double(raw: Any) -> float:
    return float({"Infinity": "inf", "-Infinity": "-inf"}.get(raw, raw) if isinstance(raw, str) else raw)


def _int64(raw: Any) -> int:
    number = int(raw) if isinstance(raw, str) else _exact(int)(raw)
    if not -(1 << 63) <= number < 1 << 63:
        raise ValueError("out of range")
    return int(number)


_VALUES: dict[str, Callable[[Any], Value]] = {
    "stringValue": _exact(str),
    "boolValue": _exact(bool),
    "intValue": _int64,
    "doubleValue": _double,
    "bytesValue": lambda raw: base64.b64decode(raw, validate=True),
    "arrayValue": lambda raw: [_json_value(one) for one in _items(raw, "values")],
    "kvlistValue": lambda raw: {
        _text(pair, "key"): _json_value(_object(pair, "value")) for pair in _items(raw, "values")
    },
}


def _items(owner: dict[str, Any], name: str) -> Iterator[dict[str, Any]]:
    found = owner.get(name)
    if found is None:
        return
    if not isinstance(found, list):
        raise MalformedExportError(f"json: {name} is no list")
    for one in found:
        if not isinstance(one, dict):
            raise MalformedExportError(f"json: {name} holds something that is no object")
        yield one


def _object(owner: dict[str, Any], name: str) -> dict[str, Any]:
    found = owner.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise MalformedExportError(f"json: {name} is no object")
    return found


def _text(owner: dict[str, Any], name: str) -> str:
    found = owner.get(name)
    if found is None:
        return ""
    if not isinstance(found, str):
        raise MalformedExportError(f"json: {name} is no text")
    return found


def _integer(owner: dict[str, Any], name: str) -> int:
    found = owner.get(name)
    if found is None:
        return 0
    if not isinstance(found, int) and not (isinstance(found, str) and found.isascii() and found.isdigit()):
        raise MalformedExportError(f"json: {name} {found!r} is no integer")
    number = int(found)
    if not 0 <= number < 1 << 64:
        raise MalformedExportError(f"json: {name} {found!r} is out of range")
    return number


def _enum(owner: dict[str, Any], name: str, names: dict[str, int]) -> int:
    found = owner.get(name)
    if isinstance(found, str) and found in names:
        return names[found]
    return _integer(owner, name)


def _hex(owner: dict[str, Any], name: str) -> bytes:
    raw = _text(owner, name)
    try:
        return bytes.fromhex(raw)
    except ValueError:
        raise MalformedExportError(f"json: {name} {raw!r} is no hex") from None


# --- both ---


def _sized(raw: bytes, size: int, name: str) -> bytes:
    if len(raw) != size:
        raise MalformedExportError(f"{name} has {len(raw)} bytes, {size} are expected")
    return raw


def _parent(raw: bytes) -> bytes:
    return b"" if not raw.strip(b"\0") else _sized(raw, 8, "parent span id")


def _known(number: int, highest: int) -> int:
    """An enum's number; one this version of OTLP does not know counts as unspecified."""
    return number if 0 <= number <= highest else 0
