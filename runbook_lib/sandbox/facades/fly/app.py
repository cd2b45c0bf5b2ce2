"""Fly's Machines API, and what else stands on api.fly.io: releases, logs, hosted Prometheus.

Shapes: the Machines API's published OpenAPI document, fly-go and flyctl for the rest (tests/specs/fly).
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox import plain_http
from runbook_lib.sandbox.facades.fly import rows as fly_rows
from runbook_lib.sandbox.facades.fly.prometheus import BadQuery, Prometheus
from runbook_lib.sandbox.facades.fly.state import FlyState, Machine, machines, main_machine, set_check
from runbook_lib.sandbox.facades.providers.provider_door import new_id
from runbook_lib.sandbox.world import World

Handler = Callable[[Request], Awaitable[Response]]


class _Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class _Api:
    def __init__(self, world: World) -> None:
        self.world = world
        self.prometheus = Prometheus(world)

    @property
    def state(self) -> FlyState:
        return self.world.state(FlyState)

    def guarded(self, handler: Handler) -> Handler:
        """Check the token, the limit and the app first; say refusals as Fly does; give every answer a request id."""

        async def answer(request: Request) -> Response:
            try:
                self._check_token(request)
                self._count_call()
                if request.path_params.get("app", self.world.ids.fly_gateway_app) != self.world.ids.fly_gateway_app:
                    raise _Refused(404, "app not found")
                response = await handler(request)
            except _Refused as refused:
                response = JSONResponse({"error": str(refused), "status": "unknown"}, refused.status)
            response.headers["fly-request-id"] = new_id("01", 24).upper() + "-iad"
            return response

        return answer

    def _check_token(self, request: Request) -> None:
        sent = request.headers.get("authorization", "")
        own = self.world.keys.fly_token
        bare = own.removeprefix("FlyV1 ")
        # hosted Prometheus tells the two kinds of token apart by the scheme; the Machines API takes either
        accepted = {own} if "/prometheus/" in request.url.path else {own, f"Bearer {own}", f"Bearer {bare}"}
        if sent not in accepted:
            raise _Refused(401, "unauthorized" if sent else "missing authorization header")

    def _count_call(self) -> None:
        if self.state.calls_left is None:
            return
        if self.state.calls_left <= 0:
            raise _Refused(429, "rate limit exceeded")
        self.state.calls_left -= 1

    def _machine(self, request: Request) -> Machine:
        found = next((m for m in machines(self.world) if m.id == request.path_params["machine"]), None)
        if found is None:
            raise _Refused(404, "machine not found")
        return found

    async def _probe(self) -> None:
        """Send the main machine's health check, as the proxy does, so that what is shown is so now."""
        machine, check_url = main_machine(self.world), self.state.check_url
        if check_url is None or machine.state != "started":
            return
        try:
            async with plain_http.async_client(timeout=2.0) as client:
                reply = await client.get(check_url())
        except httpx.HTTPError as error:
            set_check(self.world, machine, is_passing=False, output=f"connect: {error or type(error).__name__}")
            return
        output = f"GET /: {reply.status_code} {reply.reason_phrase}"
        set_check(self.world, machine, is_passing=reply.is_success, output=output)

    async def list_machines(self, request: Request) -> Response:
        """Every machine of the app, by region and state."""
        await self._probe()
        query = request.query_params
        states = {s for s in query.get("state", "").split(",") if s}
        found = [
            m
            for m in machines(self.world)
            if query.get("region") in (None, m.region)
            and (not states or m.state in states)
            and (m.state != "destroyed" or query.get("include_deleted") == "true")
        ]
        return JSONResponse([fly_rows.machine(self.world, m) for m in found])

    async def events(self, request: Request) -> Response:
        """What happened to a machine, newest first."""
        rows = fly_rows.events(self._machine(request))
        return JSONResponse(rows[: min(50, int(request.query_params.get("limit", "20")))])

    async def get_app(self, _: Request) -> Response:
        """The app."""
        return JSONResponse(fly_rows.app(self.world))

    async def secrets(self, _: Request) -> Response:
        """The app's secrets: names and digests, never values."""
        return JSONResponse({"secrets": fly_rows.secrets(self.world)})

    async def releases(self, request: Request) -> Response:
        """Releases, newest first."""
        rows = fly_rows.releases(self.world)
        return JSONResponse({"releases": rows[: int(request.query_params.get("limit", "20"))]})

    async def logs(self, request: Request) -> Response:
        """Lines after `next_token`, or the newest of the last day."""
        try:
            return JSONResponse(fly_rows.log_page(self.world, request.query_params))
        except ValueError as bad:
            raise _Refused(400, f"invalid next_token: {bad}") from bad

    async def query_range(self, request: Request) -> Response:
        """Prometheus's range query."""
        asked = request.query_params
        try:
            start, end = (datetime.fromtimestamp(float(asked[name]), UTC) for name in ("start", "end"))
            rows = self.prometheus.query_range(asked.get("query", ""), start, end, _step_s(asked["step"]))
        except (BadQuery, ValueError, KeyError) as bad:
            return JSONResponse({"status": "error", "errorType": "bad_data", "error": str(bad)}, 400)
        return JSONResponse({"status": "success", "data": {"resultType": "matrix", "result": rows}})


def _step_s(text: str) -> float:
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    return float(text[:-1]) * units[text[-1]] if text[-1:] in units else float(text)


def _machines_routes(api: _Api) -> list[Route]:
    reads: list[tuple[str, Handler]] = [
        ("/v1/apps/{app}", api.get_app),
        ("/v1/apps/{app}/secrets", api.secrets),
        ("/v1/apps/{app}/machines", api.list_machines),
        ("/v1/apps/{app}/machines/{machine}/events", api.events),
    ]
    return [Route(path, api.guarded(handler), methods=["GET"]) for path, handler in reads]


def _api_routes(api: _Api) -> list[Route]:
    reads: list[tuple[str, Handler]] = [
        ("/api/v1/apps/{app}/releases", api.releases),
        ("/api/v1/apps/{app}/logs", api.logs),
        ("/prometheus/{org}/api/v1/query_range", api.query_range),
    ]
    return [Route(path, api.guarded(handler), methods=["GET"]) for path, handler in reads]


def _app(routes: list[Route]) -> Starlette:
    async def not_found(_: Request, __: Exception) -> Response:
        return JSONResponse({"error": "404 page not found", "status": "unknown"}, 404)

    return Starlette(routes=routes, exception_handlers={404: not_found, 405: not_found})


def create_app(world: World) -> Starlette:
    """`api.machines.dev`, whose base URL ends in `/v1`, and `api.fly.io` behind one address."""
    api = _Api(world)
    return _app(_machines_routes(api) + _api_routes(api))
