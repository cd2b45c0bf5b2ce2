"""Jaeger's query API over the sandbox's store, as far as it is asked: API v3, and v1, which its user interface used up to 2.20.

Facts: specs/jaeger, api-facts.md §8. What both read and find is the same; how they refuse, and how v3 and v1 write a trace, is
not. Replies of v3 are OTLP/JSON in `{"result":…}` although the OpenAPI file does not say so; no hit is 404; it reads attributes
from 2.19. Times of v1 are microseconds in a search and milliseconds in metrics; after 2.20 its search and services are gone. How
2.13 differs was seen on the real server; which version between it and 2.18 changed each of these is not known.
"""

import re
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from runbook_lib.sandbox.store import jaeger_find
from runbook_lib.sandbox.store.encode import jaeger_batches
from runbook_lib.sandbox.store.jaeger_dialect import V1, V3
from runbook_lib.sandbox.store.jaeger_find import Query
from runbook_lib.sandbox.store.jaeger_model import ui_trace
from runbook_lib.sandbox.store.jaeger_spm import MetricsQuery, metric_family
from runbook_lib.sandbox.store.model import KIND_NAMES, Trace
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.web import AccessGate, BadRequestError, Endpoint, json_response, text_response

Release = tuple[int, ...]
_OLDEST = (2, 13)
_NEW_NAMES = (2, 19)
_MAIN = (99, 0)
_LOOKBACK_US = 48 * 3600 * 1_000_000
_NO_METRICS = "metrics querying is currently disabled"
_MAX_POINTS = 20_000
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*(Z|[+-]\d\d:\d\d)")


def create_jaeger_app(store: Store, version: str = "2.20") -> Starlette:
    """Jaeger's HTTP API. `version` "main" lacks the v1 search; `store.has_monitor`: whether SPM has a metrics store."""
    release = _release(version)
    v1 = _v1(store, release)
    if release == _MAIN:
        v1 = {path: endpoint for path, endpoint in v1.items() if path not in ("/api/traces", "/api/services")}
    page = Route("/{rest:path}", lambda _request: HTMLResponse("<!doctype html><title>Jaeger UI</title>"))
    missing = Route("/api/{rest:path}", lambda _request: text_response("404 page not found\n", 404))
    routes: list[BaseRoute] = [
        *(Route(path, V3.guarded(endpoint), methods=["GET"]) for path, endpoint in _v3(store, release).items()),
        *(Route(path, V1.guarded(endpoint), methods=["GET"]) for path, endpoint in v1.items()),
        # Everything else is the user interface, a single page whatever its path; in 2.13 under /api as well.
        *([missing] if release > _OLDEST else []),
        page,
    ]
    gate = Middleware(AccessGate, access=lambda: store.jaeger_access)
    return Starlette(routes=routes, middleware=[gate])


def _release(version: str) -> Release:
    """Major and minor of "2.20" or "v2.20.0"; "main" is after all of them."""
    return _MAIN if version == "main" else tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _trace_of(store: Store, request: Request, complaint: str) -> Trace | None:
    """The trace that a path names. Raises BadRequestError where it names none that can be."""
    try:
        return store.trace(jaeger_find.parse_trace_id(request.path_params["trace_id"]))
    except ValueError as error:
        raise BadRequestError(complaint.format(why=error)) from None


# --- v3 ---


def _v3(store: Store, release: Release) -> dict[str, Endpoint]:
    def get_trace(request: Request) -> Response:
        trace = _trace_of(store, request, "malformed parameter trace_id: {why}")
        V3.flag(request, "raw_traces")
        return _batches([trace] if trace else [])

    def find_traces(request: Request) -> Response:
        query = _v3_query(request, release)
        return V3.refusal(500, jaeger_find.NO_DEPTH) if query.limit <= 0 else _batches(jaeger_find.find(store, query))

    def services(_request: Request) -> Response:
        found = jaeger_find.services(store)
        return V3.answer({"services": found} if found or release > _OLDEST else {})

    return {
        "/api/v3/services": services,
        "/api/v3/traces": find_traces,
        "/api/v3/traces/{trace_id}": get_trace,
    }


def _batches(traces: list[Trace]) -> Response:
    if not traces:
        return V3.refusal(404, "No traces found")
    batches = [batch for trace in traces for batch in jaeger_batches(trace.spans)]
    return V3.answer({"result": {"resourceSpans": batches}})


def _v3_query(request: Request, release: Release) -> Query:
    """The search that a request describes. Raises BadRequestError in Jaeger's words."""
    given = request.query_params
    start, end = given.get("query.start_time_min", ""), given.get("query.start_time_max", "")
    if not start or not end:
        wanted = "start_time_{}" if release < _NEW_NAMES else "startTime{}"
        names = [wanted.format(word if release < _NEW_NAMES else word.title()) for word in ("min", "max")]
        raise BadRequestError(f"query.{names[0]} and query.{names[1]} are required")
    start_ns, end_ns = _time_ns(start, "query.start_time_min"), _time_ns(end, "query.start_time_max")
    if release >= _NEW_NAMES and start_ns >= end_ns:
        raise BadRequestError("query.startTimeMin must be before query.startTimeMax")
    V3.flag(request, "query.raw_traces")
    return Query(
        given.get("query.service_name", ""),
        given.get("query.operation_name", ""),
        start_ns,
        end_ns,
        # Before 2.19 the gateway reads no attributes: it answers as if none had been asked for.
        V3.texts(request, "query.attributes") if release >= _NEW_NAMES else {},
        _depth(request, release),
        release <= _OLDEST,
    )


