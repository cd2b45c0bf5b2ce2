"""The supervisor's control API: on loopback, for whoever holds the token from the state folder. The runbook never sees it."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from runbook_lib.core.errors import RunbookError
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.calls import inject
from runbook_lib.sandbox.traffic import Traffic

Handler = Callable[[dict[str, Any]], Awaitable[Any]]


class Control:
    """Status, injecting, healing, visiting and going down."""

    def __init__(self, breakage: Breakage, traffic: Traffic, token: str) -> None:
        self.breakage = breakage
        self.traffic = traffic
        self.asked_down = asyncio.Event()
        self._token = token

    def app(self) -> Starlette:
        """The API: POST of JSON objects, answered by `{"result": …}` or by an error's four parts."""
        handlers: dict[str, Handler] = {
            "status": self._status,
            "inject": self._inject,
            "heal": self._heal,
            "visit": self._visit,
            "down": self._down,
        }
        return Starlette(
            routes=[Route(f"/{name}", self._guarded(call), methods=["POST"]) for name, call in handlers.items()]
        )

    def _guarded(self, call: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            given = request.headers.get("authorization", "")
            if not hmac.compare_digest(given, f"Bearer {self._token}"):
                return JSONResponse({"error": "UsageError", "tried": "the control token is not this sandbox's"}, 401)
            try:
                return JSONResponse({"result": await call(await request.json())})
            except RunbookError as error:
                return JSONResponse(error.as_dict(), 400)

        return answer

    async def _status(self, _: dict[str, Any]) -> dict[str, Any]:
        system = self.breakage.system
        parts = {
            name: {
                "platform": part.platform,
                "url": system.world.endpoints[name],
                "process": f"http://127.0.0.1:{part.port}",
                "pid": part.process.pid if part.process else None,
                "running": part.is_running,
            }
            for name, part in system.parts.items()
        }
        servers = {name: {"url": server.url, "running": server.is_listening} for name, server in system.servers.items()}
        return {
            "parts": parts,
            "servers": servers,
            "postgres": {"port": system.postgres.port, "running": system.postgres.process is not None},
            "traffic_per_s": self.traffic.rate_per_s,
            "requests": len(system.world.requests),
            "spans": system.store.span_count,
            "injected": [{"primitive": name, "arguments": arguments} for name, arguments in self.breakage.active],
        }

    async def _inject(self, asked: dict[str, Any]) -> Any:
        return await inject(self.breakage, str(asked["primitive"]), dict(asked["arguments"]))

    async def _heal(self, _: dict[str, Any]) -> None:
        await self.breakage.heal()

    async def _visit(self, asked: dict[str, Any]) -> dict[str, Any]:
        return await self.traffic.visit(**asked)

    async def _down(self, _: dict[str, Any]) -> None:
        self.asked_down.set()
