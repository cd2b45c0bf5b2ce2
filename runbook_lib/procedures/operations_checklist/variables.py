"""Rules on variables by themselves: set, of the right kind, one mode, one project, not expired, not public, not contradicting.

Every rule takes places and returns what it found; what a place does not give back is never judged.
"""

from collections.abc import Iterable, Iterator, Sequence

from runbook_lib.core.clock import from_iso
from runbook_lib.core.keys import VARIABLES, is_secret_kind
from runbook_lib.core.model import Finding, Suspect
from runbook_lib.procedures.operations_checklist.causes import CATALOGUE
from runbook_lib.procedures.operations_checklist.findings import Found, report_finding
from runbook_lib.procedures.operations_checklist.reading import PARTS, RUNBOOK, Evidence, Held, Place, Reading
from runbook_lib.reading.needed_variables import PROVIDER_KEYS, SUPABASE_ANON, SUPABASE_URL

URLS, _ANON = SUPABASE_URL, SUPABASE_ANON
_SERVICE = "SUPABASE_SERVICE_ROLE_KEY"
_OTLP = ("OTEL_EXPORTER_OTLP_ENDPOINT",)
_CHAIN = "LLM_FALLBACK_CHAIN"

# What each part needs: of each group one name. OTEL_SERVICE_NAME has a default.
NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "web": (URLS[:1], _ANON[:1], ("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY",), _OTLP),
    "api": (URLS, _ANON, (_SERVICE,), ("STRIPE_SECRET_KEY",), ("STRIPE_WEBHOOK_SECRET",), _OTLP),
    "gateway": (*((name,) for name in PROVIDER_KEYS.values()), _OTLP),
}
# The kinds that a name may hold.
KINDS = {name: variable.kinds for name, variable in VARIABLES.items() if variable.kinds}
_MODES = tuple(name for name, variable in VARIABLES.items() if variable.tells_mode)
_SUPABASE_KEYS = (*_ANON, _SERVICE)
_PAIRS = (URLS, _ANON)


def find_all(reading: Reading, evidence: Evidence) -> list[Found]:
    """Everything that is wrong with variables by themselves, in the order of the places."""
    rules = (find_leaked, find_missing, find_malformed, find_expired, find_mismatched, find_conflicts)
    return [each for rule in rules for each in rule(reading, evidence)] + find_mixed_modes(reading)


def is_plausible(held: Held) -> bool:
    """Whether a value has the shape that its name asks for, as far as it can be seen."""
    return held.facts is not None and not held.flaws and not _wrong_kind(held)


def is_judged(name: str) -> bool:
    """Whether a variable is NexusCore's or ends up in a browser; of others only the name is looked at."""
    return name in KINDS or name.startswith("NEXT_PUBLIC_")


def find_leaked(reading: Reading, _: Evidence) -> Iterator[Found]:
    """A secret in a NEXT_PUBLIC_ variable."""
    for place, held in _all(reading):
        if held.name.startswith("NEXT_PUBLIC_") and is_secret(held) and held.is_set:
            what = f"{held.name} holds {_kind_in_words(held)}, and every visitor's browser gets it"
            how = f"Revoke that key at its vendor first, then take it out of {place.name}."
            yield report_finding(
                place.part,
                "env.leaked_to_browser",
                f"{held.name} · {place.name}",
                what,
                [place.observation],
                how,
            )


def is_secret(held: Held) -> bool:
    """Whether the value is one that nobody outside may know."""
    return is_secret_kind(held.kind or "") or held.role == "service_role"


def find_missing(reading: Reading, _: Evidence) -> Iterator[Found]:
    """What a running part needs and does not have; where that is not certain, it is left to `suspect_missing`."""
    for part, place, names in _lacking(reading):
        if _why_uncertain(place, names, reading):
            continue
        empty = [name for name in names if name in place.held]
        code = "env.missing.empty" if empty else "env.missing"
        name = (empty or names)[0]
        alternative = f" (nor {names[1]})" if len(names) > 1 and not empty else ""
        what = f"{part} needs {name}{alternative}, and {place.name} {'holds nothing in it' if empty else 'does not have it'}"
        yield report_finding(part, code, f"{name} · {place.name}", what, [place.observation], how_to_set(name, place))


def suspect_missing(reading: Reading) -> list[Suspect]:
    """What may be missing where a list of variables is not whole, or nobody tells whether the variable is needed."""
    return [
        Suspect(
            "env.missing",
            f"{names[0]} · {place.name}",
            f"it is not in the list, and {why}",
            f"the list of variables of {place.name}: {place.observation.help or 'look at it by hand'}",
        )
        for _, place, names in _lacking(reading)
        if (why := _why_uncertain(place, names, reading))
    ]


