"""Answers that any HTTP part of the sandbox can be told to give instead of, or around, its own.

One ASGI middleware sits in front of every façade, stand-in, store, edge and app. An override names routes and what to do
with a request for them; the first that matches acts. A closed listening socket ("refused") is the server's business.
"""

import asyncio
import fnmatch
import random
import socket
import struct
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Any

from runbook_lib.core.errors import UsageError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Override:
    """What to do with the requests of some routes.

    Attributes:
        path: glob on the path, `*` crosses slashes; "*" is every route.
        method: glob on the method.
        body_contains: act only when the request's body holds this text ("" is every body).
        status: answer with this status, without asking the part; None lets the part answer (unless `body` is given: 200).
        body: the answer's body; with `status` and no body the answer is empty.
        headers: added to the answer, in place of the part's own of the same name.
        latency_s: wait this long first.
        drip_bytes_per_s: send the body this slowly, a few bytes at a time.
        hang: never answer (until healed, or until the client gives up).
        reset: cut the connection with a TCP reset instead of answering.
        truncate_bytes: cut the connection after this many bytes of the body.
        count: act only on the first so many matching requests; None is all of them.
        probability: act on this share of the matching requests, 0 to 1.
    """

    path: str = "*"
    method: str = "*"
    body_contains: str = ""
    status: int | None = None
    body: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    latency_s: float = 0.0
    drip_bytes_per_s: float | None = None
    hang: bool = False
    reset: bool = False
    truncate_bytes: int | None = None
    count: int | None = None
    probability: float = 1.0

    def __post_init__(self) -> None:
        if self.status is not None and not 100 <= self.status <= 599:
            raise UsageError("An HTTP status lies between 100 and 599", came_back=str(self.status))
        if self.drip_bytes_per_s is not None and self.drip_bytes_per_s <= 0:
            raise UsageError("A drip needs more than 0 bytes a second; use hang=true for none at all")
        if not 0 <= self.probability <= 1:
            raise UsageError("A probability lies between 0 and 1", came_back=str(self.probability))

    def as_dict(self) -> dict[str, Any]:
        """For sending it to a part's process."""
        return asdict(self)


class Overridable:
    """ASGI middleware: the part's own app, and the overrides in front of it.

    `replace` sets the list; requests that hang because of an override that is gone end with a reset, so that healing
    frees them at once.
    """

    def __init__(self, app: App, seed: int = 0) -> None:
        self.app = app
        self.overrides: list[Override] = []
        self._used: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._random = random.Random(seed)

    def replace(self, overrides: list[Override]) -> None:
        """Use these overrides from now on. Counts of an override that stays in the list go on."""
        present = {repr(override) for override in overrides}
        self.overrides = list(overrides)
        self._used = {key: count for key, count in self._used.items() if key in present}
        self._changed.set()
        self._changed = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as overridden or as the part would."""
        if scope["type"] != "http" or not self.overrides:
            await self.app(scope, receive, send)
            return
        override, receive = await self._choose(scope, receive)
        if override is None:
            await self.app(scope, receive, send)
            return
        changed = self._changed
        if override.latency_s:
            await _wait(changed, override.latency_s)
        if override.hang:
            await changed.wait()
        if override.hang or override.reset:
            await cut(scope)
            return
        send = _Shaped(scope, send, override, changed)
        if override.status is None and override.body is None:
            await self.app(scope, receive, send)
            return
        await _answer(send, override)

    async def _choose(self, scope: Scope, receive: Receive) -> tuple[Override | None, Receive]:
        """The override that acts on this request, and a receive that still yields the body that was looked into."""
        body: bytes | None = None
        for override in self.overrides:
            if not fnmatch.fnmatchcase(scope["path"], override.path):
                continue
            if not fnmatch.fnmatchcase(scope["method"], override.method.upper()):
                continue
            if override.body_contains:
                if body is None:
                    body, receive = await _peek(receive)
                if override.body_contains.encode() not in body:
                    continue
            if override.count is not None and self._used.get(repr(override), 0) >= override.count:
                continue
            if override.probability < 1 and self._random.random() >= override.probability:
                continue
            self._used[repr(override)] = self._used.get(repr(override), 0) + 1
            return override, receive
        return None, receive


class _Shaped:
    """A send that adds headers, drips the body, or cuts it short."""

    def __init__(self, scope: Scope, send: Send, override: Override, changed: asyncio.Event) -> None:
        self._scope, self._send, self._override, self._changed = scope, send, override, changed
        self._sent_bytes = 0
        self._is_cut = False

    async def __call__(self, message: Message) -> None:
        if self._is_cut:
            return
        if message["type"] == "http.response.start":
            own = {name.lower().encode("latin-1") for name in self._override.headers}
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in own]
            added = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in self._override.headers.items()]
            await self._send({**message, "headers": [*kept, *added]})
        elif message["type"] == "http.response.body":
            await self._send_body(message)
        else:
            await self._send(message)

    async def _send_body(self, message: Message) -> None:
        body: bytes = bytes(message.get("body", b""))
        limit = self._override.truncate_bytes
        cut_after = None if limit is None else max(0, limit - self._sent_bytes)
        is_last_piece = cut_after is not None and len(body) >= cut_after
        piece = body[:cut_after] if is_last_piece else body
        self._sent_bytes += len(piece)
        rate = self._override.drip_bytes_per_s
        if rate:
            step = max(1, int(rate / 10))
            while len(piece) > step and not self._changed.is_set():
                await self._send({"type": "http.response.body", "body": piece[:step], "more_body": True})
                piece = piece[step:]
                await _wait(self._changed, step / rate)
        if is_last_piece:
            self._is_cut = True
            if piece:
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
            await asyncio.sleep(0.02)  # let the bytes leave before the connection dies
            await cut(self._scope)
            return
        await self._send({**message, "body": piece})


async def _answer(send: _Shaped, override: Override) -> None:
    body = (override.body or "").encode()
    kind = b"application/json" if body[:1] in (b"{", b"[") else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": override.status or 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _peek(receive: Receive) -> tuple[bytes, Receive]:
    """The whole body, and a receive that yields it again."""
    messages: list[Message] = []
    while True:
        message = await receive()
        messages.append(message)
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    body = b"".join(message.get("body", b"") for message in messages)

    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return body, again


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until the overrides change."""
    try:
        await asyncio.wait_for(changed.wait(), seconds)
    except TimeoutError:
        return


async def cut(scope: Scope) -> None:
    """End the connection with a TCP reset. Without a transport (an in-process test) the request is dropped with an error."""
    transport = scope.get("state", {}).get("transport")
    if transport is None:
        raise ConnectionResetError("the override cut the connection")
    connection: socket.socket | None = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await asyncio.sleep(0.01)  # uvicorn must have noticed before the app returns without an answer
