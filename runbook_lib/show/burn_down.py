"""The burn-down exhibit: how much of each objective's budget was left over the period, and what was deployed meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.html import join, picture, preformatted, tag
from runbook_lib.show.points import Mark
from runbook_lib.show.text import finite_number, one_line, parse_moment, text_grid

ROWS = 12


@dataclass(frozen=True)
class Line:
    """One objective: the share of its budget that was left at each moment; below 0 it is overspent."""

    name: str
    points: tuple[tuple[datetime, float], ...]
    broken: bool


@dataclass(frozen=True)
class BurnDown:
    """What the plot draws."""

    lines: tuple[Line, ...]
    since: datetime | None
    until: datetime | None
    deployments: tuple[Mark, ...]


def burn_down(data: Mapping[str, Json]) -> Display:
    """`{window, lines: [{name, points: [[at, left]], missed}], deployments: [{at, label}]}`; `left` is 1 at the beginning."""
    seen = read_burn_down(data)
    plain = burn_down_text(seen)
    if not seen.lines:
        return Display(plain, tag("p", plain))
    from runbook_lib.show.burn_down_figure import draw_burn_down

    png = draw_burn_down(seen)
    words = tag("details", tag("summary", "the same as text"), preformatted(plain))
    return Display(plain, join([picture(png, f"Error budget left over time: {summary(seen)}"), words]), png)


def summary(seen: BurnDown) -> str:
    """`API availability 80 % left · Stripe webhooks overspent by 40 %`."""
    return " · ".join(f"{line.name} {left_words(line.points[-1][1])}" for line in seen.lines)


def left_words(left: float) -> str:
    """`80 % left`, or by how much it is overspent."""
    return f"{left * 100:.0f} % left" if left >= 0 else f"overspent by {-left * 100:,.0f} %"


def burn_down_text(seen: BurnDown) -> str:
    """The summary, then the budget left at a dozen moments."""
    if not seen.lines:
        return "no budget could be counted"
    moments = seen.lines[0].points
    stride = max(1, len(moments) // ROWS)
    chosen = [at for at, _ in moments[::-1][::stride]][::-1]
    rows = [[f"{at:%m-%d %H:%M}", *(_at(line, at) for line in seen.lines)] for at in chosen]
    lines = [
        summary(seen),
        text_grid(
            ["until (UTC)", *(line.name for line in seen.lines)], rows, right=frozenset(range(1, len(seen.lines) + 1))
        ),
    ]
    lines += [f"deployed {mark.at:%Y-%m-%d %H:%M} UTC  {mark.label}" for mark in seen.deployments]
    return "\n".join(lines)


def _at(line: Line, moment: datetime) -> str:
    earlier = [left for at, left in line.points if at <= moment]
    return f"{earlier[-1] * 100:.0f} %" if earlier else ""


def read_burn_down(data: Mapping[str, Json]) -> BurnDown:
    """The exhibit's data as records; a point without a time or a number is left out, and so is a line without points."""
    window = data.get("window") or {}
    lines = []
    for each in data.get("lines") or ():
        points = [
            (at, left)
            for pair in each.get("points") or ()
            if (at := parse_moment(pair[0])) is not None and (left := finite_number(pair[1])) is not None
        ]
        if points:
            lines.append(
                Line(one_line(each.get("name") or "objective", 40), tuple(sorted(points)), bool(each.get("missed")))
            )
    marks = [
        Mark(at, one_line(each.get("label") or "deployment", 60))
        for each in data.get("deployments") or ()
        if (at := parse_moment(each.get("at"))) is not None
    ]
    return BurnDown(
        tuple(lines),
        parse_moment(window.get("since")),
        parse_moment(window.get("until")),
        tuple(sorted(marks, key=lambda mark: mark.at)),
    )
