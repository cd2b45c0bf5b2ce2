"""The evidence about one request, and what it reads as: its rows, its trace, its log lines, how long its likes took."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.core.clock import Window, from_epoch_s, from_iso, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.traces import Span, SpanTable, TraceSummary
from runbook_lib.judging.answers import record_of, rows_of
from runbook_lib.judging.evidence import Filed
from runbook_lib.reading.logs import LogFailure, attribute_of, lines_for, lines_of, log_failures
from runbook_lib.reading.request_rows import LoggedRequest, logged_requests, rows_of_request, traces_as_rows
from runbook_lib.reading.spans import build_trace, duration_ms
from runbook_lib.reading.trace_causes import Refusal, TraceReading, read_trace


@dataclass(frozen=True)
class Evidence(Filed):
    """Everything the procedure saw of one request, by topic.

    sampled: what a traceparent that on-call gave says of itself; None without one.
    request: the platforms' logs asked for this one request · traces: span tables · callee: looks at a part whose spans are
    missing · logs: the parts' lines · platform: the gateway's platform, where a line complains of the gateway · traffic: the
    platforms' logs of the hours around · likes: traces that begin like this one · changes: deployments, variables, incidents ·
    customer, quota: plan, then usage and subscription · behind: database and vendors.
    """

    now: datetime
    window: Window
    request_id: str = ""
    trace_id: str = ""
    sampled: bool | None = None
    request: tuple[Observation, ...] = ()
    traces: tuple[Observation, ...] = ()
    callee: tuple[Observation, ...] = ()
    logs: tuple[Observation, ...] = ()
    platform: tuple[Observation, ...] = ()
    traffic: tuple[Observation, ...] = ()
    likes: tuple[Observation, ...] = ()
    changes: tuple[Observation, ...] = ()
    customer: tuple[Observation, ...] = ()
    quota: tuple[Observation, ...] = ()
    behind: tuple[Observation, ...] = ()

    @property
    def beside(self) -> tuple[Observation, ...]:
        """What was seen of the part that was called, around the call."""
        return (*self.callee, *self.platform)

    @property
    def plan(self) -> tuple[Observation, ...]:
        """The organization's plan, usage and subscription."""
        return (*self.customer, *self.quota)


@dataclass(frozen=True)
class SearchResult:
    """What the search for a request brought: its trace's id (empty where nobody tells), its time (None likewise), its row."""

    trace_id: str
    at: datetime | None
    row: RequestRow | None


@dataclass(frozen=True)
class Reading:
    """The evidence, read: what the procedure's later steps and the conclusion both need.

    is_complete: a backend gave the trace without saying that spans are missing.
    """

    evidence: Evidence
    trace_id: str
    mine: tuple[LoggedRequest, ...]
    trace: TraceReading | None
    trace_evidence: tuple[str, ...]
    log_failures: tuple[LogFailure, ...]
    is_complete: bool = False
    my_lines: tuple[tuple[LogLine, Observation], ...] = field(default=(), repr=False)
    client_gone: bool = False

    @property
    def outermost(self) -> LoggedRequest | None:
        """The row nearest to the user: web's, else the API's, else the gateway's."""
        return self.mine[0] if self.mine else None

    @property
    def request_ids(self) -> set[str]:
        """The request's ids on the platforms it passed through."""
        return {self.evidence.request_id, *(seen.row["request_id"] for seen in self.mine)} - {""}

    @property
    def org_id(self) -> str:
        """The organization, from the trace or from a log line; empty where neither says."""
        if self.trace is not None and self.trace.org_id:
            return self.trace.org_id
        return next((str(org) for line, _ in self.my_lines if (org := attribute_of(line, "org_id"))), "")

    @property
    def refusal(self) -> Refusal | None:
        """The part that refused with a 4xx of its own accord, where the trace shows one."""
        return self.trace.refusals[0] if self.trace is not None and self.trace.refusals else None

    @property
    def lines_are_cut(self) -> bool:
        """Whether a log that told of it may hold more: a line that made a failure good may be missing."""
        return any(look.status is Status.partial for look in self.evidence.logs)


