"""Tempo: a trace by its id, traces by what their spans say (TraceQL), whole windows of traces as one span table.

Routes and shapes: grafana/tempo, docs api_docs and pkg/tempopb/tempo.proto. Ids come in base64, enums by name.
"""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.traces import SpanRow, SpanTable, TempoHealth, TraceSummary
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import Row, still_arriving, window_arguments
from runbook_lib.sources.kit.ids import not_an_id, parse_vercel_id, trace_id_hex
from runbook_lib.sources.traces.span_table import SpanCollector
from runbook_lib.sources.traces.tempo_api import FAILED, TempoApi
from runbook_lib.sources.traces.traceql import CALL_FIELDS, PROVIDER_CALL, any_equal, ends_with, route_is, text_literal

_AT_ONCE = 8
_MOST_CALLS = 60  # spans of one trace: a request that called its providers more often than this is a storm all the same
_PLAIN_IDS = (
    "span.http.request.header.x-request-id",
    "span.http.request.header.x-railway-request-id",
    "span.http.response.header.x-railway-request-id",
    "span.http.request.header.fly-request-id",
    "span.http.response.header.fly-request-id",
    "span.http.request_id",
    "span.request_id",
)
_VERCEL_HEADERS = ("span.http.request.header.x-vercel-id", "span.http.response.header.x-vercel-id")


def trace(trace_id: str, window: Window | None = None, *, at: datetime | None = None) -> Look[SpanTable]:
    """One whole trace as a span table.

    Args:
        trace_id: hex, leading zeros may be missing; arrives as data, whatever it holds.
        window: where the request should lie; only used to judge what its absence means.
        at: the moment of the request, where it is known: judges more sharply than the window.

    Absent: too_recent or out_of_retention by `at` or window, else not_found. What is no trace id is not_found. A trace younger than
    the delay is ok, and its `why` says that spans may still arrive.
    """

    def fetch(door: Door) -> Answer[SpanTable]:
        tempo = TempoApi(door)
        wanted = trace_id_hex(trace_id)
        if wanted is None:
            return Answer(Status.not_found, None, "not a trace id: it is no row of 32 hex digits", "check the id")
        table = SpanCollector()
        reply = tempo.trace(wanted)
        partial = _read(table, reply) if reply else ""
        if not table.spans:
            return tempo.judge_absence(f"trace {wanted}", window, at=at, one=True)
        if partial:
            return Answer(Status.partial, table.table(), partial, "ask Tempo for a shorter trace, or raise its limit")
        return Answer(Status.ok, table.table(), still_arriving(door, table.end_ns))

    arguments = {"trace_id": trace_id, **window_arguments(window), **_moment(at)}
    return Look("tempo", "trace", arguments, fetch, deadline_s=20)


def find_request(request_id: str, window: Window, *, at: datetime | None = None) -> Look[list[TraceSummary]]:
    """Summaries of the traces that carry a platform's request id on one of their spans (Vercel, Railway, Fly, x-request-id).

    Args:
        request_id: a bare id or a whole `x-vercel-id`; arrives as data, whatever it holds.
        at: the moment of the request; by default the time inside a Vercel id.
    """

    def fetch(door: Door) -> Answer[list[TraceSummary]]:
        tempo = TempoApi(door)
        wanted = parse_vercel_id(request_id)
        if why_not := not_an_id(wanted.request_id):
            return Answer(Status.not_found, None, why_not, "copy it from the platform's log")
        plain = any_equal(_PLAIN_IDS, wanted.request_id)
        headers = " || ".join(ends_with(name, wanted.request_id) for name in _VERCEL_HEADERS)
        queries = (f"{{ {any_equal(['span.vercel.request_id'], wanted.request_id)} }}", f"{{ {plain} || {headers} }}")
        for query in queries:
            found, cut = tempo.search(query, window, 20, 3)
            if found:
                return Answer(Status.ok, found)
        if cut:
            return Answer(Status.partial, [], f"no span with this request id; {cut}", "narrow the window")
        return tempo.judge_absence("span with this request id", window, at=at or wanted.at, one=True)

    return Look(
        "tempo",
        "find_request",
        {"request_id": request_id, **window_arguments(window), **_moment(at)},
        fetch,
        deadline_s=20,
    )


def same_root(name: str, window: Window, limit: int = 200) -> Look[list[TraceSummary]]:
    """Summaries of the traces whose root span has this name: how long its likes took."""

    def fetch(door: Door) -> Answer[list[TraceSummary]]:
        tempo = TempoApi(door)
        query = f"{{ rootName = {text_literal(name)} }}"
        return _found(tempo, *tempo.search(query, window, limit, 1), "trace that begins like this", window)

    return Look("tempo", "same_root", {"name": name, **window_arguments(window), "limit": limit}, fetch, deadline_s=20)


def traces_of(ids: Sequence[str], window: Window | None = None) -> Look[SpanTable]:
    """Several whole traces in one span table; partial when some of them are not there or did not come."""

    def fetch(door: Door) -> Answer[SpanTable]:
        tempo = TempoApi(door)
        table, why = _whole_traces(tempo, ids)
        if not table.spans and not why:
            return tempo.judge_absence("trace of these", window, one=True)
        return Answer(Status.partial if why else Status.ok, table.table(), why)

    return Look("tempo", "traces_of", {"ids": list(ids), **window_arguments(window)}, fetch, deadline_s=40)


