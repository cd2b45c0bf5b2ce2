"""Why did this request fail? From the platform's row, the trace and the parts' logs to one verdict.

Three witnesses, the surest first: what the platform itself did (it ended the function, it refused at the edge), what the
trace shows, what the parts logged. A witness that could not be heard is named; where the others suffice, it costs nothing
but that mention. A trace or a log of which a part is missing names suspects only: what made a failure good may be missing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from runbook_lib.core.model import Conclusion, Finding, Observation, Situation, Status, Suspect, Unseen
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.failed_request.causes import CATALOGUE, ONE, with_evidence
from runbook_lib.procedures.failed_request.database import settle_timeouts
from runbook_lib.procedures.failed_request.exhibits import facts_of
from runbook_lib.procedures.failed_request.gaps import (
    answered_too_late,
    blind_for_gap,
    blind_for_missing_trace,
    platform_explains_gap,
)
from runbook_lib.procedures.failed_request.logs import gateway_not_serving, log_findings, log_suspects, stream_findings
from runbook_lib.procedures.failed_request.pace import pace_of, where_it_went
from runbook_lib.procedures.failed_request.quota import judge_refusal
from runbook_lib.procedures.failed_request.reading import Evidence, Reading, read
from runbook_lib.procedures.failed_request.topics import of_one
from runbook_lib.reading.changes import changes_of
from runbook_lib.reading.parts import API, GATEWAY, WEB
from runbook_lib.reading.request_rows import (
    LoggedRequest,
    describe_row,
    is_failed,
    is_refused,
    logged_requests,
    platform_verdict,
    situation_of,
)
from runbook_lib.reading.root import Failure


def diagnose(evidence: Evidence, before: Reading | None = None) -> Conclusion:
    """The verdict on one request; `before` as in `read`."""
    reading = read(evidence, before)
    faults: list[Finding] = []
    blind: list[Finding] = []
    suspects: list[Suspect] = []
    also: list[Finding] = []
    states: list[Finding] = []

    platform = platform_findings(reading.mine)
    faults, doubted = _trace_faults(reading)
    if platform and faults:
        known = {(each.code, each.subject) for each in faults}
        also += [
            each for each in platform if (each.code, each.subject) not in known
        ]  # the platform ended or refused what something deeper had already broken
    elif platform:
        faults += platform
    if not faults:
        told, cut = _log_faults(reading)
        faults += told
        doubted += cut
    faults, undecided = settle_timeouts(faults, evidence.behind, evidence.window.as_dict()["until"])
    suspects += undecided
    if not faults:
        suspects += as_suspects(doubted)
    if not faults and not suspects:
        hidden_blind, hidden_suspects = _hidden(reading)
        blind += hidden_blind
        suspects += [*(log_suspects(reading.log_failures) if hidden_suspects else ()), *hidden_suspects]
    if not faults and not blind and not suspects:
        judged = judge_refusal(reading, _refused_row(reading), evidence.plan)
        if judged is not None:
            faults += judged.faults
            states += judged.states
            suspects += judged.suspects
    if not faults and not blind and not suspects and not states:
        states += _client_gone(reading)
        slow, slow_suspects = judge_pace(reading)
        faults += slow
        suspects += slow_suspects
    if not faults and not blind and not suspects and not states and _something_failed(reading) and reading.mine:
        blind, suspects = _unexplained(reading)
    return conclude(
        with_evidence(of_one(reading)),
        evidence.all(),
        asked=(ONE,),
        faults=faults,
        also=also,
        states=states,
        blind=blind,
        suspects=suspects,
        not_seen=_beside(reading) if faults else (),
        situation=_situation(reading),
        facts=facts_of(reading.trace, reading.mine, evidence, reading.trace_evidence),
    )


def platform_findings(mine: Sequence[LoggedRequest]) -> list[Finding]:
    """What the platform itself did, the innermost part first: web's 502 may only pass on that the API was killed."""
    for seen in reversed(mine):
        verdict = platform_verdict(seen.row)
        if verdict is not None:
            part = seen.row["part"]
            summary = f"{part}: {verdict.what} ({describe_row(seen.row)}, {seen.row['error'] or 'no error code'})"
            place = f"{part} {seen.row['method']} {seen.row['path']}"
            return [CATALOGUE.finding(verdict.code, place, summary, [seen.observation])]
    return []


