"""Draws an objective's percentile by the hour as bars between its bounds, the objective as a line, and deployments."""

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from runbook_lib.show.figure import FAILED, FAINT, HEALTHY, INK, LINE, drawable_text, new_figure, style_axes, to_png
from runbook_lib.show.level_latency import Hour, LevelLatency, summary
from runbook_lib.show.text import format_duration
from runbook_lib.show.time_axis import mark_deployments, number_of, utc_axis

HEIGHT_IN = 3.6
MAYBE = "#d68a1c"
_HOUR = 1 / 24


def draw_level_latency(seen: LevelLatency) -> bytes:
    """The plot as a PNG. Time in UTC to the right, duration upwards, logarithmic."""
    figure = new_figure(HEIGHT_IN)
    axes = figure.add_axes((0.085, 0.155, 0.825, 0.615 if seen.deployments else 0.69))
    style_axes(axes)
    first, last = seen.hours[0].at, seen.hours[-1].at
    axes.set_xlim(number_of(first) - _HOUR, number_of(last) + _HOUR)
    axes.set_yscale("log")
    bounds = [_least(hour) for hour in seen.hours] + [hour.top_ms for hour in seen.hours]
    low, high = min([*bounds, seen.within_ms or bounds[0]]), max([*bounds, seen.within_ms or bounds[0]])
    axes.set_ylim(low * 0.7, high * 1.7)
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(which="minor", length=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: format_duration(float(ms))))
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    for color, name in ((HEALTHY, "within"), (MAYBE, "may be above"), (FAILED, "above")):
        own = [hour for hour in seen.hours if _color(hour, seen.within_ms) == color]
        if own:
            axes.bar(
                [number_of(hour.at) for hour in own],
                [hour.top_ms - _least(hour) for hour in own],
                bottom=[_least(hour) for hour in own],
                width=max(_HOUR * 0.9, (number_of(last) - number_of(first)) / 500),
                color=color,
                linewidth=0,
                label=name,
                zorder=3,
            )
    if seen.within_ms is not None:
        axes.axhline(seen.within_ms, color=INK, linewidth=1.3, zorder=4)
        axes.text(
            1.008,
            seen.within_ms,
            f"{seen.name}\npromised",
            transform=axes.get_yaxis_transform(),
            fontsize=7.8,
            color=INK,
            va="center",
        )
    mark_deployments(axes, seen.deployments)
    utc_axis(axes)
    figure.text(0.02, 0.94, drawable_text(summary(seen), 120), parse_math=False, fontsize=9.5, weight="bold", color=INK)
    figure.text(0.02, 0.02, "times in UTC · each bar spans what the buckets allow", fontsize=7.5, color=FAINT)
    legend = axes.legend(
        loc="upper right", bbox_to_anchor=(1.0, -0.1), ncols=3, frameon=False, fontsize=7.8, handlelength=1.0
    )
    for text in legend.get_texts():
        text.set_color(INK)
    return to_png(figure)


def _least(hour: Hour) -> float:
    """The lower bound as it is drawn: a bar of no height would not be seen, and a logarithm knows no zero."""
    return min(max(hour.low_ms, 0.5), hour.top_ms * 0.94)


def _color(hour: Hour, within_ms: float | None) -> str:
    if within_ms is None or hour.top_ms <= within_ms:
        return HEALTHY
    return FAILED if hour.low_ms >= within_ms else MAYBE
