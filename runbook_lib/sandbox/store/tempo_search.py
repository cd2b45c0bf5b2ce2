"""Tempo's /api/search: which traces match, and the short form in which they are listed.

Three habits of the real one are kept: without start and end only recent data is searched, the first matches found are
returned and not the newest, and trace ids lose their leading zeros.
"""

from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from runbook_lib.sandbox.store.durations import format_go
from runbook_lib.sandbox.store.encode import json_value
from runbook_lib.sandbox.store.model import STATUS_ERROR, Span, Trace
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.traceql import (
    Intrinsic,
    Query,
    getter,
    mentioned_fields,
    parse,
    root_name,
    root_service,
    runner,
)
from runbook_lib.sandbox.store.traceql.tree import Field
from runbook_lib.sandbox.store.web import BadRequestError, read_unsigned

Reader = Callable[[int | None, int | None], list[Trace]]

RECENT_S = 30 * 60
MAX_RANGE_S = 168 * 3600
_DEFAULT_LIMIT, _MAX_LIMIT = 20, 262_144
_DEFAULT_SPSS, _MAX_SPSS = 3, 100
_READ = frozenset({"q", "limit", "spss", "start", "end"})
# Told by fields of their own in a reply, so not repeated among the attributes of a span.
_NOT_LISTED = frozenset({"name", "duration", "rootName"})


def search(request: Request, store: Store, traces: Reader) -> dict[str, Any]:
    """The SearchResponse (specs/tempo/tempo.proto) to a request. Raises BadRequestError or TraceqlError."""
    if others := sorted(set(request.query_params) - _READ):
        raise BadRequestError(f"the sandbox's Tempo searches by q alone, though Tempo may by {', '.join(others)}")
    start_s, end_s = _range(request)
    limit = read_unsigned(request, "limit", _DEFAULT_LIMIT)
    if limit == 0:
        raise BadRequestError("invalid limit: must be a positive number")
    if limit > _MAX_LIMIT:
        raise BadRequestError(f"limit {limit} exceeds max limit {_MAX_LIMIT}")
    query = parse(request.query_params.get("q") or "{ }")
    if query.metric:
        raise BadRequestError("metrics queries are not supported by search, use /api/metrics/query_range")
    spss = read_unsigned(request, "spss", _DEFAULT_SPSS)
    if end_s and end_s - start_s > MAX_RANGE_S:
        raise BadRequestError(
            f"range specified by start and end exceeds {format_go(MAX_RANGE_S * 10**9)}."
            f" received start={start_s} end={end_s}"
        )
    if spss > _MAX_SPSS:
        raise BadRequestError(f"spans per span set exceeds {_MAX_SPSS}. received {spss}")
    return _answer(in_range(store, traces, start_s, end_s), query, limit, spss)


def in_range(store: Store, traces: Reader, start_s: int, end_s: int) -> list[Trace]:
    """Traces that overlap the range; without an end, recent ones only."""
    if not end_s:
        return traces(store.now_ns() - RECENT_S * 10**9, None)
    return traces(start_s * 10**9, end_s * 10**9)


def _answer(candidates: list[Trace], query: Query, limit: int, spss: int) -> dict[str, Any]:
    run, fields = runner(query), mentioned_fields(query)
    found: list[tuple[int, dict[str, Any]]] = []
    inspected = 0
    for trace in candidates:
        if len(found) == limit:
            break
        inspected += 1
        if spans := run(trace):
            found.append((trace.start_ns, _listed(trace, spans, fields, spss)))
    found.sort(key=lambda pair: -pair[0])
    metrics = {"inspectedTraces": inspected, "completedJobs": 1, "totalJobs": 1}
    return {
        "traces": [listed for _, listed in found],
        "metrics": {name: value for name, value in metrics.items() if value},
    }


def _listed(trace: Trace, spans: list[Span], fields: list[Field], spss: int) -> dict[str, Any]:
    """One trace as search shows it; empty and zero fields are left out, as Go's jsonpb does."""
    services: dict[str, dict[str, int]] = {}
    for span in trace.spans:
        stats = services.setdefault(span.resource.service, {"spanCount": 0, "errorCount": 0})
        stats["spanCount"] += 1
        stats["errorCount"] += span.status_code == STATUS_ERROR
    shown = _spanset(trace, spans, fields, spss)
    listed: dict[str, Any] = {
        "traceID": trace.trace_id.hex().lstrip("0"),
        "rootServiceName": root_service(trace),
        "rootTraceName": root_name(trace),
        "startTimeUnixNano": str(trace.start_ns),
        "durationMs": max(0, trace.duration_ns // 1_000_000),
        "spanSet": shown,
        "spanSets": [shown],
        "serviceStats": {
            name: {key: count for key, count in stats.items() if count} for name, stats in services.items()
        },
    }
    return {key: value for key, value in listed.items() if value}


def _spanset(trace: Trace, spans: list[Span], fields: list[Field], spss: int) -> dict[str, Any]:
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
            value = read(span, trace)
            if isinstance(field, Intrinsic):
                if field.name not in _NOT_LISTED and value is not None:
                    attributes.append({"key": field.name, "value": _shown(value)})
            elif value is not None:
                attributes.append({"key": field.key, "value": _shown(value)})
        if attributes:
            out["attributes"] = attributes
        return out

    return {"spans": [listed(span) for span in (spans[:spss] if spss else spans)], "matched": len(spans)}


def _shown(value: Any) -> dict[str, Any]:
    return {"stringValue": str(value)} if isinstance(value, str) else json_value(value)


def _range(request: Request) -> tuple[int, int]:
    """start and end in seconds, both 0 when neither is given."""
    end_s, start_s = read_unsigned(request, "end", 0), read_unsigned(request, "start", 0)
    if (start_s or end_s) and end_s <= start_s:
        raise BadRequestError(f"http parameter start must be before end. received start={start_s} end={end_s}")
    return start_s, end_s