def _trace_faults(reading: Reading) -> tuple[list[Finding], list[Finding]]:
    """(named, doubted): what the trace names; a retry storm after the failures that set it off; a gap that the callee's platform
    or log explains. Of a trace that may be cut, doubted: what failed first may be what is missing."""
    if reading.trace is None:
        return [], []
    if not reading.is_complete:
        return [], list(reading.trace.faults)
    trace, found = reading.trace, list(reading.trace.faults)
    for gap in trace.gaps:
        caller = trace.parts[gap.call["id"]]
        explained = platform_explains_gap(gap, reading.evidence.beside, caller, reading.trace_evidence)
        explained = explained or answered_too_late(gap, reading.my_lines, caller, reading.trace_evidence)
        found += [explained] if explained is not None else []
    return found, []


def _log_faults(reading: Reading) -> tuple[list[Finding], list[Finding]]:
    """(named, doubted): what the logs name, where no trace does: of a request that failed, or of one that only seemed to end well.
    Doubted where a log is cut."""
    found: list[Finding] = []
    if _something_failed(reading):
        found = log_findings(reading.log_failures, reading.my_lines)
        found = found or gateway_not_serving(reading.log_failures, reading.evidence.beside)
    elif reading.trace is None or not reading.is_complete:
        found = stream_findings(reading.log_failures)
    return ([], found) if reading.lines_are_cut else (found, [])


def as_suspects(doubted: Iterable[Finding]) -> list[Suspect]:
    """What a trace or a log names of which a part is missing, as suspects."""
    look = "the whole of it: the same look again, or with a higher limit; read access to traces and logs"
    return [
        Suspect(each.code, each.subject, f"{each.summary}; but more of it may be missing", look) for each in doubted
    ]


def _hidden(reading: Reading) -> tuple[list[Finding], list[Suspect]]:
    """Why nothing could be named although something failed: no request, no trace, or spans missing where the root may lie."""
    evidence, outermost = reading.evidence, reading.outermost
    if outermost is None and reading.trace is None:
        return _no_request(evidence)
    if reading.trace is not None and reading.is_complete:
        if reading.trace.gaps:
            return blind_for_gap(reading.trace, reading.trace.gaps[-1], evidence.beside, reading.trace_evidence)
        return [], [_own_failure(reading, each) for each in reading.trace.unexplained[:1]]
    if outermost is not None and _something_failed(reading) and not is_refused(outermost.row):
        return blind_for_missing_trace(reading.trace_id, outermost, _backends(evidence), evidence.sampled)
    return [], []


def _own_failure(reading: Reading, failure: Failure) -> Suspect:
    """A part that answered with an error and recorded no exception."""
    assert reading.trace is not None
    part = reading.trace.parts[failure.span["id"]]
    why = f"{part} answered {failure.fault.http_status or 'an error'} and recorded no exception"
    look = f"the log of {part} for trace {reading.trace_id}: its platform's log read permission"
    return Suspect(f"request.{part}_failed" if part in (WEB, API, GATEWAY) else "", part, why, look)


def _backends(evidence: Evidence) -> list[Observation]:
    """The trace backends' looks: for the trace, or, where nobody knew its id, for the request."""
    return list(evidence.traces) or [look for look in evidence.request if look.source in ("tempo", "jaeger")]


def _no_request(evidence: Evidence) -> tuple[list[Finding], list[Suspect]]:
    """Nobody knows the request. Blind if a platform's log could have known it; else the missing looks speak for themselves."""
    asked = [look for look in (*evidence.request, *evidence.traces) if look.status != Status.not_configured]
    has_log = any(look.call == "request_log" for look in asked)
    if has_log and all(look.status.proves_absence for look in asked):
        subject = "request"
        summary = (
            f"neither the platforms' logs nor the trace backend know this request ({len(asked)} looks, all answered)"
        )
        found = CATALOGUE.finding("request.not_found", subject, summary, asked)
        look = (
            "a time window and a route instead of the id: since=…, until=…, route=…; any on-call, no further permission"
        )
        return [found], [Suspect("request.not_found", subject, "the id may be mistyped, or of another system", look)]
    return [], []


