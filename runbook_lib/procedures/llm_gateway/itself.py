"""The gateway itself: whether it answers, what its platform says of it, and which failures are its own."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.machines import Machine
from runbook_lib.core.records.parts import PartAnswer
from runbook_lib.judging.answers import rows_of, whole_record
from runbook_lib.procedures.failed_request.logs import log_findings
from runbook_lib.procedures.llm_gateway.calls import iso_of
from runbook_lib.procedures.llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.llm_gateway.edge import AT_THE_EDGE, EDGE_STATUSES, is_edge_answer
from runbook_lib.procedures.llm_gateway.reading import Evidence, Reading
from runbook_lib.reading.changes import DEPLOYMENT_LISTS
from runbook_lib.reading.logs import lines_for, lines_of, log_failures
from runbook_lib.reading.parts import API, GATEWAY
from runbook_lib.reading.request_rows import logged_requests
from runbook_lib.reading.spans import traces_in
from runbook_lib.reading.trace_causes import TraceReading, read_trace

_NOT_RUNNING = frozenset({"CRASHED", "FAILED", "REMOVED", "stopped", "destroyed", "suspended", "failed"})
_RECENT_S = 60.0
DOWN, NOW, AGAIN = "gateway.down", "just now", "; it answers again"
_DEPLOYED_WITHIN_S = 60.0


@dataclass
class Itself:
    """What is wrong with the gateway itself. is_down_now: by our own probe and a second witness, or without a contrary one."""

    faults: list[Finding] = field(default_factory=list)
    also: list[Finding] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    lost: list[tuple[float, str]] = field(
        default_factory=list
    )  # failed requests besides those with calls: when, and a look


def judge_itself(reading: Reading) -> Itself:
    """Down now or in the window, and failing by itself."""
    found = Itself()
    evidence = reading.evidence
    traces = _failing_traces(evidence)
    reached = {request.id.partition(":")[0] for request in reading.calls.requests}
    unreached = _unreached(evidence, traces, reached)
    own = _own_errors(evidence, traces)
    found.lost = [*unreached, *((at_s, look) for at_s, look, _ in own)]
    now = _down_now(reading, unreached)
    if isinstance(now, Finding):
        found.faults.append(now)
    elif unreached:
        was_down = _was_down(reading, unreached)
        (found.also if _was_deployed(reading, unreached) else found.faults).append(was_down)
    elif isinstance(now, Suspect):
        found.suspects.append(now)
    if own:
        words = own[-1][2]
        summary = f"{len(own)} requests failed inside the gateway itself, the last at {iso_of(own[-1][0])}: {words}"
        found.faults.append(
            CATALOGUE.finding("gateway.unhealthy.errors", "gateway", summary, (look for _, look, _ in own))
        )
    elif (answers := _answers_badly(evidence)) is not None and not found.faults:
        served = any(not request.failed for request in reading.calls.requests)
        if served or not _sees_little(evidence):
            (found.also if served else found.faults).append(answers)
        else:
            look = "one request of a user's: the gateway's traces, its log or its platform's request log"
            found.suspects.append(
                Suspect(answers.code, answers.subject, f"{answers.summary}; nothing else was seen", look)
            )
    return found


def _failing_traces(evidence: Evidence) -> list[tuple[TraceReading, str]]:
    return [(read_trace(trace, (look.id,)), look.id) for look in evidence.failed for trace in traces_in(look)]


def _unreached(
    evidence: Evidence, traces: Sequence[tuple[TraceReading, str]], reached: Collection[str]
) -> list[tuple[float, str]]:
    """When the gateway could not be reached: by its callers' spans and lines, and by its own platform.

    A request in which the gateway called a provider (`reached`) reached it, whatever a caller's line quotes of its error.
    """
    found: dict[str, tuple[float, str]] = {}
    at_edge = [
        (from_iso(seen.row["at"]).timestamp(), seen.observation.id)
        for seen in logged_requests(evidence.platform)
        if seen.row["part"] == GATEWAY
        and seen.row["at"]
        and seen.row["status"] in EDGE_STATUSES
        and AT_THE_EDGE.search(seen.row["error"] or "")
    ]
    at_edge += [
        (from_iso(line["at"]).timestamp(), look.id)
        for line, look in lines_of(evidence.logs)
        if line["part"] == GATEWAY
        and line["at"]
        and line["attributes"].get("provider") == "proxy"
        and AT_THE_EDGE.search(line["message"])
    ]
    for reading, look in traces:
        at_s = min(span["start_ns"] for span in reading.trace.spans) / 1e9
        if any(finding.code.startswith("request.gateway_unreachable") for finding in reading.faults):
            found[reading.trace.id] = (at_s, look)
        for gap in reading.gaps:
            call_s = gap.call["end_ns"] / 1e9
            refused = [each for each in at_edge if abs(each[0] - call_s) < 2.25]
            if gap.part == GATEWAY and gap.status in EDGE_STATUSES and refused:
                found[reading.trace.id] = (at_s, refused[0][1])
    lines = lines_of(evidence.logs)
    for trace_id, request_id in _requests_of_api(lines):
        if {trace_id, request_id} & set(reached):
            continue
        mine = lines_for(lines, trace_id=trace_id, request_ids={request_id} - {""})
        for finding in log_findings(log_failures(mine), mine):
            last_at = mine[-1][0]["at"]
            if last_at and finding.code.startswith("request.gateway_unreachable"):
                found.setdefault(trace_id or request_id, (from_iso(last_at).timestamp(), finding.evidence[0]))
    counted = sorted(found.values())
    return counted or sorted(at_edge)


def _requests_of_api(lines: Iterable[tuple[LogLine, Observation]]) -> set[tuple[str, str]]:
    return {
        (line["trace_id"] or "", line["request_id"] or "")
        for line, _ in lines
        if line["part"] == API and (line["trace_id"] or line["request_id"])
    }


def _own_errors(evidence: Evidence, traces: Sequence[tuple[TraceReading, str]]) -> list[tuple[float, str, str]]:
    """Exceptions of the gateway's own: when, the look, what it says."""
    found: dict[str, tuple[float, str, str]] = {}
    for reading, look in traces:
        for finding in reading.faults:
            is_own = finding.code == "request.gateway_failed"
            is_own_stream = finding.code == "request.stream_broken" and finding.subject.startswith(GATEWAY)
            if is_own or is_own_stream:
                at_s = min(span["start_ns"] for span in reading.trace.spans) / 1e9
                found.setdefault(reading.trace.id, (at_s, look, finding.summary))
    lines = [pair for pair in lines_of(evidence.logs) if pair[0]["part"] == GATEWAY]
    for line, observation in lines:
        at, identity = line["at"], line["trace_id"] or line["request_id"]
        if not at or not identity or identity in found:
            continue
        for failure in log_failures([(line, observation)]):
            if failure.callee is None and failure.fault.error_type:
                found[identity] = (from_iso(at).timestamp(), observation.id, failure.fault.message[:160])
    return sorted(found.values())


