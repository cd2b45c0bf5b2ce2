"""Where the root may lie in what nobody saw: a request without trace, a call without the callee's spans."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.traces import Span
from runbook_lib.procedures.failed_request.causes import CATALOGUE
from runbook_lib.reading.logs import LINE_LOGS, finished_after, lines_of
from runbook_lib.reading.parts import parts_of
from runbook_lib.reading.request_rows import (
    REQUEST_LOGS,
    LoggedRequest,
    describe_row,
    logged_requests,
    platform_verdict,
)
from runbook_lib.reading.root import Fate, find_failures
from runbook_lib.reading.spans import TRACE_TABLES, Trace, duration_ms, first, http_status, traces_in
from runbook_lib.reading.trace_causes import Gap, TraceReading, read_trace

# what a platform's edge says when nothing takes its calls: Railway's and Fly.io's words, and those of common proxies
NOT_SERVED = r"failed to respond|connection refused|refused|no healthy|not running|upstream (?:connect|error)|dial tcp"
_EDGE_SKEW_S = 0.25  # a platform's clock and a part's, both kept by NTP, with room for the way between them


def blind_for_gap(
    reading: TraceReading, gap: Gap, callee: Sequence[Observation], trace_evidence: Sequence[str]
) -> tuple[list[Finding], list[Suspect]]:
    """`trace.broken.<why>`: a part of ours was called, the call failed, and no span of the part is there.

    Args:
        callee: looks for the part's spans in other traces around the call, and for its platform's rows.
    """
    subject = gap.part
    how = (
        "did not answer in time" if gap.timed_out else f"answered HTTP {gap.status}" if gap.status else "did not answer"
    )
    evidence = [*trace_evidence, *(look.id for look in callee if look.status.answered)]
    orphans = _orphans(reading, gap, callee)
    tables = [look for look in callee if look.call in TRACE_TABLES]
    reports = _reports(reading, gap, tables)
    suspects: list[Suspect] = []
    if orphans:
        code, why = "trace.broken.propagation_lost", "it has traces of its own at that time, without parent"
        suspects = _suspects_of(orphans[0], gap) if len(orphans) == 1 else []
    elif reports == "since":
        code, why = "trace.broken", "it reports spans of other requests at that time"
        if _is_sample(tables):
            why += f"; only some of them were read, so whose {gap.part}'s requests were is not known"
        elif _reached(gap, callee, tables):
            code = "trace.broken.sampled"
        elif _platform_told(callee):
            code, why = "trace.broken.not_reached", f"{why}, and its platform saw no such request"
    elif reports == "before":
        code, why = "trace.broken", "it reported spans shortly before, and none since"
    elif reports == "none":
        code, why = "trace.broken.exporter_silent", "it reported no spans at all around that time"
    else:
        code, why = "trace.broken", "whether it reports spans at all could not be seen"
    summary = f"{gap.part} was called and {how}, and the trace holds no span of it: {why}"
    look = f"{gap.part}'s log for trace {reading.trace.id}: read access to its platform's log"
    if not suspects:
        suspects = [
            Suspect(f"request.{gap.part}_failed", gap.part, f"{gap.part} {how}; its own spans are missing", look)
        ]
    return [CATALOGUE.finding(code, subject, summary, evidence)], suspects


def platform_explains_gap(
    gap: Gap, callee: Sequence[Observation], caller: str, trace_evidence: Sequence[str]
) -> Finding | None:
    """The cause where the callee's platform explains why the callee left no span; else None.

    The platform ended the function, or refused at its edge. It saw the call and could not hand it on: nothing serves there.
    It was asked, saw no such call, and yet something answered 4xx: it was something else, at a wrong address.
    """
    subject = f"{caller} → {gap.part}"
    seen = logged_requests(callee)
    for each in seen:
        verdict = platform_verdict(each.row) if _is_row_of(gap, each.row) else None
        if verdict is not None:
            summary = f"{gap.part}: {verdict.what} ({describe_row(each.row)}, {each.row['error'] or 'no error code'})"
            place = f"{gap.part} {each.row['method']} {each.row['path']}"
            return CATALOGUE.finding(verdict.code, place, summary, [*trace_evidence, each.observation.id])
        if _is_row_of(gap, each.row) and re.search(NOT_SERVED, each.row["error"] or "", re.I):
            summary = (
                f"{gap.part}'s platform could not hand the call on: {each.row['error']} (HTTP {each.row['status']})"
            )
            evidence = [*trace_evidence, each.observation.id]
            return CATALOGUE.finding(f"request.{gap.part}_unreachable.refused", subject, summary, evidence)
    for line, look in lines_of(look for look in callee if look.call in LINE_LOGS):
        if _is_line_of(gap, line) and re.search(NOT_SERVED, line["message"], re.I):
            summary = f"{gap.part}'s platform could not hand the call on: {line['message']} ({line['at']})"
            evidence = [*trace_evidence, look.id]
            return CATALOGUE.finding(f"request.{gap.part}_unreachable.refused", subject, summary, evidence)
    asked = [look for look in callee if look.call in REQUEST_LOGS and look.status.answered]
    if (
        gap.status is not None
        and 400 <= gap.status < 500
        and _platform_told(callee)
        and not any(_is_row_of(gap, each.row) for each in seen)
    ):
        summary = f"something else answered {caller}'s call with {gap.status}; {gap.part}'s platform saw no such call"
        evidence = [*trace_evidence, *(look.id for look in asked)]
        return CATALOGUE.finding(f"request.{gap.part}_unreachable.wrong_url", subject, summary, evidence)
    return None


def answered_too_late(
    gap: Gap, lines: Sequence[tuple[LogLine, Observation]], caller: str, trace_evidence: Sequence[str]
) -> Finding | None:
    """`request.timeout_inverted`, where the caller gave up and the callee's own log says that it answered well afterwards."""
    ended = to_iso(datetime.fromtimestamp(gap.call["end_ns"] / 1e9, UTC))
    late = finished_after(lines, gap.part, ended) if gap.timed_out else None
    if late is None:
        return None
    budget_s = duration_ms(gap.call) / 1000
    summary = f"{caller} gave up on {gap.part} after {budget_s:.1f} s; {gap.part} answered well at {late[0]['at']}, for nobody"
    return CATALOGUE.finding("request.timeout_inverted", f"{caller} → {gap.part}", summary, [*trace_evidence, late[1]])


