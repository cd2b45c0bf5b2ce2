"""The usage exhibit: what was used of a period against its limits, when they will be reached, and who or which model spent it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.html import join, picture, preformatted, tag
from runbook_lib.show.text import finite_number, one_line, parse_moment, plural, shorten, text_grid

UNITS = ("tokens", "requests")
SHARES_SHOWN = 12
BAR = 24


@dataclass(frozen=True)
class Line:
    """One unit: what was used by when (cumulated, in order of time), its limit, and the forecast for the end of the period."""

    unit: str
    points: tuple[tuple[datetime, float], ...]
    limit: float | None
    at_end: float | None
    reached_at: datetime | None

    @property
    def used(self) -> float:
        """What was used in all."""
        return self.points[-1][1] if self.points else 0.0

    @property
    def share(self) -> float | None:
        """The part of the limit that is used; None without a limit."""
        return self.used / self.limit if self.limit else None


@dataclass(frozen=True)
class Share:
    """What one model, or one organization, used."""

    name: str
    tokens: float
    requests: float


@dataclass(frozen=True)
class Usage:
    """What the exhibit shows. `by`: what the shares are of."""

    since: datetime | None
    until: datetime | None
    now: datetime | None
    lines: tuple[Line, ...]
    by: str
    shares: tuple[Share, ...]


def usage(data: Mapping[str, Json]) -> Display:
    """Usage of a period: `{period {since, until}, now, hours [[epoch s, tokens, requests]], limits {tokens, requests}, forecasts
    [{unit, at_end, reached_at}], by, shares [{name, tokens, requests}]}`; without hours only the shares are drawn."""
    seen = read_usage(data)
    plain = usage_text(seen)
    if not seen.shares and not any(line.points for line in seen.lines):
        return Display(plain, tag("p", plain))
    from runbook_lib.show.usage_figure import draw_usage

    png = draw_usage(seen)
    words = tag("details", tag("summary", "the same as text"), preformatted(plain))
    return Display(plain, join([picture(png, f"Usage: {summary(seen)}"), words]), png)


def read_usage(data: Mapping[str, Json]) -> Usage:
    """The exhibit's data as records."""
    period, limits = data.get("period") or {}, data.get("limits") or {}
    forecasts = {str(each.get("unit")): each for each in data.get("forecasts") or ()}
    hours = [row for row in data.get("hours") or () if finite_number(row[0]) is not None]
    lines = []
    for at, unit in enumerate(UNITS, 1):
        total, points = 0.0, []
        for row in sorted(hours, key=lambda each: float(each[0])):
            total += finite_number(row[at]) or 0.0
            points.append((datetime.fromtimestamp(float(row[0]), UTC), total))
        forecast = forecasts.get(unit) or {}
        lines.append(
            Line(
                unit,
                tuple(points),
                finite_number(limits.get(unit)),
                finite_number(forecast.get("at_end")),
                parse_moment(forecast.get("reached_at")),
            )
        )
    shares = [
        Share(
            one_line(each.get("name") or "?", 60),
            finite_number(each.get("tokens")) or 0.0,
            finite_number(each.get("requests")) or 0.0,
        )
        for each in data.get("shares") or ()
    ]
    return Usage(
        parse_moment(period.get("since")),
        parse_moment(period.get("until")),
        parse_moment(data.get("now")),
        tuple(lines),
        one_line(data.get("by") or "model", 30),
        tuple(sorted(shares, key=lambda each: -each.tokens)),
    )


def summary(seen: Usage) -> str:
    """`62 % of 5,000,000 tokens (used up on 27 Nov 14:00 UTC), 3 % of 50,000 requests`."""
    told = [line_in_words(line) for line in seen.lines if line.points and (line.limit is not None or line.used)]
    if not told and seen.shares:
        total = sum(share.tokens for share in seen.shares)
        return f"{total:,.0f} tokens by {plural(len(seen.shares), seen.by)}"
    return ", ".join(told) or "nothing was used"


def line_in_words(line: Line) -> str:
    """One unit in a few words."""
    if line.share is None or line.limit is None:
        return f"{line.used:,.0f} {line.unit}, no limit"
    when = ""
    if line.share >= 1:
        when = " (used up)"
    elif line.reached_at is not None:
        when = f" (used up on {line.reached_at:%d %b %H:%M} UTC)"
    elif line.at_end is not None:
        when = f" ({line.at_end / line.limit:.0%} by the end)"
    return f"{line.share:.0%} of {line.limit:,.0f} {line.unit}{when}"


def usage_text(seen: Usage) -> str:
    """The summary, then a line for each model or organization."""
    lines = [summary(seen)]
    if seen.shares:
        most, total = (
            max(share.tokens for share in seen.shares) or 1.0,
            sum(share.tokens for share in seen.shares) or 1.0,
        )
        rows = [_row(share, most, total) for share in seen.shares[:SHARES_SHOWN]]
        lines.append(text_grid([seen.by, "tokens", "share", "", "requests"], rows, right=frozenset({1, 2, 4})))
        lines += _rest(seen.shares)
    return "\n".join(lines)


def _row(share: Share, most: float, total: float) -> list[str]:
    bar = "█" * max(1, round(share.tokens / most * BAR)) if share.tokens else ""
    return [
        shorten(share.name, 50),
        f"{share.tokens:,.0f}",
        f"{share.tokens / total:.1%}",
        bar,
        f"{share.requests:,.0f}",
    ]


def _rest(shares: Sequence[Share]) -> list[str]:
    rest = shares[SHARES_SHOWN:]
    return [f"… {len(rest):,} more with {sum(share.tokens for share in rest):,.0f} tokens"] if rest else []