def _down_now(reading: Reading, unreached: Sequence[tuple[float, str]]) -> Finding | Suspect | None:
    """The gateway as it answers us, weighed against what its own traffic says."""
    tried = (
        Status.ok,
        Status.unreachable,
        Status.timed_out,
    )  # what came back otherwise tells of us, not of the gateway
    probes = [look for look in reading.evidence.probes if look.call == "probe" and look.status in tried]
    if not probes:
        return None
    refused = [look for look in probes if look.status in (Status.unreachable, Status.timed_out)]
    at_edge = [look for look in probes if look.status == Status.ok and is_edge_answer(look)]
    bad = [*refused, *at_edge]
    if len(bad) < len(probes):
        return None
    edge = whole_record(bad[-1], PartAnswer)
    words = f"HTTP {edge['status_code']} from its platform: {edge['text'][:120]}" if edge is not None else bad[-1].why
    crashed = _not_running(reading.evidence)
    tail = f"; {crashed[0]}" if crashed else ""
    if unreached:
        tail += f"; {len(unreached)} requests could not reach it, the last at {iso_of(unreached[-1][0])}"
    summary = f"the gateway did not answer {len(bad)} calls {NOW}: {words}{tail}"
    ids = [*(look.id for look in bad), *([crashed[1]] if crashed else []), *(look for _, look in unreached)]
    served_s = max((request.last.end_s for request in reading.calls.requests if not request.failed), default=0.0)
    is_served = reading.evidence.now.timestamp() - served_s < _RECENT_S
    if at_edge or crashed or unreached or not (is_served or _sees_little(reading.evidence)):
        return CATALOGUE.finding(DOWN, "gateway", summary, ids)
    why = f"it does not answer from here ({words}); " + (
        f"yet it served a request at {iso_of(served_s)}" if is_served else "but hardly anything answers from here"
    )
    look = "the gateway's address from another network, or RUNBOOK_GATEWAY_URL corrected; any on-call, no further permission"
    return Suspect(DOWN, "gateway", why, look)


