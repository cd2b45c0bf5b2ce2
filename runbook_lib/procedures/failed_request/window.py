"""Why do requests fail? A window with a route instead of one request: which failed, what separates them, who is to blame.

Every failing trace is read as a single request would be; equal findings are one finding with a count. A failing row
without a trace is read from the parts' lines, and so is a good one behind which a provider broke off in the stream. What the
same operations did in the baseline before the window tells the new trouble from the usual. What failed and is explained by
nothing stays in the verdict.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from runbook_lib.core.model import Conclusion, Finding, Observation, Situation, Status, Suspect, Unseen
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.failed_request.causes import CATALOGUE, MANY, with_evidence
from runbook_lib.procedures.failed_request.logs import log_findings, log_suspects, stream_findings
from runbook_lib.procedures.failed_request.rules import as_suspects, platform_findings
from runbook_lib.procedures.failed_request.topics import of_window
from runbook_lib.procedures.failed_request.window_reading import WindowEvidence, WindowReading, read_window
from runbook_lib.reading.changes import changes_of
from runbook_lib.reading.contrast import JudgedTrace
from runbook_lib.reading.logs import BAD_LEVELS, attribute_of, lines_of, log_failures
from runbook_lib.reading.request_rows import LoggedRequest, describe_row, situation_of
from runbook_lib.reading.spans import first
from runbook_lib.reading.trace_causes import read_trace

_MOST_READ = 300  # failing traces and rows that are read one by one; the others count in traits and blame
_LOOK = (
    "traces and logs of every part at the time when it failed: read access to the trace backend and the platforms' logs"
)


@dataclass
class Counted:
    """Findings with how often each was made, of a window."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: dict[tuple[str, str], Finding] = field(default_factory=dict)

    def add(self, findings: Iterable[Finding]) -> None:
        """Count findings; the first of each kind is kept."""
        for finding in findings:
            key = (finding.code, finding.subject)
            self.counts[key] += 1
            self.samples.setdefault(key, finding)

    def findings(self) -> list[Finding]:
        """Each once, the most frequent first, with its count."""
        return [
            replace(self.samples[key], summary=f"{count} failing requests: {self.samples[key].summary}")
            for key, count in self.counts.most_common()
        ]


@dataclass
class Explained:
    """What the failing requests of a window come to.

    suspects: whom the lines of such a request may be about, where they name nobody. named, doubted: what explains them, and what
    would if nothing of their trace or log were missing. left_rows, left_traces: those that nothing explains.
    """

    named: Counted = field(default_factory=Counted)
    doubted: Counted = field(default_factory=Counted)
    suspects: dict[tuple[str, str], Suspect] = field(default_factory=dict)
    left_rows: list[LoggedRequest] = field(default_factory=list)
    left_traces: list[JudgedTrace] = field(default_factory=list)

    @property
    def is_left(self) -> bool:
        """Whether something failed that nothing explains."""
        return bool(self.left_rows or self.left_traces)


def diagnose_window(evidence: WindowEvidence) -> Conclusion:
    """The verdict on a window of requests."""
    reading = read_window(evidence)
    explained = explain(reading)
    faults = explained.named.findings()
    suspects = [] if faults else [*as_suspects(explained.doubted.findings()), *explained.suspects.values()]
    blind: list[Finding] = []
    if not faults:
        blind = _unexplained(reading, explained) or ([] if suspects else _nobody_came(reading))
        suspects += [_look_for(finding) for finding in blind]
    return conclude(
        with_evidence(of_window(reading)),
        evidence.all(),
        asked=(MANY,),
        faults=faults,
        blind=blind,
        suspects=suspects,
        not_seen=_beside(explained) if faults else (),
        situation=_situation(reading),
        facts={
            "traits": [trait.as_row() for trait in reading.traits],
            "blame": [{**blame.__dict__, "score": round(blame.score, 4)} for blame in reading.blame[:12]],
            "failing_requests": [dict(seen.row) for seen in reading.failing_rows[:50]],
            "failing_traces": [each.trace.id for each in reading.failing[:50]],
            "unexplained_traces": [each.trace.id for each in explained.left_traces[:50]],
            "traces": len(reading.judged),
            "baseline_traces": len(reading.baseline),
        },
    )


def explain(reading: WindowReading) -> Explained:
    """What the window's failing traces and rows come to, and what is left of them."""
    evidence, explained = reading.evidence, Explained()
    lines = _by_request(lines_of((*evidence.logs, *evidence.request)))
    is_cut = any(look.status is Status.partial for look in evidence.logs)
    told = explained.doubted if is_cut else explained.named
    done: set[str] = set()
    for each in reading.failing[:_MOST_READ]:
        if findings := read_trace(each.trace, reading.tables).faults:
            done.add(each.trace.id)
            (explained.doubted if each.trace.id in reading.may_be_cut else explained.named).add(findings)
    for seen in reading.failing_rows[:_MOST_READ]:
        trace_id = seen.row["trace_id"] or ""
        if trace_id and trace_id in done:
            continue
        mine = _lines_of(lines, seen)
        platform = platform_findings([seen])
        of_lines = [] if platform else log_findings(log_failures(mine), mine)
        explained.named.add(platform)
        told.add(of_lines)
        may_be = [] if platform or of_lines else log_suspects(log_failures(mine))
        explained.suspects |= {(each.code, each.subject): each for each in may_be}
        if platform or of_lines or may_be:
            done.add(trace_id)
        else:
            explained.left_rows.append(seen)
    told.add(_broken_streams(reading, lines))
    explained.left_traces = [each for each in reading.failing[:_MOST_READ] if each.trace.id not in done]
    explained.left_rows = [seen for seen in explained.left_rows if (seen.row["trace_id"] or "-") not in done]
    return explained


