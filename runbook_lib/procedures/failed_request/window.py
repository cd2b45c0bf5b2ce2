"""Why do requests fail? A window with a route instead of one request: which failed, what separates them, who is to blame.

Every failing trace is read as a single request would be; equal findings are one finding with a count. A failing row
without a trace is read from the parts' lines. What the same operations did in the baseline before the window tells the new
trouble from the usual.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from runbook_lib.core.model import Conclusion, Finding, Observation, Situation, Status, Suspect
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.failed_request.logs import log_findings
from runbook_lib.procedures.failed_request.reading import Evidence
from runbook_lib.procedures.failed_request.rules import changes_of, not_seen, platform_findings
from runbook_lib.reading import requests as rows
from runbook_lib.reading.contrast import Blame, JudgedTrace, Trait, judge, rank_blame, rank_traits
from runbook_lib.reading.logs import lines_for, lines_of, log_failures
from runbook_lib.reading.spans import build_traces, first
from runbook_lib.reading.trace_causes import make_finding, read_trace

_MOST_READ = 300  # failing traces and rows that are read one by one; the others count in traits and blame


@dataclass(frozen=True)
class WindowReading:
    """A window, read."""

    judged: tuple[JudgedTrace, ...]
    baseline: tuple[JudgedTrace, ...]
    failing_rows: tuple[rows.Seen, ...]
    traits: tuple[Trait, ...]
    blame: tuple[Blame, ...]
    evidence_ids: tuple[str, ...] = field(default=())

    @property
    def failing(self) -> list[JudgedTrace]:
        """The traces that failed."""
        return [each for each in self.judged if each.failed]


def read_window(evidence: Evidence, baseline: Sequence[Observation], route: str) -> WindowReading:
    """Read the window's traces and rows; `baseline` holds the span tables of as long a time before it."""
    judged = [judge(trace) for look in _tables(evidence.traces) for trace in build_traces(look.value)]
    before = [judge(trace) for look in _tables(baseline) for trace in build_traces(look.value)]
    known = rows.rows_of((*evidence.request, *evidence.traffic))
    shut_out = rows.mostly_shut_out(known)
    failing = [
        seen
        for seen in known
        if (rows.is_failed(seen.row) or (rows.is_refused(seen.row) and rows.kind_of(seen.row) in shut_out))
        and (not route or str(seen.row.get("path", "")).startswith(route))
        and evidence.window.as_dict()["since"] <= str(seen.row.get("at")) <= evidence.window.as_dict()["until"]
    ]
    unique = {(seen.row.get("part"), seen.row.get("request_id")): seen for seen in failing}
    ids = tuple(look.id for look in _tables(evidence.traces))
    return WindowReading(
        tuple(judged),
        tuple(before),
        tuple(unique.values()),
        tuple(rank_traits(judged)),
        tuple(rank_blame(judged, before)),
        ids,
    )


