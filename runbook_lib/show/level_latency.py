"""The level-latency exhibit: the objective's percentile hour by hour between its bounds, against the objective's line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.html import join, picture, preformatted, tag
from runbook_lib.show.points import Mark
from runbook_lib.show.text import finite_number, format_duration, one_line, parse_moment, text_grid

ROWS = 12


@dataclass(frozen=True)
class Hour:
    """One hour's percentile: it lies between the two, in milliseconds; `high_ms` None: above all that is known."""

    at: datetime
    low_ms: float
    high_ms: float | None
    count: float

    @property
    def top_ms(self) -> float:
        """The upper bound, or twice the lower bound where the bucket has no upper one."""
        return self.high_ms if self.high_ms is not None else 2 * max(self.low_ms, 1.0)


@dataclass(frozen=True)
class LevelLatency:
    """What the plot draws. `share` is the percentile as a share, `within_ms` the objective."""

    hours: tuple[Hour, ...]
    share: float
    within_ms: float | None
    deployments: tuple[Mark, ...]

    @property
    def name(self) -> str:
        """`p95`."""
        return f"p{self.share * 100:g}"


def level_latency(data: Mapping[str, Json]) -> Display:
    """`{within_ms, share, rows: [{at, low_ms, high_ms, count}], deployments: [{at, label}]}`."""
    seen = read_level_latency(data)
    plain = level_latency_text(seen)
    if not seen.hours:
        return Display(plain, tag("p", plain))
    from runbook_lib.show.level_latency_figure import draw_level_latency

    png = draw_level_latency(seen)
    words = tag("details", tag("summary", "the same as text"), preformatted(plain))
    return Display(plain, join([picture(png, f"Latency by the hour: {summary(seen)}"), words]), png)


def summary(seen: LevelLatency) -> str:
    """`p95 by the hour: 3 of 168 hours surely above 2.5 s, 2 may be`."""
    if seen.within_ms is None:
        return f"{seen.name} by the hour"
    surely = sum(hour.low_ms >= seen.within_ms for hour in seen.hours)
    maybe = sum(hour.low_ms < seen.within_ms < hour.top_ms for hour in seen.hours)
    said = f"{seen.name} by the hour: {surely} of {len(seen.hours)} hours above {format_duration(seen.within_ms)}"
    return f"{said}, {maybe} may be" if maybe else said


def level_latency_text(seen: LevelLatency) -> str:
    """The summary, then the hours that were slowest."""
    if not seen.hours:
        return "no hour's latency is known"
    worst = sorted(seen.hours, key=lambda hour: (-hour.low_ms, hour.at))[:ROWS]
    rows = [
        [
            f"{hour.at:%m-%d %H:%M}",
            format_duration(hour.low_ms),
            format_duration(hour.high_ms) if hour.high_ms is not None else "more",
            f"{hour.count:,.0f}",
        ]
        for hour in worst
    ]
    lines = [
        summary(seen),
        text_grid(["slowest hours (UTC)", "from", "to", "requests"], rows, right=frozenset({1, 2, 3})),
    ]
    lines += [f"deployed {mark.at:%Y-%m-%d %H:%M} UTC  {mark.label}" for mark in seen.deployments]
    return "\n".join(lines)


def read_level_latency(data: Mapping[str, Json]) -> LevelLatency:
    """The exhibit's data as records; what has no time or no bound is left out."""
    hours = []
    for each in data.get("rows") or ():
        at, low_ms = parse_moment(each.get("at")), finite_number(each.get("low_ms"))
        if at is not None and low_ms is not None:
            hours.append(
                Hour(at, max(low_ms, 0.0), finite_number(each.get("high_ms")), finite_number(each.get("count")) or 0.0)
            )
    marks = [
        Mark(at, one_line(each.get("label") or "deployment", 60))
        for each in data.get("deployments") or ()
        if (at := parse_moment(each.get("at"))) is not None
    ]
    return LevelLatency(
        tuple(sorted(hours, key=lambda hour: hour.at)),
        finite_number(data.get("share")) or 0.95,
        finite_number(data.get("within_ms")),
        tuple(sorted(marks, key=lambda mark: mark.at)),
    )
