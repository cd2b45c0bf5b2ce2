"""The verdict for a terminal: at most about thirty plain lines, the first of which says it all."""

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from runbook_lib.core.model import Json
from runbook_lib.show.text import NOTHING, format_duration, format_moment, format_number, one_line, plural

LINES = 30
COLUMNS = 110
# status -> (mark, what it means); the contract's three, and nothing else
HEADLINES: Mapping[str, tuple[str, str]] = {
    "confirmed": ("✖", "something is wrong, and the evidence carries it"),
    "ruled_out": ("✔", "every cause that could explain it is excluded by a look that would have shown it"),
    "could_not_tell": ("?", "the evidence does not decide it; the look that would is named"),
}


STATES = ("found", "excluded", "not_applicable", "not_examined")
LABELS = {"blind": "hidden by", "also": "also true", "states": "state"}


def verdict_text(verdict: Mapping[str, Json]) -> str:
    """A verdict (docs/verdict.md) as plain text, shortened evenly until it fits; verdict.json holds everything."""
    lines: list[str] = []
    for most in (6, 4, 3, 2, 1):
        lines = list(_lines(verdict, most))
        if len(lines) <= LINES:
            break
    return "\n".join([*lines[:-1][: LINES - 1], *lines[-1:]])


def headline(verdict: Mapping[str, Json]) -> str:
    """Status, code and subject of what the verdict comes down to, on one line."""
    status = one_line(verdict.get("status"), 40)
    first = first_finding(verdict)
    return f"{status} · {name_finding(first, 160) if first is not None else HEADLINES.get(status, ('?', ''))[1]}"


def first_finding(verdict: Mapping[str, Json]) -> Mapping[str, Json] | None:
    """The cause, the state, or what stands in the way of an answer, that stands first; None for a verdict without any."""
    order = {
        "confirmed": ("causes",),
        "ruled_out": ("states",),
        "could_not_tell": ("blind", "suspects"),
    }.get(one_line(verdict.get("status"), 40), ())
    return next((found for key in order for found in _list(verdict, key)), None)


def name_finding(finding: Mapping[str, Json], most: int) -> str:
    """Code and subject, the subject at most so long; a suspect that no code is about has its subject alone."""
    told = (one_line(finding.get("code") or "", 80), one_line(finding.get("subject"), most))
    return " · ".join(each for each in told if each.strip())


def situation_sentences(verdict: Mapping[str, Json]) -> list[str]:
    """The first minute's questions, each answered or said to be unknown; where nothing was ever wrong, that."""
    situation = verdict.get("situation") or {}
    ongoing, onset = situation.get("ongoing"), situation.get("onset")
    if situation.get("requests_failed") == 0 and onset is None:
        return ["No failed request in the window."]
    if (onset, situation.get("last_seen"), situation.get("requests_failed")) == (None, None, None) and not ongoing:
        if verdict.get("status") == "ruled_out":
            return ["Nothing of what was asked about goes on."]
        if ongoing is None or verdict.get("status") == "could_not_tell":
            return ["Since when, how many and whether it goes on could not be told."]
    since = f"since {format_moment(onset)}" if onset else "since when is not known"
    last = f", last seen {format_moment(situation['last_seen'])}" if situation.get("last_seen") else ""
    if ongoing is None:
        going = f"{since[0].upper()}{since[1:]}{last}; whether it still goes on could not be told."
    else:
        going = f"{'Still going on' if ongoing else 'Over'}, {since}{last}."
    failed, orgs = situation.get("requests_failed"), situation.get("orgs_affected")
    how_many = plural(failed, "failed request") if isinstance(failed, int) else "How many requests failed is not known"
    whom = (
        f"{plural(orgs, 'organization')} affected" if isinstance(orgs, int) else "how many organizations is not known"
    )
    sentences = [going, f"{how_many}, {whom}."]
    return sentences if changes_of(verdict) else [*sentences, "No change is known of in the two hours before."]


