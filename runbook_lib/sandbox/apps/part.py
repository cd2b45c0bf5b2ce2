"""The frame of a part: routes, the spans around a handler as its framework makes them, the log line, the bugs.

web and API look like Next.js with @vercel/otel, the gateway like FastAPI with its instrumentation. Names and attributes
of the spans: Next.js' and @vercel/otel's documentation, opentelemetry-instrumentation-fastapi.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Span, SpanKind
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from runbook_lib.sandbox.apps import tracing
from runbook_lib.sandbox.apps.runtime import Runtime, request_id
from runbook_lib.sandbox.apps.tampering import Bug
from runbook_lib.sandbox.primitives.overrides import Message, Receive, Scope, Send, cut

_REQUEST_ID_HEADERS = ("x-vercel-id", "x-railway-request-id", "fly-request-id")


class Unhandled(Exception):
    """An exception that a handler did not expect: the framework answers 500. `kind` is the name it is known by."""

    def __init__(self, kind: str, message: str, recorded_as: str = "event") -> None:
        super().__init__(message)
        self.kind, self.recorded_as = kind, recorded_as


class Exchange:
    """One request and the way to answer it in pieces. A handler returns a Response, or streams and returns None."""

    def __init__(self, request: Request, send: Send, bug: Bug | None, root: Span) -> None:
        self.request = request
        self.root = root
        self.status = 0
        self._send = send
        self._bug = bug

    async def start(self, status: int, headers: dict[str, str]) -> None:
        """Send status and headers of a streamed answer."""
        self.status = status
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, piece: bytes) -> None:
        """Send one piece of a streamed answer."""
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._bug and self._bug.after_reply and self._bug.raise_type:
            raise Unhandled(self._bug.raise_type, self._bug.raise_message, self._bug.recorded_as)

    async def finish(self) -> None:
        """End a streamed answer."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


Handler = Callable[[Exchange], Awaitable[Response | None]]


@dataclass(frozen=True)
class Page:
    """One route. `inner` is the span of the framework around the handler, `inner_type` what the framework calls it."""

    method: str
    path: str
    handler: Handler
    inner: str = ""
    inner_type: str = ""


class Part:
    """ASGI app of one part."""

    scope_name = "next.js"

    def __init__(self, runtime: Runtime, pages: list[Page]) -> None:
        self.runtime = runtime
        self.pages = {(page.method, page.path): page for page in pages}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request inside its spans, and log it."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        header = next((v for name in _REQUEST_ID_HEADERS if (v := request.headers.get(name))), None)
        request_id.set(header.rpartition("::")[2] if header else None)
        page = self.pages.get((request.method, request.url.path))
        route = page.path if page else ""
        name = f"{request.method} {route}" if route else request.method
        context = self.runtime.tracing.incoming_context(request.headers)
        attributes = self.root_attributes(request, route)
        started = asyncio.get_running_loop().time()
        with self.runtime.tracing.span(self.scope_name, name, SpanKind.SERVER, attributes, context) as root:
            watched = _Watched(send, tracing.trace_id())
            try:
                await self._answered(page, request, watched, root)
            except asyncio.CancelledError:
                return  # the platform killed it: no answer, no log line
            root.set_attribute("http.response.status_code", watched.status)
            if watched.status >= 500 and not tracing.has_failed(root):
                tracing.refuse(root, str(watched.status))
            level = "error" if watched.status >= 500 else "info"
            self.runtime.log(
                level,
                f"{request.method} {request.url.path} {watched.status}",
                method=request.method,
                path=request.url.path,
                status=watched.status,
                duration_ms=round((asyncio.get_running_loop().time() - started) * 1000, 1),
            )

    async def _answered(self, page: Page | None, request: Request, send: "_Watched", root: Span) -> None:
        """Answer while the request can be found by its id, so that the platform can end it."""
        known, task = request_id.get(), asyncio.current_task()
        if known and task:
            self.runtime.running[known] = (task, tracing.trace_id())
        try:
            await self._answer(page, request, send, root)
        finally:
            self.runtime.running.pop(known or "", None)

    async def _answer(self, page: Page | None, request: Request, send: "_Watched", root: Span) -> None:
        if page is None:
            await self.not_found(request)(request.scope, request.receive, send)
            return
        bug = self.runtime.condition.bug_for(page.path)
        exchange = Exchange(request, send, bug, root)
        with self.handler_span(page, request, root) as span:
            try:
                response = await self._handled(page, exchange, bug)
            except Exception as error:
                kind = error.kind if isinstance(error, Unhandled) else type(error).__name__
                how = error.recorded_as if isinstance(error, Unhandled) else "event"
                tracing.fail(span, kind, str(error), self.stack_line(page), how)
                self.runtime.log("error", f"{kind}: {error}", error={"type": kind}, route=page.path)
                if send.status:  # the answer has begun: it can only be broken off
                    await cut(request.scope)
                    return
                response = self.crash_response()
        if response is not None:
            await response(request.scope, request.receive, send)

    async def _handled(self, page: Page, exchange: Exchange, bug: Bug | None) -> Response | None:
        """The handler's answer, after what a bug does to it."""
        if bug and bug.delay_s:
            await asyncio.sleep(bug.delay_s)
        if bug and bug.raise_type and not bug.after_reply:
            raise Unhandled(bug.raise_type, bug.raise_message, bug.recorded_as)
        return await page.handler(exchange)

    def handler_span(self, page: Page, request: Request, root: Span) -> AbstractContextManager[Span]:  # noqa: ARG002
        """The span that the framework opens around a handler, where exceptions are recorded."""
        attributes = {"next.span_name": page.inner, "next.span_type": page.inner_type}
        return self.runtime.tracing.span(self.scope_name, page.inner, attributes=attributes)

    def root_attributes(self, request: Request, route: str) -> dict[str, Any]:
        """What the framework puts on its server span."""
        method, path = request.method, request.url.path
        attributes: dict[str, Any] = {
            "http.request.method": method,
            "url.path": path,
            "next.span_name": f"{method} {route}" if route else method,
            "next.span_type": "BaseServer.handleRequest",
            "operation.name": "next_js.BaseServer.handleRequest",
        }
        if route:
            attributes.update({"http.route": route, "next.route": route})
        for name, header in (("http.host", "host"), ("user_agent.original", "user-agent")):
            if value := request.headers.get(header):
                attributes[name] = value
        vercel_id = request.headers.get("x-vercel-id")
        if vercel_id:
            attributes["vercel.request_id"] = vercel_id.rpartition("::")[2]
            attributes["vercel.matched_path"] = route or "/404"
            attributes["vercel.edge_region"] = vercel_id.partition("::")[0]
            deployment = self.runtime.setting("VERCEL_DEPLOYMENT_ID")
            if deployment:
                attributes["vercel.deployment_id"] = deployment
        return {**attributes, **_other_request_ids(request)}

    def stack_line(self, page: Page) -> str:
        """The stack line of an exception in a handler."""
        folder = page.path.strip("/") or "(home)"
        return f"    at {page.method} (apps/{self.runtime.part}/app/{folder}/route.ts:41:17)"

    def not_found(self, request: Request) -> Response:
        """What the framework answers for a route that is not there."""
        other = any(path == request.url.path for _, path in self.pages)
        return (
            PlainTextResponse("", 405)
            if other
            else HTMLResponse("<!DOCTYPE html><h1>404</h1>This page could not be found.", 404)
        )

    def crash_response(self) -> Response:
        """What the framework answers when a handler raised."""
        return PlainTextResponse("Internal Server Error", 500)


