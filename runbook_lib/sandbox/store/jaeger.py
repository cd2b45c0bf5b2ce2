"""Jaeger's query API over the sandbox's store: the app, and API v3.

Facts: specs/jaeger, api-facts.md §8. Replies of v3 are OTLP/JSON in `{"result":…}` although the OpenAPI file does not say so;
no hit is 404; parameters are in snake case on every version, in camel case and with attributes from 2.19. How 2.13 differs was
seen on the real server; which version between it and 2.18 changed each of these is not known.
"""

import re
from datetime import UTC, datetime
from functools import wraps
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from runbook_lib.sandbox.store import jaeger_find, jaeger_v1
from runbook_lib.sandbox.store.durations import parse_go
from runbook_lib.sandbox.store.encode import jaeger_batches
from runbook_lib.sandbox.store.jaeger_find import Query
from runbook_lib.sandbox.store.model import STATUS_ERROR, Trace
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.web import AccessGate, BadRequestError, Endpoint, text_response

_OLDEST = (2, 13)
_NEW_NAMES = (2, 19)
_MAIN = (99, 0)
_NO_CAMEL = (0, 0)
_FIELDS = ("service_name", "operation_name", "start_time_min", "start_time_max", "duration_min", "duration_max")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?\d*(Z|[+-]\d\d:\d\d)")


def create_jaeger_app(store: Store, version: str = "2.20", base_path: str = "", *, metrics: bool = False) -> Starlette:
    """Jaeger's HTTP API. `version` "main" lacks the v1 search; `metrics` says whether SPM has a metrics store."""
    release = _release(version)

    def get_trace(request: Request) -> Response:
        try:
            trace_id = jaeger_find.parse_trace_id(request.path_params["trace_id"])
        except ValueError as error:
            raise BadRequestError(f"malformed parameter trace_id: {error}") from None
        for name in ("start_time", "end_time"):
            if text := _given(request, name, release, prefix="")[0]:
                _time_ns(text, name)
        _check_flag(request, "raw_traces", release, prefix="")
        trace = store.trace(trace_id)
        return _traces([trace] if trace else [])

    def find_traces(request: Request) -> Response:
        query = _query(request, release)
        if query.limit <= 0:
            return _error(500, jaeger_find.NO_DEPTH)
        return _traces(jaeger_find.find(store, query))

    def find_summaries(request: Request) -> Response:
        found = [_summary(trace) for trace in jaeger_find.find(store, _query(request, release))]
        return _json({"summaries": found})

    def services(_request: Request) -> Response:
        found = jaeger_find.services(store)
        return _json({"services": found} if found or release > _OLDEST else {})

    def operations(request: Request) -> Response:
        kind = _given(request, "span_kind", release, prefix="")[0]
        found = jaeger_find.operations(store, request.query_params.get("service", ""), kind)
        unknown = "internal" if release > _OLDEST else ""
        return _json({"operations": [_present({"name": n, "spanKind": k or unknown}) for n, k in found]})

    def dependencies(request: Request) -> Response:
        start, start_name = _given(request, "start_time", release, prefix="")
        end, end_name = _given(request, "end_time", release, prefix="")
        if not start or not end:
            raise BadRequestError("startTime and endTime are required")
        window = (_time_ns(start, start_name), _time_ns(end, end_name))
        found = jaeger_find.dependencies(store.traces(*window))
        return _json({"dependencies": [{**link, "callCount": str(link["callCount"])} for link in found]})

    v3: dict[str, Endpoint] = {
        "/api/v3/services": services,
        "/api/v3/operations": operations,
        "/api/v3/traces": find_traces,
        "/api/v3/traces/{trace_id}": get_trace,
    }
    if release >= _NEW_NAMES:
        v3 |= {"/api/v3/trace-summaries": find_summaries, "/api/v3/dependencies": dependencies}
    page = Route("/{rest:path}", lambda _request: HTMLResponse("<!doctype html><title>Jaeger UI</title>"))
    missing = Route("/api/{rest:path}", lambda _request: text_response("404 page not found\n", 404))
    routes: list[BaseRoute] = [
        *(Route(path, _guarded(endpoint), methods=["GET"]) for path, endpoint in v3.items()),
        *jaeger_v1.routes(store, removed=release == _MAIN, metrics=metrics, is_of_2_13=release <= _OLDEST),
        # Everything else is the user interface, a single page whatever its path; in 2.13 under /api as well.
        *([missing] if release > _OLDEST else []),
        page,
    ]
    base_path = base_path.rstrip("/")
    if base_path:
        routes = [Mount(base_path, routes=routes)]
    gate = Middleware(AccessGate, access=lambda: store.jaeger_access)
    return Starlette(routes=routes, middleware=[gate])


def _release(version: str) -> tuple[int, ...]:
    """Major and minor of "2.20" or "v2.20.0"; "main" is after all of them."""
    return _MAIN if version == "main" else tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _guarded(endpoint: Endpoint) -> Endpoint:
    @wraps(endpoint)
    def run(request: Request) -> Response:
        try:
            return endpoint(request)
        except BadRequestError as error:
            return _error(400, str(error))

    return run


