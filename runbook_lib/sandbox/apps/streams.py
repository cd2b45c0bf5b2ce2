"""Server-sent events between the parts: read them, pass them on, and notice an error that comes after a 200."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
from opentelemetry.trace import Span

from runbook_lib.sandbox.apps import tracing
from runbook_lib.sandbox.apps.part import Exchange

HEADERS = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache"}


@dataclass(frozen=True)
class Event:
    """One server-sent event. `data` is JSON where it was JSON, else text."""

    name: str
    data: Any
    raw: bytes

    def error(self) -> str | None:
        """The error that this event tells of, or None."""
        if not isinstance(self.data, dict):
            return "error event" if self.name == "error" else None
        said = self.data.get("error")
        if said is None and self.name != "error":
            return None
        return str(said.get("message") if isinstance(said, dict) else said or self.data)


async def events(answer: httpx.Response) -> AsyncIterator[Event]:
    """The events of a streamed answer, as they come."""
    buffer = b""
    async for piece in answer.aiter_bytes():
        buffer += piece.replace(b"\r\n", b"\n")
        while b"\n\n" in buffer:
            raw, _, buffer = buffer.partition(b"\n\n")
            yield _parse(raw)
    if buffer.strip():
        yield _parse(buffer)


async def relay(exchange: Exchange, answer: httpx.Response, span: Span) -> dict[str, Any]:
    """Pass a stream on as it comes; the last `usage` that it told of. An error inside marks the call's span and the root."""
    await exchange.start(200, HEADERS)
    usage: dict[str, Any] = {}
    async for event in events(answer):
        await exchange.write(event.raw + b"\n\n")
        if (said := event.error()) is not None:
            tracing.refuse(span, "stream_error", said)
        if isinstance(event.data, dict) and isinstance(event.data.get("usage"), dict):
            usage = event.data
    await exchange.finish()
    return usage


def encode(name: str, data: Any) -> bytes:
    """One event's bytes."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def _parse(raw: bytes) -> Event:
    name, lines = "message", []
    for line in raw.decode(errors="replace").split("\n"):
        if line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            lines.append(line[5:].strip())
    text = "\n".join(lines)
    try:
        return Event(name, json.loads(text), raw)
    except ValueError:
        return Event(name, text, raw)
