"""Which keys are worth showing to their vendor, and what the vendors said of them.

A key is shown only to the vendor whose kind it is, only where its shape is right, and once where several places hold the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from runbook_lib.core.clock import from_iso
from runbook_lib.core.keys import VARIABLES
from runbook_lib.core.model import Finding, Observation, Status
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.operations_checklist.findings import Found, report_finding
from runbook_lib.procedures.operations_checklist.reading import RUNBOOK, Evidence, Held, Place, Reading, Where
from runbook_lib.procedures.operations_checklist.variables import URLS, expires_soon, how_to_set, is_plausible

CHECKED = tuple(name for name, variable in VARIABLES.items() if variable.vendor)
_DOORS = {"postgres": "RUNBOOK_DATABASE_URL", "tempo": "RUNBOOK_TEMPO_TOKEN", "jaeger": "RUNBOOK_JAEGER_TOKEN"}
_UNKNOWN = ("HTTP 401", "28P01", "28000", "authentication failed", "does not exist")
_FORBIDDEN = ("HTTP 403", "42501", "permission denied", "not permitted", "pg_hba")
# What a vendor's refusal comes to.
CODES = {"rejected": "env.rejected", "expired": "env.expired", "scope": "env.insufficient_scope"}


@dataclass(frozen=True)
class KeyCheck:
    """A key to be shown to its vendor.

    Attributes:
        name, where: the variable, and how its value is read.
        label: the first place that holds it, in words.
        address: for Supabase, the name and the place of the project's address beside it; None where it is not to be had.
        places: every place that holds the same key (and the same address).
    """

    name: str
    where: Where
    label: str
    address: tuple[str, Where] | None
    places: tuple[str, ...]


def keys_to_check(reading: Reading, evidence: Evidence) -> list[KeyCheck]:
    """The keys worth showing, what the system itself uses first."""
    checks: dict[tuple[str, ...], KeyCheck] = {}
    for place in sorted(reading.places, key=lambda each: (not each.serves, each.part == RUNBOOK)):
        for name in CHECKED:
            held = place.held.get(name)
            if held is None or not is_plausible(held) or _is_past(held, evidence):
                continue
            address = next(
                (place.held[url] for url in URLS if url in place.held and is_plausible(place.held[url])), None
            )
            needs_address = "SUPABASE" in name
            key: tuple[str, ...] = (name.removeprefix("NEXT_PUBLIC_"), held.print or "")
            if needs_address:
                key = (*key, (address.print if address else None) or "")
            known = checks.get(key)
            if known is not None:
                known = KeyCheck(known.name, known.where, known.label, known.address, (*known.places, place.name))
            beside = (address.name, address.where) if address is not None and needs_address else None
            checks[key] = known or KeyCheck(name, held.where, place.name, beside, (place.name,))
    return list(checks.values())


def find_refusals(reading: Reading, evidence: Evidence, explained: set[str]) -> tuple[list[Found], list[Found]]:
    """(what the vendors refuse, what of it is only a consequence of something told already).

    Args:
        explained: subjects that another finding explains: a key of another project is refused for that.
    """
    roots: list[Found] = []
    consequences: list[Found] = []
    places = {place.name: place for place in reading.places}
    for look, said in key_judgements(evidence):
        if said["accepted"]:
            continue
        label = _label(look)
        subject = f"{said['name']} · {label}"
        place = places.get(label)
        each = _found(look, said, subject, place, _others(look, reading, evidence))
        (consequences if subject in explained else roots).append(each)
    return roots, consequences


def find_refused_doors(reading: Reading, evidence: Evidence) -> list[Found]:
    """What database and trace backends refuse: 401 and a wrong password are the key's fault, 403 is its permission's.

    A refusal that does not say which of the two it is names nothing.
    """
    refusals = []
    for look in (*evidence.tokens, *evidence.traces):
        name = _DOORS.get(look.source)
        if name is None or look.call != "health" or look.status != Status.denied or reading.settings is None:
            continue
        is_unknown, is_forbidden = (any(word in look.why for word in words) for words in (_UNKNOWN, _FORBIDDEN))
        is_set = any(name in place.held and place.held[name].is_set for place in reading.of(RUNBOOK))
        if not (is_unknown or is_forbidden):
            continue
        if not is_set:
            code, what = "env.missing", f"{look.source} wants a key, and {name} is not set"
        elif is_unknown:
            code, what = "env.rejected", f"{look.source} does not take {name}"
        else:
            code, what = "env.insufficient_scope", f"{look.source} takes {name} and refuses to be read with it"
        subject = f"{name} · {RUNBOOK}"
        refusals.append(
            report_finding(RUNBOOK, code, subject, f"{what} ({look.why})", [look, reading.local], look.help)
        )
    return refusals


def _found(look: Observation, said: KeyJudgement, subject: str, place: Place | None, others: Sequence[str]) -> Found:
    code = CODES[said["refusal"] or ""]
    told = f"HTTP {said['http_status']}" + (f" {said['code']}" if said["code"] else "")
    also = f"; the same key stands in {', '.join(others)}" if others else ""
    if code == "env.insufficient_scope":
        what = f"{_vendor(look)} takes {said['name']} and refuses it {said['lacks']} ({told}; asked: {said['permission']}){also}"
    else:
        verb = "says that it has expired" if code == "env.expired" else "does not take it"
        what = f"{said['name']}: {_vendor(look)} {verb} ({told}; asked: {said['permission']}){also}"
    how = how_to_set(said["name"], place) if place is not None and code != "env.insufficient_scope" else ""
    part = place.part if place is not None else RUNBOOK
    return report_finding(part, code, subject, what, [look], how)


def expiring_tokens(evidence: Evidence) -> list[Finding]:
    """Tokens whose vendor tells that they expire soon."""
    latest = evidence.now + evidence.expires_within
    return [
        expires_soon(f"{said['name']} · {_label(look)}", said["expires_at"], [look.id])
        for look, said in key_judgements(evidence)
        if said["accepted"] and said["expires_at"] and from_iso(said["expires_at"]) <= latest
    ]


def key_judgements(evidence: Evidence) -> list[tuple[Observation, KeyJudgement]]:
    """The looks at keys that brought a judgement, with it."""
    looks = [look for look in (*evidence.keys, *evidence.tokens) if is_at_a_key(look)]
    return [(look, said) for look in looks if (said := whole_record(look, KeyJudgement)) is not None]


def is_at_a_key(look: Observation) -> bool:
    """Whether it was looked at a key: what else opens a door of the runbook's is a server that answers or does not."""
    return look.source != "postgres"


def _label(look: Observation) -> str:
    place = str(look.arguments.get("place", ""))
    return RUNBOOK if place in ("", "local") else place


def _others(look: Observation, reading: Reading, evidence: Evidence) -> list[str]:
    """The other places that hold the same key."""
    label = _label(look)
    for check in keys_to_check(reading, evidence):
        if check.name == look.arguments.get("name") and check.label == label:
            return [place for place in check.places if place != label]
    return []


def _vendor(look: Observation) -> str:
    return {"openai": "OpenAI", "fly": "Fly.io"}.get(look.source, look.source.capitalize())


def _is_past(held: Held, evidence: Evidence) -> bool:
    return held.expires_at is not None and from_iso(held.expires_at) <= evidence.now
