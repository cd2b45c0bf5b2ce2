"""Which traces Jaeger finds: one span must satisfy every condition of a query.

Matching follows Jaeger's in-memory storage: attributes are compared as texts with those of the span, scope, resource, events
and links; `error`, `span.kind` and `span.status` mean the span's own fields. That of 2.13 (seen on the real server) looks into
no links, knows no field but `error`, and takes every text that is asked for it as false, which to it is "status is ok".
"""

import base64
import re
from dataclasses import dataclass, field

import orjson

from runbook_lib.sandbox.store.model import KIND_NAMES, Attributes, Resource, Span, Trace, Value
from runbook_lib.sandbox.store.spans import Store

DEFAULT_LIMIT = 100
NO_DEPTH = "search depth must be greater than 0 and less than max traces"
_TRUE, _FALSE = (
    frozenset({"1", "t", "T", "TRUE", "true", "True"}),
    frozenset({"0", "f", "F", "FALSE", "false", "False"}),
)
_STATUS = {"UNSET": 0, "OK": 1, "ERROR": 2}


@dataclass(frozen=True, slots=True)
class Query:
    """A search. Empty texts and None ask for nothing; times are nanoseconds, bounds included."""

    service: str = ""
    operation: str = ""
    start_ns: int | None = None
    end_ns: int | None = None
    attributes: dict[str, str] = field(default_factory=dict)
    limit: int = DEFAULT_LIMIT
    is_of_2_13: bool = False


def find(store: Store, query: Query) -> list[Trace]:
    """Matching traces, the newest first, at most `limit`."""
    found: list[Trace] = []
    # Each trace is taken whole: the window is about the span that matches.
    for trace in reversed(store.traces(query.start_ns, query.end_ns)):
        if len(found) >= query.limit:
            break
        if any(_matches(span, query) for span in trace.spans):
            found.append(trace)
    return sorted(found, key=lambda trace: -trace.start_ns)


def services(store: Store) -> list[str]:
    """Names of all services with visible spans, sorted."""
    return sorted({service_of(span.resource) for trace in store.traces() for span in trace.spans})


def service_of(resource: Resource) -> str:
    """The service that Jaeger files a resource's spans under."""
    return str(resource.named["service.name"])


def parse_trace_id(text: str) -> bytes:
    """A trace id from hex without leading zeros. Raises ValueError in Jaeger's words."""
    if len(text) > 32:
        raise ValueError(f"TraceID cannot be longer than 32 hex characters: {text}")
    if not re.fullmatch(r"[0-9a-fA-F]+", text):
        raise ValueError(f'strconv.ParseUint: parsing "{text[-16:]}": invalid syntax')
    return bytes.fromhex(text.rjust(32, "0"))


def trace_id_text(trace_id: bytes) -> str:
    """A trace id as v1 writes it: of one in 64 bits it leaves out the first half."""
    return trace_id.hex().removeprefix("0" * 16)


def parse_bool(text: str) -> bool:
    """Go's strconv.ParseBool. Raises ValueError in its words."""
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    raise ValueError(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def as_text(value: Value) -> str:
    """An attribute's value as Jaeger compares and shows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() and abs(value) < 1e21 else repr(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | dict):
        return orjson.dumps(value, default=lambda raw: base64.b64encode(raw).decode()).decode()
    return "" if value is None else str(value)


def _matches(span: Span, query: Query) -> bool:
    if query.service and service_of(span.resource) != query.service:
        return False
    if query.operation and span.name != query.operation:
        return False
    if query.start_ns is not None and span.start_ns < query.start_ns:
        return False
    if query.end_ns is not None and span.start_ns > query.end_ns:
        return False
    has = _had if query.is_of_2_13 else _has
    return all(has(span, key, wanted) for key, wanted in query.attributes.items())


def _had(span: Span, key: str, wanted: str) -> bool:
    """As `_has`, in 2.13."""
    if key == "error":
        return span.status_code == _STATUS["OK"]
    owners = [span.attributes, span.scope.attributes, span.resource.attributes, *(e.attributes for e in span.events)]
    return any(key in attributes and as_text(attributes[key]) == wanted for attributes in owners)


def _has(span: Span, key: str, wanted: str) -> bool:
    if key == "error":
        if wanted in _TRUE:
            return span.status_code == _STATUS["ERROR"]
        return wanted in _FALSE and span.status_code == _STATUS["OK"]
    if key in ("span.status", "otel.status_code"):
        return span.status_code == _STATUS.get(wanted.upper(), 0)
    if key == "span.kind":
        return KIND_NAMES[span.kind] == wanted.lower()
    if key in ("scope.name", "otel.scope.name"):
        return span.scope.name == wanted
    if key in ("scope.version", "otel.scope.version"):
        return span.scope.version == wanted
    if key.startswith("resource."):
        attributes, key = span.resource.attributes, key.removeprefix("resource.")
        return key in attributes and as_text(attributes[key]) == wanted
    owners: list[Attributes] = [span.attributes, span.scope.attributes, span.resource.attributes]
    owners += [event.attributes for event in span.events]
    owners += [link.attributes for link in span.links]
    return any(key in attributes and as_text(attributes[key]) == wanted for attributes in owners)
