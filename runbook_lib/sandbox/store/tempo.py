"""Grafana Tempo's query API over the sandbox's store: the app, and traces by id.

Facts: api-facts.md §8, specs/tempo, grafana.com/docs/tempo/latest/api_docs. Ids are base64 and enums are names in traces;
in search results ids are hex without leading zeros. Errors are plain text. Search and metrics have modules of their own.
"""

import re
from collections.abc import Callable
from functools import wraps

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runbook_lib.sandbox.store import tempo_metrics, tempo_search
from runbook_lib.sandbox.store.encode import tempo_batches
from runbook_lib.sandbox.store.model import Trace
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.store.traceql import TraceqlError
from runbook_lib.sandbox.store.web import AccessGate, BadRequestError, Endpoint, json_response, text_response


def create_tempo_app(store: Store) -> Starlette:
    """Tempo's HTTP API. `store.tempo_access` is asked of readers."""
    guard = _guard(store)

    def trace_v1(request: Request) -> Response:
        trace = _wanted(request)
        if trace is None:
            return Response(status_code=404)
        return json_response({"batches": tempo_batches(trace.spans)})

    def trace_v2(request: Request) -> Response:
        trace = _wanted(request)
        if trace is None:
            return Response(status_code=404)
        # COMPLETE is the status' zero value, which Go's jsonpb leaves out.
        return json_response({"trace": {"resourceSpans": tempo_batches(trace.spans)}, "metrics": {}})

    def _wanted(request: Request) -> Trace | None:
        trace_id = parse_trace_id(request.path_params["trace_id"])
        return store.trace(trace_id) if _sees(store, request) else None

    def search(request: Request) -> Response:
        return json_response(tempo_search.search(request, store, _reader(store, request)))

    def query_range(request: Request) -> Response:
        return json_response(tempo_metrics.query_range(request, _counter(store, request)))

    def buildinfo(_request: Request) -> Response:
        return json_response(
            {"version": "3.0.0", "revision": "sandbox", "branch": "main", "buildDate": "", "goVersion": ""}
        )

    routes = {
        "/api/traces/{trace_id}": trace_v1,
        "/api/v2/traces/{trace_id}": trace_v2,
        "/api/search": search,
        "/api/metrics/query_range": query_range,
    }
    return Starlette(
        routes=[
            Route("/api/status/buildinfo", buildinfo),
            *(Route(path, guard(endpoint)) for path, endpoint in routes.items()),
        ],
        middleware=[Middleware(AccessGate, access=lambda: store.tempo_access)],
    )


def parse_trace_id(text: str) -> bytes:
    """A trace id from hex that may lack its leading zeros. Raises BadRequestError in Tempo's words."""
    if found := re.search(r"[^0-9a-fA-F]", text):
        raise BadRequestError(
            f"trace IDs can only contain hex characters: invalid character '{found[0]}' at position {found.start() + 1}"
        )
    if len(text) > 32:
        raise BadRequestError("trace IDs can't be larger than 128 bits")
    return bytes.fromhex(text.rjust(32, "0"))


def _guard(store: Store) -> Callable[[Endpoint], Endpoint]:
    """The tenant first, then the endpoint; what it refuses becomes 400 with plain text."""

    def guarded(endpoint: Endpoint) -> Endpoint:
        @wraps(endpoint)
        def run(request: Request) -> Response:
            if store.tempo_access.tenant and not request.headers.get("x-scope-orgid"):
                return text_response("no org id", 401)
            try:
                return endpoint(request)
            except TraceqlError as error:
                return text_response(f"invalid TraceQL query: {error}", 400)
            except BadRequestError as error:
                return text_response(str(error), 400)

        return run

    return guarded


def _sees(store: Store, request: Request) -> bool:
    """Whether the tenants that the reader names include the one whose spans these are."""
    tenant = store.tempo_access.tenant
    return not tenant or tenant in request.headers.get("x-scope-orgid", "").split("|")


def _reader(store: Store, request: Request) -> tempo_search.Reader:
    if _sees(store, request):
        return store.traces
    return _nothing


def _counter(store: Store, request: Request) -> tempo_search.Reader:
    """What metrics read: condensed history too."""
    return store.counted_traces if _sees(store, request) else _nothing


def _nothing(_start_ns: int | None, _end_ns: int | None) -> list[Trace]:
    """What a tenant without spans reads."""
    return []