def _why_uncertain(place: Place, names: Sequence[str], reading: Reading) -> str:
    """Why something that a place seems to lack may still be there, or may not be needed; empty where it is certain."""
    if not place.is_complete and not all(name in place.held for name in names):
        return f"the list is not whole: {place.observation.why}"
    if set(names) & set(PROVIDER_KEYS.values()) and not _is_chain_told(reading):
        return "LLM_FALLBACK_CHAIN, which says whether it is needed, could not be read"
    return ""


def _is_chain_told(reading: Reading) -> bool:
    """Whether it is known which providers the gateway's chain names; without the variable it names them all."""
    held = [place.held[_CHAIN] for place in reading.serving("gateway") if _CHAIN in place.held]
    return all(each.providers for each in held) if held else reading.settings is not None


def _lacking(reading: Reading) -> Iterator[tuple[str, Place, tuple[str, ...]]]:
    chain = providers_in_chain(reading)
    for part in PARTS:
        for place in reading.serving(part):
            for names in NEEDS[part]:
                provider = next((each for each, key in PROVIDER_KEYS.items() if names == (key,)), None)
                if provider and chain is not None and provider not in chain:
                    continue
                if not any(name in place.held and place.held[name].is_set for name in names):
                    yield part, place, names


def providers_in_chain(reading: Reading) -> set[str] | None:
    """The providers that LLM_FALLBACK_CHAIN names, the gateway's own before the runbook's; None where nobody tells."""
    for place in (*reading.serving("gateway"), *reading.of(RUNBOOK)):
        held = place.held.get(_CHAIN)
        if held is not None and held.providers:
            return set(held.providers)
    return None


def find_malformed(reading: Reading, _: Evidence) -> Iterator[Found]:
    """Set, and not what the name says. A leaked or an empty one is told as that."""
    for place, held in _all(reading):
        if held.facts is None or not held.is_set or (held.name.startswith("NEXT_PUBLIC_") and is_secret(held)):
            continue
        wrong = _wrong_kind(held)
        if "placeholder" in held.flaws:
            code, what = "placeholder", "still holds the example's text"
        elif wrong == "not_a_url":
            code, what = "not_a_url", "is no http(s) address"
        elif wrong:
            code, what = "other_kind", f"holds {_kind_in_words(held)}"
        elif "cut_off" in held.flaws:
            code, what = "cut_off", "is shorter than any key of its vendor"
        elif "quoted" in held.flaws:
            code, what = "quoted", "has quotes, white space or a line break around its value"
        else:
            continue
        summary = f"{held.name} of {place.name} {what}"
        yield report_finding(
            place.part, f"env.malformed.{code}", f"{held.name} · {place.name}", summary, [place.observation],
            how_to_set(held.name, place),
        )  # fmt: skip


def find_expired(reading: Reading, evidence: Evidence) -> Iterator[Found]:
    """Keys that say themselves that they are past their expiry."""
    for place, held in _all(reading):
        at = held.expires_at
        if at and from_iso(at) <= evidence.now:
            what = f"{held.name} of {place.name} expired at {at}"
            yield report_finding(
                place.part, "env.expired", f"{held.name} · {place.name}", what, [place.observation],
                how_to_set(held.name, place),
            )  # fmt: skip


def find_expiring(reading: Reading, evidence: Evidence) -> list[Finding]:
    """Keys that expire soon, with the date: states. One key at several places is told once for each."""
    states = []
    for place, held in _all(reading):
        at = held.expires_at
        if at and evidence.now < from_iso(at) <= evidence.now + evidence.expires_within:
            states.append(expires_soon(f"{held.name} · {place.name}", at, [place.observation.id]))
    return states


def expires_soon(subject: str, at: str, evidence: Sequence[str]) -> Finding:
    """The state of a key that expires on a day."""
    remedy = f"Make a new key before {at[:10]}, and set it at every place that holds this one."
    return CATALOGUE.finding("env.expires_soon", subject, f"{subject} expires at {at}", evidence, remedy)


def find_mismatched(reading: Reading, _: Evidence) -> Iterator[Found]:
    """Supabase keys of another project than the address beside them, than each other, or signed for another.

    A signature that does not verify counts only where another key's does: else the secret that we were given may be the wrong one.
    """
    has_right_secret = any(held.verifies for _, held in _all(reading))
    for place in reading.places:
        keys = [place.held[name] for name in _SUPABASE_KEYS if name in place.held]
        address = next((place.held[name] for name in URLS if name in place.held), None)
        expected = (address.ref if address else None) or (reading.settings["project_ref"] if reading.settings else None)
        refs = {key.ref for key in keys if key.ref}
        for key in (each for each in keys if each.name in place.own):
            ref = key.ref
            if ref and expected and ref != expected:
                code, what = "ref", f"names project {ref}, the address is of {expected}"
            elif ref and not expected and len(refs) > 1:
                code, what = "ref", f"names project {ref}, another key beside it {', '.join(sorted(refs - {ref}))}"
            elif has_right_secret and key.verifies is False:
                code, what = "signature", "is not signed with the project's JWT secret"
            else:
                continue
            yield report_finding(
                place.part, f"env.project_mismatch.{code}", f"{key.name} · {place.name}",
                f"{key.name} of {place.name} {what}", [place.observation, reading.local], how_to_set(key.name, place),
            )  # fmt: skip


