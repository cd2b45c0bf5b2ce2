"""Draws latency over time: a dot per request, crosses for failures, percentiles, deployments, and the request in question."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from runbook_lib.core.percentile import percentile
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
from runbook_lib.show.latency import summary, undrawn_in_words
from runbook_lib.show.points import Latency, Point
from runbook_lib.show.text import format_duration

HEIGHT_IN = 4.0
DOTS = 6000  # more healthy requests than this are thinned evenly; failures are drawn up to as many
DEPLOYMENTS_NAMED = 6
WIDE = 25  # a spread of durations from which on the axis is logarithmic


def draw_latency(seen: Latency) -> bytes:
    """The plot as a PNG. Time in UTC to the right, duration upwards (logarithmic where durations differ widely)."""
    figure = new_figure(HEIGHT_IN)
    axes = figure.add_axes((0.085, 0.165, 0.825, 0.645 if seen.deployments else 0.73))
    style_axes(axes)
    first, last = _span(seen)
    axes.set_xlim(_x(first), _x(last))
    _scale(axes, seen)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    _outside(axes, seen, first, last)
    healthy, failed = ([point for point in seen.points if point.failed is is_failed] for is_failed in (False, True))
    notes = [undrawn_in_words(seen)] if seen.undrawn else []
    for points, look in ((healthy, _HEALTHY), (failed, _FAILED)):
        drawn = _thinned(points)
        if len(drawn) < len(points):
            notes.append(f"{len(drawn):,} of {len(points):,} {look['label']} requests drawn")
        if drawn:
            axes.scatter([_x(point.at) for point in drawn], [_y(point.ms) for point in drawn], **look)
    _levels(axes, seen)
    _deployments(axes, seen)
    if seen.request is not None:
        _request(axes, seen.request, first, last)
    locator = AutoDateLocator(minticks=4, maxticks=8, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.xaxis.get_offset_text().set(color=FAINT, fontsize=8)
    figure.text(
        0.02, 0.945, drawable_text(summary(seen), 120), parse_math=False, fontsize=9.5, weight="bold", color=INK
    )
    figure.text(
        0.02,
        0.03,
        drawable_text(" · ".join(["times in UTC", *notes]), 140),
        parse_math=False,
        fontsize=7.5,
        color=FAINT,
    )
    if seen.points:
        legend = axes.legend(
            loc="upper right", bbox_to_anchor=(1.0, -0.11), ncols=2, frameon=False, fontsize=7.8, handletextpad=0.1
        )
        for text in legend.get_texts():
            text.set_color(INK)
    return to_png(figure)


_HEALTHY: dict[str, Any] = {"s": 13, "color": HEALTHY, "alpha": 0.55, "linewidths": 0, "label": "healthy", "zorder": 3}
_FAILED: dict[str, Any] = {"s": 26, "color": FAILED, "marker": "x", "linewidths": 1.3, "label": "failed", "zorder": 4}


def _x(moment: datetime) -> float:
    return float(date2num(moment))  # type: ignore[no-untyped-call]


def _y(ms: float) -> float:
    return max(ms, 0.1)


def _span(seen: Latency) -> tuple[datetime, datetime]:
    """From the first to the last thing to be drawn, with a little air; deployments far outside do not stretch it."""
    moments = [point.at for point in (*seen.points, *([seen.request] if seen.request else []))]
    moments += [moment for moment in (seen.since, seen.until) if moment is not None]
    first, last = min(moments), max(moments)
    air = max((last - first) * 0.015, timedelta(seconds=15))
    return max(first, datetime.min.replace(tzinfo=UTC) + air) - air, min(
        last, datetime.max.replace(tzinfo=UTC) - air
    ) + air


def _scale(axes: Axes, seen: Latency) -> None:
    taken = [_y(point.ms) for point in seen.points] + ([_y(seen.request.ms)] if seen.request else [])
    low, high = min(taken), max(*taken, seen.baseline_p95_ms or 0.0)
    typical = max(percentile(taken, 5), 0.1)
    if high / typical >= WIDE:
        axes.set_yscale("log")
        axes.set_ylim(low * 0.75, high * 2.4)
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.tick_params(which="minor", length=0)
    else:
        axes.set_ylim(0, high * 1.2 + 0.1)
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: format_duration(float(ms))))


def _outside(axes: Axes, seen: Latency, first: datetime, last: datetime) -> None:
    """What lies outside the window is grayed and named."""
    for start, end, name in ((first, seen.since, "before the window"), (seen.until, last, "after")):
        if start is None or end is None or (end - start) < (last - first) * 0.02:
            continue
        axes.axvspan(_x(start), _x(end), color=INK, alpha=0.05, lw=0, zorder=0)
        if (end - start) > (last - first) * 0.12:
            middle = _x(start + (end - start) / 2)
            axes.text(middle, 0.015, name, transform=axes.get_xaxis_transform(), fontsize=7.5, color=FAINT, ha="center")


def _levels(axes: Axes, seen: Latency) -> None:
    """p50 and p95 of the window, and the p95 from before, named at the right edge; names never overlap."""
    taken = [point.ms for point in seen.within()]
    low, high = axes.get_xlim()
    window = (_x(seen.since) if seen.since else low, _x(seen.until) if seen.until else high)
    levels: list[tuple[float, str, str, Any, float]] = []
    if taken:
        levels += [(percentile(taken, 50), "p50", INK, "-", 0.8), (percentile(taken, 95), "p95", INK, "-", 1.2)]
    if seen.baseline_p95_ms is not None:
        levels.append((seen.baseline_p95_ms, "p95 before", FAINT, (0, (4, 3)), 1.0))
    placed: list[float] = []
    for ms, name, color, dashes, thickness in sorted(levels, key=lambda level: level[0]):
        reach = window if name != "p95 before" else (low, high)
        axes.hlines(_y(ms), *reach, color=color, linestyle=dashes, linewidth=thickness, alpha=0.75, zorder=2)
        height = float(axes.transAxes.inverted().transform(axes.transData.transform((0, _y(ms))))[1])
        height = max([height, *(each + 0.052 for each in placed)])
        placed.append(height)
        axes.text(1.008, height, name, transform=axes.transAxes, fontsize=7.8, color=color, va="center")


def _deployments(axes: Axes, seen: Latency) -> None:
    """A vertical line per deployment within the picture, with its label above, on two levels so that neighbours stay apart."""
    low, high = axes.get_xlim()
    shown = [mark for mark in seen.deployments if low <= _x(mark.at) <= high]
    for at, mark in enumerate(shown):
        axes.axvline(_x(mark.at), color=ACCENT, linewidth=1.1, linestyle=(0, (2, 2)), zorder=1)
        if at >= DEPLOYMENTS_NAMED:
            continue
        share = (_x(mark.at) - low) / (high - low)
        label = f"▼ {mark.label}" if share <= 0.6 else f"{mark.label} ▼"
        where, side = axes.get_xaxis_transform(), "left" if share <= 0.6 else "right"
        shift = (-3.5 if side == "left" else 3.5, 3 + 11 * (at % 2))
        axes.annotate(
            drawable_text(label, 44),
            xy=(_x(mark.at), 1.0),
            xycoords=where,
            xytext=shift,
            textcoords="offset points",
            parse_math=False,
            fontsize=7.8,
            color=ACCENT,
            ha=side,
            annotation_clip=False,
        )


def _request(axes: Axes, request: Point, first: datetime, last: datetime) -> None:
    """A ring round the request that the run is about, and its duration."""
    x, y = _x(request.at), _y(request.ms)
    color = FAILED if request.failed else INK
    axes.scatter([x], [y], s=130, facecolors="none", edgecolors=color, linewidths=1.8, zorder=6)
    axes.scatter([x], [y], s=16, color=color, zorder=6)
    share = (request.at - first) / (last - first)
    axes.annotate(
        f"this request {format_duration(request.ms)}",
        xy=(x, y),
        xytext=(0, 9),
        textcoords="offset points",
        ha="left" if share < 0.1 else "right" if share > 0.9 else "center",
        va="bottom",
        fontsize=8,
        weight="bold",
        color=color,
        zorder=7,
        bbox={"boxstyle": "round,pad=0.2", "fc": CARD, "ec": "none", "alpha": 0.85},
    )


def _thinned(points: Sequence[Point]) -> Sequence[Point]:
    return points if len(points) <= DOTS else [points[at * len(points) // DOTS] for at in range(DOTS)]
