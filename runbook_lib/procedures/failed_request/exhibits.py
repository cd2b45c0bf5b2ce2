"""What a failed request looks like: the waterfall, the attempts, the deployed commits, the links. Plain data for the displays."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from runbook_lib.core.model import Change, Json, Observation
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.traces import Span
from runbook_lib.judging.answers import rows_of
from runbook_lib.reading.changes import DEPLOYMENT_LISTS
from runbook_lib.reading.critical_path import critical_path
from runbook_lib.reading.request_rows import LoggedRequest, baseline_p95_ms, is_failed, rows_like
from runbook_lib.reading.root import Fate
from runbook_lib.reading.spans import duration_ms, fault
from runbook_lib.reading.trace_causes import TraceReading

_MOST_SPANS = 400


class _Looks(Protocol):
    """The part of the evidence that this module reads."""

    @property
    def changes(self) -> tuple[Observation, ...]:
        """Deployments and other changes."""


def facts_of(
    reading: TraceReading | None, mine: Sequence[LoggedRequest], evidence: _Looks, trace_evidence: Sequence[str]
) -> dict[str, Json]:
    """Everything for displays and the postmortem that is no judgement."""
    return {
        "trace_id": reading.trace.id if reading else None,
        "trace_evidence": list(trace_evidence),
        "rows": [dict(seen.row) for seen in mine],
        "attempts": attempts_of(reading) if reading else [],
        "missing": sorted({gap.part for gap in reading.gaps}) if reading else [],
        "missing_parents": sorted(reading.trace.missing_parents)[:20] if reading else [],
        "skew": skew_of(reading) if reading else [],
        "deployments": deployed_commits(evidence.changes, mine),
    }


def attempts_of(reading: TraceReading) -> list[dict[str, object]]:
    """Every attempt, retries and fallbacks in order."""
    return [attempt.as_row() for series in reading.series for attempt in series.attempts]


def skew_of(reading: TraceReading) -> list[dict[str, Json]]:
    """Which process's clock was shifted on the common timeline, and by how much."""
    part_by_resource = {span["resource"]: reading.parts[span["id"]] for span in reading.trace.spans}
    return [
        {"part": part_by_resource.get(index, "other"), "shift_ms": shift}
        for index, shift in sorted(reading.timeline.shifts_ms.items())
    ]


def waterfall_of(reading: TraceReading) -> dict[str, Json]:
    """The trace as bars on one timeline, depth first, children in order of start; missing parts as ghosts beneath their call."""
    trace, timeline = reading.trace, reading.timeline
    origin = min((timeline.start_ns(root) for root in trace.roots), default=0)
    ends = [timeline.end_ns(span) for span in trace.spans]
    path = {each.span["id"]: each.self_ms for root in trace.roots[:1] for each in critical_path(trace, timeline, root)}
    roots = {failure.span["id"] for failure in reading.failures if failure.fate == Fate.unrecovered}
    numbers = {attempt.span["id"]: attempt.number for series in reading.series for attempt in series.attempts}
    ghosts = {gap.call["id"]: gap.part for gap in reading.gaps}
    bars: list[dict[str, Json]] = []
    stack: list[tuple[Span, int]] = [(root, 0) for root in reversed(trace.roots)]
    while stack and len(bars) < _MOST_SPANS:
        span, depth = stack.pop()
        failed = fault(span)
        start_ms = (timeline.start_ns(span) - origin) / 1e6
        bars.append(
            {
                "id": span["id"],
                "depth": depth,
                "part": reading.parts[span["id"]],
                "name": span["name"],
                "start_ms": round(start_ms, 3),
                "duration_ms": round(duration_ms(span), 3),
                "self_ms": path.get(span["id"], 0.0),
                "status": "error" if failed else "ok",
                "critical": span["id"] in path,
                "root_cause": span["id"] in roots,
                "missing": False,
                "attempt": numbers.get(span["id"]),
                "label": failed.text[:80] if failed else "",
            }
        )
        if span["id"] in ghosts:
            bars.append({**bars[-1], "id": f"{span['id']}-missing", "depth": depth + 1, "part": ghosts[span["id"]],
                         "name": f"{ghosts[span['id']]}: no spans", "missing": True, "critical": False,
                         "root_cause": False, "attempt": None, "label": "nothing was seen of it"})  # fmt: skip
        stack.extend((child, depth + 1) for child in reversed(trace.children_of(span)))
    return {
        "trace_id": trace.id,
        "total_ms": round((max(ends, default=origin) - origin) / 1e6, 3),
        "folded": max(0, len(trace.spans) - len(bars)),
        "skew": skew_of(reading),
        "spans": bars,
    }


def latency_of(
    seen: Sequence[LoggedRequest],
    like: RequestRow | None,
    window: dict[str, str],
    deployments: Sequence[DeploymentRow],
) -> dict[str, Json]:
    """The traffic of the request's likes over the window, this request among them."""
    alike = rows_like(seen, like)
    return {
        "points": [
            {
                "at": row["at"],
                "ms": row["duration_ms"],
                "failed": is_failed(row),
                "label": str(row["status"]),
            }
            for row in alike
        ],
        "window": window,
        "baseline_p95_ms": baseline_p95_ms(seen, like) if like else None,
        "deployments": [{"at": each["at"], "label": (each["commit"] or "")[:7]} for each in deployments],
        "request": {"at": like["at"], "ms": like["duration_ms"]} if like and like["at"] else None,
    }


def deployed_commits(observations: Sequence[Observation], mine: Sequence[LoggedRequest]) -> list[DeploymentRow]:
    """The deployment of each part that served the request: by its id where the row names it, else the newest before it."""
    every = [
        row
        for look in observations
        if f"{look.source}.{look.call}" in DEPLOYMENT_LISTS
        for row in rows_of(look, DeploymentRow)
        if row["commit"] is not None
    ]
    found: dict[str, DeploymentRow] = {}
    by_id = {row["id"]: row for row in every}
    for seen in mine:
        serving = by_id.get(seen.row["deployment_id"] or "")
        if serving is not None:
            found[serving["part"]] = serving
    for row in sorted(every, key=lambda each: each["at"], reverse=True):
        found.setdefault(row["part"], row)
    return [found[part] for part in sorted(found)]


def deployed_table(deployed: Sequence[DeploymentRow]) -> Json:
    """What is deployed of each part."""
    rows = [[each["part"], each["platform"], each["commit"], each["at"], each["url"]] for each in deployed]
    return {"columns": ["part", "platform", "commit", "at", "url"], "rows": rows}


_ROW_COLUMNS: tuple[
    Literal["part", "platform", "at", "method", "path", "status", "duration_ms", "trace_id", "error"], ...
] = ("part", "platform", "at", "method", "path", "status", "duration_ms", "trace_id", "error")


def rows_table(found: Sequence[RequestRow]) -> Json:
    """Requests as the platforms' logs have them."""
    return {"columns": list(_ROW_COLUMNS), "rows": [[row[name] for name in _ROW_COLUMNS] for row in found]}


def table_of(found: Sequence[Mapping[str, object]]) -> Json:
    """A table whose columns are the names in its first row."""
    names = list(found[0]) if found else []
    return {"columns": names, "rows": [[row.get(name) for name in names] for row in found]}


def changes_table(changes: Sequence[Change]) -> Json:
    """What changed, the newest first."""
    return {
        "columns": ["at", "what", "where"],
        "rows": [[change.at, change.what, change.where] for change in changes],
    }
