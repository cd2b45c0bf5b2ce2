"""Rules on traces: the backend answers, holds spans of every part that had traffic, and under the names that are expected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import from_epoch_s, from_iso, to_epoch_ns, to_iso
from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.procedures.operations_checklist.reading import PARTS, Evidence, Found, Reading, found
from runbook_lib.reading.parts import parts_of
from runbook_lib.reading.spans import build_traces

TRACED = "traced"
_BACKENDS = {"tempo": "Tempo", "jaeger": "Jaeger"}
_NO_ANSWER = (Status.unreachable, Status.timed_out)
_ENOUGH_TRACES = 20  # in so many whole traces of a sample a part that is called shows itself
_ENOUGH_REQUESTS = 3  # so many without a span, and it is no chance
_WELL_AFTER = timedelta(minutes=1)
_OWN_WORDS = {"web": {"web", "frontend", "ui"}, "api": {"api", "backend"}, "gateway": {"gateway", "llm"}}


@dataclass(frozen=True)
class Spans:
    """What the backends hold of the window.

    Attributes:
        newest_ns: by part, the names that its spans came under, each with when its newest span began.
        traces: how many whole traces were read; `is_all` whether they are all there are.
        looks: the looks they come from.
    """

    newest_ns: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    traces: int = 0
    is_all: bool = True
    looks: tuple[Observation, ...] = ()

    @property
    def parts(self) -> set[str]:
        """The parts of which there is a span."""
        return {part for part in self.newest_ns if part in PARTS}

    @property
    def names(self) -> dict[str, set[str]]:
        """The parts by the name that their spans came under."""
        names: dict[str, set[str]] = {}
        for part, services in self.newest_ns.items():
            for service in services:
                names.setdefault(service, set()).add(part)
        return names

    def name_of(self, part: str) -> str | None:
        """The name of a part's newest spans: what it was called before is over. None without a span of it."""
        services = self.newest_ns.get(part) or {}
        return max(services, key=lambda service: services[service], default=None)

    def last_at(self, part: str) -> datetime | None:
        """When a part's newest span began; None without one."""
        newest = max((self.newest_ns.get(part) or {}).values(), default=None)
        return None if newest is None else from_epoch_s(newest / 1e9)


def read_spans(evidence: Evidence) -> Spans:
    """The spans of the window, by part and service.name. What spans say tells their part; only where they do not, their name.

    Spans that began after the run did are left out: they are of our own knocking.
    """
    newest: dict[str, dict[str, int]] = {}
    traces, is_all = 0, True
    looks = [look for look in evidence.traces if look.call == "window_traces" and look.status != Status.not_configured]
    ends_ns = to_epoch_ns(evidence.now)
    for look in looks:
        is_all = is_all and look.status.answered
        if not look.status.has_content:
            continue
        nameless = [{k: v for k, v in each.items() if k != "service.name"} for each in look.value["resources"]]
        unnamed = build_traces({**look.value, "resources": nameless})
        for trace, bare in zip(build_traces(look.value), unnamed, strict=True):
            spans = [span for span in trace.spans if span["start_ns"] <= ends_ns]
            traces += bool(spans)
            by_name, by_what_it_says = parts_of(trace), parts_of(bare)
            for span in spans:
                part = by_what_it_says[span["id"]]
                part = part if part in PARTS else by_name[span["id"]]
                service = str(trace.resource(span).get("service.name", ""))
                known = newest.setdefault(part, {})
                known[service] = max(known.get(service, 0), span["start_ns"])
    return Spans(newest, traces, is_all, tuple(looks))


def unreachable(evidence: Evidence) -> list[Found]:
    """Backends that do not answer the least that can be asked of them; a long answer that takes too long is another matter."""
    return [
        found(
            "",
            TRACED,
            "tracing.unreachable",
            look.source,
            f"{_BACKENDS[look.source]} does not answer: {look.why or look.status}",
            [look],
        )
        for look in evidence.traces
        if look.call == "health" and look.status in _NO_ANSWER
    ]


