"""Tempo's tag names and tag values: what drop-downs are filled from."""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from runbook_lib.sandbox.store.model import KIND_NAMES, STATUS_NAMES, Attributes, Span, Trace
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.tempo_search import Reader, in_range
from runbook_lib.sandbox.store.traceql import Attribute, Intrinsic, TraceqlError, getter, parse, runner
from runbook_lib.sandbox.store.traceql.lexer import tokens
from runbook_lib.sandbox.store.web import BadRequestError, unsigned

_SCOPES = ("resource", "span", "event", "link", "instrumentation")
INTRINSIC_TAGS = (
    "duration", "event:name", "event:timeSinceStart", "instrumentation:name", "instrumentation:version", "kind", "name",
    "rootName", "rootServiceName", "span:duration", "span:kind", "span:name", "span:status", "span:statusMessage",
    "status", "statusMessage", "trace:duration", "trace:rootName", "trace:rootService", "traceDuration",
)  # fmt: skip
_METRICS = {"completedJobs": 1, "totalJobs": 1}


def names_v1(request: Request, store: Store, traces: Reader) -> dict[str, Any]:
    """`{"tagNames":[…]}`: names of attributes of all scopes, or of the one asked for; sorted."""
    scopes = _names(request, store, traces)
    return {"tagNames": sorted({tag for _, tags in scopes for tag in tags}), "metrics": _METRICS}


def names_v2(request: Request, store: Store, traces: Reader) -> dict[str, Any]:
    """`{"scopes":[{"name","tags"}]}`; a scope without tags is left out."""
    scopes = _names(request, store, traces)
    return {"scopes": [{"name": name, "tags": tags} for name, tags in scopes if tags], "metrics": _METRICS}


def values_v1(request: Request, store: Store, traces: Reader) -> dict[str, Any]:
    """`{"tagValues":["…"]}` of a tag of any scope."""
    tag = request.path_params["tag"]
    field = _field(tag, bare=True)
    values = {text for _, text in _values(request, store, traces, field)}
    return {"tagValues": _limited(request, sorted(values)), "metrics": _METRICS}


def values_v2(request: Request, store: Store, traces: Reader) -> dict[str, Any]:
    """`{"tagValues":[{"type","value"}]}` of a TraceQL field such as `resource.service.name` or `status`."""
    field = _field(request.path_params["tag"], bare=False)
    values = sorted(set(_values(request, store, traces, field)))
    return {
        "tagValues": _limited(request, [{"type": kind, "value": text} for kind, text in values]),
        "metrics": _METRICS,
    }


def _names(request: Request, store: Store, traces: Reader) -> list[tuple[str, list[str]]]:
    scope = request.query_params.get("scope", "")
    if scope not in ("", "none", "intrinsic", "trace", *_SCOPES):
        raise BadRequestError(f"invalid scope: {scope}")
    found: dict[str, set[str]] = {name: set() for name in _SCOPES}
    for _, span in _spans(request, store, traces):
        for name, attributes in _scoped(span):
            found[name].update(attributes)
    found["intrinsic"] = set(INTRINSIC_TAGS)
    wanted = found if scope in ("", "none") else {scope: found.get(scope, set())}
    return [(name, _limited(request, sorted(tags))) for name, tags in wanted.items()]


def _scoped(span: Span) -> Iterator[tuple[str, Attributes]]:
    yield "resource", span.resource.attributes
    yield "span", span.attributes
    yield "instrumentation", span.scope.attributes
    for event in span.events:
        yield "event", event.attributes
    for link in span.links:
        yield "link", link.attributes


def _values(request: Request, store: Store, traces: Reader, field: Attribute | Intrinsic) -> Iterator[tuple[str, str]]:
    """Type and text of every value; Tempo gives the enums whole and the times not at all."""
    if isinstance(field, Intrinsic) and field.name in ("status", "kind"):
        names = STATUS_NAMES if field.name == "status" else KIND_NAMES
        yield from (("keyword", name) for name in names)
        return
    if isinstance(field, Intrinsic) and field.name in ("duration", "traceDuration", "event:timeSinceStart"):
        return
    read = getter(field)
    for trace, span in _spans(request, store, traces):
        value = read(span, trace)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, bool):
                yield "bool", str(one).lower()
            elif isinstance(one, int | float):
                yield type(one).__name__, str(one)
            elif isinstance(one, str):
                yield "string", str(one)


def _spans(request: Request, store: Store, traces: Reader) -> Iterator[tuple[Trace, Span]]:
    start_s, end_s = unsigned(request, "start", 0), unsigned(request, "end", 0)
    query = request.query_params.get("q", "")
    try:
        run = runner(parse(query).pipeline) if query else None
    except TraceqlError:
        # Tempo completes while a query is being typed: one it cannot read does not narrow the answer.
        run = None
    for trace in in_range(store, traces, start_s, end_s):
        sets = [trace.spans] if run is None else [one.spans for one in run(trace)]
        yield from ((trace, span) for spans in sets for span in spans)


def _field(tag: str, *, bare: bool) -> Attribute | Intrinsic:
    try:
        found = tokens(tag)
    except TraceqlError as error:
        if bare:
            return Attribute("", tag)
        raise BadRequestError(f"invalid tag name: {error}") from None
    if len(found) == 2 and found[0].kind == "field":
        field: Attribute | Intrinsic = found[0].value
        return field
    if bare:
        return Attribute("", tag)
    raise BadRequestError(f"tag name is not valid intrinsic or scoped attribute: {tag}")


def _limited(request: Request, found: list[Any]) -> list[Any]:
    limit = unsigned(request, "limit", 0)
    return found[:limit] if limit else found
