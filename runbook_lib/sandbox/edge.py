"""The platform's edge in front of web, API or gateway: it numbers each request, passes it on, judges it, and writes it down.

Vercel: `x-vercel-id` is `<region>::<region>::<pod>-<epoch ms>-<12 hex>`, error pages carry
`x-vercel-error` (vercel.com/docs/errors).
Railway: `X-Railway-Request-Id`, 502 `Application failed to respond` (docs.railway.com/reference/errors). Fly: `fly-request-id`.
"""

import asyncio
import contextlib
import fnmatch
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx
from opentelemetry.propagate import extract
from opentelemetry.trace import get_current_span

from runbook_lib.sandbox import plain_http
from runbook_lib.sandbox.edge_platforms import PLATFORMS, Refusal
from runbook_lib.sandbox.part_process import PartProcess
from runbook_lib.sandbox.primitives.overrides import Message, Receive, Scope, Send, cut
from runbook_lib.sandbox.world import LogLine, RequestRow, World

TIME_LIMIT_S = {"vercel": 30.0, "railway": 900.0, "fly": 900.0}
_HOP_BY_HOP = {b"connection", b"keep-alive", b"transfer-encoding", b"te", b"upgrade", b"host", b"content-length"}
_CLIENT_GONE = 499


@dataclass
class EdgeRules:
    """What the edge is told to do. `time_limit_s` None: the platform's usual; `denied` are globs of paths.

    `is_protected`: deployment protection asks for a login. `out_of_memory`: globs of paths whose function runs out of
    memory after `dies_after_s`. `is_missing`: the host name leads to no deployment.
    """

    time_limit_s: float | None = None
    denied: list[str] = field(default_factory=list)
    is_protected: bool = False
    out_of_memory: list[str] = field(default_factory=list)
    dies_after_s: float = 0.1
    is_missing: bool = False


