"""Jaeger's internal API (v1), as its user interface used it up to 2.20.

Facts: specs/jaeger/v1-http-handwritten.openapi.json, api-facts.md §8. Times are microseconds in a search and milliseconds in
metrics and dependencies. After 2.20 the search, services and operations are gone.
"""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runbook_lib.sandbox.store import jaeger_find
from runbook_lib.sandbox.store.decode import MalformedExportError, decode_json
from runbook_lib.sandbox.store.durations import parse_go
from runbook_lib.sandbox.store.jaeger_find import Query
from runbook_lib.sandbox.store.jaeger_model import ui_trace, ui_traces
from runbook_lib.sandbox.store.jaeger_spm import MetricsQuery, metric_family
from runbook_lib.sandbox.store.model import KIND_NAMES
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.web import BadRequestError, Endpoint, json_response, text_response

_LOOKBACK_US = 48 * 3600 * 1_000_000
_NO_METRICS = "metrics querying is currently disabled"
_MAX_POINTS = 20_000


def routes(store: Store, *, removed: bool, metrics: bool, is_of_2_13: bool = False) -> list[Route]:
    """The v1 routes. `removed`: without those that are gone after 2.20. `metrics`: False answers 501 to SPM."""

    def search(request: Request) -> Response:
        query, wanted = _search_query(request, store, is_of_2_13=is_of_2_13)
        if not wanted and query.limit <= 0:
            return _error(500, jaeger_find.NO_DEPTH)
        if not wanted:
            return _data([ui_trace(trace.trace_id, trace.spans) for trace in jaeger_find.find(store, query)])
        found, errors = [], []
        for trace_id in wanted:
            if trace := store.trace(trace_id):
                found.append(ui_trace(trace_id, trace.spans))
            else:
                errors.append({"msg": "trace not found", "traceID": jaeger_find.trace_id_text(trace_id)})
        return _data(found, errors=errors or None)

    def trace_by_id(request: Request) -> Response:
        try:
            trace_id = jaeger_find.parse_trace_id(request.path_params["trace_id"])
        except ValueError as error:
            raise BadRequestError(str(error)) from None
        _flag(request, "raw")
        trace = store.trace(trace_id)
        if trace is None:
            return _error(404, "trace not found")
        return _data([ui_trace(trace_id, trace.spans)])

    def services(_request: Request) -> Response:
        names = jaeger_find.services(store)
        return _data(names or None, total=len(names))

    def operations(request: Request) -> Response:
        service = request.query_params.get("service", "")
        if not service:
            raise BadRequestError("parameter 'service' is required")
        found = jaeger_find.operations(store, service, request.query_params.get("spanKind", ""))
        return _data([{"name": name, "spanKind": kind} for name, kind in found], total=len(found))

    def operations_of(request: Request) -> Response:
        names = sorted({name for name, _ in jaeger_find.operations(store, request.path_params["service"])})
        return _data(names or None, total=len(names))

    def dependencies(request: Request) -> Response:
        end_ms = _integer(request, "endTs", store.now_ns() // 10**6)
        lookback_ms = _integer(request, "lookback", 24 * 3600 * 1000)
        found = jaeger_find.dependencies(store.traces((end_ms - lookback_ms) * 10**6, end_ms * 10**6))
        if service := request.query_params.get("service", ""):
            found = [link for link in found if service in (link["parent"], link["child"])]
        return _data(found)

    def spm(name: str) -> Endpoint:
        def endpoint(request: Request) -> Response:
            quantile = _quantile(request) if name == "latencies" else 0.0
            query = _metrics_query(request, store)
            if not (metrics or store.has_monitor):
                return _error(501, _NO_METRICS)
            if query.step_ns <= 0 or query.lookback_ns < 0 or query.lookback_ns // query.step_ns > _MAX_POINTS:
                return _error(500, 'failed executing metrics query: bad_data: invalid parameter "step"')
            start_ns = query.end_ns - query.lookback_ns - query.rate_per_ns
            return json_response(metric_family(name, store.counted(start_ns, query.end_ns), query, quantile))

        return endpoint

    def shortest_step(_request: Request) -> Response:
        return _data(1) if metrics or store.has_monitor else _error(501, _NO_METRICS)

    async def transform(request: Request) -> Response:
        try:
            return _data(ui_traces(decode_json(await request.body())))
        except MalformedExportError as error:
            return _error(400, f"cannot unmarshal OTLP : {error}")

    kept: dict[str, Endpoint] = {
        "/api/traces/{trace_id}": trace_by_id,
        "/api/dependencies": dependencies,
        "/api/metrics/minstep": shortest_step,
        **{f"/api/metrics/{name}": spm(name) for name in ("calls", "errors", "latencies")},
    }
    gone: dict[str, Endpoint] = {
        "/api/traces": search,
        "/api/services": services,
        "/api/services/{service:path}/operations": operations_of,
        "/api/operations": operations,
    }
    answered = kept if removed else {**kept, **gone}
    return [
        *(Route(path, _guarded(endpoint), methods=["GET"]) for path, endpoint in answered.items()),
        Route("/api/transform", transform, methods=["POST"]),
    ]


def _guarded(endpoint: Endpoint) -> Callable[[Request], Response]:
    @wraps(endpoint)
    def run(request: Request) -> Response:
        try:
            return endpoint(request)
        except BadRequestError as error:
            return _error(400, str(error))

    return run


def _data(data: Any, *, total: int = 0, errors: Any = None) -> Response:
    return json_response({"data": data, "total": total, "limit": 0, "offset": 0, "errors": errors})


def _error(status: int, message: str) -> Response:
    errors = [{"code": status, "msg": message}]
    body = orjson.dumps({"data": None, "total": 0, "limit": 0, "offset": 0, "errors": errors})
    # Go's http.Error: the body is JSON, its content type is not, and a line feed ends it.
    return text_response(body.decode() + "\n", status)


def _search_query(request: Request, store: Store, *, is_of_2_13: bool) -> tuple[Query, list[bytes]]:
    """The search, and the trace ids when it names some instead."""
    params = request.query_params
    now_us = store.now_ns() // 1000
    start_us, end_us = _integer(request, "start", now_us - _LOOKBACK_US), _integer(request, "end", now_us)
    attributes = _tags(params.getlist("tag"), params.getlist("tags"))
    limit = _integer(request, "limit", jaeger_find.DEFAULT_LIMIT, plain=True)
    shortest_ns, longest_ns = _duration(request, "minDuration"), _duration(request, "maxDuration")
    _flag(request, "raw")
    try:
        wanted = [jaeger_find.parse_trace_id(text) for text in params.getlist("traceID")]
    except ValueError as error:
        raise BadRequestError(f"cannot parse traceID param: {error}") from None
    service = params.get("service", "")
    if not wanted and not service:
        raise BadRequestError("parameter 'service' is required")
    if limit <= 0 and not is_of_2_13:
        raise BadRequestError("invalid parameter: limit must be greater than 0")
    if start_us > end_us and not is_of_2_13:
        raise BadRequestError("invalid parameter: start time must be before end time")
    if shortest_ns and longest_ns and longest_ns < shortest_ns:
        raise BadRequestError("'maxDuration' should be greater than 'minDuration'")
    query = Query(
        service,
        params.get("operation", ""),
        start_us * 1000,
        end_us * 1000,
        shortest_ns,
        longest_ns,
        attributes,
        limit,
        is_of_2_13,
    )
    return query, wanted


def _tags(pairs: list[str], documents: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        key, colon, value = pair.partition(":")
        if not colon:
            raise BadRequestError(f"malformed 'tag' parameter, expecting key:value, received: {pair}")
        found[key] = value
    for document in documents:
        try:
            tags = orjson.loads(document)
        except orjson.JSONDecodeError as error:
            raise BadRequestError(f"malformed 'tags' parameter, cannot unmarshal JSON: {error}") from None
        if not isinstance(tags, dict) or not all(isinstance(value, str) for value in tags.values()):
            raise BadRequestError(
                "malformed 'tags' parameter, cannot unmarshal JSON: json: cannot unmarshal into Go value of type string"
            )
        found.update(tags)
    return found


def _metrics_query(request: Request, store: Store) -> MetricsQuery:
    params = request.query_params
    if "service" not in params:
        raise BadRequestError("unable to parse param 'service': please provide at least one service name")
    kinds = params.getlist("spanKind") or ["server"]
    for kind in kinds:
        if kind not in KIND_NAMES:
            raise BadRequestError(f"unable to parse param 'spanKind': unsupported span kind: '{kind}'")
    by_operation = _flag(request, "groupByOperation")
    end_ms = _integer(request, "endTs", store.now_ns() // 10**6)
    lookback_ms, step_ms = _integer(request, "lookback", 3_600_000), _integer(request, "step", 5_000)
    return MetricsQuery(
        tuple(params.getlist("service")),
        frozenset(KIND_NAMES.index(kind) for kind in kinds),
        by_operation,
        end_ms * 10**6,
        lookback_ms * 10**6,
        step_ms * 10**6,
        max(1, _integer(request, "ratePer", 600_000)) * 10**6,
    )


def _flag(request: Request, name: str) -> bool:
    try:
        return jaeger_find.parse_bool(request.query_params.get(name) or "false")
    except ValueError as error:
        raise BadRequestError(f"unable to parse param '{name}': {error}") from None


def _quantile(request: Request) -> float:
    text = request.query_params.get("quantile", "")
    try:
        return float(text)
    except ValueError:
        raise BadRequestError(
            f"unable to parse param 'quantile': strconv.ParseFloat: parsing \"{text}\": invalid syntax"
        ) from None


def _integer(request: Request, name: str, default: int, *, plain: bool = False) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        problem = f'strconv.ParseInt: parsing "{text}": invalid syntax'
        raise BadRequestError(problem if plain else f"unable to parse param '{name}': {problem}")
    return int(text)


def _duration(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    try:
        return parse_go(text) if text else 0
    except ValueError as error:
        raise BadRequestError(f"unable to parse param '{name}': {error}") from None
