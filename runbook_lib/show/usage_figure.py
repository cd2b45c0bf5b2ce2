"""Draws usage: the cumulated share of each limit over the period with its forecast, and bars of who or what spent it."""

from datetime import UTC, datetime
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from runbook_lib.show.figure import (
    ACCENT,
    CARD,
    FAILED,
    FAINT,
    HEALTHY,
    INK,
    LINE,
    drawable_text,
    new_figure,
    style_axes,
    to_png,
)
from runbook_lib.show.usage import SHARES_SHOWN, Line, Usage, summary

COLOURS = {"tokens": HEALTHY, "requests": ACCENT}
PLOT_IN, BAR_IN, HEAD_IN, GAP_IN = 2.75, 0.24, 0.42, 0.62


def draw_usage(seen: Usage) -> bytes:
    """The picture as a PNG: time in UTC to the right, share of the limit upwards; below it the bars, largest first."""
    lines = [line for line in seen.lines if line.points and line.limit]
    shares = seen.shares[:SHARES_SHOWN]
    plot_in = PLOT_IN if lines else 0.0
    bars_in = BAR_IN * len(shares) + 0.35 if shares else 0.0
    height = HEAD_IN + plot_in + (GAP_IN if lines else 0.1) + bars_in + 0.2
    figure = new_figure(height)
    figure.text(
        0.02,
        1 - 0.24 / height,
        drawable_text(summary(seen), 118),
        parse_math=False,
        fontsize=9.5,
        weight="bold",
        color=INK,
    )
    if lines:
        bottom = (bars_in + GAP_IN + 0.2) / height
        _plot(figure.add_axes((0.085, bottom, 0.80, plot_in / height)), seen, lines)
    if shares:
        _bars(figure, figure.add_axes((0.30, 0.2 / height, 0.56, (bars_in - 0.35) / height)), seen)
    return to_png(figure)


def _plot(axes: Axes, seen: Usage, lines: list[Line]) -> None:
    style_axes(axes)
    since = seen.since or lines[0].points[0][0]
    now = seen.now or lines[0].points[-1][0]
    until = seen.until or now
    axes.set_xlim(_x(since), _x(max(until, now)))
    highest = max([1.0, *(line.used / line.limit for line in lines if line.limit), *_ends(lines)])
    axes.set_ylim(0, min(highest, 3.0) * 1.08)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    axes.axhline(1.0, color=FAILED, linewidth=1.3, linestyle=(0, (5, 3)), zorder=2)
    axes.text(1.008, 1.0, "limit", transform=axes.get_yaxis_transform(), fontsize=7.8, color=FAILED, va="center")
    axes.axvline(_x(now), color=FAINT, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
    axes.text(
        _x(now), 1.01, "now", transform=axes.get_xaxis_transform(), fontsize=7.5, color=FAINT, ha="center", va="bottom"
    )
    placed: list[float] = []
    for line in sorted(lines, key=lambda each: each.share or 0):
        _line(axes, line, since, now, until, placed)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{share:.0%}"))
    locator = AutoDateLocator(minticks=4, maxticks=9, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.xaxis.get_offset_text().set(color=FAINT, fontsize=8)


def _ends(lines: list[Line]) -> list[float]:
    return [line.at_end / line.limit for line in lines if line.at_end is not None and line.limit]


def _line(axes: Axes, line: Line, since: datetime, now: datetime, until: datetime, placed: list[float]) -> None:
    """What was used as steps, the forecast as dashes, a mark where the limit will be reached; names never overlap."""
    assert line.limit
    color = COLOURS.get(line.unit, INK)
    xs = [_x(since), *(_x(at) for at, _ in line.points), _x(now)]
    ys = [0.0, *(used / line.limit for _, used in line.points), line.used / line.limit]
    axes.step(xs, ys, where="post", color=color, linewidth=1.8, zorder=4)
    axes.fill_between(xs, ys, step="post", color=color, alpha=0.08, zorder=1, linewidth=0)
    end = line.used / line.limit
    if line.at_end is not None and until > now:
        end = line.at_end / line.limit
        axes.plot(
            [_x(now), _x(until)],
            [line.used / line.limit, end],
            color=color,
            linewidth=1.2,
            linestyle=(0, (4, 3)),
            zorder=3,
        )
    if line.reached_at is not None:
        axes.scatter([_x(line.reached_at)], [1.0], s=44, color=FAILED, edgecolors=CARD, linewidths=1.0, zorder=6)
        late = _x(line.reached_at) > sum(axes.get_xlim()) / 2
        axes.annotate(
            f"{line.unit}: {line.reached_at:%d %b %H:%M}",
            xy=(_x(line.reached_at), 1.0),
            xytext=(-7 if late else 7, -11),
            textcoords="offset points",
            ha="right" if late else "left",
            fontsize=7.8,
            weight="bold",
            color=FAILED,
        )
    low, high = axes.get_ylim()
    height = min(max(end, low), high) / high
    while any(abs(height - other) < 0.07 for other in [*placed, 1.0 / high]):
        height -= 0.035
    placed.append(height)
    axes.text(1.008, height, line.unit, transform=axes.transAxes, fontsize=7.8, color=color, va="center")


def _bars(figure: Figure, axes: Axes, seen: Usage) -> None:
    """Who or what spent it, the largest at the top."""
    style_axes(axes)
    shares = seen.shares[:SHARES_SHOWN]
    total = sum(share.tokens for share in seen.shares) or 1.0
    places = list(range(len(shares)))[::-1]
    values = [share.tokens for share in shares]
    axes.barh(places, values, height=0.62, color=HEALTHY, alpha=0.85)
    axes.set_xlim(0, (max(values) or 1.0) * 1.0)
    axes.set_ylim(-0.6, len(shares) - 0.4)
    axes.set_xticks([])
    axes.set_yticks([])
    style: dict[str, Any] = {"fontsize": 8, "va": "center", "parse_math": False}
    for place, share in zip(places, shares, strict=True):
        axes.text(
            -0.012,
            place,
            drawable_text(share.name, 36),
            transform=axes.get_yaxis_transform(),
            ha="right",
            color=INK,
            **style,
        )
        told = f"{share.tokens / total:.0%}  {share.tokens:,.0f}"
        axes.text(1.012, place, told, transform=axes.get_yaxis_transform(), ha="left", color=FAINT, **style)
    rest = len(seen.shares) - len(shares)
    note = f"tokens by {seen.by}" + (f", the largest {len(shares)} of {len(seen.shares):,}" if rest else "")
    top = axes.get_position().y1 + 0.08 / figure.get_figheight()
    figure.text(0.02, top, drawable_text(note, 100), parse_math=False, fontsize=7.8, color=FAINT, va="bottom")


def _x(moment: datetime) -> float:
    return float(date2num(moment))  # type: ignore[no-untyped-call]
