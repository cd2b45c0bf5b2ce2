"""Rules on traces: the backend answers, holds spans of every part that had traffic, and under the names that are expected."""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.procedures.operations_checklist.causes import CATALOGUE
from runbook_lib.procedures.operations_checklist.findings import Found, report_finding
from runbook_lib.procedures.operations_checklist.reading import PARTS, Evidence, Reading
from runbook_lib.procedures.operations_checklist.spans import Arrivals, Spans, Trail, requests_in

_BACKENDS = {"tempo": "Tempo", "jaeger": "Jaeger"}
_NO_ANSWER = (Status.unreachable, Status.timed_out)
_OWN_WORDS = {"web": {"web", "frontend", "ui"}, "api": {"api", "backend"}, "gateway": {"gateway", "llm"}}


@dataclass(frozen=True)
class Traced:
    """What the rules on spans say: findings, states, suspects."""

    found: tuple[Found, ...] = ()
    states: tuple[Finding, ...] = ()
    suspects: tuple[Suspect, ...] = ()


def arrivals_in(evidence: Evidence) -> Arrivals:
    """The looks at spans and traffic."""
    return Arrivals(evidence.local, (*evidence.traces, *evidence.newest), evidence.traffic, evidence.probes)


def judge_traces(reading: Reading, evidence: Evidence) -> Traced:
    """Whether spans of every part that had traffic are there, under the names that are expected."""
    arrivals = arrivals_in(evidence)
    gone = tuple(_unreachable(evidence))
    if arrivals.spans.traces:
        return Traced((*gone, *_silent(arrivals), *_wrong_names(reading, arrivals.spans)))
    if not arrivals.are_none:
        return Traced(gone)
    nothing = _nothing(arrivals)
    return Traced((*gone, *nothing.found), nothing.states, nothing.suspects)


def _unreachable(evidence: Evidence) -> list[Found]:
    """Backends that do not answer the least that can be asked of them; a long answer that takes too long is another matter."""
    return [
        report_finding(
            "",
            "tracing.unreachable",
            look.source,
            f"{_BACKENDS[look.source]} does not answer: {look.why or look.status}",
            [look],
        )
        for look in evidence.traces
        if look.call == "health" and look.status in _NO_ANSWER
    ]


def _nothing(arrivals: Arrivals) -> Traced:
    """No backend holds a span: there was traffic, there was none, or nobody can tell."""
    names = " and ".join(_BACKENDS[look.source] for look in arrivals.spans.looks)
    busy = {part: count for part in PARTS if (count := arrivals.requests_of(part))}
    if busy:
        told = ", ".join(f"{count} of {part}" for part, count in busy.items())
        looks = [*arrivals.spans.looks, *(look for part in busy for look in arrivals.logs_of(part))]
        what = f"{names} answers and holds no span of the window; the platforms' logs tell of requests: {told}"
        return Traced((report_finding("", "tracing.no_spans", "all parts", what, looks),))
    if arrivals.is_quiet:
        what = "no request came in the window, so no span was to be expected"
        remedy = "Ask for a longer window, or send a request and run again."
        looks = [*arrivals.spans.looks, *arrivals.traffic, *arrivals.clocks]
        return Traced(states=(CATALOGUE.finding("tracing.quiet", "window", what, looks, remedy),))
    part = next((part for part in PARTS if arrivals.trail_of(part).trail is not Trail.idle), "")
    why = f"{names} holds no span, and whether there was traffic could not be seen"
    if not part:
        decide = (
            "a knock at any part whose answer carries the server's own time: the window's end was held against no clock"
        )
        return Traced(suspects=(Suspect("tracing.no_spans", "all parts", why, decide),))
    unseen = [look for look in arrivals.traffic if look.arguments.get("part", "gateway") == part]
    unseen = [look for look in unseen if not look.status.answered] or unseen
    words = "; ".join(f"{look.source} {look.call}: {look.help or look.why or 'look again'}" for look in unseen)
    decide = words or f"a log of {part}'s traffic"
    return Traced(suspects=(Suspect("tracing.no_spans", "all parts", why, decide),))


def _silent(arrivals: Arrivals) -> list[Found]:
    """Parts with traffic and without a span, from the beginning or since a moment."""
    silent = []
    for part in PARTS:
        told = arrivals.trail_of(part)
        if told.trail is Trail.silent:
            traces = arrivals.spans.traces
            what = f"the platform's log tells of {told.requests} requests of {part}; none of the {traces} traces has a span of it"
        elif told.trail is Trail.silent_since and told.since is not None:
            since, is_newest = to_iso(told.since), told.since == arrivals.spans.last_at(part)
            newest = f"the newest span of {part} is of" if is_newest else f"no span of {part} was found since"
            what = f"{newest} {since}; the platform's log tells of {told.requests} requests since"
        else:
            continue
        silent.append(report_finding(part, "tracing.part_silent", part, what, told.looks))
    return silent


def _wrong_names(reading: Reading, spans: Spans) -> list[Found]:
    """Parts whose newest spans come under a name that is neither the one that all share nor one of the part's own."""
    if reading.settings is None:
        return []  # nobody tells which name they all share
    expected = reading.settings["service_name"] or "nexuscore"
    wrong = []
    for part in PARTS:
        service = spans.name_of(part)
        code = None if service is None else _why_wrong(service, expected, part)
        if code is not None:
            what = f"{part}'s spans arrive as service.name {service!r}, expected is {expected!r} or a name with {part} in it"
            wrong.append(report_finding(part, code, f"{part} · {service}", what, [*spans.looks, reading.local]))
    return wrong


def _why_wrong(service: str, expected: str, part: str) -> str | None:
    """None where the name is right; else the code."""
    words = set("".join(c if c.isalnum() else " " for c in service.lower()).split())
    if service == expected or words & _OWN_WORDS[part]:
        return None
    if service.startswith("unknown_service"):
        return "otel.wrong_service_name.unset"
    is_anothers = any(words & own for own in _OWN_WORDS.values())
    return "otel.wrong_service_name.swapped" if is_anothers else "otel.wrong_service_name"


def last_seen(looks: Sequence[Observation], evidence: Evidence) -> str | None:
    """The newest request that the logs tell of; None without any."""
    newest = max((each.at for look in looks for each in requests_in(look) if each.at), default=None)
    return newest if newest and from_iso(newest) <= evidence.now else None