@dataclass(frozen=True)
class Traced:
    """What the rules on spans say: findings, states, suspects, and the looks that the answer needs."""

    found: tuple[Found, ...] = ()
    states: tuple[Finding, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    needed: tuple[Observation, ...] = ()


def traced(reading: Reading, evidence: Evidence) -> Traced:
    """Whether spans of every part that had traffic are there, under the names that are expected."""
    backends = [look for look in evidence.traces if look.status != Status.not_configured]
    if not backends:
        return Traced(needed=tuple(evidence.traces[:1]))
    gone = unreachable(evidence)
    spans = read_spans(evidence)
    if gone and not spans.traces:
        return Traced(tuple(gone))
    blind = [look for look in spans.looks if not (look.status.answered or look.status.has_content)]
    if blind and not spans.traces:
        return Traced(needed=tuple(blind))
    if not spans.traces:
        return _nothing(reading, evidence, spans)
    silent, needed = _silent(reading, evidence, spans)
    return Traced((*gone, *silent, *_wrong_names(reading, spans)), needed=tuple(needed))


def traffic_of(part: str, reading: Reading, evidence: Evidence) -> tuple[int, list[Observation]]:
    """How many requests of a part the logs tell of that are old enough to have left spans, and the looks that were asked."""
    looks = [look for look in evidence.traffic if look.arguments.get("part", "gateway") == part]
    looks = [look for look in looks if look.status != Status.not_configured]
    return sum(_expected(_requests(look), reading, evidence) for look in looks if look.status.has_content), looks


def _expected(requests: Sequence[Mapping[str, Any]], reading: Reading, evidence: Evidence) -> int:
    """How many of the requests are old enough that their spans would have arrived."""
    youngest = evidence.now - timedelta(seconds=float(reading.told.get("trace_delay_s") or 0.0))
    return sum(1 for row in requests if row.get("at") and from_iso(str(row["at"])) <= youngest)


def _requests(look: Observation) -> list[dict[str, Any]]:
    """The rows of a look that are requests: of a log of lines, those that belong to one."""
    rows = [row for row in look.value or () if isinstance(row, dict)]
    return [row for row in rows if row.get("trace_id")] if look.call == "logs" else rows


def _nothing(reading: Reading, evidence: Evidence, spans: Spans) -> Traced:
    counts = {part: traffic_of(part, reading, evidence) for part in PARTS}
    busy = {part: count for part, (count, _) in counts.items() if count}
    names = " and ".join(_BACKENDS[look.source] for look in spans.looks)
    if busy:
        told = ", ".join(f"{count} of {part}" for part, count in busy.items())
        looks = [*spans.looks, *(look for part in busy for look in counts[part][1])]
        what = f"{names} answers and holds no span of the window; the platforms' logs tell of requests: {told}"
        return Traced((found("", TRACED, "tracing.no_spans", "all parts", what, looks),))
    unseen = [look for _, looks in counts.values() for look in looks if not look.status.answered]
    if unseen:
        why = f"{names} holds no span, and whether there was traffic could not be seen: {unseen[0].why or unseen[0].status}"
        decide = f"{unseen[0].source} {unseen[0].call}: {unseen[0].help or 'look again'}"
        return Traced(suspects=(Suspect("tracing.no_spans", "all parts", why, decide),))
    what = "no request came in the window, so no span was to be expected"
    remedy = "Ask for a longer window, or send a request and run again."
    return Traced(states=(Finding("tracing.quiet", "window", what, tuple(look.id for look in spans.looks), remedy),))


def _silent(reading: Reading, evidence: Evidence, spans: Spans) -> tuple[list[Found], list[Observation]]:
    """Parts with traffic and without a span, from the beginning or since a moment; and the looks that would tell of a part's
    traffic where it has no span."""
    silent: list[Found] = []
    needed: list[Observation] = []
    for part in PARTS:
        count, looks = traffic_of(part, reading, evidence)
        if part in spans.parts:
            since = spans.last_at(part)
            after = _after(since, looks, reading, evidence) if since is not None and spans.is_all else 0
            if since is not None and after >= _ENOUGH_REQUESTS:
                what = f"the newest span of {part} is of {to_iso(since)}; the platform's log tells of {after} requests since"
                silent.append(found(part, TRACED, "tracing.part_silent", part, what, [*spans.looks, *looks]))
        elif count and (spans.is_all or spans.traces >= _ENOUGH_TRACES):
            what = f"the platform's log tells of {count} requests of {part}; none of the {spans.traces} traces has a span of it"
            silent.append(found(part, TRACED, "tracing.part_silent", part, what, [*spans.looks, *looks]))
        elif not count:
            needed += [look for look in looks if not look.status.answered]
    return silent, needed


def _after(since: datetime, looks: Sequence[Observation], reading: Reading, evidence: Evidence) -> int:
    """How many requests came well after a moment, and were answered by the part itself."""
    later = to_iso(since + _WELL_AFTER)
    rows = [
        row
        for look in looks
        if look.status.has_content
        for row in _requests(look)
        if str(row.get("at")) > later and 0 < (row.get("status") or 200) < 500
    ]
    return _expected(rows, reading, evidence)


def _wrong_names(reading: Reading, spans: Spans) -> list[Found]:
    """Parts whose newest spans come under a name that is neither the one that all share nor one of the part's own."""
    expected = str(reading.told.get("service_name") or "nexuscore")
    wrong = []
    for part in PARTS:
        service = spans.name_of(part)
        code = None if service is None else _why_wrong(service, part, expected)
        if code is not None:
            what = f"{part}'s spans arrive as service.name {service!r}, expected is {expected!r} or a name with {part} in it"
            looks = [*spans.looks, reading.local]
            wrong.append(found(part, TRACED, f"otel.wrong_service_name{code}", f"{part} · {service}", what, looks))
    return wrong


def _why_wrong(service: str, part: str, expected: str) -> str | None:
    """None where the name is right; else the narrower code, or nothing."""
    words = set("".join(c if c.isalnum() else " " for c in service.lower()).split())
    if service == expected or words & _OWN_WORDS[part]:
        return None
    if service.startswith("unknown_service"):
        return ".unset"
    return ".swapped" if any(words & own for own in _OWN_WORDS.values()) else ""


def last_seen(looks: Sequence[Observation], evidence: Evidence) -> str | None:
    """The newest request that the logs tell of; None without any."""
    times = [str(row["at"]) for look in looks if look.status.has_content for row in _requests(look) if row.get("at")]
    newest = max(times, default=None)
    return newest if newest and from_iso(newest) <= evidence.now else None