def find(evidence: Evidence) -> SearchResult:
    """What the search for the request tells of it."""
    seen = logged_requests(evidence.request)
    mine = rows_of_request(seen, request_id=evidence.request_id, trace_id=evidence.trace_id)
    trace_id = evidence.trace_id or next(
        (each.row["trace_id"] for each in mine if each.row["trace_id"]), _first_trace(evidence.request)
    )
    if trace_id and not mine:
        mine = rows_of_request(seen, trace_id=trace_id)
    row = mine[0].row if mine else None
    return SearchResult(trace_id, from_iso(row["at"]) if row is not None and row["at"] else None, row)


def read(evidence: Evidence, before: Reading | None = None) -> Reading:
    """Read the evidence gathered so far.

    Args:
        before: an earlier reading; where it read the very same trace, that is not read again, for a trace may be large.
    """
    if before is not None and before.evidence is evidence:
        return before
    trace_id = find(evidence).trace_id
    seen = logged_requests((*evidence.request, *evidence.logs, *evidence.traffic))
    mine = rows_of_request(seen, request_id=evidence.request_id, trace_id=trace_id)
    gone = any(each.row["status"] == 499 for each in mine)
    if before is not None and before.evidence.traces is evidence.traces and before.client_gone == gone:
        trace_id = trace_id or before.trace_id
        trace, carrying, complete = before.trace, before.trace_evidence, before.is_complete
    else:
        trace_id, trace, carrying, complete = _read_trace(evidence.traces, trace_id, gone)
    ids = {evidence.request_id, *(each.row["request_id"] for each in mine)} - {""}
    lines = lines_for(lines_of((*evidence.logs, *evidence.request)), trace_id=trace_id, request_ids=ids)
    return Reading(
        evidence,
        trace_id,
        tuple(mine),
        trace,
        carrying,
        tuple(log_failures(lines)),
        complete,
        tuple(lines),
        gone,
    )


def _first_trace(seen: Sequence[Observation]) -> str:
    """The trace that a trace backend found by the request's id; empty where it found none."""
    for look in seen:
        for summary in rows_of(look, TraceSummary) if look.call == "find_request" else ():
            return summary["trace"]
    return ""


def _read_trace(
    looks: Sequence[Observation], trace_id: str, client_gone: bool
) -> tuple[str, TraceReading | None, tuple[str, ...], bool]:
    """The trace's id, its reading (None where no look brought it), the looks that carry it, and whether one has it complete."""
    tables = [(look, table) for look in looks if (table := record_of(look, SpanTable)) is not None]
    if not trace_id:
        trace_id = next((span["trace"] for _, table in tables for span in table["spans"]), "")
    carrying = [pair for pair in tables if any(span["trace"] == trace_id for span in pair[1]["spans"])]
    trace = build_trace(trace_id, [table for _, table in carrying]) if carrying else None
    evidence = tuple(look.id for look, _ in carrying)
    complete = any(look.status is Status.ok for look, _ in carrying)
    return (
        trace_id,
        read_trace(trace, evidence, client_gone=client_gone) if trace is not None else None,
        evidence,
        complete,
    )


def timed_row(reading: Reading) -> tuple[RequestRow | None, list[LoggedRequest], tuple[Observation, ...]]:
    """The request's row with how long it took, its likes, and the looks that told of them: the platform's log, else the traces.

    None without a row or a trace.
    """
    evidence = reading.evidence
    row = reading.outermost.row if reading.outermost is not None else None
    is_timed = row is not None and row["duration_ms"] is not None
    if is_timed or reading.trace is None or not reading.trace.trace.roots:
        return row, logged_requests((*evidence.request, *evidence.traffic)), evidence.traffic
    root = reading.trace.trace.roots[0]
    row = row if row is not None else _row_of(root, reading.trace_id)
    row = {**row, "duration_ms": round(duration_ms(root), 1)}
    return row, traces_as_rows(evidence.likes, row), evidence.likes


def _row_of(root: Span, trace_id: str) -> RequestRow:
    """A request that no platform told of, as its trace's root shows it."""
    return RequestRow(
        request_id="",
        at=to_iso(from_epoch_s(root["start_ns"] / 1e9)),
        method=None,
        path=root["name"],
        host=None,
        status=None,
        duration_ms=None,
        trace_id=trace_id,
        deployment_id=None,
        error=None,
        region=None,
        part="",
        platform="",
        logs=[],
    )
