"""The project's own host: the API gateway in front of REST and Auth, and the checks it makes before either sees a request.

Source: supabase docs guides/api/api-keys; the gateway's own answers (Kong's key-auth wording) as seen in public reports.
"""

import time
import uuid
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runbook_lib.sandbox.facades.postgrest import app as supabase_rest
from runbook_lib.sandbox.facades.supabase import keys as supabase_keys
from runbook_lib.sandbox.facades.supabase import logs as supabase_logs
from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.facades.supabase_auth import app as supabase_auth
from runbook_lib.sandbox.world import World

_OPEN = ("/auth/v1/.well-known/", "/auth/v1/verify", "/auth/v1/callback", "/auth/v1/authorize")
_BROWSERS = ("mozilla/", "applewebkit", "chrome/", "safari/", "firefox/")
_MINTED_LIFETIME_S = 60


def create_project_app(world: World) -> Starlette:
    """`https://<ref>.supabase.co`: /rest/v1 and /auth/v1 behind the gateway."""
    routes = [
        Mount("/rest/v1", supabase_rest.create_app(world)),
        Mount("/auth/v1", supabase_auth.create_app(world)),
    ]
    app = Starlette(routes=routes)
    app.add_middleware(Gateway, world=world)
    return app


class Gateway:
    """Checks the `apikey`, turns a new-style key into the role's token, names and logs every request."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, name and log one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, request_id, status = time.monotonic(), str(uuid.uuid4()), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["sb-request-id"] = request_id
                headers["sb-project-ref"] = self._world.ids.supabase_ref
                headers["access-control-allow-origin"] = "*"
            await send(message)

        try:
            refusal = self._check(scope)
            await (refusal or self._app)(scope, receive, named)
        finally:
            supabase_logs.edge_request(
                self._world,
                request_id,
                scope["method"],
                scope["path"],
                scope["query_string"].decode("latin-1"),
                status,
                (time.monotonic() - started) * 1000,
                Headers(scope=scope).get("user-agent", ""),
            )

    def _check(self, scope: Scope) -> JSONResponse | None:
        """The gateway's refusal, or None after the scope was made ready for the service behind."""
        if self._world.state(SupabaseState).project_status != "ACTIVE_HEALTHY":
            return JSONResponse({"message": "Project paused"}, 540)
        if any(scope["path"].startswith(prefix) for prefix in _OPEN) or scope["method"] == "OPTIONS":
            return None
        value = _take_key(scope)
        if not value:
            hint = "No `apikey` request header or url param was found."
            return JSONResponse({"message": "No API key found in request", "hint": hint}, 401)
        key = supabase_keys.api_key(self._world, value)
        if key is None:
            return JSONResponse(self._why_refused(value), 401)
        headers = MutableHeaders(scope=scope)
        if key.role == "service_role" and not key.legacy and _is_browser(headers.get("user-agent", "")):
            message = "Forbidden use of secret API key in browser"
            hint = "Secret API keys can only be used in a protected environment and should never be used in a browser."
            return JSONResponse({"message": message, "hint": hint}, 401)
        if not key.legacy and headers.get("authorization", f"Bearer {value}") == f"Bearer {value}":
            headers["authorization"] = f"Bearer {self._mint(key)}"
        return None

    def _why_refused(self, value: str) -> dict[str, str]:
        keys = self._world.keys
        if value in (keys.supabase_anon, keys.supabase_service_role) and not self._legacy_keys_on():
            return {
                "message": "Legacy API keys are disabled",
                "hint": "Your legacy API keys (anon, service_role) were disabled. Re-enable them or use the new keys.",
            }
        return {
            "message": "Invalid API key",
            "hint": "Double check your Supabase `anon` or `service_role` API key.",
        }

    def _legacy_keys_on(self) -> bool:
        return self._world.state(SupabaseState).legacy_keys_enabled

    def _mint(self, key: supabase_keys.ApiKey) -> str:
        """A short-lived token of the key's role: what the services behind see in place of an `sb_` key."""
        now = int(self._world.now().timestamp())
        ref = self._world.ids.supabase_ref
        claims: dict[str, Any] = {"iss": "supabase", "ref": ref, "role": key.role}
        return supabase_keys.sign(self._world, {**claims, "iat": now, "exp": now + _MINTED_LIFETIME_S})


def _take_key(scope: Scope) -> str | None:
    """The `apikey` of the header, or of the query string, from which it is taken away."""
    found = Headers(scope=scope).get("apikey")
    pairs = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    in_query = next((value for name, value in pairs if name == "apikey"), None)
    if in_query is not None:
        scope["query_string"] = urlencode([(n, v) for n, v in pairs if n != "apikey"]).encode()
    return found or in_query


def _is_browser(user_agent: str) -> bool:
    return any(mark in user_agent.lower() for mark in _BROWSERS)