def find_conflicts(reading: Reading, _: Evidence) -> Iterator[Found]:
    """Two names for one thing, with different values, at one place."""
    for place in reading.places:
        for pair in _PAIRS:
            first, second = (place.held.get(name) for name in pair)
            if not set(pair) & place.own:
                continue
            if first is None or second is None or not (first.print and second.print):
                continue
            if first.is_set and second.is_set and first.print != second.print:
                yield report_finding(
                    place.part, "env.conflict", f"{' / '.join(pair)} · {place.name}",
                    f"{pair[0]} and {pair[1]} of {place.name} hold different values", [place.observation],
                )  # fmt: skip


def find_mixed_modes(reading: Reading) -> list[Found]:
    """Test and live keys in one environment: of all parts together, for one's key is the other's counterpart."""
    groups: dict[str, list[Place]] = {}
    for place in reading.places:
        name = place.name if place.part == RUNBOOK else place.environment or "production"
        groups.setdefault(name, []).append(place)
    mixed = []
    for name, places in groups.items():
        modes: dict[str, list[str]] = {}
        for place in places:
            for key in (place.held[each] for each in _MODES if each in place.held):
                if key.mode:
                    modes.setdefault(key.mode, []).append(f"{key.name} ({place.part})")
        if len(modes) > 1 and any(set(_MODES) & place.own for place in places):
            told = "; ".join(f"{mode}: {', '.join(names)}" for mode, names in sorted(modes.items()))
            part = RUNBOOK if places[0].part == RUNBOOK else "api"
            looks = [place.observation for place in places]
            mixed.append(
                report_finding(part, "env.mode_mixed", f"Stripe · {name}", f"Stripe's keys of {name}: {told}", looks)
            )
    return mixed


def find_overridden(reading: Reading) -> list[str]:
    """Names of which the process environment holds another value than `.env`, and wins."""
    by_place = {place.environment: place for place in reading.of(RUNBOOK)}
    file, process = by_place.get(".env"), by_place.get("environment")
    if file is None or process is None:
        return []
    return sorted(
        name
        for name, held in process.held.items()
        if name in file.held and held.is_set and file.held[name].is_set and held.print != file.held[name].print
    )


def find_hidden(reading: Reading) -> list[Finding]:
    """Places that keep values to themselves: a state for each, with the names that could only be compared by name and time."""
    states = []
    for place in reading.places:
        names = sorted(held.name for held in place.held.values() if held.facts is None and held.name in KINDS)
        if names and place.serves:
            why = next(held.hidden for held in place.held.values() if held.name == names[0])
            summary = f"{place.name}: {why}; compared by name, environment and time alone: {', '.join(names)}"
            states.append(CATALOGUE.finding("env.values_hidden", place.name, summary, [place.observation]))
    return states


def how_to_set(name: str, place: Place) -> str:
    """The command or page that sets a variable at a place."""
    if place.platform == "vercel":
        return f"`vercel env add {name} {place.environment or 'production'}` in {place.part}'s project, then redeploy."
    if place.platform == "railway":
        return f"Railway, service {place.part}, Variables: {name}; then apply the staged change."
    if place.platform == "fly":
        return f"`fly secrets set {name}=…` for the {place.part}'s app."
    where = "your shell" if place.environment == "environment" else place.environment or ".env"
    return f"Set {name} in {where}."


def _wrong_kind(held: Held) -> str:
    """Why the kind does not fit the name: not_a_url, other_kind; empty where it fits, or the name may hold anything."""
    expected, kind = KINDS.get(held.name), held.kind
    if expected is None or held.facts is None or kind == "nothing":
        return ""
    if kind not in expected:
        return "not_a_url" if expected == ("url",) and kind == "opaque" else "other_kind"
    role = VARIABLES[held.name].role
    return "other_kind" if role and held.role != role else ""


def _kind_in_words(held: Held) -> str:
    role = held.role
    if role:
        return f"a {str(role).replace('_', ' ')} key of Supabase"
    words = (held.kind or "").replace("_", " ")
    return (
        "something that is no such key"
        if words == "opaque"
        else f"{'an' if words[0] in 'aeiou' else 'a'} {words} value"
    )


def _all(reading: Reading) -> Iterable[tuple[Place, Held]]:
    return ((place, place.held[name]) for place in reading.places for name in sorted(place.own))
