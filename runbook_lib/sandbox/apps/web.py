"""web: NexusCore's Next.js UI as far as it matters to an investigation. Pages and server actions that call the API."""

import json
from typing import Any

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from runbook_lib.sandbox.apps.calls import Caller, CallFailed
from runbook_lib.sandbox.apps.part import Exchange, Page, Part, Unhandled
from runbook_lib.sandbox.apps.runtime import Runtime
from runbook_lib.sandbox.apps.streams import relay

_PAGE = "AppRender.getBodyResult"


class Web:
    """The handlers of web."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.caller = Caller(runtime)

    async def home(self, _: Exchange) -> Response:
        """The public page: no call behind it."""
        return _html("NexusCore", "Sign in to talk to your organization's models.")

    async def dashboard(self, exchange: Exchange) -> Response:
        """The signed-in user's organizations and this month's usage, from two calls."""
        session = self._session(exchange)
        if session is None:
            return RedirectResponse("/", 307)
        orgs = await self._api(exchange, "GET", "/api/orgs", session)
        usage = await self._api(exchange, "GET", "/api/usage", session, params=dict(exchange.request.query_params))
        for answer in (orgs, usage):
            if answer.status_code >= 500:
                raise Unhandled("Error", f"Failed to load dashboard: API answered {answer.status_code}")
            if answer.status_code >= 400:
                return _html("NexusCore", "You have no access here.", answer.status_code)
        return _html("Dashboard", json.dumps({"orgs": orgs.json(), "usage": usage.json()}))

    async def usage(self, exchange: Exchange) -> Response:
        """The usage page: one call."""
        session = self._session(exchange)
        if session is None:
            return RedirectResponse("/", 307)
        answer = await self._api(exchange, "GET", "/api/usage", session, params=dict(exchange.request.query_params))
        if answer.status_code >= 500:
            raise Unhandled("Error", f"Failed to load usage: API answered {answer.status_code}")
        return _html("Usage", answer.text, answer.status_code)

    async def chat(self, exchange: Exchange) -> Response | None:
        """The chat's server action: passes the message on, and the answer back, streamed when it is asked to."""
        body = await exchange.request.body()
        wants_stream = b'"stream":true' in body.replace(b" ", b"")
        url = f"{self._api_url()}/api/chat"
        headers = self._headers(exchange, self._session(exchange))
        try:
            async with self.caller.open("POST", url, timeout_s=self._timeout_s(), headers=headers, content=body) as (
                answer,
                span,
            ):
                if wants_stream and answer.status_code == 200:
                    await relay(exchange, answer, span)
                    return None
                await answer.aread()
                return self._pass_on(answer)
        except CallFailed as error:
            raise Unhandled(error.kind, str(error)) from error

    async def checkout(self, exchange: Exchange) -> Response:
        """The checkout's server action."""
        body = await exchange.request.body()
        return self._pass_on(await self._api(exchange, "POST", "/api/checkout", self._session(exchange), content=body))

    async def _api(self, exchange: Exchange, method: str, path: str, session: str | None, **options: Any) -> Any:
        try:
            return await self.caller.fetch(
                method,
                f"{self._api_url()}{path}",
                timeout_s=self._timeout_s(),
                headers=self._headers(exchange, session),
                **options,
            )
        except CallFailed as error:
            raise Unhandled(error.kind, str(error)) from error

    def _pass_on(self, answer: Any) -> Response:
        if answer.status_code >= 500:
            self.runtime.log("error", f"API answered {answer.status_code}", upstream_status=answer.status_code)
        try:
            return JSONResponse(answer.json(), answer.status_code)
        except ValueError:
            return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))

    def _api_url(self) -> str:
        return self.runtime.setting("NEXT_PUBLIC_API_URL") or "http://localhost:3001"

    def _timeout_s(self) -> float:
        return self.runtime.seconds("API_TIMEOUT_S", 25)

    @staticmethod
    def _session(exchange: Exchange) -> str | None:
        """The access token of the session cookie, or None when nobody is signed in."""
        cookies = exchange.request.cookies
        return next((value for name, value in cookies.items() if name.endswith("-auth-token") and value), None)

    @staticmethod
    def _headers(exchange: Exchange, session: str | None) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if session:
            headers["Authorization"] = f"Bearer {session}"
        if agent := exchange.request.headers.get("user-agent"):
            headers["User-Agent"] = agent
        return headers


def _html(title: str, text: str, status: int = 200) -> Response:
    return HTMLResponse(
        f"<!DOCTYPE html><html><head><title>{title}</title></head><body><main>{text}</main></body></html>", status
    )


def create(runtime: Runtime) -> Part:
    """The web part."""
    web = Web(runtime)
    return Part(
        runtime,
        [
            Page("GET", "/", web.home, "render route (app) /", _PAGE),
            Page("GET", "/dashboard", web.dashboard, "render route (app) /dashboard", _PAGE),
            Page("GET", "/usage", web.usage, "render route (app) /usage", _PAGE),
            Page("POST", "/chat", web.chat, "executing server action (app) /chat", "AppRender.runAction"),
            Page("POST", "/checkout", web.checkout, "executing server action (app) /checkout", "AppRender.runAction"),
        ],
    )
