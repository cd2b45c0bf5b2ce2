"""Jaeger: the same looks as `tempo`; `jaeger_api` knows the versions of its API."""

from collections.abc import Sequence
from datetime import datetime

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.traces import JaegerHealth, Span, SpanRow, SpanTable, TraceSummary
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import still_arriving, window_arguments
from runbook_lib.sources.kit.ids import not_an_id, parse_vercel_id, trace_id_hex
from runbook_lib.sources.traces.jaeger_api import JaegerApi
from runbook_lib.sources.traces.jaeger_match import as_text
from runbook_lib.sources.traces.span_table import SpanCollector, summaries

_ID_ATTRIBUTES = (
    "vercel.request_id",
    "http.request.header.x-vercel-id",
    "http.request.header.x-request-id",
    "http.request.header.x-railway-request-id",
    "http.request.header.fly-request-id",
    "http.request_id",
    "request_id",
)
_ROUTE_ATTRIBUTES = ("http.route", "url.path", "http.target")


def trace(trace_id: str, window: Window | None = None, *, at: datetime | None = None) -> Look[SpanTable]:
    """One whole trace as a span table; see `tempo.trace` for the arguments and for what its absence means."""

    def fetch(door: Door) -> Answer[SpanTable]:
        jaeger = JaegerApi(door)
        wanted = trace_id_hex(trace_id)
        if wanted is None:
            return Answer(Status.not_found, None, "not a trace id: it is no row of 32 hex digits", "check the id")
        table = SpanCollector()
        if not jaeger.trace(wanted, table) or not table.spans:
            return jaeger.judge_absence(f"trace {wanted}", window, at=at, one=True)
        return Answer(Status.ok, table.table(), still_arriving(door, table.end_ns))

    return Look(
        "jaeger", "trace", {"trace_id": trace_id, **window_arguments(window), **_moment(at)}, fetch, deadline_s=20
    )


def find_request(request_id: str, window: Window, *, at: datetime | None = None) -> Look[list[TraceSummary]]:
    """Summaries of the traces that carry a platform's request id on one of their spans; see `tempo.find_request`."""

    def fetch(door: Door) -> Answer[list[TraceSummary]]:
        jaeger = JaegerApi(door)
        wanted = parse_vercel_id(request_id)
        if why_not := not_an_id(wanted.request_id):
            return Answer(Status.not_found, None, why_not, "copy it from the platform's log")
        incomplete, asked = "", [(name, _value_of(name, request_id, wanted.request_id)) for name in _ID_ATTRIBUTES]
        # OpenTelemetry's instrumentations capture a header as a list, which Jaeger compares as its text.
        asked += [(name, as_text([value])) for name, value in asked if name.startswith("http.request.header.")]
        for name, value in asked:
            table, why = jaeger.search(window, 20, {name: value})
            if table.spans:
                carrying = {span["id"] for span in table.spans if as_text(span["attributes"].get(name)) == value}
                return Answer(Status.ok, summaries(table.table(), carrying))
            incomplete = why or incomplete
        if incomplete:
            return Answer(Status.partial, [], incomplete, "narrow the window")
        return jaeger.judge_absence("span with this request id", window, at=at or wanted.at, one=True)

    arguments = {"request_id": request_id, **window_arguments(window), **_moment(at)}
    return Look("jaeger", "find_request", arguments, fetch, deadline_s=20)


def same_root(name: str, window: Window, limit: int = 200) -> Look[list[TraceSummary]]:
    """Summaries of the traces whose root span has this name: how long its likes took."""

    def fetch(door: Door) -> Answer[list[TraceSummary]]:
        jaeger = JaegerApi(door)
        table, why = jaeger.search(window, limit, {}, None, name)
        roots = {span["trace"] for span in table.spans if not span["parent"] and span["name"] == name}
        return _found(jaeger, _only(table, roots), why, "trace that begins like this", window)

    return Look("jaeger", "same_root", {"name": name, **window_arguments(window), "limit": limit}, fetch, deadline_s=20)


def traces_of(ids: Sequence[str], window: Window | None = None) -> Look[SpanTable]:
    """Several whole traces in one span table; partial when some of them are not there."""

    def fetch(door: Door) -> Answer[SpanTable]:
        jaeger, table, missing, lost = JaegerApi(door), SpanCollector(), 0, ""
        for number, each in enumerate(dict.fromkeys(ids)):
            known = trace_id_hex(each)
            try:
                missing += not (known and jaeger.trace(known, table))
            except LookError as error:
                if not number:
                    raise
                lost = f"not all traces came: {error.tried}"
                break
        if not table.spans and not lost:
            return jaeger.judge_absence("trace of these", window, one=True)
        why = lost or (f"{missing} of {len(ids)} traces are not there" if missing else "")
        return Answer(Status.partial if why else Status.ok, table.table(), why)

    return Look("jaeger", "traces_of", {"ids": list(ids), **window_arguments(window)}, fetch, deadline_s=40)