def _unexplained(reading: Reading) -> tuple[list[Finding], list[Suspect]]:
    """The request failed, and neither a rule nor a gap says why."""
    first = reading.mine[0]
    subject = describe_row(first.row)
    ids = [*(seen.observation.id for seen in reading.mine), *reading.trace_evidence]
    found = CATALOGUE.finding("request.unexplained", subject, "it failed, and nothing that was seen says why", ids)
    look = f"the logs of API and gateway for request {first.row['request_id']}: read access to their platforms' logs"
    return [found], [Suspect("request.unexplained", subject, found.summary, look)]


def _beside(reading: Reading) -> list[Unseen]:
    """What failed in the same request and is explained by none of its causes: calls whose other half is missing, bare errors."""
    if reading.trace is None or not reading.is_complete:
        return []
    told = [f"{gap.part} was called, the call failed, and no span of {gap.part} is there" for gap in reading.trace.gaps]
    told += [_own_failure(reading, failure).why for failure in reading.trace.unexplained]
    source = "jaeger" if any(each.startswith("jaeger") for each in reading.trace_evidence) else "tempo"
    return [Unseen(source, "trace", "unexplained", why, "read the log of that part") for why in dict.fromkeys(told)]


def _something_failed(reading: Reading) -> bool:
    """Whether anything says that the request did not end well."""
    if any(is_failed(seen.row) for seen in reading.mine):
        return True
    if reading.trace is not None and reading.is_complete:
        return bool(reading.trace.gaps or reading.trace.unexplained)
    return not reading.mine or any(is_refused(seen.row) for seen in reading.mine)


def _refused_row(reading: Reading) -> LoggedRequest | None:
    """The innermost row with a 4xx answer."""
    return next((seen for seen in reversed(reading.mine) if is_refused(seen.row)), None)


def _client_gone(reading: Reading) -> list[Finding]:
    for seen in reading.mine:
        if seen.row["status"] == 499:
            part = seen.row["part"]
            summary = f"the client left before {part} had answered; nothing else failed ({describe_row(seen.row)})"
            place = f"{part} {seen.row['path']}"
            return [CATALOGUE.finding("request.client_gone", place, summary, [seen.observation])]
    return []


def judge_pace(reading: Reading) -> tuple[list[Finding], list[Suspect]]:
    """No error, but far slower than its healthy likes: the span of the critical path that the time went into."""
    pace, outermost = pace_of(reading), reading.outermost
    path = str(pace.row["path"]) if pace.row is not None else ""
    if pace.is_doubtful:
        look = "the traces of the hours before: since=6h; read access to the trace backend"
        why = f"it took {pace.took_ms:.0f} ms, and too few of its likes are known to say whether that is usual"
        return [], [Suspect("request.slow", path, why, look)]
    if not pace.is_slow:
        return [], []
    compared = f"{pace.took_ms:.0f} ms, the healthy p95 of its likes is {pace.p95_ms:.0f} ms"
    ids = [*([outermost.observation.id] if outermost else []), *reading.trace_evidence, *pace.looks]
    where = where_it_went(reading, float(pace.took_ms or 0))
    if where is None:
        look = "the request's whole trace: read access to the trace backend"
        subject = describe_row(outermost.row) if outermost else path
        return [], [Suspect("request.slow", subject, f"it took {compared}; no whole trace tells where", look)]
    return [CATALOGUE.finding("request.slow", where[0], f"slow: {compared}; {where[1]}", ids)], []


def _situation(reading: Reading) -> Situation:
    """How the requests like it fare. Of a request that nobody knows there are none: what failed meanwhile is another's."""
    evidence = reading.evidence
    outermost = reading.outermost.row if reading.outermost else None
    if outermost is None and reading.trace is None:
        return Situation(changes=changes_of(evidence.changes, evidence.window))
    situation = situation_of(logged_requests((*evidence.request, *evidence.traffic)), outermost, evidence.now, None)
    return replace(situation, changes=changes_of(evidence.changes, evidence.window))
