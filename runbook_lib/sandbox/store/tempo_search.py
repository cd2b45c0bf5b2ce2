"""Tempo's /api/search: which traces match, and the short form in which they are listed.

Three habits of the real one are kept: without start and end only recent data is searched, the first matches found are
returned and not the newest, and trace ids lose their leading zeros.
"""

import shlex
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from runbook_lib.sandbox.store.durations import format_go, parse_go
from runbook_lib.sandbox.store.encode import json_value
from runbook_lib.sandbox.store.model import STATUS_ERROR, Span, Trace
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.traceql import (
    Attribute,
    Intrinsic,
    Query,
    SpanSet,
    getter,
    mentioned,
    parse,
    root_name,
    root_service,
    runner,
    single,
)
from runbook_lib.sandbox.store.web import BadRequestError, unsigned

Reader = Callable[[int | None, int | None], list[Trace]]

RECENT_S = 30 * 60
MAX_RANGE_S = 168 * 3600
_DEFAULT_LIMIT, _MAX_LIMIT = 20, 262_144
_DEFAULT_SPSS, _MAX_SPSS = 3, 100
_RESERVED = frozenset({"q", "tags", "minDuration", "maxDuration", "limit", "spss", "start", "end"})
# Told by fields of their own in a reply, so not repeated among the attributes of a span.
_NOT_LISTED = frozenset({"name", "duration", "traceDuration", "rootName", "rootServiceName", "trace:id", "span:id"})


def search(request: Request, store: Store, traces: Reader) -> dict[str, Any]:
    """The SearchResponse (specs/tempo/tempo.proto) to a request. Raises BadRequestError or TraceqlError."""
    start_s, end_s = _range(request)
    limit = unsigned(request, "limit", _DEFAULT_LIMIT)
    if limit == 0:
        raise BadRequestError("invalid limit: must be a positive number")
    if limit > _MAX_LIMIT:
        raise BadRequestError(f"limit {limit} exceeds max limit {_MAX_LIMIT}")
    text = request.query_params.get("q", "")
    query = parse(text) if text else None
    if query and query.metric:
        raise BadRequestError("metrics queries are not supported by search, use /api/metrics/query_range")
    old_style = _old_style(request, query, any_range=bool(end_s))
    spss = unsigned(request, "spss", _DEFAULT_SPSS)
    if end_s and end_s - start_s > MAX_RANGE_S:
        raise BadRequestError(
            f"range specified by start and end exceeds {format_go(MAX_RANGE_S * 10**9)}."
            f" received start={start_s} end={end_s}"
        )
    if spss > _MAX_SPSS:
        raise BadRequestError(f"spans per span set exceeds {_MAX_SPSS}. received {spss}")
    return _answer(in_range(store, traces, start_s, end_s), query, old_style, limit, spss)


def in_range(store: Store, traces: Reader, start_s: int, end_s: int) -> list[Trace]:
    """Traces that overlap the range; without an end, recent ones only."""
    if not end_s:
        return traces(store.now_ns() - RECENT_S * 10**9, None)
    return traces(start_s * 10**9, end_s * 10**9)


def _answer(
    candidates: list[Trace], query: Query | None, old_style: Callable[[Trace], bool], limit: int, spss: int
) -> dict[str, Any]:
    if query and query.hints.get("most_recent") is True:
        candidates = sorted(candidates, key=lambda trace: -trace.start_ns)
    run = runner(query.pipeline) if query else None
    fields = mentioned(query.pipeline) if query else []
    found: list[tuple[int, dict[str, Any]]] = []
    inspected = 0
    for trace in candidates:
        if len(found) == limit:
            break
        inspected += 1
        if not old_style(trace):
            continue
        spansets = run(trace) if run else []
        if spansets or run is None:
            found.append((trace.start_ns, _listed(trace, spansets, fields, spss)))
    found.sort(key=lambda pair: -pair[0])
    metrics = {"inspectedTraces": inspected, "completedJobs": 1, "totalJobs": 1}
    return {
        "traces": [listed for _, listed in found],
        "metrics": {name: value for name, value in metrics.items() if value},
    }


