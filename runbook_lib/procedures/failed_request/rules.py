"""Why did this request fail? From the platform's row, the trace and the parts' logs to one verdict.

Three witnesses, the surest first: what the platform itself did (it ended the function, it refused at the edge), what the
trace shows, what the parts logged. A witness that could not be heard is named; where the others suffice, it costs nothing
but that mention.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Change, Conclusion, Finding, Observation, Situation, Status, Suspect, Unseen
from runbook_lib.judging.concluding import conclude, unseen
from runbook_lib.procedures.failed_request.database import settle_timeouts
from runbook_lib.procedures.failed_request.exhibits import facts_of
from runbook_lib.procedures.failed_request.gaps import (
    blind_for_gap,
    blind_for_missing_trace,
    finished_for_nobody,
    platform_explains_gap,
)
from runbook_lib.procedures.failed_request.logs import log_findings, log_suspects, not_served, stream_findings
from runbook_lib.procedures.failed_request.quota import judge_refusal
from runbook_lib.procedures.failed_request.reading import Evidence, Reading, read, timed
from runbook_lib.reading import requests as rows
from runbook_lib.reading.critical_path import critical_path
from runbook_lib.reading.parts import API, GATEWAY, WEB
from runbook_lib.reading.trace_causes import make_finding

_PLATFORMS = ("vercel", "railway", "fly")
LONG_MS = 5_000.0  # with nothing to compare with, only this much is worth a doubt
SLOW_FACTOR = 3.0  # slower than three times the healthy p95 …
SLOW_MARGIN_MS = 500.0  # … and by at least half a second more, so that fast routes do not cry wolf


def diagnose(evidence: Evidence, before: Reading | None = None) -> Conclusion:
    """The verdict on one request; `before` as in `read`."""
    reading = read(evidence, before)
    faults: list[Finding] = []
    blind: list[Finding] = []
    suspects: list[Suspect] = []
    also: list[Finding] = []
    states: list[Finding] = []

    platform = platform_findings(reading.mine)
    faults += _trace_faults(reading)
    if platform and faults:
        also += platform  # the platform ended or refused what something deeper had already broken
    elif platform:
        faults += platform
    if not faults:
        faults += _log_faults(reading)
    faults, undecided = settle_timeouts(faults, evidence.behind, evidence.window.as_dict()["until"])
    suspects += undecided
    if not faults and not suspects:
        hidden_blind, hidden_suspects = _hidden(reading)
        blind += hidden_blind
        suspects += [*(log_suspects(reading.log_failures) if hidden_suspects else ()), *hidden_suspects]
    if not faults and not blind and not suspects:
        judged = judge_refusal(reading.refusal, _refused_row(reading), evidence.quota, _why_lines(reading))
        if judged is not None:
            faults += judged.faults
            states += judged.states
            suspects += judged.suspects
    if not faults and not blind and not suspects and not states:
        states += _client_gone(reading)
        slow, slow_suspects = _slow(reading)
        faults += slow
        suspects += slow_suspects
    return conclude(
        faults=faults,
        also=also,
        states=states,
        blind=blind,
        suspects=suspects,
        needed=_needed(reading),
        not_seen=not_seen(evidence.all()),
        situation=_situation(reading),
        facts=facts_of(reading.trace, reading.mine, evidence, reading.trace_evidence),
    )


def platform_findings(mine: Sequence[rows.Seen]) -> list[Finding]:
    """What the platform itself did, the innermost part first: web's 502 may only pass on that the API was killed."""
    for seen in reversed(mine):
        verdict = rows.platform_verdict(seen.row)
        if verdict is not None:
            part, path = seen.row.get("part"), seen.row.get("path")
            summary = (
                f"{part}: {verdict.what} ({rows.describe_row(seen.row)}, {seen.row.get('error') or 'no error code'})"
            )
            return [
                make_finding(verdict.code, f"{part} {seen.row.get('method')} {path}", summary, [seen.observation.id])
            ]
    return []


def _trace_faults(reading: Reading) -> list[Finding]:
    """What the trace names; a retry storm after the failures that set it off; a gap that the callee's platform or log explains."""
    if reading.trace is None:
        return []
    trace, found = reading.trace, list(reading.trace.faults)
    for gap in trace.gaps:
        caller = trace.parts[gap.call["id"]]
        explained = platform_explains_gap(gap, reading.evidence.callee, caller, reading.trace_evidence)
        explained = explained or finished_for_nobody(gap, reading.my_lines, caller, reading.trace_evidence)
        found += [explained] if explained is not None else []
    return found


def _log_faults(reading: Reading) -> list[Finding]:
    """What the logs name, where no trace does: of a request that failed, or of one that only seemed to end well."""
    if _something_failed(reading):
        found = log_findings(reading.log_failures, reading.my_lines)
        return found or not_served(reading.log_failures, reading.evidence.callee)
    return stream_findings(reading.log_failures) if reading.trace is None else []