def diagnose_window(evidence: Evidence, baseline: Sequence[Observation], route: str) -> Conclusion:
    """The verdict on a window of requests."""
    reading = read_window(evidence, baseline, route)
    counted: Counter[tuple[str, str]] = Counter()
    samples: dict[tuple[str, str], Finding] = {}
    explained: set[str] = set()
    for each in reading.failing[:_MOST_READ]:
        findings = read_trace(each.trace, reading.evidence_ids).faults
        if findings:
            explained.add(each.trace.id)
        for finding in findings:
            _count(counted, samples, finding)
    lines = lines_of((*evidence.logs, *evidence.request))
    unexplained: list[rows.Seen] = []
    for seen in reading.failing_rows[:_MOST_READ]:
        trace_id = str(seen.row.get("trace_id") or "")
        if trace_id and trace_id in explained:
            continue
        platform = platform_findings([seen])
        mine = lines_for(lines, trace_id=trace_id, request_ids={str(seen.row.get("request_id"))})
        findings = platform or log_findings(log_failures(mine), mine)
        for finding in findings:
            _count(counted, samples, finding)
        if not findings:
            unexplained.append(seen)
    faults = [
        replace(samples[key], summary=f"{count} failing requests: {samples[key].summary}")
        for key, count in counted.most_common()
    ]
    suspects = _suspects(unexplained) if not faults else []
    blind = [] if faults or suspects else _nobody_came(reading, evidence, route)
    return conclude(
        faults=faults,
        blind=blind,
        suspects=suspects or [_another_route(finding) for finding in blind],
        needed=_needed(evidence),
        not_seen=not_seen(evidence.all()),
        situation=_situation(reading, evidence),
        facts={
            "traits": [trait.as_row() for trait in reading.traits],
            "blame": [{**blame.__dict__, "score": round(blame.score, 4)} for blame in reading.blame[:12]],
            "failing_requests": [dict(seen.row) for seen in reading.failing_rows[:50]],
            "failing_traces": [each.trace.id for each in reading.failing[:50]],
            "traces": len(reading.judged),
            "baseline_traces": len(reading.baseline),
        },
    )


def _count(counted: Counter[tuple[str, str]], samples: dict[tuple[str, str], Finding], finding: Finding) -> None:
    key = (finding.code, finding.subject)
    counted[key] += 1
    samples.setdefault(key, finding)


def _suspects(unexplained: Sequence[rows.Seen]) -> list[Suspect]:
    """Failing requests of which nothing is seen but that they failed."""
    if not unexplained:
        return []
    row = unexplained[0].row
    look = f"this procedure with request_id={row.get('request_id')}; read access to the logs of API and gateway"
    why = f"{len(unexplained)} failing requests without a trace or a log line that says why"
    return [Suspect("", rows.describe_row(row), why, look)]


def _nobody_came(reading: WindowReading, evidence: Evidence, route: str) -> list[Finding]:
    """A route that no request of the window was for: of what nobody asked, nothing can be said to be well. As with an id that
    nobody knows, it may be mistyped."""
    asked = _needed(evidence)
    known = rows.rows_of((*evidence.request, *evidence.traffic))
    came = reading.judged or any(str(seen.row.get("path", "")).startswith(route) for seen in known)
    if not route or came or not all(look.status.answered for look in asked):
        return []
    summary = f"no request of the window was for {route}, good or bad ({len(asked)} looks, all answered)"
    return [make_finding("request.not_found", route, summary, [look.id for look in asked])]


def _another_route(finding: Finding) -> Suspect:
    look = "the route as the platform's request log spells it, or a wider window; any on-call, no further permission"
    return Suspect(finding.code, finding.subject, "the route may be mistyped, or nobody used it in the window", look)


def _needed(evidence: Evidence) -> list[Observation]:
    """Nothing fails only if the platforms' logs say so, and the trace backend where the system has one."""
    return [look for look in (*evidence.request, *evidence.traces) if look.status != Status.not_configured] or list(
        evidence.request
    )


def _situation(reading: WindowReading, evidence: Evidence) -> Situation:
    seen = rows.rows_of((*evidence.request, *evidence.traffic))
    outermost = {"web": 0, "api": 1, "gateway": 2}
    parts = sorted({str(each.row.get("part")) for each in seen}, key=lambda part: outermost.get(part, 9))
    front = [each for each in seen if str(each.row.get("part")) == parts[0]] if parts else []
    orgs = {
        str(org) for each in reading.failing for span in each.trace.spans if (org := first(span["attributes"], "org"))
    }
    situation = rows.situation_of(front, None, evidence.now, orgs or None)
    return replace(situation, changes=changes_of(evidence.changes, evidence.window))


def _tables(looks: Sequence[Observation]) -> list[Observation]:
    return [
        look for look in looks if look.status.has_content and isinstance(look.value, dict) and "spans" in look.value
    ]
