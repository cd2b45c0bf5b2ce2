"""Ids that people bring to an investigation: a Vercel request id, a trace id, a traceparent. Pure."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

_VERCEL_ID = re.compile(r"[a-z0-9]{1,16}-(\d{13})-[0-9a-f]{6,32}", re.ASCII)
_TRACE_ID = re.compile(r"[0-9a-f]{1,32}", re.ASCII)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?", re.ASCII)


@dataclass(frozen=True)
class VercelId:
    """A Vercel request id: the part that logs and traces know, the regions it came through, and the time inside it."""

    request_id: str
    regions: tuple[str, ...]
    at: datetime | None  # None: the id does not have the usual <pod>-<epoch ms>-<hex> form


def parse_vercel_id(text: str) -> VercelId:
    """Split an `x-vercel-id` header or a bare request id: `iad1::iad1::pod-ms-hex`. Any text is accepted as data.

    Everything after the last `::` is the id that logs and traces use (vercel/vercel, packages/cli, commands/curl/trace.ts).
    """
    *regions, request_id = text.strip().split("::")
    match = _VERCEL_ID.fullmatch(request_id)
    at = datetime.fromtimestamp(int(match[1]) / 1000, UTC) if match else None
    return VercelId(request_id, tuple(region for region in regions if region), at)


def not_an_id(request_id: str) -> str | None:
    """Why no platform can have given out this request id, without asking one; None where it could have."""
    if not request_id:
        return "the request id is empty"
    if len(request_id) > 256:
        return f"no platform gives out request ids of {len(request_id)} characters"
    return None


def trace_id_hex(text: str) -> str | None:
    """A trace id as 32 lower-case hex digits, leading zeros restored; None for what is no trace id, or is all zeros."""
    found = text.strip().lower()
    return found.rjust(32, "0") if _TRACE_ID.fullmatch(found) and found.strip("0") else None


def parse_traceparent(text: str) -> tuple[str, bool] | None:
    """Trace id and sampled flag of a W3C `traceparent`; None for any other text."""
    match = _TRACEPARENT.fullmatch(text.strip().lower())
    if match is None or not match[1].strip("0"):
        return None
    return match[1], bool(int(match[2], 16) & 1)
