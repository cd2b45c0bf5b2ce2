"""The one table: part by check, a word and a tone for each, and beside every red cell what to do about it."""

from collections.abc import Mapping, Sequence

from runbook_lib.core.model import Json, Observation, Status
from runbook_lib.procedures.operations_checklist.findings import Found
from runbook_lib.procedures.operations_checklist.keys import key_judgements
from runbook_lib.procedures.operations_checklist.places import serving_at
from runbook_lib.procedures.operations_checklist.reading import PARTS, RUNBOOK, Evidence, Place, Reading
from runbook_lib.procedures.operations_checklist.spans import Trail
from runbook_lib.procedures.operations_checklist.targets import answers_of
from runbook_lib.procedures.operations_checklist.traces import arrivals_in
from runbook_lib.procedures.operations_checklist.variables import is_judged

SET, SHAPE, TOGETHER, ACCEPTED = "set", "right kind", "one project", "accepted"
FRESH, APPLIED, ANSWERS, TRACED = "not expired", "applied", "answers", "traced"
COLUMNS = (SET, SHAPE, TOGETHER, ACCEPTED, FRESH, APPLIED, ANSWERS, TRACED)
# The column in which a fault stands.
CHECKS = {
    "target.platform_incident": ANSWERS,
    "target.down": ANSWERS,
    "target.impostor": ANSWERS,
    "target.degraded": ANSWERS,
    "target.ambiguous": ANSWERS,
    "env.leaked_to_browser": SHAPE,
    "env.missing": SET,
    "env.malformed": SHAPE,
    "env.expired": FRESH,
    "env.project_mismatch": TOGETHER,
    "env.rejected": ACCEPTED,
    "env.insufficient_scope": ACCEPTED,
    "env.conflict": TOGETHER,
    "env.mode_mixed": TOGETHER,
    "env.not_applied": APPLIED,
    "env.drift": SET,
    "tracing.unreachable": TRACED,
    "tracing.no_spans": TRACED,
    "tracing.part_silent": TRACED,
    "otel.wrong_service_name": TRACED,
}
ROWS = (*PARTS, RUNBOOK)
Cell = dict[str, Json]


def table_of(reading: Reading, evidence: Evidence, roots: Sequence[Found], also: Sequence[Found]) -> dict[str, Json]:
    """{"matrix": the data of the exhibit of that name, "remedies": [{"part", "check", "what", "do"}]}."""
    wrong: dict[tuple[str, str], list[Found]] = {}
    for each in (*roots, *also):
        for part in [each.part] if each.part else PARTS:
            wrong.setdefault((part, CHECKS[each.cause]), []).append(each)
    cells = [[_cell(row, column, wrong, reading, evidence) for column in COLUMNS] for row in ROWS]
    remedies = [
        {
            "part": each.part or "all",
            "check": CHECKS[each.cause],
            "what": each.finding.summary,
            "do": each.finding.remedy,
        }
        for each in (*roots, *also)
    ]
    return {"matrix": {"rows": list(ROWS), "columns": list(COLUMNS), "cells": cells}, "remedies": remedies}


def _cell(
    part: str, column: str, wrong: Mapping[tuple[str, str], Sequence[Found]], reading: Reading, evidence: Evidence
) -> Cell:
    bad = wrong.get((part, column))
    if bad:
        first = bad[0].finding.subject.partition(" · ")[0]
        code = bad[0].code.split(".")[1].replace("_", " ")
        more = f" +{len(bad) - 1}" if len(bad) > 1 else ""
        text = code if first in (part, "window") or not bad[0].code.startswith("env.") else f"{first} {code}"
        return {"text": f"{text}{more}", "tone": "bad"}
    if column == ANSWERS:
        return _answers(part, evidence)
    if column == TRACED:
        return _traced(part, evidence)
    places = reading.of(part)
    if not places:
        return {"text": "not seen", "tone": "unknown"}
    if column == APPLIED:
        return _applied(part, reading, evidence)
    if column == ACCEPTED:
        return _accepted(part, reading, evidence)
    return _of_variables(column, places)


def _of_variables(column: str, places: Sequence[Place]) -> Cell:
    if not all(place.is_complete for place in places):
        return {"text": "list not whole", "tone": "unknown"}
    held = [each for place in places for each in place.held.values()]
    if column == SET:
        return {"text": f"{len({each.name for each in held})} set", "tone": "good"}
    held = list({each.name: each for each in held if is_judged(each.name)}.values())
    seen = [each for each in held if each.facts is not None]
    if not seen:
        return {"text": "values hidden", "tone": "neutral"}
    if column == FRESH:
        dated = sorted(each.expires_at for each in seen if each.expires_at is not None)
        return {"text": f"until {dated[0][:10]}" if dated else "no dates", "tone": "good" if dated else "neutral"}
    kept = len(held) - len(seen)
    return {"text": f"{len(seen)} seen" + (f", {kept} hidden" if kept else ""), "tone": "good"}


def _accepted(part: str, reading: Reading, evidence: Evidence) -> Cell:
    names = {place.name for place in reading.of(part)} | ({RUNBOOK, "local"} if part == RUNBOOK else set())
    mine = [
        look
        for look in (*evidence.keys, *evidence.tokens)
        if str(look.arguments.get("place")) in names and _is_asked(look)
    ]
    unknown = [look for look in mine if not look.status.answered]
    good = [said for look, said in key_judgements(evidence) if look in mine and said["accepted"]]
    if unknown:
        return {"text": f"{unknown[0].source}: {unknown[0].status}", "tone": "unknown"}
    if not mine:
        return {"text": "none to show", "tone": "neutral"}
    return {"text": f"{len(good)} taken", "tone": "good"}


def _is_asked(look: Observation) -> bool:
    return look.status != Status.not_configured


def _applied(part: str, reading: Reading, evidence: Evidence) -> Cell:
    places = reading.serving(part)
    if not places or part == RUNBOOK or all(place.platform == "local" for place in places):
        return {"text": "", "tone": "neutral"}
    served = [serving_at(place, evidence) for place in places]
    if not any(served):
        return {"text": "not seen", "tone": "unknown"}
    return {"text": f"deployed {max(each[1] for each in served if each)[:10]}", "tone": "good"}


def _answers(part: str, evidence: Evidence) -> Cell:
    if part == RUNBOOK:
        return {"text": "", "tone": "neutral"}
    answers = answers_of(part, evidence)
    if not answers:
        return {"text": "not seen", "tone": "unknown"}
    return {"text": f"{answers[-1]['status_code']} in {answers[-1]['ms']:.0f} ms", "tone": "good"}


def _traced(part: str, evidence: Evidence) -> Cell:
    if part == RUNBOOK:
        return {"text": "", "tone": "neutral"}
    arrivals = arrivals_in(evidence)
    spans = arrivals.spans
    if part in spans.parts:
        is_open = arrivals.trail_of(part).trail is Trail.unknown
        return {"text": "newest not seen", "tone": "unknown"} if is_open else {"text": "spans arrive", "tone": "good"}
    return {"text": "no traffic seen" if spans.looks else "not looked", "tone": "neutral" if spans.looks else "unknown"}