def _depth(request: Request, release: Release) -> int:
    """How many traces are wanted: 2.13 knows the parameter under its old name only, and has no usual number."""
    is_new = release > _OLDEST
    name = "query.search_depth" if is_new and request.query_params.get("query.search_depth") else "query.num_traces"
    text = request.query_params.get(name, "")
    if not text:
        return jaeger_find.DEFAULT_LIMIT if is_new else 0
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise BadRequestError(f'malformed parameter {name}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) <= 0 and is_new:
        raise BadRequestError(f"malformed parameter {name}: must be greater than 0")
    return int(text)


def _time_ns(text: str, name: str) -> int:
    found = _TIME.fullmatch(text)
    try:
        if found is None:
            raise ValueError
        moment = datetime.fromisoformat(found[1] + found[3].replace("Z", "+00:00")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadRequestError(
            f'malformed parameter {name}: parsing time "{text}" as "2006-01-02T15:04:05.999999999Z07:00": '
            f'cannot parse "{text}"'
        ) from None
    return int(moment.timestamp()) * 10**9 + int((found[2] or "0").ljust(9, "0"))


# --- v1 ---


def _v1(store: Store, release: Release) -> dict[str, Endpoint]:
    def search(request: Request) -> Response:
        query = _v1_query(request, store, is_of_2_13=release <= _OLDEST)
        if query.limit <= 0:
            return V1.refusal(500, jaeger_find.NO_DEPTH)
        return V1.answer([ui_trace(trace.trace_id, trace.spans) for trace in jaeger_find.find(store, query)])

    def trace_by_id(request: Request) -> Response:
        trace = _trace_of(store, request, "{why}")
        V1.flag(request, "raw")
        if trace is None:
            return V1.refusal(404, "trace not found")
        return V1.answer([ui_trace(trace.trace_id, trace.spans)])

    def services(_request: Request) -> Response:
        names = jaeger_find.services(store)
        return V1.answer(names or None, total=len(names))

    def spm(name: str) -> Endpoint:
        def endpoint(request: Request) -> Response:
            quantile = _quantile(request) if name == "latencies" else 0.0
            query = _metrics_query(request, store)
            if not store.has_monitor:
                return V1.refusal(501, _NO_METRICS)
            if query.step_ns <= 0 or query.lookback_ns < 0 or query.lookback_ns // query.step_ns > _MAX_POINTS:
                return V1.refusal(500, 'failed executing metrics query: bad_data: invalid parameter "step"')
            start_ns = query.end_ns - query.lookback_ns - query.rate_per_ns
            return json_response(metric_family(name, store.counted_traces(start_ns, query.end_ns), query, quantile))

        return endpoint

    return {
        "/api/traces/{trace_id}": trace_by_id,
        "/api/traces": search,
        "/api/services": services,
        **{f"/api/metrics/{name}": spm(name) for name in ("calls", "errors", "latencies")},
    }


def _v1_query(request: Request, store: Store, *, is_of_2_13: bool) -> Query:
    params = request.query_params
    now_us = store.now_ns() // 1000
    start_us = V1.integer(request, "start", now_us - _LOOKBACK_US)
    end_us = V1.integer(request, "end", now_us)
    attributes = V1.texts(request, "tags")
    limit = V1.integer(request, "limit", jaeger_find.DEFAULT_LIMIT, complaint="{why}")
    V1.flag(request, "raw")
    if not params.get("service", ""):
        raise BadRequestError("parameter 'service' is required")
    if limit <= 0 and not is_of_2_13:
        raise BadRequestError("invalid parameter: limit must be greater than 0")
    if start_us > end_us and not is_of_2_13:
        raise BadRequestError("invalid parameter: start time must be before end time")
    return Query(
        params["service"],
        params.get("operation", ""),
        start_us * 1000,
        end_us * 1000,
        attributes,
        limit,
        is_of_2_13,
    )


def _metrics_query(request: Request, store: Store) -> MetricsQuery:
    params = request.query_params
    if "service" not in params:
        raise BadRequestError("unable to parse param 'service': please provide at least one service name")
    kinds = params.getlist("spanKind") or ["server"]
    for kind in kinds:
        if kind not in KIND_NAMES:
            raise BadRequestError(f"unable to parse param 'spanKind': unsupported span kind: '{kind}'")
    by_operation = V1.flag(request, "groupByOperation")
    end_ms = V1.integer(request, "endTs", store.now_ns() // 10**6)
    lookback_ms, step_ms = V1.integer(request, "lookback", 3_600_000), V1.integer(request, "step", 5_000)
    return MetricsQuery(
        tuple(params.getlist("service")),
        frozenset(KIND_NAMES.index(kind) for kind in kinds),
        by_operation,
        end_ms * 10**6,
        lookback_ms * 10**6,
        step_ms * 10**6,
        max(1, V1.integer(request, "ratePer", 600_000)) * 10**6,
    )


def _quantile(request: Request) -> float:
    text = request.query_params.get("quantile", "")
    try:
        return float(text)
    except ValueError:
        raise BadRequestError(
            f"unable to parse param 'quantile': strconv.ParseFloat: parsing \"{text}\": invalid syntax"
        ) from None