def _orphans(reading: TraceReading, gap: Gap, callee: Sequence[Observation]) -> list[Trace]:
    """The traces of the callee that began within the call, at the route that was called, and without parent."""
    start, end = reading.timeline.start_ns(gap.call), reading.timeline.end_ns(gap.call)
    path = _path_of(gap)
    return [
        trace
        for look in callee
        for trace in traces_in(look)
        if trace.id != reading.trace.id
        and any(
            root["kind"] == "server"
            and not root["parent"]
            and start - 5_000_000 <= root["start_ns"] <= end
            and (not path or first(root["attributes"], "path", path) == path)
            and parts_of(trace)[root["id"]] == gap.part
            for root in trace.roots
        )
    ]


def _reports(reading: TraceReading, gap: Gap, tables: Sequence[Observation]) -> str:
    """When the callee reported spans: `since` the call began, only `before`, `none` around it, or empty where nobody knows: a
    search that came back at its limit does not hold the newest."""
    start = reading.timeline.start_ns(gap.call)
    began = [
        span["start_ns"]
        for look in tables
        for trace in traces_in(look)
        for span, part in ((span, parts_of(trace)[span["id"]]) for span in trace.spans)
        if part == gap.part
    ]
    if began and max(began) >= start:
        return "since"
    if _is_sample(tables) or not tables:
        return ""
    return "before" if began else "none"


def _suspects_of(orphan: Trace, gap: Gap) -> list[Suspect]:
    """What the orphan shows: likely this call's other half, by time alone, and so no proof."""
    named = read_trace(orphan, ()).faults
    look = f"trace {orphan.id}, if it is this call's other half: compare the request in {gap.part}'s log; read access to it"
    if named:
        return [
            Suspect(each.code, each.subject, f"{each.summary}; in a trace that fits by time alone", look)
            for each in named
        ]
    failed = [failure for failure in find_failures(orphan) if failure.fate == Fate.unrecovered]
    why = "a trace that fits by time alone " + ("failed" if failed else "shows no failure")
    return [Suspect(f"request.{gap.part}_failed", gap.part, why, look)]


def _is_sample(tables: Sequence[Observation]) -> bool:
    return any(look.status is Status.partial for look in tables)


