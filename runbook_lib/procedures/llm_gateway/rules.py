"""Is the gateway degraded, or a provider down? From its own traces and logs first; from our probes only where those are silent.

What the gateway's traces and logs say outweighs every probe of ours, and the window outweighs this moment: a provider that
answers us now does not clear what it did to the gateway an hour ago, and a key that is refused here is not the gateway's.
"""

from collections.abc import Sequence

from runbook_lib.core.model import Conclusion, Finding, Observation, Situation, Suspect
from runbook_lib.judging.concluding import conclude
from runbook_lib.judging.plan import facts_of
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.llm_gateway.calls import iso_of
from runbook_lib.procedures.llm_gateway.causes import CATALOGUE
from runbook_lib.procedures.llm_gateway.chain import fallback_findings, unoffered_members
from runbook_lib.procedures.llm_gateway.failures import FailureFindings, judge_failures
from runbook_lib.procedures.llm_gateway.itself import AGAIN, DOWN, NOW, Itself, judge_itself
from runbook_lib.procedures.llm_gateway.plans import plans_for
from runbook_lib.procedures.llm_gateway.probes import probe_findings
from runbook_lib.procedures.llm_gateway.reading import Evidence, Reading, read
from runbook_lib.procedures.llm_gateway.tables import chain_rows, health_rows, provider_rows
from runbook_lib.procedures.llm_gateway.timing import backoff_findings, own_slowness, slow_findings
from runbook_lib.procedures.llm_gateway.topics import TOPICS
from runbook_lib.reading.changes import changes_of
from runbook_lib.reading.logs import attribute_of, lines_of
from runbook_lib.reading.parts import GATEWAY
from runbook_lib.reading.request_rows import logged_requests

_QUIET_S = 600.0
_GOOD_AFTER = 3


def diagnose(evidence: Evidence, read_already: Reading | None = None) -> Conclusion:
    """The verdict on the gateway and its providers over the window; `read_already`: the evidence, where it is read."""
    reading = read_already or read(evidence)
    itself = judge_itself(reading)
    judged = judge_failures(reading)
    fallback, worth_saying = fallback_findings(reading)
    unoffered, _ = unoffered_members(reading)
    own_slow = own_slowness(reading)
    known = {(finding.code, finding.subject) for finding in judged.faults}
    slow, in_doubt, unclear = slow_findings(reading)
    slow = [each for each in slow if (each.code, each.subject.partition("/")[0]) not in known]
    over = [each for each in itself.faults if each.summary.endswith(AGAIN)]  # behind whatever still hurts
    faults = [
        *(each for each in itself.faults if each not in over),
        *judged.faults,
        *(each for each in own_slow if not itself.faults),
        *slow,
        *fallback,
        *backoff_findings(reading),
        *unoffered,
        *probe_findings(reading),
        *over,
    ]
    also = [*judged.also, *itself.also, *worth_saying, *in_doubt]
    suspects = [*itself.suspects, *judged.suspects, *unclear]
    states, blind = ([], []) if faults or suspects else _unseen_or_idle(reading)
    plans = plans_for(reading, faults)
    return conclude(
        CATALOGUE,
        evidence.all(),
        faults=faults,
        also=[each for each in also if (each.code, each.subject) not in {(one.code, one.subject) for one in faults}],
        states=states,
        blind=blind,
        suspects=suspects or [_look_for_calls(finding) for finding in blind],
        situation=_situation(reading, itself, judged, faults),
        facts={
            "plans": facts_of(plans),
            "providers": provider_rows(reading),
            "health": health_rows(reading),
            "chain": chain_rows(reading),
            "chain_source": reading.chain.source,
            "requests": len(reading.calls.requests),
        },
    )


def _gateway_logs(reading: Reading) -> list[Observation]:
    return [
        look
        for look in reading.evidence.logs
        if (look.arguments.get("part") or ("gateway" if look.source == "fly" else "")) == GATEWAY
    ]


def _one_answered(looks: Sequence[Observation]) -> bool:
    return any(look.status.answered for look in looks)


def _unseen_or_idle(reading: Reading) -> tuple[list[Finding], list[Finding]]:
    """No call was seen: none was made, or nobody tells of those that were. (states, blind)"""
    if reading.calls.requests:
        return [], []
    rows = [
        seen
        for seen in logged_requests(reading.evidence.platform)
        if seen.row["part"] == GATEWAY and seen.row["method"] == "POST"
    ]
    told = [
        (line, look)
        for line, look in lines_of(_gateway_logs(reading))
        if line["part"] == GATEWAY and attribute_of(line, "method") == "POST"
    ]
    ids = [*(seen.observation.id for seen in rows), *(look.id for _, look in told)]
    if ids:
        summary = (
            f"{max(len(rows), len(told))} requests reached the gateway, and nothing tells of its calls to the providers"
        )
        return [], [CATALOGUE.finding("gateway.calls_not_seen", "gateway", summary, ids)]
    seen = Seen(reading.evidence.all(), TOPICS)
    idle, traced = seen.shown("idle"), seen.shown("traced")
    if not (idle.is_shown and traced.is_shown):
        return [], []  # nothing was seen, and nobody has shown that nothing came
    summary = "no chat came to the gateway in the window: its platform saw other traffic, and neither traces nor its log hold one"
    return [CATALOGUE.finding("gateway.idle", "gateway", summary, (*idle.by, *traced.by))], []


def _look_for_calls(finding: Finding) -> Suspect:
    look = "a trace or a log line of each provider call: OpenTelemetry in the gateway, or its log; a change by its developers"
    return Suspect(finding.code, finding.subject, finding.summary, look)


def _situation(reading: Reading, itself: Itself, judged: FailureFindings, faults: Sequence[Finding]) -> Situation:
    """Ongoing, since when, how many: by the requests that failed and by the calls that the faults rest on."""
    evidence, requests = reading.evidence, reading.calls.requests
    changes = changes_of(evidence.changes, evidence.window)
    failed = [request for request in requests if request.failed]
    lost = [*(request.at_s for request in failed), *(at_s for at_s, _ in itself.lost)]
    good = [request.at_s for request in requests if not request.failed]
    told = len(lost) if requests or lost or _one_answered(evidence.failed) else None
    if not faults:
        return Situation(ongoing=None if told is None else False, requests_failed=told, changes=changes)
    first_s = min([*lost, *(mark.first_s for mark in judged.marks)], default=None)
    last_s = max([*lost, *(mark.last_s for mark in judged.marks)], default=None)
    orgs = {request.org for request in failed if request.org}
    return Situation(
        _goes_on(reading, judged, good, last_s)
        or any(finding.code == DOWN and NOW in finding.summary for finding in faults),
        iso_of(first_s) if first_s is not None and any(at_s < first_s for at_s in good) else None,
        iso_of(last_s) if last_s is not None else None,
        told,
        len(orgs) if orgs else None,
        changes,
    )


def _goes_on(reading: Reading, judged: FailureFindings, good: Sequence[float], last_s: float | None) -> bool | None:
    """A provider's trouble goes on while no call to it went well; a request's, while fewer than three went well after it."""
    if any(mark.goes_on for mark in judged.marks) or last_s is None:
        return True
    after = sum(1 for at_s in good if at_s > last_s)
    is_old = reading.evidence.now.timestamp() - last_s > _QUIET_S
    return False if after >= _GOOD_AFTER else None if is_old and not after else True
