"""What 01 is asked for, by its parameters: one request by an id of it, or a window with a route; and its steps' questions."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from runbook_lib.core.clock import Window, parse_window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json
from runbook_lib.procedures.failed_request.looks import RequestSearch
from runbook_lib.sources.kit.ids import parse_traceparent, parse_vercel_id, trace_id_hex

FIND = "Which request failed, and what does the platform say of it?"
FOLLOW = "Where did it go: UI, API, gateway, provider, database?"
READ = "What did the parts themselves log about it?"
TRAFFIC = "Is it still going on, since when, and for how many?"
CHANGED = "What changed before it?"
QUOTA = "If it was refused for the plan: rightly?"
BEHIND = "Do the database and the vendors behind it confirm that?"

_AROUND = timedelta(minutes=5)  # an id carries its time; clocks of edge and function differ by less than this
_LONGEST_ID = 256


def is_of_one_request(parameters: Mapping[str, Json]) -> bool:
    """Whether one request is asked for."""
    request_id, trace_id = (str(parameters.get(name) or "") for name in ("request_id", "trace_id"))
    return bool(parse_vercel_id(request_id).request_id or trace_id.strip())


def read_search(parameters: Mapping[str, Json], now: datetime) -> RequestSearch:
    """What the parameters ask for.

    Raises:
        UsageError: a trace id that is none, an id too long to be one, a window that is none.
    """
    asked = parse_vercel_id(str(parameters.get("request_id") or ""))
    if len(asked.request_id) > _LONGEST_ID:
        raise UsageError(
            "Cannot look for this request",
            where="request_id",
            came_back=f"it is {len(asked.request_id)} characters long; the platforms' ids have fewer than {_LONGEST_ID}",
            do_next="Copy the id from the x-vercel-id response header or from the platform's request log.",
        )
    window = parse_window(str(parameters.get("since") or "1h"), str(parameters.get("until") or "now"), now=now)
    if asked.at is not None and asked.at < now:
        window = Window(asked.at - _AROUND, min(now, asked.at + _AROUND))
    trace_id = _trace_id_of(str(parameters.get("trace_id") or ""))
    route, pasted = str(parameters.get("route") or ""), str(parameters.get("pasted_log") or "") or None
    return RequestSearch(now, window, asked.request_id, trace_id, asked.at, route, pasted)


def was_sampled(parameters: Mapping[str, Json]) -> bool | None:
    """What a traceparent that on-call gave says of itself; None without one."""
    context = parse_traceparent(str(parameters.get("trace_id") or ""))
    return context[1] if context else None


def _trace_id_of(text: str) -> str:
    """A trace id in hex from a trace id or a traceparent; empty for empty. Raises UsageError for anything else."""
    if not text.strip():
        return ""
    parsed = parse_traceparent(text)
    found = parsed[0] if parsed else trace_id_hex(text)
    if found is None:
        raise UsageError(
            "Cannot follow this trace",
            where="trace_id",
            came_back="it is neither 32 hex digits nor a traceparent",
            do_next="Copy it from the request log, or from the traceparent header: 00-<32 hex>-<16 hex>-01.",
        )
    return found