def changes_of(verdict: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """The changes before the trouble, the latest first."""
    changes = [each for each in (verdict.get("situation") or {}).get("changes") or () if isinstance(each, Mapping)]
    return sorted(changes, key=lambda change: str(change.get("at") or ""), reverse=True)


def _lines(verdict: Mapping[str, Json], most: int) -> Iterator[str]:
    """All lines, with at most so many entries in each list."""
    yield headline(verdict)
    where = (("target", "target"), ("", "procedure"), ("incident", "incident"), ("run", "run"))
    yield "  " + " · ".join(f"{word} {one_line(verdict.get(key), 64)}".strip() for word, key in where)
    yield from _wrapped("situation", " ".join(situation_sentences(verdict)))
    yield from _each("changed", changes_of(verdict), most, _change)
    for cause in _list(verdict, "causes")[:most]:
        yield from _finding("cause", cause)
    yield from _more("cause", len(_list(verdict, "causes")), most)
    for suspect in _list(verdict, "suspects")[:most]:
        yield from _suspected(suspect)
    yield from _more("suspect", len(_list(verdict, "suspects")), most)
    for key in ("blind", "also", "states"):
        yield from _each(LABELS[key], _list(verdict, key), most, _brief)
    yield from _each("not seen", _list(verdict, "not_seen"), most, _unseen)
    if covered := coverage_counts(verdict):
        yield _labeled("causes", covered)
    first, last = (_seconds(verdict.get(key)) for key in ("first_evidence_s", "verdict_s"))
    looks = plural(len(verdict.get("looked_at") or ()), "look")
    yield _labeled("took", f"{first} to the first evidence, {last} to the verdict, {looks}")


def coverage_counts(verdict: Mapping[str, Json]) -> str:
    """How many causes were found, excluded, not applicable and not examined: "1 found, 20 excluded"; empty without coverage."""
    counts = Counter(one_line(each.get("state"), 40) for each in _list(verdict, "coverage"))
    return ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in STATES if counts[state])


def _each(
    label: str, given: Sequence[Mapping[str, Json]], most: int, write: Callable[[Mapping[str, Json]], str]
) -> Iterator[str]:
    for one in given[:most]:
        yield from _wrapped(label, write(one))
    yield from _more(label, len(given), most)


def _more(label: str, count: int, most: int) -> Iterator[str]:
    if count > most:
        yield _labeled(label, f"… and {count - most:,} more")


def _finding(label: str, finding: Mapping[str, Json]) -> Iterator[str]:
    yield _labeled(label, f"{one_line(finding.get('code'), 80)} · {one_line(finding.get('subject'), 100)}")
    yield from _wrapped("", one_line(finding.get("summary"), 1000))
    if finding.get("remedy"):
        yield from _wrapped("do", one_line(finding["remedy"], 1000))
    if evidence := finding.get("evidence"):
        more = f" and {len(evidence) - 3} more" if len(evidence) > 3 else ""
        yield _labeled("evidence", ", ".join(one_line(each, 60) for each in evidence[:3]) + more)


def _brief(finding: Mapping[str, Json]) -> str:
    return f"{one_line(finding.get('code'), 80)} · {one_line(finding.get('subject'), 80)}: {one_line(finding.get('summary'), 300)}"


def _suspected(suspect: Mapping[str, Json]) -> Iterator[str]:
    """A suspect, and the look that would decide it on lines of its own: what to do next is never cut off by why."""
    yield from _wrapped("suspect", f"{name_finding(suspect, 80)}: {one_line(suspect.get('why'), 300)}")
    yield from _wrapped("", f"→ {one_line(suspect.get('deciding_look'), 350)}", most=4)


def _unseen(unseen: Mapping[str, Json]) -> str:
    where = f"{one_line(unseen.get('source'), 60)}.{one_line(unseen.get('call'), 60)}"
    said = f"{where} ({one_line(unseen.get('status'), 40)}) {one_line(unseen.get('why') or '', 200)}".rstrip()
    return f"{said} → {one_line(unseen['what_would_help'], 200)}" if unseen.get("what_would_help") else said


def _change(change: Mapping[str, Json]) -> str:
    return f"{format_moment(change.get('at'))}  {one_line(change.get('what'), 200)}  ({one_line(change.get('where'), 120)})"


def _labeled(label: str, text: str) -> str:
    return f"  {label:<10} {text}".rstrip()


def _wrapped(label: str, text: str, most: int = 2) -> Iterator[str]:
    """At most so many lines of text beside a label."""
    lines = textwrap.wrap(text, COLUMNS - 13, max_lines=most, placeholder=" …", break_on_hyphens=False) or [NOTHING]
    yield _labeled(label, lines[0])
    for line in lines[1:]:
        yield _labeled("", line)


def _list(verdict: Mapping[str, Json], key: str) -> list[Mapping[str, Json]]:
    return [each for each in verdict.get(key) or () if isinstance(each, Mapping)]


def _seconds(value: Json) -> str:
    return format_duration(value * 1000) if isinstance(value, int | float) else format_number(value)
