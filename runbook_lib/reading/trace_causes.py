"""What a trace says about a failed request: each root failure under its cause's code, and what the trace cannot show."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from runbook_lib.core.model import Finding
from runbook_lib.core.records.traces import Span
from runbook_lib.reading.attempts import Series, find_series
from runbook_lib.reading.classify import (
    NamedCause,
    classify_auth,
    classify_database,
    classify_provider,
    classify_stripe,
    is_timeout,
    is_unreachable,
)
from runbook_lib.reading.parts import API, AUTH, DATABASE, GATEWAY, OTHER, PROVIDER, STRIPE, WEB, callee_of, parts_of
from runbook_lib.reading.root import Failure, Fate, find_failures
from runbook_lib.reading.skew import Timeline, correct_skew
from runbook_lib.reading.spans import Trace, duration_ms, exceptions, first, http_status
from runbook_lib.reading.spans import fault as fault_of


@dataclass(frozen=True)
class Gap:
    """A call to one of our own parts beneath which no span of that part was reported."""

    call: Span
    part: str
    timed_out: bool
    status: int | None


@dataclass(frozen=True)
class Refusal:
    """A part of ours that answered 4xx of its own accord."""

    part: str
    status: int
    span: Span


@dataclass
class TraceReading:
    """Everything the trace says. `faults` in the order in which they explain the symptom."""

    trace: Trace
    timeline: Timeline
    parts: dict[str, str]
    series: list[Series]
    failures: list[Failure]
    faults: list[Finding] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    unexplained: list[Failure] = field(default_factory=list)

    @property
    def org_id(self) -> str:
        """The organization the request was for; empty where no span says."""
        return next((str(org) for span in self.trace.spans if (org := first(span["attributes"], "org"))), "")


def _found(code: str, subject: str, summary: str, evidence: Sequence[str]) -> Finding:
    """A finding under one of 01's codes; its remedy is the catalogue's, which is looked up where findings are concluded."""
    return Finding(code, subject, summary, tuple(evidence))


def unseen_calls(trace: Trace) -> list[Span]:
    """The calls to our own API and gateway that were made, and beneath which no request of theirs was reported, good or bad."""
    return [
        span
        for span in trace.spans
        if span["kind"] == "client"
        and (callee := callee_of(span)) is not None
        and callee[0] in (API, GATEWAY)
        and not _is_served(trace, span)
        and not _never_came(span)
    ]


def _is_served(trace: Trace, call: Span) -> bool:
    """Whether a request of the callee's lies beneath a call, at any depth: an SDK's span may wrap the call itself."""
    waiting, known = list(trace.children_of(call)), {call["id"]}
    while waiting:
        span = waiting.pop()
        if span["kind"] == "server":
            return True
        if span["id"] not in known:
            known.add(span["id"])
            waiting += trace.children_of(span)
    return False


def _never_came(call: Span) -> bool:
    """Whether a call got no connection: then there is nothing to report."""
    failed = fault_of(call)
    return (
        failed is not None and failed.http_status is None and is_unreachable(failed) in ("refused", "dns", "wrong_url")
    )


def read_trace(trace: Trace, evidence: Sequence[str], *, client_gone: bool = False) -> TraceReading:
    """Read one trace.

    Args:
        evidence: the ids of the observations that brought its spans.
        client_gone: whether the platform says that the client left; aborted calls are then its consequence.
    """
    reading = TraceReading(trace, correct_skew(trace), parts_of(trace), find_series(trace), find_failures(trace))
    for failure in reading.failures:
        if failure.fate == Fate.unrecovered and not (client_gone and _is_abort(failure)):
            _name(reading, failure, evidence)
    reading.faults += [_storm(reading, series, evidence) for series in reading.series if series.is_storm]
    _find_refusals(reading)
    return reading


def _name(reading: TraceReading, failure: Failure, evidence: Sequence[str]) -> None:
    """Put one unrecovered failure under its code, or note why the trace alone cannot."""
    callee = callee_of(failure.span)
    part = reading.parts[failure.span["id"]]
    if callee is None or callee[0] == OTHER:
        _name_own(reading, failure, part, evidence)
    elif callee[0] in (API, GATEWAY):
        _name_call(reading, failure, part, callee[0], evidence)
    else:
        reading.faults.append(_name_behind(reading, failure, part, callee, evidence))


def _name_behind(
    reading: TraceReading, failure: Failure, part: str, callee: tuple[str, str], evidence: Sequence[str]
) -> Finding:
    """A failure at something behind our parts: provider, database, auth, Stripe."""
    kind, name = callee
    span, fault = failure.span, failure.fault
    named: NamedCause
    if kind == PROVIDER:
        named = classify_provider(fault, in_stream=_in_stream(reading.trace, failure))
        subject = f"{name}/{first(span['attributes'], 'model', '')}".rstrip("/")
    elif kind == DATABASE:
        named = classify_database(fault)
        subject = _database_subject(span, name)
    elif kind == AUTH:
        named, subject = classify_auth(fault), "supabase auth"
    else:
        named, subject = classify_stripe(fault), span["name"] if kind == STRIPE else name
    said = f" ({_shortened(fault.text)})" if fault.text else ""
    status = f", HTTP {fault.http_status}" if fault.http_status else ""
    summary = f"{subject} {named.what}{status}{said}; called by {part}"
    return _found(named.code, subject, summary, evidence)


def _name_own(reading: TraceReading, failure: Failure, part: str, evidence: Sequence[str]) -> None:
    """A failure with no failed call beneath it: the part's own exception, or nothing that the span explains."""
    span, fault = failure.span, failure.fault
    raised = exceptions(span)
    said = fault.message or (raised[-1]["message"] if raised else "")
    kind = raised[-1]["type"] if raised and raised[-1]["type"] else fault.error_type
    if not said and (not kind or kind.isdigit()):
        reading.unexplained.append(failure)
        return
    operation = _request_of(reading.trace, span)
    if _in_stream(reading.trace, failure):
        summary = f"{part} began to answer {operation} with 200, then broke off: {kind} {_shortened(said)}".rstrip()
        reading.faults.append(_found("request.stream_broken", f"{part} {operation}", summary, evidence))
        return
    if part not in (WEB, API, GATEWAY):
        reading.unexplained.append(failure)
        return
    summary = f"{part} raised {kind or 'an error'} in {operation}: {_shortened(said)}"
    reading.faults.append(
        _found(f"request.{part}_failed", f"{part} {operation}: {kind}".rstrip(": "), summary, evidence)
    )


