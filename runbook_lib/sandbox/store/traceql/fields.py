"""What the fields of a TraceQL query read from a span."""

from collections.abc import Callable
from typing import Any

from runbook_lib.sandbox.store.model import KIND_NAMES, STATUS_NAMES, Span, Trace
from runbook_lib.sandbox.store.traceql.structure import nested_sets
from runbook_lib.sandbox.store.traceql.tree import Attribute, Intrinsic

Getter = Callable[[Span, Trace], Any]

ROOT_MISSING = "<root span not yet received>"


class StatusWord(str):
    """`ok`, `error` or `unset`; compares with its own kind only."""

    __slots__ = ()


class KindWord(str):
    """`server`, `client` …; compares with its own kind only."""

    __slots__ = ()


class Several(list[Any]):
    """The values of one field in several events or links; an empty one counts as missing."""

    __slots__ = ()


STATUSES = tuple(StatusWord(name) for name in STATUS_NAMES)
KINDS = tuple(KindWord(name) for name in KIND_NAMES)


def getter(field: Attribute | Intrinsic) -> Getter:
    """A function that reads the field from a span; it returns None when the span has no such field."""
    if isinstance(field, Intrinsic):
        return _INTRINSICS[field.name]
    key = field.key
    if field.scope == "span":
        return lambda span, _trace: span.attributes.get(key)
    if field.scope == "resource":
        return lambda span, _trace: span.resource.attributes.get(key)
    if field.scope == "instrumentation":
        return lambda span, _trace: span.scope.attributes.get(key)
    if field.scope == "event":
        return lambda span, _trace: Several(e.attributes[key] for e in span.events if key in e.attributes)
    if field.scope == "link":
        return lambda span, _trace: Several(li.attributes[key] for li in span.links if key in li.attributes)

    def anywhere(span: Span, _trace: Trace) -> Any:
        for attributes in (span.attributes, span.resource.attributes):
            if key in attributes:
                return attributes[key]
        found = Several(e.attributes[key] for e in span.events if key in e.attributes)
        found.extend(li.attributes[key] for li in span.links if key in li.attributes)
        return found or span.scope.attributes.get(key)

    return anywhere


def root_service(trace: Trace) -> str:
    """The service of the root span, or Tempo's words for a root that has not arrived."""
    return trace.root.resource.service if trace.root else ROOT_MISSING


def root_name(trace: Trace) -> str:
    """The name of the root span, empty while it has not arrived."""
    return trace.root.name if trace.root else ""


_INTRINSICS: dict[str, Getter] = {
    "duration": lambda span, _trace: span.end_ns - span.start_ns,
    "name": lambda span, _trace: span.name,
    "status": lambda span, _trace: STATUSES[span.status_code],
    "statusMessage": lambda span, _trace: span.status_message,
    "kind": lambda span, _trace: KINDS[span.kind],
    "rootName": lambda _span, trace: root_name(trace) or None,
    "rootServiceName": lambda _span, trace: root_service(trace),
    "traceDuration": lambda _span, trace: trace.duration_ns,
    "trace:id": lambda span, _trace: span.trace_id.hex(),
    "span:id": lambda span, _trace: span.span_id.hex(),
    "span:parentID": lambda span, _trace: span.parent_id.hex() or None,
    "span:childCount": lambda span, trace: len(trace.children.get(span.span_id, ())),
    "event:name": lambda span, _trace: Several(e.name for e in span.events),
    "event:timeSinceStart": lambda span, _trace: Several(e.time_ns - span.start_ns for e in span.events),
    "link:traceID": lambda span, _trace: Several(li.trace_id.hex() for li in span.links),
    "link:spanID": lambda span, _trace: Several(li.span_id.hex() for li in span.links),
    "instrumentation:name": lambda span, _trace: span.scope.name,
    "instrumentation:version": lambda span, _trace: span.scope.version,
    "nestedSetLeft": lambda span, trace: nested_sets(trace)[id(span)].left,
    "nestedSetRight": lambda span, trace: nested_sets(trace)[id(span)].right,
    "nestedSetParent": lambda span, trace: nested_sets(trace)[id(span)].parent,
}
