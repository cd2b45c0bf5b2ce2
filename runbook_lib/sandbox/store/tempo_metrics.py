"""Tempo's TraceQL metrics: /api/metrics/query_range.

Parameters as grafana.com/docs/tempo/latest/api_docs: times in epoch seconds, nanoseconds or RFC 3339, `since` and `step` as
durations; the last hour when nothing is said; at most 24 hours.
"""

from datetime import datetime
from typing import Any

from starlette.requests import Request

from runbook_lib.sandbox.store.durations import format_go, parse_any
from runbook_lib.sandbox.store.encode import json_value
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.tempo_search import Reader
from runbook_lib.sandbox.store.traceql import Query, parse
from runbook_lib.sandbox.store.traceql.metrics import Labels, Series, Window, evaluate
from runbook_lib.sandbox.store.web import BadRequestError, unsigned

MAX_RANGE_NS = 24 * 3600 * 10**9
_MAX_SAMPLES = 100_000
_DEFAULT_SINCE_NS = 3600 * 10**9
_STEP_UNIT_NS = 5 * 10**9


def query_range(request: Request, store: Store, traces: Reader) -> dict[str, Any]:
    """The QueryRangeResponse (specs/tempo/tempo.proto) to a request. Raises BadRequestError or TraceqlError."""
    if unsigned(request, "exemplars", 0):
        raise BadRequestError("the sandbox's Tempo gives no exemplars, though Tempo may")
    query = _query(request)
    start_ns, end_ns = _bounds(request, store)
    step_ns = _step(request, start_ns, end_ns)
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
    text = request.query_params.get("q") or request.query_params.get("query", "")
    query = parse(text)
    if query.metric is None:
        raise BadRequestError(f"invalid TraceQL query: not a metrics query: '{text}'")
    return query


def _bounds(request: Request, store: Store) -> tuple[int, int]:
    now_ns = store.now_ns()
    since_ns = _duration(request, "since", _DEFAULT_SINCE_NS)
    end_ns = _time(request, "end", now_ns)
    start_ns = _time(request, "start", min(end_ns, now_ns) - since_ns)
    if start_ns >= end_ns:
        raise BadRequestError(f"end time {end_ns} must be after start time {start_ns}")
    if end_ns - start_ns > MAX_RANGE_NS:
        raise BadRequestError(
            f"metrics query time range exceeds the maximum allowed duration of {format_go(MAX_RANGE_NS)}"
        )
    return start_ns, end_ns


def _time(request: Request, name: str, default_ns: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default_ns
    try:
        if text.isdigit():
            return int(text) * (10**9 if len(text) <= 10 else 1)
        if text.replace(".", "", 1).isdigit():
            return round(float(text) * 1e9)
        return round(datetime.fromisoformat(text).timestamp() * 1e9)
    except (ValueError, OverflowError) as error:
        raise BadRequestError(f"could not parse '{name}' parameter: {error}") from None


def _duration(request: Request, name: str, default_ns: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default_ns
    try:
        duration_ns = round(float(text) * 1e9) if text.replace(".", "", 1).isdigit() else parse_any(text)
    except ValueError:
        raise BadRequestError(
            f"could not parse '{name}' parameter: cannot parse \"{text}\" to a valid duration"
        ) from None
    if duration_ns <= 0:
        raise BadRequestError(f"'{name}' must be greater than 0")
    return duration_ns


def _step(request: Request, start_ns: int, end_ns: int) -> int:
    """The step asked for; otherwise a sixtieth of the range in whole units of five seconds."""
    default_ns = max((end_ns - start_ns) // 60 // _STEP_UNIT_NS * _STEP_UNIT_NS, _STEP_UNIT_NS)
    return _duration(request, "step", default_ns)


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