Lines = Mapping[str, Sequence[tuple[LogLine, Observation]]]


def _by_request(lines: Iterable[tuple[LogLine, Observation]]) -> Lines:
    """Log lines by the trace's id and by the request's id that they carry."""
    found: dict[str, list[tuple[LogLine, Observation]]] = {}
    for line, look in lines:
        for identity in {line["trace_id"] or "", line["request_id"] or ""} - {""}:
            found.setdefault(identity, []).append((line, look))
    return found


def _lines_of(lines: Lines, seen: LoggedRequest) -> list[tuple[LogLine, Observation]]:
    """The lines of one request, in the order in which they were read."""
    ids = dict.fromkeys((seen.row["trace_id"] or "", seen.row["request_id"]))
    found = [pair for identity in ids if identity for pair in lines.get(identity, ())]
    return list({id(line): (line, look) for line, look in found}.values())


def _broken_streams(reading: WindowReading, lines: Lines) -> Iterable[Finding]:
    """Providers that failed behind an answer that the platform took for a good one, where no trace tells of it."""
    traced = {each.trace.id for each in reading.judged} - reading.may_be_cut
    for seen in reading.good_rows:
        trace_id = seen.row["trace_id"] or ""
        mine = lines.get(trace_id, ()) if trace_id and trace_id not in traced else ()
        if any(attribute_of(line, "provider") and line["level"].lower() in BAD_LEVELS for line, _ in mine):
            yield from stream_findings(log_failures(_lines_of(lines, seen)))


def _unexplained(reading: WindowReading, explained: Explained) -> list[Finding]:
    """`request.unexplained`, with how many failed and whatever is known of them."""
    if not explained.is_left:
        return []
    known = {seen.row["trace_id"] or "": describe_row(seen.row) for seen in explained.left_rows}
    known |= {each.trace.id: _described(each) for each in explained.left_traces if each.trace.id not in known}
    evidence = [
        *(seen.observation.id for seen in explained.left_rows),
        *(reading.tables if explained.left_traces else ()),
    ]
    count = len({*known, *(seen.row["request_id"] for seen in explained.left_rows if not seen.row["trace_id"])})
    examples = "; ".join(list(known.values())[:3])
    summary = f"{count - ('' in known)} failing requests without a trace or a log line that says why: {examples}"
    return [CATALOGUE.finding("request.unexplained", reading.evidence.route or "requests", summary, evidence)]


def _described(judged: JudgedTrace) -> str:
    """A failing trace: what began it, and what failed in it or is missing from it."""
    read = read_trace(judged.trace, ())
    name = judged.trace.roots[0]["name"] if judged.trace.roots else "a trace"
    if read.gaps:
        return f"{name}: {read.gaps[-1].part} was called, and no span of it is there (trace {judged.trace.id})"
    if read.refusals:
        return f"{name}: {read.refusals[0].part} answered {read.refusals[0].status} (trace {judged.trace.id})"
    return f"{name}: no exception was recorded (trace {judged.trace.id})"


def _beside(explained: Explained) -> list[Unseen]:
    """What failed beside the causes that were named, and is explained by none of them."""
    left = [describe_row(seen.row) for seen in explained.left_rows]
    known = {seen.row["trace_id"] for seen in explained.left_rows}
    left += [_described(each) for each in explained.left_traces if each.trace.id not in known]
    if not left:
        return []
    why = f"{len(left)} more requests failed, and nothing that was seen says why: {'; '.join(left[:3])}"
    return [Unseen("requests", "failed", "unexplained", why, _LOOK)]


def _nobody_came(reading: WindowReading) -> list[Finding]:
    """A route that no request of the window was for: of what nobody asked, nothing can be said to be well. As with an id that
    nobody knows, it may be mistyped."""
    evidence = reading.evidence
    asked = [look for look in (*evidence.request, *evidence.traces) if look.status is not Status.not_configured]
    has_log = any(look.call == "request_log" for look in asked)
    came = reading.judged or any((seen.row["path"] or "").startswith(evidence.route) for seen in evidence.known)
    if not evidence.route or came or not has_log or not all(look.status.answered for look in asked):
        return []
    summary = f"no request of the window was for {evidence.route}, good or bad ({len(asked)} looks, all answered)"
    return [CATALOGUE.finding("request.not_found", evidence.route, summary, asked)]


def _look_for(finding: Finding) -> Suspect:
    """What to do about what hides the answer."""
    if finding.code == "request.unexplained":
        return Suspect(finding.code, finding.subject, finding.summary, _LOOK)
    look = "the route as the platform's request log spells it, or a wider window; any on-call, no further permission"
    return Suspect(finding.code, finding.subject, "the route may be mistyped, or nobody used it in the window", look)


def _situation(reading: WindowReading) -> Situation:
    evidence = reading.evidence
    outermost = {"web": 0, "api": 1, "gateway": 2}
    parts = sorted({each.row["part"] for each in evidence.known}, key=lambda part: outermost.get(part, 9))
    front = [each for each in evidence.known if each.row["part"] == parts[0]] if parts else []
    orgs = {
        str(org) for each in reading.failing for span in each.trace.spans if (org := first(span["attributes"], "org"))
    }
    situation = situation_of(front, None, evidence.now, orgs or None)
    return replace(situation, changes=changes_of(evidence.changes, evidence.window))