def window_traces(window: Window, route: str | None = None, limit: int = 200) -> Look[SpanTable]:
    """The whole traces of a window, of one route or of all, in one span table; partial when the limit was reached.

    Where there are more of them, and each that came is whole, the table says so: "whole": True.
    """

    def fetch(door: Door) -> Answer[SpanTable]:
        tempo = TempoApi(door)
        found, more = tempo.search(f"{{ {route_is(route) if route else ''} }}", window, limit, 1)
        if not found and not more:
            return tempo.judge_absence("trace", window)
        table, missing = _whole_traces(tempo, [each["trace"] for each in found])
        why = "; ".join(filter(None, (more, missing)))
        value = {**table.table(), "whole": True} if more and not missing else table.table()
        return Answer(Status.partial if why else Status.ok, value, why, "narrow the window" if more else "")

    return Look(
        "tempo", "window_traces", {**window_arguments(window), "route": route, "limit": limit}, fetch, deadline_s=60
    )


def failed_traces(window: Window, limit: int = 100) -> Look[SpanTable]:
    """The whole traces of a window that hold a failed span, made good or not, in one span table; partial beyond the limit."""

    def fetch(door: Door) -> Answer[SpanTable]:
        tempo = TempoApi(door)
        found, more = tempo.search(f"{{ {FAILED} }}", window, limit, 1)
        if not found and not more:
            return tempo.judge_absence("trace that failed", window)
        table, missing = _whole_traces(tempo, [each["trace"] for each in found])
        why = "; ".join(filter(None, (more, missing)))
        return Answer(Status.partial if why else Status.ok, table.table(), why, "narrow the window" if more else "")

    return Look("tempo", "failed_traces", {**window_arguments(window), "limit": limit}, fetch, deadline_s=40)


def llm_calls(window: Window, limit: int = 500) -> Look[list[SpanRow]]:
    """The calls to model providers in a window with the server spans above them. Beyond the limit it is a sample, and partial."""

    def fetch(door: Door) -> Answer[list[SpanRow]]:
        tempo = TempoApi(door)
        query = f"{{ {PROVIDER_CALL} }} && {{ kind = server }} | select({', '.join(CALL_FIELDS)})"
        found, why = tempo.search(query, window, limit, _MOST_CALLS)
        rows: list[SpanRow] = [{"trace": each["trace"], **span} for each in found for span in each["spans"]]
        return _found(tempo, rows, why, "call to a provider", window)

    return Look("tempo", "llm_calls", {**window_arguments(window), "limit": limit}, fetch, deadline_s=20)


def health() -> Look[TempoHealth]:
    """Whether Tempo answers and this key may search it."""

    def fetch(door: Door) -> Answer[TempoHealth]:
        tempo = TempoApi(door)
        now = door.clock()
        tempo.search("{ }", Window(now - timedelta(hours=1), now), 1, 1)
        version = None
        build = tempo.get("/api/status/buildinfo")
        if build.status_code == 200:
            version = build.parsed(lambda document: str(document.get("version", "")) or None)
        return Answer(Status.ok, {"version": version, "may_search": True})

    return Look("tempo", "health", {}, fetch)


def _moment(at: datetime | None) -> dict[str, Json]:
    return {"at": to_iso(at)} if at else {}


def _found(tempo: TempoApi, rows: list[Row], why: str, what: str, window: Window) -> Answer[list[Row]]:
    if why:
        return Answer(Status.partial, rows, why, "narrow the window")
    return Answer(Status.ok, rows) if rows else tempo.judge_absence(what, window)


def _read(table: SpanCollector, reply: Reply) -> str:
    """Add a reply's trace to the table; returns why it may be incomplete, or an empty text."""
    partial: list[str] = []

    def batches(document: dict[str, Json]) -> Json:
        if "batches" in document:
            return document["batches"]
        if document.get("status") == "PARTIAL":
            partial.append(str(document.get("message") or "Tempo says that the trace is cut"))
        return (document["trace"] or {}).get("resourceSpans", [])

    table.read(reply, batches)
    return partial[0] if partial else ""


def _whole_traces(tempo: TempoApi, ids: Iterable[str]) -> tuple[SpanCollector, str]:
    """One table of several traces, and why it may not hold all of them.

    The first is fetched alone: where one is refused, so are all, and the look ends with that status.
    """
    wanted = list(dict.fromkeys(ids))
    table, missing, cut, lost = SpanCollector(), 0, "", ""

    def fetch(trace_id: str) -> Reply | LookError | None:
        known = trace_id_hex(trace_id)
        try:
            return tempo.trace(known) if known else None
        except LookError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        replies: list[Reply | LookError | None] = [fetch(each) for each in wanted[:1]]
        if replies and isinstance(replies[0], LookError):
            raise replies[0]
        for reply in (*replies, *pool.map(fetch, wanted[1:])):
            if isinstance(reply, LookError):
                lost = lost or f"not all traces came: {reply.tried}"
            elif reply is None:
                missing += 1
            else:
                cut = _read(table, reply) or cut
    gone = f"{missing} of {len(wanted)} traces are not there" if missing and table.spans else ""
    return table, "; ".join(filter(None, (gone, cut, lost)))
