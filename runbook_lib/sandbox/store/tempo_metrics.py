"""Tempo's TraceQL metrics: /api/metrics/query_range.

Parameters as grafana.com/docs/tempo/latest/api_docs, as far as they are asked: times in epoch seconds, the step as a duration; at
most 24 hours.
"""

from typing import Any

from starlette.requests import Request

from runbook_lib.sandbox.store.durations import format_go, parse_any
from runbook_lib.sandbox.store.encode import json_value
from runbook_lib.sandbox.store.tempo_search import Reader
from runbook_lib.sandbox.store.traceql import Query, parse
from runbook_lib.sandbox.store.traceql.metrics import Labels, Series, Window, evaluate
from runbook_lib.sandbox.store.web import BadRequestError, read_unsigned

MAX_RANGE_NS = 24 * 3600 * 10**9
_MAX_SAMPLES = 100_000


def query_range(request: Request, traces: Reader) -> dict[str, Any]:
    """The QueryRangeResponse (specs/tempo/tempo.proto) to a request. Raises BadRequestError or TraceqlError."""
    query = _query(request)
    start_ns, end_ns = _bounds(request)
    step_ns = _step(request)
    start_ns, end_ns = start_ns - start_ns % step_ns, end_ns + -end_ns % step_ns
    window = Window(start_ns, step_ns, (end_ns - start_ns) // step_ns + 1)
    if window.count > _MAX_SAMPLES:
        raise BadRequestError(f"step of {format_go(step_ns)} is too small for the time range")
    found = evaluate(query, traces(start_ns - step_ns, end_ns), window)
    return {
        "series": [_ranged(one, window) for one in found],
        "metrics": {"totalJobs": 1, "completedJobs": 1},
        "status": "COMPLETE",
        "message": "",
    }


def _query(request: Request) -> Query:
    text = request.query_params.get("q", "")
    query = parse(text)
    if query.metric is None:
        raise BadRequestError(f"invalid TraceQL query: not a metrics query: '{text}'")
    return query


def _bounds(request: Request) -> tuple[int, int]:
    start_ns, end_ns = (read_unsigned(request, name, 0) * 10**9 for name in ("start", "end"))
    if start_ns >= end_ns:
        raise BadRequestError(f"end time {end_ns} must be after start time {start_ns}")
    if end_ns - start_ns > MAX_RANGE_NS:
        raise BadRequestError(
            f"metrics query time range exceeds the maximum allowed duration of {format_go(MAX_RANGE_NS)}"
        )
    return start_ns, end_ns


def _step(request: Request) -> int:
    text = request.query_params.get("step", "")
    try:
        step_ns = parse_any(text)
    except ValueError:
        raise BadRequestError(
            f"could not parse 'step' parameter: cannot parse \"{text}\" to a valid duration"
        ) from None
    if step_ns <= 0:
        raise BadRequestError("'step' must be greater than 0")
    return step_ns


def _ranged(series: Series, window: Window) -> dict[str, Any]:
    samples = [
        {"timestampMs": str(window.time_ns(index) // 10**6), "value": value}
        for index, value in enumerate(series.values)
    ]
    return {"labels": _labels(series.labels), "samples": samples, "exemplars": []}


def _labels(labels: Labels) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"stringValue": str(value or "nil")} if isinstance(value, str | None) else json_value(value),
        }
        for key, value in labels
    ]