def _sees_little(evidence: Evidence) -> bool:
    """Whether most of what this machine asked did not answer: then it is our own way out that is in doubt."""
    others = [look for look in evidence.all() if look.source != "parts" and look.status != Status.not_configured]
    away = [look for look in others if look.status in (Status.unreachable, Status.timed_out)]
    return not any(look.status.answered for look in others) or 2 * len(away) > len(others)


def _not_running(evidence: Evidence) -> tuple[str, str] | None:
    """That the gateway's newest deployment, or every machine of it, does not run; None where its platform says otherwise."""
    for look in evidence.platform:
        for newest in rows_of(look, DeploymentRow)[:1] if look.call == "deployments" else ():
            if newest["state"] in ("CRASHED", "FAILED"):
                return f"its newest deployment is {newest['state']} ({newest['error'] or newest['id']})", look.id
        machines = rows_of(look, Machine) if look.call == "machines" else []
        if machines and all(each["state"] in _NOT_RUNNING for each in machines):
            return f"none of its {len(machines)} machines runs", look.id
    return None


def _was_down(reading: Reading, unreached: Sequence[tuple[float, str]]) -> Finding:
    first, last = unreached[0][0], unreached[-1][0]
    back = any(not request.failed and request.at_s > last for request in reading.calls.requests)
    tail = AGAIN if back else ""
    summary = f"{len(unreached)} requests could not reach the gateway between {iso_of(first)} and {iso_of(last)}{tail}"
    return CATALOGUE.finding(DOWN, "gateway", summary, (look for _, look in unreached))


def _was_deployed(reading: Reading, unreached: Sequence[tuple[float, str]]) -> bool:
    """Whether it was away for the moment that a deployment takes, and serves again."""
    first, last = unreached[0][0], unreached[-1][0]
    deployed = [
        from_iso(row["at"]).timestamp()
        for look in (*reading.evidence.platform, *reading.evidence.changes)
        if f"{look.source}.{look.call}" in DEPLOYMENT_LISTS
        for row in rows_of(look, DeploymentRow)
    ]
    back = any(not request.failed and request.at_s > last for request in reading.calls.requests)
    return (
        back and last - first < _DEPLOYED_WITHIN_S and any(-5 < first - at_s < _DEPLOYED_WITHIN_S for at_s in deployed)
    )


def _answers_badly(evidence: Evidence) -> Finding | None:
    """Every probe was answered with a 5xx of the gateway's own."""
    probes = [(look, whole_record(look, PartAnswer)) for look in evidence.probes if look.call == "probe"]
    answers = [(look, answer) for look, answer in probes if answer is not None]
    bad = [(look, answer) for look, answer in answers if answer["status_code"] >= 500 and not is_edge_answer(look)]
    if not answers or len(bad) < len(answers):
        return None
    last = bad[-1][1]
    summary = f"the gateway answers {last['status_code']} to GET /: {last['text'][:120]}"
    return CATALOGUE.finding("gateway.unhealthy", "gateway", summary, (look.id for look, _ in bad))
