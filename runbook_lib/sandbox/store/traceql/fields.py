"""What the fields of a TraceQL query read from a span."""

from collections.abc import Callable
from typing import Any

from runbook_lib.sandbox.store.model import KIND_NAMES, STATUS_NAMES, Span, Trace
from runbook_lib.sandbox.store.traceql.tree import Field, Intrinsic

Getter = Callable[[Span, Trace], Any]

ROOT_MISSING = "<root span not yet received>"


class StatusWord(str):
    """`ok`, `error` or `unset`; compares with its own kind only."""

    __slots__ = ()


class KindWord(str):
    """`server`, `client` …; compares with its own kind only."""

    __slots__ = ()


STATUSES = tuple(StatusWord(name) for name in STATUS_NAMES)
KINDS = tuple(KindWord(name) for name in KIND_NAMES)


def getter(field: Field) -> Getter:
    """A function that reads the field from a span; it returns None when the span has no such field."""
    if isinstance(field, Intrinsic):
        return INTRINSICS[field.name]
    key = field.key
    if field.scope == "span":
        return lambda span, _trace: span.attributes.get(key)
    return lambda span, _trace: span.resource.attributes.get(key)


def kind_of(field: Field) -> str:
    """The type of a field's values: a literal's kind, or `attribute` when only the data tells."""
    if not isinstance(field, Intrinsic):
        return "attribute"
    return field.name if field.name in ("duration", "status", "kind") else "string"


def root_service(trace: Trace) -> str:
    """The service of the root span, or Tempo's words for a root that has not arrived."""
    return trace.root.resource.service if trace.root else ROOT_MISSING


def root_name(trace: Trace) -> str:
    """The name of the root span, empty while it has not arrived."""
    return trace.root.name if trace.root else ""


INTRINSICS: dict[str, Getter] = {
    "duration": lambda span, _trace: span.end_ns - span.start_ns,
    "name": lambda span, _trace: span.name,
    "status": lambda span, _trace: STATUSES[span.status_code],
    "kind": lambda span, _trace: KINDS[span.kind],
    "rootName": lambda _span, trace: root_name(trace) or None,
}