def _name_call(reading: TraceReading, failure: Failure, caller: str, callee: str, evidence: Sequence[str]) -> None:
    """A failed call from one part of ours to another, with no failure reported beneath it."""
    trace, span, fault = reading.trace, failure.span, failure.fault
    served = [child for child in trace.children_of(span) if child["kind"] == "server"]
    subject = f"{caller} → {callee}"
    if served:
        server = served[-1]
        answered = http_status(server)
        if is_timeout(fault) and (answered is None or answered < 400):
            budget, took = duration_ms(span) / 1000, duration_ms(server) / 1000
            summary = f"{caller} gave up on {callee} after {budget:.1f} s; {callee} finished well after {took:.1f} s, for nobody"
            reading.faults.append(_found("request.timeout_inverted", subject, summary, evidence))
        elif answered is not None and 400 <= answered < 500:
            reading.refusals.append(Refusal(callee, answered, server))
        elif failure.in_stream:
            summary = f"{callee} began to answer with 200, then the stream broke: {_shortened(fault.text)}"
            reading.faults.append(_found("request.stream_broken", subject, summary, evidence))
        else:
            reading.unexplained.append(failure)
        return
    why = is_unreachable(fault)
    if fault.http_status is None and why in ("refused", "dns", "wrong_url"):
        host = first(span["attributes"], "host", "")
        words = {
            "refused": "the connection was refused",
            "dns": "its name does not resolve",
            "wrong_url": "its address is no address",
        }
        summary = f"{caller} could not connect to {callee}: {words[why]} ({_shortened(fault.text)})"
        code = f"request.{callee}_unreachable.{why}"
        reading.faults.append(_found(code, f"{caller} → {callee} {host}".rstrip(), summary, evidence))
        return
    reading.gaps.append(Gap(span, callee, is_timeout(fault), fault.http_status))


def _storm(reading: TraceReading, series: Series, evidence: Sequence[str]) -> Finding:
    """Many attempts without back-off."""
    gaps = sorted(attempt.gap_s for attempt in series.attempts if attempt.gap_s is not None)
    callee = series.attempts[0].callee
    part = reading.parts[series.attempts[0].span["id"]]
    summary = (
        f"{part} tried {callee} {len(series.attempts)} times within one request, "
        f"with a median of {gaps[len(gaps) // 2] * 1000:.0f} ms between attempts"
    )
    return _found("request.retry_storm", f"{part} → {callee}", summary, evidence)


def _find_refusals(reading: TraceReading) -> None:
    """Parts that answered 4xx with nothing failed beneath: the deepest one refused, the others passed it on."""
    if reading.refusals or reading.faults:
        return
    for span in reversed(reading.trace.spans):
        status = http_status(span)
        if span["kind"] == "server" and status is not None and 400 <= status < 500 and status != 499:
            reading.refusals.append(Refusal(reading.parts[span["id"]], status, span))


def _in_stream(trace: Trace, failure: Failure) -> bool:
    """Whether the answer had begun well: on the span itself, or on the request that it is part of."""
    if failure.in_stream:
        return True
    if failure.fault.http_status is not None:
        return False
    for span in (failure.span, *trace.ancestors(failure.span)):
        if span["kind"] == "server":
            status = http_status(span)
            return status is not None and 200 <= status < 300
    return False


def _is_abort(failure: Failure) -> bool:
    """Whether a call ended because whoever wanted it had left."""
    text = failure.fault.text.lower()
    return any(
        word in text for word in ("abort", "cancel", "client disconnect", "client closed", "econnreset", "broken pipe")
    )


def _request_of(trace: Trace, span: Span) -> str:
    """Method and route of the request the span belongs to, else the span's name."""
    for each in (span, *trace.ancestors(span)):
        if each["kind"] == "server":
            route = first(each["attributes"], "route") or first(each["attributes"], "path")
            if route:
                return f"{first(each['attributes'], 'http_method', '')} {route}".strip()
            return each["name"]
    return span["name"]


def _database_subject(span: Span, name: str) -> str:
    operation = first(span["attributes"], "db_operation")
    table = first(span["attributes"], "db_table")
    return f"{operation} {table}" if operation and table else (name if name != "postgres" else span["name"])


def _shortened(text: str, most: int = 160) -> str:
    folded = " ".join(text.split())
    return folded if len(folded) <= most else folded[: most - 1] + "…"
