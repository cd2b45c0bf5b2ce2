"""Looks for reading: a chip per status, and the evidence table in which what proves nothing looks different from what does."""

from collections.abc import Iterable, Mapping, Sequence

from runbook_lib.core.model import Json, Observation, Status
from runbook_lib.show.html import AMBER, BLUE, GREEN, GREY, RED, Child, Html, anchor, chip, join, muted, rows_table, tag
from runbook_lib.show.table import compact
from runbook_lib.show.text import format_duration, one_line, plural, shorten

ANSWERED_SHOWN = 60  # answered looks beyond these are counted; those that prove nothing are always listed

MARKS: Mapping[str, tuple[str, str]] = {
    Status.ok: ("✔", GREEN),
    Status.empty: ("∅", BLUE),
    Status.not_found: ("∅", BLUE),
    Status.partial: ("◐", AMBER),
    Status.too_recent: ("◔", AMBER),
    Status.out_of_retention: ("◌", AMBER),
    Status.denied: ("⊘", RED),
    Status.rate_limited: ("⊘", AMBER),
    Status.unreachable: ("✕", RED),
    Status.timed_out: ("✕", RED),
    Status.malformed: ("≠", RED),
    Status.not_configured: ("○", GREY),
    Status.not_recorded: ("○", GREY),
}


def proves_something(status: str) -> bool:
    """Whether a look of this status proves something: content, or absence."""
    return status in Status.__members__ and Status(status).answered


def status_chip(status: object) -> Html:
    """A status as a label: solid where it proves something, dashed where it proves nothing; a mark beside the color."""
    text = one_line(status, 40)
    mark, color = MARKS.get(text, ("?", GREY))
    return chip(f"{mark} {text}", color, solid=proves_something(text))


def status_words(status: object) -> str:
    """A status for plain text, its mark before it; what proves nothing stands in brackets."""
    text = one_line(status, 40)
    words = f"{MARKS.get(text, ('?', GREY))[0]} {text}"
    return words if proves_something(text) else f"({words})"


def count_in_words(statuses: Iterable[str]) -> str:
    """`7 looks: 5 answered, 2 prove nothing`."""
    each = [str(status) for status in statuses]
    nothing = sum(not proves_something(status) for status in each)
    said = f"{plural(len(each), 'look')}: {len(each) - nothing:,} answered"
    return f"{said}, {nothing:,} {'proves' if nothing == 1 else 'prove'} nothing" if nothing else said


def evidence_table(observations: Sequence[Observation]) -> Html:
    """The looks of a step: id, source, call, status, time taken, why, and what would help."""
    if not observations:
        return tag("p", muted("This step made no look of its own; it reads what earlier steps saw."))
    shown, left_out = _chosen(observations)
    rows = (
        (
            [
                tag("code", one_line(look.id, 80)),
                one_line(look.source, 60),
                _asked(look),
                status_chip(look.status),
                format_duration(look.elapsed_ms),
                shorten(look.why, 400) if look.why else "",
                shorten(look.help, 400) if look.help else "",
            ],
            None if proves_something(look.status) else "nx-nothing",
            anchor(look.id),
        )
        for look in shown
    )
    headings = ["look", "source", "call", "status", "took", "why", "what would help"]
    note = count_in_words(look.status for look in observations)
    if left_out:
        note += f"; {plural(left_out, 'answered look')} not listed here, all are in observations.jsonl"
    return join([rows_table(headings, rows, right=frozenset({4})), tag("p", muted(note))])


def evidence_lines(observations: Sequence[Observation]) -> list[str]:
    """The same as plain lines."""
    shown, left_out = _chosen(observations)
    lines = []
    for look in shown:
        line = f"  {status_words(look.status):<20} {one_line(look.id, 60)}  {format_duration(look.elapsed_ms)}"
        line += f"  {shorten(look.why, 160)}" if look.why else ""
        lines.append(line + (f"  → {shorten(look.help, 160)}" if look.help else ""))
    lines.append(
        "  " + count_in_words(look.status for look in observations) + (f"; {left_out:,} not listed" * bool(left_out))
    )
    return lines


def citation_links(evidence: Sequence[Json]) -> list[Child]:
    """Ids of observations as links to their rows."""
    shown: list[Child] = []
    for each in evidence[:8]:
        shown += [" " if shown else "", tag("a", tag("code", one_line(each, 80)), href="#" + anchor(each))]
    return [*shown, f" and {len(evidence) - 8} more"] if len(evidence) > 8 else shown


def _asked(look: Observation) -> Html:
    arguments = ", ".join(
        f"{name}={value if isinstance(value, str) else compact(value)}" for name, value in look.arguments.items()
    )
    again = f" · time {look.nth}" if look.nth > 1 else ""
    return join(
        [one_line(look.call, 80), tag("div", muted(shorten(arguments, 160) + again)) if arguments or again else None]
    )


def _chosen(observations: Sequence[Observation]) -> tuple[list[Observation], int]:
    answered = [look for look in observations if proves_something(look.status)]
    listed = {id(look) for look in answered[:ANSWERED_SHOWN]}
    shown = [look for look in observations if id(look) in listed or not proves_something(look.status)]
    return shown, len(observations) - len(shown)