class Edge:
    """ASGI app: one platform's edge in front of one part."""

    def __init__(self, world: World, part: PartProcess, host: str) -> None:
        self.world = world
        self.part = part
        self.host = host
        self.platform = PLATFORMS[part.platform]
        self.rules = EdgeRules()
        self._open = asyncio.Event()
        self._open.set()
        self._under_way = 0
        limits = httpx.Limits(max_connections=300, max_keepalive_connections=50)
        self._http = plain_http.async_client(timeout=None, limits=limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request through, and log it as the platform would."""
        if scope["type"] != "http":
            return
        visit = _Visit(self, scope, receive, send)
        try:
            await visit.run()
        finally:
            self._write_down(visit)

    @contextlib.asynccontextmanager
    async def hold_requests(self, patience_s: float = 3.0) -> AsyncIterator[None]:
        """While another deployment takes over: new requests wait, those under way are let end, as long as patience lasts."""
        self._open.clear()
        try:
            end = asyncio.get_running_loop().time() + patience_s
            while self._under_way and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(0.02)
            yield
        finally:
            self._open.set()

    @contextlib.asynccontextmanager
    async def pass_request(self) -> AsyncIterator[None]:
        """One request on its way to the part: it begins when no takeover is going on."""
        await self._open.wait()
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Close the connections to the part."""
        await self._http.aclose()

    def _write_down(self, visit: "_Visit") -> None:
        duration_ms = (asyncio.get_running_loop().time() - visit.started) * 1000
        self.world.requests.append(
            RequestRow(
                platform=self.part.platform,
                part=self.part.name,
                request_id=visit.request_id,
                at=visit.at,
                method=visit.scope["method"],
                path=visit.path,
                host=self.host,
                status=visit.status,
                duration_ms=round(duration_ms, 2),
                trace_id=visit.trace_id,
                error=visit.error,
                deployment_id=self.part.deployment_id,
                region=self.platform.region,
                user_agent=visit.header(b"user-agent"),
            )
        )

    def log(self, visit: "_Visit", level: str, message: str, **attributes: Any) -> None:
        """A line that the platform itself writes about a request."""
        self.world.logs.append(
            LogLine(
                platform=self.part.platform,
                part=self.part.name,
                at=self.world.now(),
                level=level,
                message=message,
                request_id=visit.request_id,
                trace_id=visit.trace_id,
                attributes=attributes,
                deployment_id=self.part.deployment_id,
                instance=self.part.instance,
            )
        )


class _Visit:
    """One request on its way through the edge. `status` is what is written down: -1 for a function that died."""

    def __init__(self, edge: Edge, scope: Scope, receive: Receive, send: Send) -> None:
        self.edge = edge
        self.scope, self.receive, self.send = scope, receive, send
        self.at: datetime = edge.world.now()
        self.started = asyncio.get_running_loop().time()
        self.request_id, self.shown_id = edge.platform.new_id(self.at)
        self.path: str = scope["path"]
        self.status = 0
        self.error: str | None = None
        self.trace_id = self._trace_of_caller()
        self._has_begun = False
        self._body_read = asyncio.Event()

    async def run(self) -> None:
        """Answer: the platform's refusal, the part's answer, or the platform's word for why there is none."""
        refusal = self._refused_before()
        if refusal is None:
            work = asyncio.create_task(self._passed_on())
            gone = asyncio.create_task(self._client_gone())
            limit_s = self.edge.rules.time_limit_s or TIME_LIMIT_S[self.edge.part.platform]
            done, _ = await asyncio.wait({work, gone}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if work in done:
                refusal = work.result()
            else:
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work
                if gone in done:
                    self.status, self.error = _CLIENT_GONE, None
                    return
                self.edge.part.kill_request(self.request_id)
                refusal = self.edge.platform.timed_out(limit_s)
        if refusal is not None:
            await self._refuse(refusal)

    def header(self, name: bytes) -> str:
        """A request header's value, or ""."""
        return next((bytes(v).decode("latin-1") for k, v in self.scope["headers"] if k == name), "")

    def _refused_before(self) -> Refusal | None:
        rules, platform = self.edge.rules, self.edge.platform
        if rules.is_missing:
            return platform.answer_nowhere()
        if rules.is_protected:
            return platform.answer_login()
        if any(fnmatch.fnmatchcase(self.path, glob) for glob in rules.denied):
            return platform.answer_denied()
        return None

    async def _passed_on(self) -> Refusal | None:
        async with self.edge.pass_request():
            return await self._pass_on()

    async def _pass_on(self) -> Refusal | None:
        """Send the request to the part and its answer to the client. Returns the refusal when there is no answer."""
        edge = self.edge
        if any(fnmatch.fnmatchcase(self.path, glob) for glob in edge.rules.out_of_memory):
            await asyncio.sleep(edge.rules.dies_after_s)
            return edge.platform.out_of_memory()
        body = await self._body()
        query = self.scope.get("query_string", b"").decode("latin-1")
        url = f"{edge.part.url}{self.scope.get('raw_path', self.path.encode()).decode('latin-1')}"
        headers = [(k, v) for k, v in self.scope["headers"] if k not in _HOP_BY_HOP]
        headers += [(b"host", edge.host.encode()), (edge.platform.header, self.shown_id.encode())]
        try:
            request = edge._http.build_request(
                self.scope["method"], f"{url}?{query}" if query else url, headers=headers, content=body
            )
            answer = await edge._http.send(request, stream=True)
        except httpx.ConnectError:
            return edge.platform.answer_unreachable(edge.part.upstream_port)
        except httpx.HTTPError:
            return edge.platform.answer_cut_off()
        try:
            await self._relay(answer)
        except httpx.HTTPError:
            return await self._broken_off()
        finally:
            await answer.aclose()
        return None

    async def _relay(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        self.trace_id = answer.headers.get("x-trace-id") or self.trace_id
        kept = [
            (k.lower(), v)
            for k, v in answer.headers.raw
            if k.lower() not in (b"transfer-encoding", b"x-trace-id", b"date")
        ]
        await self._begin(answer.status_code, kept)
        async for piece in answer.aiter_raw():
            await self.send({"type": "http.response.body", "body": piece, "more_body": True})
        await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _broken_off(self) -> Refusal | None:
        """The part's answer ended in the middle: so does the client's."""
        died = self.edge.platform.answer_cut_off()
        if not self._has_begun:
            return died
        self.error = died.error
        self.edge.log(self, "error", died.log, **died.attributes)
        await cut(self.scope)
        return None

    async def _refuse(self, refusal: Refusal) -> None:
        self.status, self.error = refusal.row_status, refusal.error
        if refusal.log:
            self.edge.log(self, "error", refusal.log, **refusal.attributes)
        if self._has_begun:
            await cut(self.scope)
            return
        text = refusal.body.replace("{id}", self.shown_id).encode()
        headers = [(k.encode(), v.encode()) for k, v in refusal.headers.items()]
        await self._begin(refusal.status, [*headers, (b"content-length", str(len(text)).encode())])
        await self.send({"type": "http.response.body", "body": text})

    async def _begin(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self._has_begun = True
        own = [(k.encode(), v.encode()) for k, v in self.edge.platform.reply_headers(self.shown_id).items()]
        await self.send({"type": "http.response.start", "status": status, "headers": [*headers, *own]})

    async def _body(self) -> bytes:
        pieces = []
        while True:
            message: Message = await self.receive()
            pieces.append(bytes(message.get("body", b"")))
            if not message.get("more_body"):
                self._body_read.set()
                return b"".join(pieces)

    async def _client_gone(self) -> None:
        """Return when the client has left. Listening begins when the body is read: there is one receive for both."""
        await self._body_read.wait()
        while (await self.receive())["type"] != "http.disconnect":
            continue

    def _trace_of_caller(self) -> str | None:
        carrier = {"traceparent": self.header(b"traceparent")}
        context = get_current_span(extract(carrier)).get_span_context()
        return f"{context.trace_id:032x}" if context.is_valid else None
