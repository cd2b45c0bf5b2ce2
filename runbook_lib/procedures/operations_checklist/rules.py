"""Is everything set up? From variables everywhere, the vendors' word on keys, what answers and what is traced to one verdict."""

from collections.abc import Iterable, Sequence

from runbook_lib.core.model import Conclusion, Observation, Situation, Status, Suspect, Unseen
from runbook_lib.judging.concluding import conclude, unseen
from runbook_lib.procedures.operations_checklist import keys, places, targets, traces, variables
from runbook_lib.procedures.operations_checklist.reading import PARTS, Evidence, Found, Reading, read, unplaced
from runbook_lib.procedures.operations_checklist.table import table_of

# What on-call acts on first: what users feel, then what leaks, then what breaks with the next request or deployment.
_ORDER = (
    "target.platform_incident", "target.down", "target.impostor", "target.degraded", "target.ambiguous", "env.leaked_to_browser",
    "env.missing", "env.malformed", "env.expired", "env.project_mismatch", "env.rejected", "env.insufficient_scope",
    "env.conflict", "env.mode_mixed", "env.not_applied", "env.drift", "tracing.unreachable", "tracing.no_spans",
    "tracing.part_silent", "otel.wrong_service_name",
)  # fmt: skip
_TRACING_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT",)


def diagnose(evidence: Evidence) -> Conclusion:
    """The verdict on the whole list."""
    reading = read(evidence)
    roots, also = _findings(reading, evidence)
    suspects: list[Suspect] = [*variables.doubts(reading)]
    down = [each for each in roots if each.code.startswith(("target.down", "tracing.unreachable"))]
    alone = targets.from_here_alone(down, evidence)
    if alone:
        suspects += alone
        roots = [each for each in roots if each not in down]
    spans = traces.traced(reading, evidence)
    suspects += spans.suspects
    states = [
        *variables.expiring(reading, evidence),
        *keys.expiring_tokens(evidence),
        *variables.hidden(reading),
        *spans.states,
    ]
    needed = _needed(reading, evidence, spans.needed)
    return conclude(
        faults=[each.finding for each in roots],
        also=[each.finding for each in also],
        states=states,
        suspects=suspects,
        needed=needed,
        not_seen=unseen(_not_samples(evidence), ignore=[Status.not_configured]) + _not_configured(needed),
        situation=_situation(roots, reading, evidence),
        facts={"table": table_of(reading, evidence, roots, also)},
    )


def _findings(reading: Reading, evidence: Evidence) -> tuple[list[Found], list[Found]]:
    """(what is wrong, what of it only follows from something else that is)."""
    roots = variables.find_all(reading, evidence)
    missing = {each.finding.subject for each in roots if each.code.startswith("env.missing")}
    roots += places.drifted(reading, evidence, missing)
    roots += places.not_applied(reading, evidence)
    explained = {
        each.finding.subject
        for each in roots
        if each.code.startswith(("env.project_mismatch", "env.malformed", "env.expired"))
    }
    refused, consequences = keys.refused(reading, evidence, explained)
    roots += [*refused, *keys.at_the_door(reading, evidence)]
    answering = targets.answering(evidence)
    incidents = targets.platform_incidents(
        [each for each in answering if each.code.startswith(("target.down", "target.degraded"))], reading, evidence
    )
    hit = {id(each) for each in answering if _is_explained(each, incidents, reading)}
    consequences += [each for each in answering if id(each) in hit]
    roots += [*incidents, *(each for each in answering if id(each) not in hit), *targets.ambiguous(evidence)]
    for each in traces.traced(reading, evidence).found:
        (consequences if _follows_from(each, roots, reading) else roots).append(each)
    return _ordered(roots), _ordered(consequences)


def _is_explained(each: Found, incidents: Sequence[Found], reading: Reading) -> bool:
    platforms = {place.platform for place in reading.serving(each.part)}
    return each.code.startswith(("target.down", "target.degraded")) and any(
        incident.finding.subject in platforms for incident in incidents
    )


def _follows_from(each: Found, roots: Iterable[Found], reading: Reading) -> bool:
    """Whether missing spans are explained: the parts do not know where to send them, or are told to elsewhere, or are down."""
    lame = {
        root.part
        for root in roots
        if root.finding.subject.startswith(_TRACING_VARIABLES) or root.code.startswith("target.down")
    }
    if each.code.startswith("tracing.part_silent"):
        return each.part in lame
    running = {part for part in PARTS if reading.serving(part)}
    return each.code == "tracing.no_spans" and bool(running) and running <= lame


def _ordered(found: Sequence[Found]) -> list[Found]:
    def rank(each: Found) -> int:
        return next((n for n, code in enumerate(_ORDER) if each.code.startswith(code)), len(_ORDER))

    return sorted(found, key=rank)


def _needed(reading: Reading, evidence: Evidence, spans: Sequence[Observation]) -> list[Observation]:
    """The looks on which "all is well" depends."""
    lists = [look for look in evidence.variables if look.status != Status.not_configured]
    named = [look for look in evidence.example if look.status != Status.not_configured]
    asked = [look for look in evidence.keys if look.status != Status.not_configured]
    return [
        *lists,
        *unplaced(reading, evidence),
        *named,
        *asked,
        *places.needed_for_applied(reading, evidence),
        *targets.unheard(evidence),
        *spans,
    ]


def _not_samples(evidence: Evidence) -> list[Observation]:
    """The looks without those of which a part was asked for and came: a sample of traces and requests is enough here."""
    samples = {id(look) for look in (*evidence.traces, *evidence.traffic) if look.status == Status.partial}
    return [look for look in evidence.all() if id(look) not in samples]


def _not_configured(needed: Sequence[Observation]) -> list[Unseen]:
    """What the answer needs and nobody has set up."""
    return unseen([look for look in needed if look.status == Status.not_configured])


def _situation(roots: Sequence[Found], reading: Reading, evidence: Evidence) -> Situation:
    """A wrong setting goes on until it is corrected. The onset is told only where a change tells it."""
    _, looks = traces.traffic_of("web", reading, evidence)
    last = traces.last_seen(looks, evidence)
    ongoing = bool(roots) if roots else None
    changes = places.changes(reading, evidence)
    return Situation(ongoing=ongoing, onset=_onset(roots, reading), last_seen=last if roots else None, changes=changes)


def _onset(roots: Sequence[Found], reading: Reading) -> str | None:
    """When the variable of the first finding was last changed, where its place tells."""
    if not roots:
        return None
    name, _, place_name = roots[0].finding.subject.partition(" · ")
    held = next((place.held.get(name) for place in reading.places if place.name == place_name), None)
    return held.updated_at if held is not None else None
