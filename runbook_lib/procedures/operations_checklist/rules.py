"""Is everything set up? From variables everywhere, the vendors' word on keys, what answers and what is traced to one verdict."""

from collections.abc import Iterable, Sequence

from runbook_lib.core.model import Conclusion, Situation, Suspect
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.operations_checklist import keys, places, targets, traces, variables
from runbook_lib.procedures.operations_checklist.causes import CATALOGUE
from runbook_lib.procedures.operations_checklist.findings import Found
from runbook_lib.procedures.operations_checklist.reading import PARTS, Evidence, Reading, read
from runbook_lib.procedures.operations_checklist.table import table_of

_TRACING_VARIABLES = ("OTEL_EXPORTER_OTLP_ENDPOINT",)


def diagnose(evidence: Evidence) -> Conclusion:
    """The verdict on the whole list."""
    reading = read(evidence.local, evidence.lists)
    spans = traces.judge_traces(reading, evidence)
    roots, also = _findings(reading, evidence, spans.found)
    suspects: list[Suspect] = [
        *variables.suspect_missing(reading),
        *targets.suspect_slow_way(evidence),
        *spans.suspects,
    ]
    down = [each for each in roots if each.cause in ("target.down", "tracing.unreachable")]
    if alone := targets.suspect_own_network(down, evidence):
        suspects = [*alone, *suspects]
        roots = [each for each in roots if each not in down]
    states = [
        *variables.find_expiring(reading, evidence),
        *keys.expiring_tokens(evidence),
        *variables.find_hidden(reading),
        *spans.states,
    ]
    return conclude(
        CATALOGUE,
        evidence.all(),
        faults=[each.finding for each in roots],
        also=[each.finding for each in also],
        states=states,
        suspects=suspects,
        situation=_situation(roots, reading, evidence),
        facts={"table": table_of(reading, evidence, roots, also)},
    )


def _in_order(found: Iterable[Found]) -> list[Found]:
    """In the catalogue's order: what on-call acts on first."""
    return sorted(found, key=lambda each: CATALOGUE.place(each.code))


def _findings(reading: Reading, evidence: Evidence, traced: Iterable[Found]) -> tuple[list[Found], list[Found]]:
    """(what is wrong, what of it only follows from something else that is).

    What follows depends on the very object: this variable's kind explains this key's refusal and no other one's, a platform's
    incident what runs there, a part's missing address its own missing spans.
    """
    roots = variables.find_all(reading, evidence)
    missing = {each.finding.subject for each in roots if each.cause == "env.missing"}
    roots += places.find_drift(reading, evidence, missing)
    roots += places.find_unapplied(reading, evidence)
    unfit = ("env.project_mismatch", "env.malformed", "env.expired")
    explained = {each.finding.subject for each in roots if each.cause in unfit}
    refused, consequences = keys.find_refusals(reading, evidence, explained)
    roots += [*refused, *keys.find_refused_doors(reading, evidence)]
    answering = targets.judge_answers(evidence)
    incidents = targets.platform_incidents([each for each in answering if _is_bad(each)], reading, evidence)
    for each in (*incidents, *answering, *targets.find_ambiguous(evidence)):
        (consequences if _is_explained(each, incidents, reading) else roots).append(each)
    for each in traced:
        (consequences if _follows_from(each, roots, reading) else roots).append(each)
    return _in_order(roots), _in_order(consequences)


def _is_bad(each: Found) -> bool:
    return each.cause in ("target.down", "target.degraded")


def _is_explained(each: Found, incidents: Sequence[Found], reading: Reading) -> bool:
    platforms = {place.platform for place in reading.serving(each.part)}
    return _is_bad(each) and any(incident.finding.subject in platforms for incident in incidents)


def _follows_from(each: Found, roots: Iterable[Found], reading: Reading) -> bool:
    """Whether missing spans are explained: the parts do not know where to send them, or are told to elsewhere, or are down."""
    untraceable = {
        root.part
        for root in roots
        if root.finding.subject.startswith(_TRACING_VARIABLES) or root.cause == "target.down"
    }
    if each.cause == "tracing.part_silent":
        return each.part in untraceable
    running = {part for part in PARTS if reading.serving(part)}
    return each.cause == "tracing.no_spans" and bool(running) and running <= untraceable


def _situation(roots: Sequence[Found], reading: Reading, evidence: Evidence) -> Situation:
    """A wrong setting goes on until it is corrected. The onset is told only where a change tells it."""
    last = traces.last_seen(traces.arrivals_in(evidence).logs_of("web"), evidence)
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