class FastApiPart(Part):
    """A part that looks like FastAPI under its instrumentation."""

    scope_name = "opentelemetry.instrumentation.fastapi"

    def handler_span(self, page: Page, request: Request, root: Span) -> AbstractContextManager[Span]:
        """FastAPI opens none: exceptions are recorded on the server span. Reading the body is a short span of its own."""
        name = f"{request.method} {page.path} http receive"
        with self.runtime.tracing.span(self.scope_name, name, attributes={"asgi.event.type": "http.request"}):
            return nullcontext(root)

    def root_attributes(self, request: Request, route: str) -> dict[str, Any]:
        """What opentelemetry-instrumentation-fastapi puts on its server span."""
        attributes: dict[str, Any] = {
            "http.request.method": request.method,
            "url.scheme": "http",
            "url.path": request.url.path,
            "network.protocol.version": "1.1",
            "server.address": request.url.hostname or "",
            "server.port": request.url.port or 80,
            "client.address": request.client.host if request.client else "",
            "user_agent.original": request.headers.get("user-agent", ""),
        }
        if route:
            attributes["http.route"] = route
        return {**attributes, **_other_request_ids(request)}

    def stack_line(self, page: Page) -> str:
        """The stack line of an exception in a handler."""
        return f'  File "/app/main.py", line 88, in {page.path.strip("/").replace("/", "_") or "root"}'

    def not_found(self, request: Request) -> Response:
        """FastAPI's own words."""
        other = any(path == request.url.path for _, path in self.pages)
        return (
            JSONResponse({"detail": "Method Not Allowed"}, 405) if other else JSONResponse({"detail": "Not Found"}, 404)
        )


class _Watched:
    """A send that remembers the status, and tells the platform's edge which trace this was."""

    def __init__(self, send: Send, trace_id: str | None) -> None:
        self._send = send
        self._trace_id = trace_id
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            trace = [(b"x-trace-id", self._trace_id.encode())] if self._trace_id else []
            message = {**message, "headers": [*message.get("headers", []), *trace]}
        await self._send(message)


def _other_request_ids(request: Request) -> dict[str, Any]:
    """Railway's and Fly's request ids, captured as request headers."""
    found = {name: request.headers.get(name) for name in ("x-railway-request-id", "fly-request-id")}
    return {f"http.request.header.{name}": [value] for name, value in found.items() if value}