def _hidden(reading: Reading) -> tuple[list[Finding], list[Suspect]]:
    """Why nothing could be named although something failed: no request, no trace, or spans missing where the root may lie."""
    evidence, outermost = reading.evidence, reading.outermost
    if outermost is None and reading.trace is None:
        return _no_request(evidence)
    if reading.trace is not None:
        if reading.trace.gaps:
            return blind_for_gap(reading.trace, reading.trace.gaps[-1], evidence.callee, reading.trace_evidence)
        if reading.trace.unexplained:
            span = reading.trace.unexplained[0].span
            part = reading.trace.parts[span["id"]]
            why = f"{part} answered {reading.trace.unexplained[0].fault.http_status or 'an error'} and recorded no exception"
            look = f"the log of {part} for trace {reading.trace_id}: its platform's log read permission"
            return [], [Suspect(f"request.{part}_failed" if part in (WEB, API, GATEWAY) else "", part, why, look)]
        return [], []
    if outermost is not None and _something_failed(reading) and not rows.is_refused(outermost.row):
        return blind_for_missing_trace(reading.trace_id, outermost, _backends(evidence), evidence.sampled)
    return [], []


def _backends(evidence: Evidence) -> list[Observation]:
    """The trace backends' looks: for the trace, or, where nobody knew its id, for the request."""
    return list(evidence.traces) or [look for look in evidence.request if look.source in ("tempo", "jaeger")]


def _no_request(evidence: Evidence) -> tuple[list[Finding], list[Suspect]]:
    """Nobody knows the request. Blind if they could have known; else the missing looks speak for themselves."""
    asked = [look for look in (*evidence.request, *evidence.traces) if look.status != Status.not_configured]
    if asked and all(look.status.proves_absence for look in asked):
        subject = "request"
        summary = (
            f"neither the platforms' logs nor the trace backend know this request ({len(asked)} looks, all answered)"
        )
        found = make_finding("request.not_found", subject, summary, [look.id for look in asked])
        look = (
            "a time window and a route instead of the id: since=…, until=…, route=…; any on-call, no further permission"
        )
        return [found], [Suspect("request.not_found", subject, "the id may be mistyped, or of another system", look)]
    return [], []


def _something_failed(reading: Reading) -> bool:
    """Whether anything says that the request did not end well."""
    if any(rows.is_failed(seen.row) for seen in reading.mine):
        return True
    if reading.trace is not None:
        return bool(reading.trace.gaps or reading.trace.unexplained)
    return not reading.mine or any(rows.is_refused(seen.row) for seen in reading.mine)


def _refused_row(reading: Reading) -> rows.Seen | None:
    """The innermost row with a 4xx answer."""
    return next((seen for seen in reversed(reading.mine) if rows.is_refused(seen.row)), None)


def _why_lines(reading: Reading) -> list[str]:
    """What the parts said about this request, for a refusal's reason."""
    return [str(line.get("message", "")) for line, _ in reading.my_lines]


def _client_gone(reading: Reading) -> list[Finding]:
    for seen in reading.mine:
        if seen.row.get("status") == 499:
            part = str(seen.row.get("part"))
            summary = f"the client left before {part} had answered; nothing else failed ({rows.describe_row(seen.row)})"
            return [
                make_finding("request.client_gone", f"{part} {seen.row.get('path')}", summary, [seen.observation.id])
            ]
    return []


def _slow(reading: Reading) -> tuple[list[Finding], list[Suspect]]:
    """No error, but far slower than its healthy likes: the span of the critical path that the time went into."""
    outermost = reading.outermost
    if outermost is None:
        return [], []
    row, likes = timed(reading)
    if row.get("duration_ms") is None:
        return [], []
    took, p95 = float(row["duration_ms"]), rows.baseline_p95_ms(likes, row)
    if p95 is None and took > LONG_MS:
        look = "the traces of the hours before: since=6h; read access to the trace backend"
        why = f"it took {took:.0f} ms, and too few of its likes are known to say whether that is usual"
        return [], [Suspect("request.slow", str(row.get("path")), why, look)]
    if p95 is None or took <= max(SLOW_FACTOR * p95, p95 + SLOW_MARGIN_MS):
        return [], []
    compared = f"{took:.0f} ms, the healthy p95 of its likes is {p95:.0f} ms"
    ids = [outermost.observation.id, *reading.trace_evidence]
    if reading.trace is None or not reading.trace.trace.roots:
        look = "the request's trace: read access to the trace backend"
        return [], [
            Suspect("request.slow", rows.describe_row(outermost.row), f"it took {compared}; no trace tells where", look)
        ]
    trace = reading.trace
    retried = [series for series in trace.series if len(series.attempts) > 1 and series.attempts[-1].ok]
    for series in retried:
        wasted_s = sum(attempt.duration_ms / 1000 + (attempt.gap_s or 0) for attempt in series.attempts[:-1])
        if wasted_s * 1000 > took / 2:
            callee = series.attempts[0].callee
            summary = (
                f"slow: {compared}; {wasted_s:.1f} s went into {len(series.attempts) - 1} failed attempts at {callee}"
            )
            return [make_finding("request.slow", f"retries to {callee}", summary, ids)], []
    root = trace.trace.roots[0]
    top = max(critical_path(trace.trace, trace.timeline, root), key=lambda each: each.self_ms)
    part = trace.parts[top.span["id"]]
    summary = f"slow: {compared}; {top.self_ms:.0f} ms of it were {part}'s own in `{top.span['name']}`"
    return [make_finding("request.slow", f"{part} {top.span['name']}", summary, ids)], []


