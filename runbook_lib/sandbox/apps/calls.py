"""Calls that a part makes, each inside its client span: fetch, Supabase's database and auth, Stripe."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx
from opentelemetry.trace import Span, SpanKind

from runbook_lib.sandbox.apps import tracing
from runbook_lib.sandbox.apps.runtime import Runtime

_NODE_WORDS = {
    "refused": ("ECONNREFUSED", "fetch failed: connect ECONNREFUSED {host}"),
    "dns": ("ENOTFOUND", "fetch failed: getaddrinfo ENOTFOUND {name}"),
    "reset": ("ECONNRESET", "fetch failed: read ECONNRESET"),
    "timeout": ("TimeoutError", "The operation was aborted due to timeout"),
    "url": ("ERR_INVALID_URL", "Failed to parse URL from {url}"),
}
_PYTHON_WORDS = {
    "refused": ("httpx.ConnectError", "All connection attempts failed"),
    "dns": ("httpx.ConnectError", "[Errno -2] Name or service not known"),
    "reset": ("httpx.ReadError", "[Errno 104] Connection reset by peer"),
    "timeout": ("httpx.ReadTimeout", "timed out after {timeout_s:g} s"),
    "url": ("httpx.UnsupportedProtocol", "Request URL is missing an 'http://' or 'https://' protocol."),
}

_METHODS = {"SELECT": "GET", "INSERT": "POST", "UPDATE": "PATCH"}


class CallFailed(Exception):
    """A call got no complete answer. `what`: refused, dns, reset, timeout or url; `kind` the name in this part's language."""

    def __init__(self, what: str, kind: str, message: str) -> None:
        super().__init__(message)
        self.what, self.kind = what, kind