def _error(status: int, message: str) -> Response:
    body = orjson.dumps({"error": {"httpCode": status, "message": message}})
    # Go's http.Error: the body is JSON, its content type is not, and a line feed ends it.
    return text_response(body.decode() + "\n", status)


def _json(document: Any) -> Response:
    # The gateway names no content type, and Go's guess at one is plain text.
    return text_response(orjson.dumps(document).decode())


def _traces(traces: list[Trace]) -> Response:
    if not traces:
        return _error(404, "No traces found")
    batches = [batch for trace in traces for batch in jaeger_batches(trace.spans)]
    return _json({"result": {"resourceSpans": batches}})


def _summary(trace: Trace) -> dict[str, Any]:
    """A TraceSummary (api_v3.query_service.proto); zero and empty fields are left out."""
    parts: dict[str, list[int]] = {}
    for span in trace.spans:
        counts = parts.setdefault(span.resource.service, [0, 0])
        counts[0] += 1
        counts[1] += span.status_code == STATUS_ERROR
    summary = {
        "traceId": trace.trace_id.hex(),
        "rootServiceName": trace.root.resource.service if trace.root else "",
        "rootOperationName": trace.root.name if trace.root else "",
        "minStartTimeUnixNano": str(trace.start_ns),
        "maxEndTimeUnixNano": str(trace.end_ns),
        "spanCount": len(trace.spans),
        "errorSpanCount": sum(errors for _, errors in parts.values()),
        "orphanSpanCount": sum(bool(s.parent_id) and s.parent_id not in trace.by_id for s in trace.spans),
        "services": [
            _present({"name": name, "spanCount": spans, "errorSpanCount": errors})
            for name, (spans, errors) in sorted(parts.items())
        ],
    }
    return _present(summary)


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value}


def _query(request: Request, release: tuple[int, ...]) -> Query:
    """The search that a request describes. Raises BadRequestError in Jaeger's words."""
    if release == _MAIN and request.query_params.get("query.filter"):
        raise BadRequestError("query.filter requires feature gate jaeger.query.structuredFilters")
    given = {name: _given(request, name, release) for name in _FIELDS}
    (start, start_name), (end, end_name) = given["start_time_min"], given["start_time_max"]
    if not start or not end:
        names = (start_name, end_name) if release < _NEW_NAMES else ("query.startTimeMin", "query.startTimeMax")
        raise BadRequestError(f"{names[0]} and {names[1]} are required")
    start_ns, end_ns = _time_ns(start, start_name), _time_ns(end, end_name)
    if release >= _NEW_NAMES and start_ns >= end_ns:
        raise BadRequestError("query.startTimeMin must be before query.startTimeMax")
    _check_flag(request, "raw_traces", release)
    return Query(
        given["service_name"][0],
        given["operation_name"][0],
        start_ns,
        end_ns,
        _duration_ns(*given["duration_min"]),
        _duration_ns(*given["duration_max"]),
        # Before 2.19 the gateway reads no attributes: it answers as if none had been asked for.
        _attributes(request) if release >= _NEW_NAMES else {},
        _limit(request, release),
        release <= _OLDEST,
    )


def _given(request: Request, name: str, release: tuple[int, ...], prefix: str = "query.") -> tuple[str, str]:
    """Value and effective name of a parameter: camel case first where the version knows it, then snake case."""
    head, *tail = name.split("_")
    camel, snake = prefix + head + "".join(part.title() for part in tail), prefix + name
    if release >= _NEW_NAMES and (value := request.query_params.get(camel, "")):
        return value, camel
    return request.query_params.get(snake, ""), snake


def _check_flag(request: Request, name: str, release: tuple[int, ...], prefix: str = "query.") -> None:
    text, named = _given(request, name, release, prefix)
    try:
        jaeger_find.parse_bool(text or "false")
    except ValueError as error:
        raise BadRequestError(f"malformed parameter {named}: {error}") from None


def _limit(request: Request, release: tuple[int, ...]) -> int:
    text, name = "", ""
    if release > _OLDEST:
        text, name = _given(request, "search_depth", release)
    if not text:
        text, name = _given(request, "num_traces", _NO_CAMEL)
    if not text:
        return jaeger_find.DEFAULT_LIMIT if release > _OLDEST else 0
    if not re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        raise BadRequestError(f'malformed parameter {name}: strconv.Atoi: parsing "{text}": invalid syntax')
    if int(text) <= 0 and release > _OLDEST:
        raise BadRequestError(f"malformed parameter {name}: must be greater than 0")
    return int(text)


def _attributes(request: Request) -> dict[str, str]:
    text = request.query_params.get("query.attributes", "")
    if not text:
        return {}
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestError(f"malformed parameter query.attributes: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise BadRequestError(
            "malformed parameter query.attributes: json: cannot unmarshal into Go value of type map[string]string"
        )
    return found


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


def _duration_ns(text: str, name: str) -> int:
    try:
        return parse_go(text) if text else 0
    except ValueError as error:
        raise BadRequestError(f"malformed parameter {name}: {error}") from None