def _reached(gap: Gap, callee: Sequence[Observation], tables: Sequence[Observation]) -> bool:
    """Whether the callee's platform logged this very call: same path, same answer, within its time.

    Rows of other requests fit as well when they began at that time; each of those has a span of the callee's in a trace of
    its own. Only a row that no such span accounts for can be this call's.
    """
    others = {
        span["id"]: span
        for look in tables
        for trace in traces_in(look)
        if trace.id != gap.call["trace"]
        for span in trace.spans
        if span["kind"] == "server" and parts_of(trace)[span["id"]] == gap.part
    }
    for each in logged_requests(callee):
        if not _is_row_of(gap, each.row):
            continue
        whose = next((span for span in others.values() if _is_row_of_span(each.row, span)), None)
        if whose is None:
            return True
        del others[whose["id"]]
    return False


def _is_row_of_span(row: RequestRow, span: Span) -> bool:
    """Whether a platform's row and a part's server span can be two views of one request."""
    path = first(span["attributes"], "path")
    return (
        (path is None or str(row["path"] or path).split("?")[0] == path)
        and http_status(span) == row["status"]
        and row["at"] is not None
        and abs(from_iso(row["at"]).timestamp() - span["start_ns"] / 1e9) <= _EDGE_SKEW_S
    )


def _is_line_of(gap: Gap, line: LogLine) -> bool:
    """Whether a platform's proxy wrote a line about the callee within the call's time."""
    if line["part"] != gap.part or not line["at"] or gap.status not in (None, 502, 503):
        return False
    if str(line["attributes"].get("provider", "proxy")) != "proxy":
        return False
    return _is_at(gap, from_iso(line["at"]).timestamp())


def _is_at(gap: Gap, at_s: float) -> bool:
    """Whether a moment by another clock lies within the call's time."""
    return gap.call["start_ns"] / 1e9 - _EDGE_SKEW_S <= at_s <= gap.call["end_ns"] / 1e9 + _EDGE_SKEW_S


def _path_of(gap: Gap) -> str:
    """The path that was called; empty where the span does not tell."""
    return urlsplit(str(first(gap.call["attributes"], "url") or "")).path


def _platform_told(callee: Sequence[Observation]) -> bool:
    """Whether a platform that logs requests was asked for the callee's, and answered in full. Fly.io logs none."""
    asked = [look for look in callee if look.call in REQUEST_LOGS and look.status != Status.not_configured]
    return bool(asked) and all(look.status.answered for look in asked)


def _is_row_of(gap: Gap, row: RequestRow) -> bool:
    """Whether a platform's row can be this call: part, path, status, and a begin within the call's time (by an edge's clock)."""
    if row["part"] != gap.part or not row["at"]:
        return False
    path = _path_of(gap)
    if path and row["path"] and row["path"].split("?")[0] != path:
        return False
    if gap.status is not None and row["status"] not in (gap.status, -1, 0, None):
        return False
    return _is_at(gap, from_iso(row["at"]).timestamp())


def blind_for_missing_trace(
    trace_id: str, row: LoggedRequest, looks: Sequence[Observation], sampled: bool | None
) -> tuple[list[Finding], list[Suspect]]:
    """`trace.not_found.<why>`: the platform knows the request, the trace backends do not know its trace.

    Only said when the backends were asked and answered; a backend that could not be asked is a missing look instead.

    Args:
        looks: the trace backends, asked for the trace or for the request's id.
        sampled: what the request's trace context says of itself; None where nobody has seen it.
    """
    asked = [look for look in looks if look.status != Status.not_configured]
    suspects = [
        Suspect(
            "",
            describe_row(row.row),
            "the request failed, and nothing that was seen shows inside it",
            f"the logs of API and gateway for request {row.row['request_id']}: read access to their platforms' logs",
        )
    ]
    statuses = {look.status for look in asked}
    if Status.too_recent in statuses:
        sub, why = "not_yet_ingested", "it is younger than the trace backend's delay"
    elif Status.out_of_retention in statuses:
        sub, why = "retention", "it is older than the trace backend keeps"
    elif not asked or not all(status.answered for status in statuses):
        return [], suspects
    elif sampled is False:
        sub, why = "not_sampled", "its trace context says that it was not sampled"
    elif not trace_id:
        sub, why = "no_context", "the platform saw no trace context on it"
    else:
        sub, why = "lost", "its trace id is known, so spans were not sampled or never arrived"
    summary = f"{describe_row(row.row)}: the request is there, no trace of it is; {why}"
    evidence = [row.observation.id, *(look.id for look in asked)]
    return [CATALOGUE.finding(f"trace.not_found.{sub}", "trace", summary, evidence)], suspects