def window_traces(window: Window, route: str | None = None, limit: int = 200) -> Look[SpanTable]:
    """The whole traces of a window, of one route or of all, in one span table; see `tempo.window_traces`."""

    def fetch(door: Door) -> Answer[SpanTable]:
        jaeger = JaegerApi(door)
        if route is None:
            table, why = jaeger.search(window, limit, {})
        else:
            table, whys = SpanCollector(), []
            for name in _ROUTE_ATTRIBUTES:
                found, reason = jaeger.search(window, limit, {name: route})
                table.absorb(found, {span["trace"] for span in table.spans})
                whys.append(reason)
            why = next(filter(None, whys), "")
        if not table.spans and not why:
            return jaeger.judge_absence("trace", window)
        if why:
            return Answer(Status.partial, {**table.table(), "whole": True}, why, "narrow the window")
        return Answer(Status.ok, table.table())

    return Look(
        "jaeger", "window_traces", {**window_arguments(window), "route": route, "limit": limit}, fetch, deadline_s=60
    )


def failed_traces(window: Window, limit: int = 100) -> Look[SpanTable]:
    """The whole traces of a window that hold a span with status error; see `tempo.failed_traces`."""

    def fetch(door: Door) -> Answer[SpanTable]:
        jaeger = JaegerApi(door)
        table, why = jaeger.search(window, limit, {"error": "true"})
        if not table.spans and not why:
            return jaeger.judge_absence("trace that failed", window)
        return Answer(Status.partial if why else Status.ok, table.table(), why, "narrow the window" if why else "")

    return Look("jaeger", "failed_traces", {**window_arguments(window), "limit": limit}, fetch, deadline_s=40)


def llm_calls(window: Window, limit: int = 500) -> Look[list[SpanRow]]:
    """The calls to model providers in a window with the server spans above them; see `tempo.llm_calls`. Jaeger cannot ask
    for an attribute that merely exists: the window's traces are read and the others left out."""

    def fetch(door: Door) -> Answer[list[SpanRow]]:
        jaeger = JaegerApi(door)
        table, why = jaeger.search(window, limit, {})
        calls = {span["trace"] for span in table.spans if _is_provider_call(span)}
        rows = [_call_row(span) for span in table.spans if span["trace"] in calls and _is_call_or_server(span)]
        if why:
            return Answer(Status.partial, rows, why, "narrow the window")
        return Answer(Status.ok, rows) if rows else jaeger.judge_absence("call to a provider", window)

    return Look("jaeger", "llm_calls", {**window_arguments(window), "limit": limit}, fetch, deadline_s=40)


def health() -> Look[JaegerHealth]:
    """Whether Jaeger answers."""

    def fetch(door: Door) -> Answer[JaegerHealth]:
        names, version = JaegerApi(door).services()
        return Answer(Status.ok, {"api": version, "services": len(names)})

    return Look("jaeger", "health", {}, fetch)


def _is_provider_call(span: Span) -> bool:
    held = span["attributes"]
    if "gen_ai.provider.name" in held or "gen_ai.system" in held:
        return True
    host = str(held.get("server.address") or held.get("net.peer.name") or "")
    return span["kind"] == "client" and any(name in host for name in ("openai", "anthropic", "together"))


def _is_call_or_server(span: Span) -> bool:
    return span["kind"] == "server" or _is_provider_call(span)


def _call_row(span: Span) -> SpanRow:
    return {
        "trace": span["trace"],
        "id": span["id"],
        "name": span["name"],
        "start_ns": span["start_ns"],
        "duration_ms": (span["end_ns"] - span["start_ns"]) / 1e6,
        "attributes": {**span["attributes"], "kind": span["kind"], "status": span["status"]},
    }


def _value_of(name: str, written: str, request_id: str) -> str:
    """What an attribute holds of a request id: Vercel's header is whole, everything else is bare."""
    return written.strip() if name.endswith("x-vercel-id") else request_id


def _moment(at: datetime | None) -> dict[str, Json]:
    return {"at": to_iso(at)} if at else {}


def _found(jaeger: JaegerApi, table: SpanCollector, why: str, what: str, window: Window) -> Answer[list[TraceSummary]]:
    rows = summaries(table.table())
    if why:
        return Answer(Status.partial, rows, why, "narrow the window")
    return Answer(Status.ok, rows) if rows else jaeger.judge_absence(what, window)


def _only(table: SpanCollector, traces: set[str]) -> SpanCollector:
    """These traces of a table."""
    kept = SpanCollector()
    kept.absorb(table, {span["trace"] for span in table.spans} - traces)
    return kept