def _listed(trace: Trace, spansets: list[SpanSet], fields: list[Attribute | Intrinsic], spss: int) -> dict[str, Any]:
    """One trace as search shows it; empty and zero fields are left out, as Go's jsonpb does."""
    services: dict[str, dict[str, int]] = {}
    for span in trace.spans:
        stats = services.setdefault(span.resource.service, {"spanCount": 0, "errorCount": 0})
        stats["spanCount"] += 1
        stats["errorCount"] += span.status_code == STATUS_ERROR
    shown = [_spanset(trace, one, fields, spss) for one in spansets]
    listed: dict[str, Any] = {
        "traceID": trace.trace_id.hex().lstrip("0"),
        "rootServiceName": root_service(trace),
        "rootTraceName": root_name(trace),
        "startTimeUnixNano": str(trace.start_ns),
        "durationMs": max(0, trace.duration_ns // 1_000_000),
        "spanSet": shown[0] if shown else None,
        "spanSets": shown,
        "serviceStats": {
            name: {key: count for key, count in stats.items() if count} for name, stats in services.items()
        },
    }
    return {key: value for key, value in listed.items() if value}


def _spanset(trace: Trace, spanset: SpanSet, fields: list[Attribute | Intrinsic], spss: int) -> dict[str, Any]:
    readers = [(field, getter(field)) for field in fields]
    named = any(isinstance(field, Intrinsic) and field.name == "name" for field in fields)

    def listed(span: Span) -> dict[str, Any]:
        out: dict[str, Any] = {"spanID": span.span_id.hex()}
        if named and span.name:
            out["name"] = span.name
        out["startTimeUnixNano"] = str(span.start_ns)
        if span.duration_ns > 0:
            out["durationNanos"] = str(span.duration_ns)
        attributes = []
        for field, read in readers:
            value = single(read(span, trace))
            if isinstance(field, Intrinsic):
                if field.name not in _NOT_LISTED and value is not None:
                    attributes.append({"key": field.name, "value": _shown(value)})
            elif value is not None:
                attributes.append({"key": field.key, "value": _shown(value)})
        if attributes:
            out["attributes"] = attributes
        return out

    spans = spanset.spans[:spss] if spss else spanset.spans
    out: dict[str, Any] = {"spans": [listed(span) for span in spans], "matched": len(spanset.spans)}
    if spanset.attributes:
        out["attributes"] = [{"key": key, "value": _shown(value)} for key, value in spanset.attributes]
    return out


def _shown(value: Any) -> dict[str, Any]:
    if value is None:
        return {"stringValue": "nil"}
    return {"stringValue": str(value)} if isinstance(value, str) else json_value(value)


def _range(request: Request) -> tuple[int, int]:
    """start and end in seconds, both 0 when neither is given."""
    end_s, start_s = unsigned(request, "end", 0), unsigned(request, "start", 0)
    if (start_s or end_s) and end_s <= start_s:
        raise BadRequestError(f"http parameter start must be before end. received start={start_s} end={end_s}")
    return start_s, end_s


def _old_style(request: Request, query: Query | None, *, any_range: bool) -> Callable[[Trace], bool]:
    """The search of before TraceQL: tags in logfmt (each matched in part, whatever the case), and the trace's duration."""
    tags: dict[str, str] = {}
    if text := request.query_params.get("tags", ""):
        if query:
            raise BadRequestError("invalid request: can't specify tags and q in the same query")
        tags = _logfmt(text)
    elif not query and not any_range:
        tags = {key: value for key, value in request.query_params.items() if key not in _RESERVED and value}
    shortest_ns, longest_ns = _duration(request, "minDuration"), _duration(request, "maxDuration")
    if shortest_ns and longest_ns and shortest_ns > longest_ns:
        raise BadRequestError("invalid maxDuration: must be greater than minDuration")

    def matches(trace: Trace) -> bool:
        if shortest_ns and trace.duration_ns < shortest_ns:
            return False
        if longest_ns and trace.duration_ns > longest_ns:
            return False
        return all(any(_has_tag(span, key, value) for span in trace.spans) for key, value in tags.items())

    return matches


def _duration(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    try:
        return parse_go(text) if text else 0
    except ValueError as error:
        raise BadRequestError(f"invalid {name}: {error}") from None


def _has_tag(span: Span, key: str, wanted: str) -> bool:
    wanted = wanted.lower()
    if key == "name":
        return wanted in span.name.lower()
    if key in ("error", "status.code"):
        return wanted in ("error", "true") and span.status_code == STATUS_ERROR
    values = (span.attributes.get(key), span.resource.attributes.get(key))
    return any(wanted in str(value).lower() for value in values if value is not None)


def _logfmt(text: str) -> dict[str, str]:
    try:
        pairs = [pair.partition("=") for pair in shlex.split(text)]
    except ValueError as error:
        raise BadRequestError(f"invalid tags: {error}") from None
    found: dict[str, str] = {}
    for key, _, value in pairs:
        if key in found:
            raise BadRequestError(f"invalid tags: tag {key} has been set twice")
        found[key] = value
    return found