class Answered(Exception):
    """A call was answered with an error. `code` is the callee's own (SQLSTATE, PGRST…, Stripe's or Auth's), `status` HTTP's."""

    def __init__(self, callee: str, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.callee, self.status, self.code = callee, status, code


class Caller:
    """Makes a part's calls. The span's error carries what the language of the part would say."""

    def __init__(self, runtime: Runtime, is_python: bool = False) -> None:
        self.runtime = runtime
        self._words = _PYTHON_WORDS if is_python else _NODE_WORDS

    @asynccontextmanager
    async def open(
        self,
        method: str,
        url: str,
        *,
        timeout_s: float,
        scope: str = "@vercel/otel/fetch",
        name: str = "",
        attributes: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
    ) -> AsyncIterator[tuple[httpx.Response, Span]]:
        """Send a request and yield (response, its span) while the body can still be streamed; one deadline for all of it.

        Raises:
            CallFailed: nothing answered, or not completely.
        """
        target = urlsplit(url)
        described = {
            "http.request.method": method,
            "url.full": url,
            "server.address": target.hostname or "",
            **_port_of(target.port),
            **(attributes or {}),
        }
        deadline_s = self.runtime.condition.now.timeout_s or timeout_s
        title = name or f"fetch {method} {url.partition('?')[0]}"
        with self.runtime.tracing.span(scope, title, SpanKind.CLIENT, described) as span:
            sent = {**(headers or {}), **self.runtime.tracing.outgoing_headers()}
            try:
                async with (
                    asyncio.timeout(deadline_s),
                    self._way_out(url),
                    self.runtime.http.stream(
                        method, url, headers=sent, json=json, content=content, params=params
                    ) as response,
                ):
                    span.set_attribute("http.response.status_code", response.status_code)
                    yield response, span
            except (TimeoutError, httpx.HTTPError, httpx.InvalidURL) as error:
                what = _what_happened(error)
                kind, words = self._words[what]
                message = words.format(
                    host=f"{target.hostname}:{target.port}", name=target.hostname, url=url, timeout_s=deadline_s
                )
                tracing.fail(span, kind, message)
                raise CallFailed(what, kind, message) from error

    @asynccontextmanager
    async def _way_out(self, url: str) -> AsyncIterator[None]:
        """What a network that is broken for this part alone does to a call; nothing for one that gets out."""
        how = self.runtime.condition.egress_failure(url)
        if how == "hang":
            await asyncio.Event().wait()
        if how == "reset":
            raise httpx.ReadError("Connection reset by peer")
        if how:
            raise httpx.ConnectError("Name or service not known" if how == "dns" else "All connection attempts failed")
        yield

    async def fetch(self, method: str, url: str, **options: Any) -> httpx.Response:
        """The whole answer of a plain HTTP call. A 5xx marks the span."""
        async with self.open(method, url, **options) as (response, span):
            await response.aread()
            if response.status_code >= 400:
                tracing.refuse(span, str(response.status_code))
            return response

    async def supabase(
        self,
        operation: str,
        table: str,
        *,
        key: str,
        token: str,
        query: Mapping[str, str] | None = None,
        row: Any = None,
    ) -> Any:
        """One PostgREST call as supabase-js makes it: rows, or None for a write.

        Raises:
            Answered: PostgREST refused; the code is the SQLSTATE or PGRST code.
            CallFailed: Supabase could not be reached.
        """
        base = self.runtime.setting("SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL") or ""
        attributes = {
            "db.system.name": "postgresql",
            "db.operation.name": operation,
            "db.collection.name": table,
            "db.namespace": "postgres",
            "db.query.summary": f"{operation} {table}",
        }
        headers = {
            "apikey": key,
            "Authorization": f"Bearer {token}",
            "Accept-Profile": "public",
            "Content-Profile": "public",
        }
        async with self.open(
            _METHODS[operation],
            f"{base}/rest/v1/{table}",
            timeout_s=self.runtime.seconds("SUPABASE_TIMEOUT_S", 12),
            scope="@nexuscore/database",
            name=f"{operation} {table}",
            attributes=attributes,
            headers=headers if row is None else {**headers, "Prefer": "return=minimal"},
            params=query,
            json=row,
        ) as (response, span):
            await response.aread()
            if response.is_success:
                return _json(response) if operation == "SELECT" else None
            said = _json(response)
            said = said if isinstance(said, dict) else {}
            code = str(said.get("code") or response.status_code)
            message = str(said.get("message") or response.reason_phrase)
            span.set_attribute("db.response.status_code", code)
            tracing.fail(span, code, message)
            raise Answered("database", response.status_code, code, message)

    async def signed_in_user(self, token: str) -> dict[str, Any]:
        """Who the session's token belongs to, as supabase-js' auth.getUser asks.

        Raises:
            Answered: the session is not valid, or Auth is in trouble.
            CallFailed: Auth could not be reached.
        """
        base = self.runtime.setting("SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL") or ""
        key = self.runtime.setting("SUPABASE_ANON_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY") or ""
        async with self.open(
            "GET",
            f"{base}/auth/v1/user",
            timeout_s=self.runtime.seconds("SUPABASE_TIMEOUT_S", 12),
            scope="@supabase/auth-js",
            name="auth.getUser",
            headers={"apikey": key, "Authorization": f"Bearer {token}"},
        ) as (response, span):
            await response.aread()
            said = _json(response)
            if response.is_success and isinstance(said, dict):
                return said
            said = said if isinstance(said, dict) else {}
            code = str(said.get("error_code") or said.get("code") or response.status_code)
            message = str(said.get("msg") or said.get("message") or response.reason_phrase)
            tracing.fail(span, "AuthApiError", message)
            raise Answered("auth", response.status_code, code, message)

    async def stripe(
        self, method: str, path: str, name: str, params: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """One call of Stripe's API as stripe-node makes it.

        Raises:
            Answered: Stripe refused; the code is Stripe's error code or type.
            CallFailed: Stripe could not be reached.
        """
        base = self.runtime.setting("STRIPE_API_BASE") or "https://api.stripe.com"
        headers = {
            "Authorization": f"Bearer {self.runtime.setting('STRIPE_SECRET_KEY') or ''}",
            "Stripe-Version": "2024-06-20",
        }
        form = urlencode(params or {}).encode() if method == "POST" else None
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        async with self.open(
            method,
            f"{base}{path}",
            timeout_s=self.runtime.seconds("STRIPE_TIMEOUT_S", 8),
            scope="stripe-node",
            name=name,
            headers=headers,
            params=params if form is None else None,
            content=form,
        ) as (response, span):
            await response.aread()
            if request := response.headers.get("request-id"):
                span.set_attribute("stripe.request_id", request)
            said = _json(response)
            if response.is_success and isinstance(said, dict):
                return said
            error = said.get("error", {}) if isinstance(said, dict) else {}
            code = str(error.get("code") or error.get("type") or response.status_code)
            message = str(error.get("message") or response.reason_phrase)
            tracing.fail(span, str(error.get("type") or "StripeAPIError"), message)
            raise Answered("stripe", response.status_code, code, message)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def _port_of(port: int | None) -> dict[str, int]:
    return {"server.port": port} if port else {}


def _what_happened(error: BaseException) -> str:
    """Which of the ways of not getting an answer this was."""
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return "timeout"
    if isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL)):
        return "url"
    if isinstance(error, httpx.ConnectError):
        words = str(error)
        return "dns" if "Name or service" in words or "getaddrinfo" in words or "nodename" in words else "refused"
    return "reset"
