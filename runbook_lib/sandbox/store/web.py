"""What the store's HTTP apps share: answers, access, and parameters read as Go programs read them."""

import base64
import hmac
import re
from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runbook_lib.sandbox.store.spans import Access

Endpoint = Callable[[Request], Response]

_TEXT = "text/plain; charset=utf-8"


class BadRequestError(ValueError):
    """The request cannot be answered; the text is the vendor's."""


def json_response(document: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(orjson.dumps(document), status, media_type="application/json")


def text_response(text: str, status: int = 200) -> Response:
    """A plain text answer, as Go's http.Error and fmt.Fprint give."""
    return Response(text, status, headers={"content-type": _TEXT})


class AccessGate:
    """ASGI middleware: 401 unless the request shows the bearer token or the basic credentials that are asked for now."""

    def __init__(self, app: ASGIApp, access: Callable[[], Access]) -> None:
        self.app = app
        self.access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or let the app answer."""
        why = None
        if scope["type"] == "http":
            why = _denied(Request(scope).headers.get("authorization", ""), self.access())
        app = self.app if why is None else json_response({"status": "error", "error": why}, 401)
        await app(scope, receive, send)


def read_unsigned(request: Request, name: str, default: int, *, bits: int = 32) -> int:
    """A parameter read by Go's strconv.ParseUint. Raises BadRequestError in its words."""
    raw = request.query_params.get(name, "")
    if not raw:
        return default
    if not re.fullmatch(r"[0-9]+", raw):
        raise BadRequestError(f'invalid {name}: strconv.ParseUint: parsing "{raw}": invalid syntax')
    if int(raw) >= 1 << bits:
        raise BadRequestError(f'invalid {name}: strconv.ParseUint: parsing "{raw}": value out of range')
    return int(raw)


def _denied(shown: str, access: Access) -> str | None:
    """Why a request with this Authorization may not read, or None when it may."""
    if not access.bearer and not access.user:
        return None
    kind, _, given = shown.partition(" ")
    if not given:
        return "authentication error: no credentials provided"
    if access.bearer and kind.lower() == "bearer" and _same(given, access.bearer):
        return None
    if access.user and kind.lower() == "basic":
        try:
            pair = base64.b64decode(given, validate=True).decode()
        except ValueError:
            return "authentication error: malformed credentials"
        if _same(pair, f"{access.user}:{access.password}"):
            return None
    return "authentication error: invalid credentials"


def _same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())
