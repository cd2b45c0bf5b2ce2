"""Rules on places against each other: names that one lacks, changes that the running deployment does not have yet."""

from collections.abc import Iterator

from runbook_lib.core.clock import from_iso
from runbook_lib.core.model import Change, Observation, Status
from runbook_lib.core.records.deployments import DeploymentRow
from runbook_lib.core.records.hosting import VercelServing
from runbook_lib.judging.answers import record_of, rows_of, whole_record, whole_rows
from runbook_lib.procedures.operations_checklist.findings import Found, report_finding
from runbook_lib.procedures.operations_checklist.reading import PARTS, Evidence, Place, Reading
from runbook_lib.procedures.operations_checklist.variables import KINDS, how_to_set

_CHANGES_H = 2.0
_RAILWAY_SERVED = ("SUCCESS", "CRASHED", "SLEEPING", "REMOVING")


def find_drift(reading: Reading, evidence: Evidence, missing: set[str]) -> Iterator[Found]:
    """Names that an environment lacks and production of the same project has, and names of `.env.example` that nobody has.

    Only names are compared: values may rightly differ. Another environment counts once it holds at least one variable.

    Args:
        missing: subjects that are told as missing already.
    """
    for place in reading.places:
        if place.part not in PARTS or place.serves or not place.is_complete:
            continue
        production = next((each for each in reading.serving(place.part) if each.platform == place.platform), None)
        if production is None:
            continue
        lacks = sorted(name for name in production.held if name not in place.held and _is_compared(name))
        for name in lacks:
            subject = f"{name} · {place.name}"
            what = f"{place.name} lacks {name}, which production has"
            yield report_finding(
                place.part, "env.drift.environment", subject, what, [place.observation], how_to_set(name, place)
            )
    yield from _against_example(reading, evidence, missing)


def _against_example(reading: Reading, evidence: Evidence, missing: set[str]) -> Iterator[Found]:
    example = evidence.example
    places = [place for part in PARTS for place in reading.serving(part)]
    is_whole = all(reading.serving(part) for part in PARTS) and all(place.is_complete for place in places)
    names = whole_rows(example, str)
    if example is None or not names or not is_whole or reading.settings is None:
        return  # what a place holds that could not be read may be the one that has the name
    told_missing = {subject.partition(" · ")[0] for subject in missing}
    for name in names:
        if name in told_missing or name.startswith("RUNBOOK_") or any(name in place.held for place in reading.places):
            continue
        where = ", ".join(sorted({place.name for place in places}))
        what = f".env.example names {name}, and no target has it ({where})"
        part = "web" if name.startswith("NEXT_PUBLIC_") else "api"
        looks = [example, *(place.observation for place in places)]
        yield report_finding(part, "env.drift.example", name, what, looks)


def _is_compared(name: str) -> bool:
    return name in KINDS or name.startswith("NEXT_PUBLIC_") or name in ("OTEL_SERVICE_NAME", "LLM_FALLBACK_CHAIN")


def find_unapplied(reading: Reading, evidence: Evidence) -> Iterator[Found]:
    """Variables that were changed after the deployment that serves was made."""
    for part in PARTS:
        for place in reading.serving(part):
            served = serving_at(place, evidence)
            if served is None:
                continue
            look, at = served
            for held in sorted(place.held.values(), key=lambda each: each.name):
                if held.updated_at and from_iso(held.updated_at) > from_iso(at):
                    what = f"{held.name} of {place.name} was changed at {held.updated_at}; what serves was deployed at {at}"
                    yield report_finding(
                        part, "env.not_applied", f"{held.name} · {place.name}", what, [place.observation, look]
                    )


def serving_at(place: Place, evidence: Evidence) -> tuple[Observation, str] | None:
    """The look that tells which deployment serves a place's part, and when it was made; None where none is seen to serve."""
    for look in evidence.serving:
        mine = look.source == place.platform and look.arguments.get("part", "gateway") == place.part
        if mine and look.status == Status.ok:  # of half a list the newest may be missing
            at = _made_at(look)
            if at:
                return look, at
    return None


def _made_at(look: Observation) -> str | None:
    if look.call == "serving":
        serving = whole_record(look, VercelServing)
        return serving["at"] if serving is not None else None
    if look.call not in ("deployments", "releases"):
        return None
    states = _RAILWAY_SERVED if look.call == "deployments" else ("complete",)
    return max((row["at"] for row in whole_rows(look, DeploymentRow) if row["state"] in states), default=None)


def changes(reading: Reading, evidence: Evidence) -> tuple[Change, ...]:
    """Variables and deployments of the two hours before, newest first."""
    seen: dict[tuple[str, str, str], Change] = {}

    def add(at: str | None, what: str, where: str) -> None:
        if at and 0 <= (evidence.now - from_iso(at)).total_seconds() <= _CHANGES_H * 3600:
            seen[(at, what, where)] = Change(at, what, where)

    for place in reading.places:
        for held in (place.held[name] for name in sorted(place.own)):
            add(held.updated_at, f"variable {held.name}", place.name)
    for look in evidence.serving:
        serving = record_of(look, VercelServing) if look.call == "serving" else None
        listed = rows_of(look, DeploymentRow) if look.call in ("deployments", "releases") else []
        for row in listed if serving is None else [serving]:
            add(row["at"], f"deployment {row['id']} {row['state']}", f"{row['part']} on {row['platform']}")
    return tuple(sorted(seen.values(), key=lambda change: change.at, reverse=True))
