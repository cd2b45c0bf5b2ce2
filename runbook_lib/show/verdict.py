"""The verdict for reading: target, status and what it comes down to; situation, causes, suspects, and what could not be seen."""

from collections import Counter
from collections.abc import Mapping, Sequence

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.evidence import citation_links, count_in_words, proves_something, status_chip
from runbook_lib.show.html import AMBER, BLUE, GREEN, GREY, RED, Child, Html, band, join, link, muted, rows_table, tag
from runbook_lib.show.target import target_line
from runbook_lib.show.text import NOTHING, format_duration, format_moment, format_number, one_line, shorten
from runbook_lib.show.verdict_text import (
    HEADLINES,
    changes_of,
    coverage_counts,
    first_finding,
    name_finding,
    situation_sentences,
    verdict_text,
)

COLOURS = {"confirmed": RED, "ruled_out": GREEN, "could_not_tell": AMBER}
LISTED = 50  # rows of a list shown in the card; verdict.json holds all


def verdict_card(verdict: Mapping[str, Json]) -> Display:
    """A verdict (docs/verdict.md) as a card; anything it does not hold is left out or shown as a dash."""
    status = one_line(verdict.get("status"), 40)
    mark, meaning = HEADLINES.get(status, ("?", ""))
    target = one_line(verdict.get("target"), 80)
    headline = tag(
        "div",
        tag(
            "span",
            f"{mark} {status.replace('_', ' ')}",
            style=f"font-size:1.5em;font-weight:700;color:{_color(status)}",
        ),
        muted(f"  {meaning}"),
    )
    procedure = tag(
        "div", muted(f"{one_line(verdict.get('procedure'), 80)} · incident {one_line(verdict.get('incident'), 80)}")
    )
    body = [
        band(_color(status), target_line(target, live=target != "sandbox"), headline, _in_short(verdict), procedure),
        _situation(verdict),
        _findings("Causes" if len(_list(verdict, "causes")) > 1 else "Cause", _list(verdict, "causes"), RED),
        _suspects(_list(verdict, "suspects")),
        _findings("What hides the answer", _list(verdict, "blind"), AMBER),
        _findings("Also true", _list(verdict, "also"), GREY),
        _findings("Worth knowing, nothing broken", _list(verdict, "states"), BLUE),
        _not_seen(_list(verdict, "not_seen"), _list(verdict, "looked_at")),
        _coverage(verdict),
        _looked_at(_list(verdict, "looked_at")),
        _footer(verdict),
    ]
    return Display(verdict_text(verdict), join(body))


def _in_short(verdict: Mapping[str, Json]) -> Html | None:
    """What it comes down to, for whoever reads no further: the first cause and what to do, or the look that would decide."""
    first = first_finding(verdict)
    if first is None or verdict.get("status") == "ruled_out":
        return None
    lines = [tag("div", tag("strong", name_finding(first, 300)))]
    if todo := first.get("remedy") or first.get("deciding_look"):
        lines.append(tag("div", tag("strong", "Do: "), shorten(todo, 600)))
    return join(lines)


def _color(status: str) -> str:
    return COLOURS.get(status, GREY)


def _list(verdict: Mapping[str, Json], key: str) -> list[Mapping[str, Json]]:
    return [each for each in verdict.get(key) or () if isinstance(each, Mapping)]


def _situation(verdict: Mapping[str, Json]) -> Html:
    sentences = situation_sentences(verdict)
    changes = changes_of(verdict)
    told = tag("ul", [tag("li", sentence) for sentence in sentences])
    if not changes:
        return join([tag("h4", "Situation"), told])
    rows = (([format_moment(each.get("at")), _change(each), _where(each)], None, None) for each in changes[:LISTED])
    table = rows_table(["at", "what changed", "where"], rows)
    return join([tag("h4", "Situation"), told, tag("p", "Changes in the two hours before:"), table, _rest(changes)])


def _change(change: Mapping[str, Json]) -> Html:
    return link(shorten(change.get("what"), 300), change.get("link"))


def _where(change: Mapping[str, Json]) -> Html:
    return link(shorten(change.get("where"), 200), change.get("where"))


def _findings(heading: str, findings: Sequence[Mapping[str, Json]], color: str) -> Html:
    if not findings:
        return Html("")
    return join([tag("h4", heading), [_finding(each, color) for each in findings[:LISTED]], _rest(findings)])