def _needed(reading: Reading) -> list[Observation]:
    """The looks on which "nothing is wrong with it" depends: a row, and one witness of what happened inside.

    A request that the platform knows and whose trace is there needs nothing else. Without a trace, the logs of API and
    gateway must have been heard; where they were, and complain of nothing, that suffices.
    """
    needed: list[Observation] = []
    evidence = reading.evidence
    if not reading.mine and reading.trace is None:
        needed += [look for look in evidence.request if look.status != Status.not_configured] or list(evidence.request)
        needed += [look for look in evidence.traces if look.status != Status.not_configured]
        return needed
    if reading.trace is None and not any(rows.is_refused(seen.row) for seen in reading.mine):
        heard = [look for look in evidence.logs if look.status.answered and look.status != Status.empty]
        if not reading.my_lines or not heard:
            needed += [look for look in (*evidence.traces, *evidence.logs) if not look.status.answered]
            if not needed:
                needed += _unproven(evidence.traces)
    return needed


def _unproven(looks: Iterable[Observation]) -> list[Observation]:
    """Looks that came back without the trace: complete answers, yet no witness. Marked so that they count as missing."""
    return [
        replace(look, status=Status.partial, why="no trace of the request, and no log line of it") for look in looks
    ][:1]


def not_seen(looks: Sequence[Observation]) -> list[Unseen]:
    """What could not be seen. What this system does not have is no gap: a trace backend beside the other one, a platform
    that a part does not run on while another platform tells of the part."""
    has_traces = any(look.source in ("tempo", "jaeger") and look.status != Status.not_configured for look in looks)
    hosted = {_part(look) for look in looks if look.source in _PLATFORMS and look.status != Status.not_configured}

    def is_elsewhere(look: Observation) -> bool:
        if look.status != Status.not_configured:
            return False
        return (look.source in ("tempo", "jaeger") and has_traces) or (
            look.source in _PLATFORMS and _part(look) in hosted
        )

    return unseen(look for look in looks if not is_elsewhere(look))


def _part(look: Observation) -> str:
    """The part a platform was asked about; Fly.io hosts the gateway alone."""
    return str(look.arguments.get("part") or ("gateway" if look.source == "fly" else ""))


def _situation(reading: Reading) -> Situation:
    """How the requests like it fare. Of a request that nobody knows there are none: what failed meanwhile is another's."""
    evidence = reading.evidence
    outermost = reading.outermost.row if reading.outermost else None
    if outermost is None and reading.trace is None:
        return Situation(changes=changes_of(evidence.changes, evidence.window))
    situation = rows.situation_of(rows.rows_of((*evidence.request, *evidence.traffic)), outermost, evidence.now, None)
    return replace(situation, changes=changes_of(evidence.changes, evidence.window))


def changes_of(observations: Iterable[Observation], window: Window) -> tuple[Change, ...]:
    """Everything that changed in the two hours before the window's end or within it, the newest first."""
    since, until = rows.since_iso(window.since, 2), window.as_dict()["until"]
    found = set()
    for observation in observations:
        if not observation.status.has_content or not isinstance(observation.value, list):
            continue
        for item in observation.value:
            at = str(item.get("at") or item.get("updated_at") or "")
            if since <= at <= until:
                found.add(Change(at, _changed(item), str(item.get("url") or item.get("where") or observation.source)))
    return tuple(sorted(found, key=lambda change: change.at, reverse=True)[:20])


def _changed(item: dict[str, Any]) -> str:
    """One change in words: an incident or event in its own, a machine or a variable by name, a deployment by part and commit."""
    if item.get("what"):
        return str(item["what"])
    if "host_status" in item:
        return f"{item.get('part', '')} machine {item['name']} is {item.get('state')}".strip()
    if item.get("name") and "commit" not in item:
        return f"{item.get('part', '')} variable {item['name']} changed".strip()
    commit = str(item.get("commit") or "")[:9]
    return f"{item.get('part', '')} deployed {commit} {item.get('message') or ''}".strip()
