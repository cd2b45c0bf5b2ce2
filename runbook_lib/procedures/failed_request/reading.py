"""The evidence about one request, and what it reads as: its rows, its trace, its log lines, how long its likes took."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation
from runbook_lib.reading import requests as rows
from runbook_lib.reading.logs import LogFailure, lines_for, lines_of, log_failures
from runbook_lib.reading.spans import build_trace, duration_ms
from runbook_lib.reading.trace_causes import Refusal, TraceReading, read_trace


@dataclass(frozen=True)
class Evidence:
    """Everything the procedure saw, by topic, in the order in which it was seen.

    sampled: what a traceparent that on-call gave says of itself; None without one.
    request: the platforms' logs asked for this one request · traces: span tables · logs: the parts' lines ·
    traffic: the platforms' logs of the window · likes: traces that begin like this one · changes: deployments, variables,
    incidents · callee: looks at a part whose spans are missing · quota: plan, usage, subscription · behind: database and vendors.
    """

    now: datetime
    window: Window
    request_id: str = ""
    trace_id: str = ""
    sampled: bool | None = None
    request: tuple[Observation, ...] = ()
    traces: tuple[Observation, ...] = ()
    logs: tuple[Observation, ...] = ()
    traffic: tuple[Observation, ...] = ()
    likes: tuple[Observation, ...] = ()
    changes: tuple[Observation, ...] = ()
    callee: tuple[Observation, ...] = ()
    quota: tuple[Observation, ...] = ()
    behind: tuple[Observation, ...] = ()

    def all(self) -> tuple[Observation, ...]:
        """Every observation, in topic order."""
        topics = (
            self.request,
            self.traces,
            self.logs,
            self.traffic,
            self.changes,
            self.callee,
            self.quota,
            self.behind,
        )
        return tuple(observation for topic in topics for observation in topic)


@dataclass(frozen=True)
class Reading:
    """The evidence, read: what the procedure's later steps and the conclusion both need."""

    evidence: Evidence
    mine: tuple[rows.Seen, ...]
    trace: TraceReading | None
    trace_evidence: tuple[str, ...]
    log_failures: tuple[LogFailure, ...]
    my_lines: tuple[Any, ...] = field(default=(), repr=False)
    client_gone: bool = False

    @property
    def outermost(self) -> rows.Seen | None:
        """The row nearest to the user: web's, else the API's, else the gateway's."""
        return self.mine[0] if self.mine else None

    @property
    def trace_id(self) -> str:
        """The request's trace, from whoever tells it; empty where nobody does."""
        if self.evidence.trace_id:
            return self.evidence.trace_id
        return next((str(seen.row["trace_id"]) for seen in self.mine if seen.row.get("trace_id")), "")

    @property
    def request_ids(self) -> set[str]:
        """The request's ids on the platforms it passed through."""
        return {self.evidence.request_id, *(str(seen.row.get("request_id")) for seen in self.mine)} - {"", "None"}

    @property
    def org_id(self) -> str:
        """The organization, from the trace or from a log line; empty where neither says."""
        if self.trace is not None and self.trace.org_id:
            return self.trace.org_id
        return next(
            (str(org) for line, _ in self.my_lines if (org := (line.get("attributes") or {}).get("org_id"))), ""
        )

    @property
    def refusal(self) -> Refusal | None:
        """The part that refused with a 4xx of its own accord, where the trace shows one."""
        return self.trace.refusals[0] if self.trace is not None and self.trace.refusals else None


def read(evidence: Evidence, before: Reading | None = None) -> Reading:
    """Read the evidence gathered so far.

    Args:
        before: an earlier reading; where it read the very same trace, that is not read again, for a trace may be large.
    """
    seen = rows.rows_of((*evidence.request, *evidence.traffic))
    trace_id = evidence.trace_id
    mine = rows.rows_for(seen, request_id=evidence.request_id, trace_id=trace_id)
    if not trace_id:
        trace_id = next((str(each.row["trace_id"]) for each in mine if each.row.get("trace_id")), "")
        mine = rows.rows_for(seen, request_id=evidence.request_id, trace_id=trace_id) if trace_id else mine
    gone = any(each.row.get("status") == 499 for each in mine)
    if before is not None and before.evidence.traces is evidence.traces and before.client_gone == gone:
        trace_id, trace_reading, trace_evidence = (
            before.evidence.trace_id or trace_id,
            before.trace,
            before.trace_evidence,
        )
    else:
        trace_id, trace_reading, trace_evidence = _read_trace(evidence.traces, trace_id, gone)
    ids = {evidence.request_id, *(str(each.row.get("request_id")) for each in mine)} - {""}
    lines = lines_for(lines_of((*evidence.logs, *evidence.request)), trace_id=trace_id, request_ids=ids)
    return Reading(
        replace(evidence, trace_id=trace_id),
        tuple(mine),
        trace_reading,
        trace_evidence,
        tuple(log_failures(lines)),
        tuple(lines),
        gone,
    )


def _read_trace(
    looks: Sequence[Observation], trace_id: str, client_gone: bool
) -> tuple[str, TraceReading | None, tuple[str, ...]]:
    """The trace's id, its reading (None where no look brought it), and the looks that carry it."""
    tables = [look for look in looks if look.status.has_content and isinstance(look.value, dict)]
    if not trace_id:
        trace_id = next((str(span["trace"]) for look in tables for span in look.value.get("spans", ())), "")
    carrying = [look for look in tables if any(span["trace"] == trace_id for span in look.value.get("spans", ()))]
    trace = build_trace(trace_id, [look.value for look in carrying]) if carrying else None
    evidence = tuple(look.id for look in carrying)
    return trace_id, read_trace(trace, evidence, client_gone=client_gone) if trace is not None else None, evidence


def timed(reading: Reading) -> tuple[rows.Row, list[rows.Seen]]:
    """The request's row with how long it took, and its likes: from the platform's log, else from the traces; {} without a row."""
    evidence = reading.evidence
    row: rows.Row = reading.outermost.row if reading.outermost is not None else {}
    if row.get("duration_ms") is not None or reading.trace is None or not reading.trace.trace.roots:
        return row, rows.rows_of((*evidence.request, *evidence.traffic))
    row = {**row, "duration_ms": round(duration_ms(reading.trace.trace.roots[0]), 1)}
    return row, rows.likes_as_rows(evidence.likes, row)