def _finding(finding: Mapping[str, Json], color: str) -> Html:
    remedy, evidence = finding.get("remedy"), finding.get("evidence") or ()
    return band(
        color,
        tag(
            "div",
            tag("code", tag("strong", one_line(finding.get("code"), 120))),
            " · ",
            shorten(finding.get("subject"), 300),
        ),
        tag("div", shorten(finding.get("summary"), 2000)),
        tag("div", tag("strong", "Do: "), shorten(remedy, 2000)) if remedy else None,
        tag("div", muted("Evidence: "), citation_links(list(evidence))) if evidence else None,
    )


def _suspects(suspects: Sequence[Mapping[str, Json]]) -> Html:
    if not suspects:
        return Html("")
    rows = (
        (
            [
                str(rank),
                join([tag("code", one_line(each.get("code"), 120)), tag("div", shorten(each.get("subject"), 300))]),
                shorten(each.get("why"), 1000),
                tag("strong", shorten(each.get("deciding_look"), 1000)),
            ],
            None,
            None,
        )
        for rank, each in enumerate(suspects[:LISTED], 1)
    )
    table = rows_table(["rank", "suspect", "why", "the look that would decide"], rows)
    return join([tag("h4", "Suspects, the likeliest first"), table, _rest(suspects)])


def _not_seen(unseen: Sequence[Mapping[str, Json]], looks: Sequence[Mapping[str, Json]]) -> Html:
    if not unseen:
        all_came_back = all(proves_something(one_line(look.get("status"), 40)) for look in looks)
        said = (
            "Every look came back."
            if all_came_back
            else "Nothing that the answer depends on; some looks prove nothing."
        )
        return join([tag("h4", "Not seen"), tag("p", muted(said))])
    rows = (
        (
            [
                f"{one_line(each.get('source'), 60)}.{one_line(each.get('call'), 80)}",
                status_chip(each.get("status")),
                shorten(each.get("why") or NOTHING, 600),
                shorten(each.get("what_would_help") or NOTHING, 600),
            ],
            "nx-nothing",
            None,
        )
        for each in unseen[:LISTED]
    )
    table = rows_table(["look", "status", "why", "what would help"], rows)
    return join([tag("h4", "Not seen"), table, _rest(unseen)])


def _coverage(verdict: Mapping[str, Json]) -> Html:
    """What was ruled out, and by what: every cause of the procedure, folded; empty in a verdict of schema 1."""
    covered = _list(verdict, "coverage")
    if not covered:
        return Html("")
    rows = (
        (
            [
                tag("code", one_line(each.get("code"), 120)),
                one_line(each.get("state"), 40).replace("_", " "),
                join([citation_links(list(each.get("by") or ())), tag("div", shorten(each.get("why") or "", 600))]),
            ],
            "nx-nothing" if each.get("state") == "not_examined" else None,
            None,
        )
        for each in covered
    )
    table = rows_table(["cause", "what came of it", "by which looks, or why not"], rows)
    summary = tag("summary", tag("strong", "What was ruled out, and by what"), muted(f" · {coverage_counts(verdict)}"))
    return tag("details", summary, table)


def _looked_at(looks: Sequence[Mapping[str, Json]]) -> Html:
    statuses = Counter(one_line(look.get("status"), 40) for look in looks)
    chips: list[Child] = []
    for status, count in statuses.most_common():
        chips += [" ", status_chip(status), f" × {count:,}" if count > 1 else ""]
    said = count_in_words(statuses.elements()) if looks else "no look was made"
    return join([tag("h4", "Looked at"), tag("p", said, chips)])


def _footer(verdict: Mapping[str, Json]) -> Html:
    window = verdict.get("window") or {}
    lines = [
        f"first evidence after {_seconds(verdict.get('first_evidence_s'))}, verdict after {_seconds(verdict.get('verdict_s'))}",
        f"window {format_moment(window.get('since'))} to {format_moment(window.get('until'))}" if window else "",
        f"run {one_line(verdict.get('run'), 80)} · started {format_moment(verdict.get('started_at'))}",
        f"verdict sha256 {one_line(verdict.get('verdict_sha256'), 64)}",
    ]
    return tag("p", [[muted(line), tag("br")] for line in lines if line])


def _seconds(value: Json) -> str:
    return format_duration(value * 1000) if isinstance(value, int | float) else one_line(value)


def _rest(given: Sequence[object]) -> Html:
    more = len(given) - LISTED
    return tag("p", muted(f"… and {format_number(more)} more in verdict.json")) if more > 0 else Html("")
