"""Draws a waterfall: parts by color, own time dark, waiting pale, critical path outlined, failures hatched, the root marked."""

import textwrap
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from runbook_lib.show.figure import (
    CARD,
    FAILED,
    FAINT,
    INK,
    LINE,
    WIDTH_IN,
    drawable_text,
    new_figure,
    part_colors,
    style_axes,
    to_png,
)
from runbook_lib.show.spans import Bar, Waterfall
from runbook_lib.show.text import format_duration
from runbook_lib.show.waterfall import shifts, summary

ROW_IN, HEAD_IN, LEGEND_ROW_IN, NOTE_IN = 0.245, 0.6, 0.19, 0.17
LEFT, NAMES_END, BARS_END = 0.018, 0.40, 0.91  # shares of the width: names, bars, durations
NAME_CHARACTERS, INDENT_CHARACTERS, INDENT = 48, 1.35, 0.0085
LABEL_CHARACTERS, LABEL_CHARACTER_IN = 58, 0.068
LEGEND_COLUMNS, PARTS_NAMED = 6, 8
HALF = 0.31  # half a bar's height, in rows


@dataclass(frozen=True)
class _Row:
    """A bar and where it stands: y counts in rows from the top; a root cause has its label on lines below it."""

    bar: Bar
    y: float
    label: tuple[str, ...]


def draw_waterfall(trace: Waterfall) -> bytes:
    """The trace as a PNG. Rows from top to bottom in tree order; time runs to the right, in the corrected clocks."""
    rows, total = _laid_out(trace)
    colors = part_colors(bar.part for bar in trace.bars)
    legend, notes = _legend(trace, colors), _notes(trace)
    foot_in = 0.12 + LEGEND_ROW_IN * -(-len(legend) // LEGEND_COLUMNS) + NOTE_IN * len(notes) + 0.04
    height_in = HEAD_IN + ROW_IN * total + foot_in
    figure = new_figure(height_in)
    axes = figure.add_axes((NAMES_END, foot_in / height_in, BARS_END - NAMES_END, ROW_IN * total / height_in))
    span_ms = trace.end_ms - trace.start_ms
    axes.set_xlim(trace.start_ms - span_ms * 0.004, trace.end_ms + span_ms * 0.002)
    axes.set_ylim(total - 0.5, -0.5)
    style_axes(axes)
    axes.set_yticks([])
    axes.xaxis.tick_top()
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: format_duration(ms)))
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    for at, row in enumerate(rows):
        _stripe(axes, row, shaded=at % 2 == 1)
        _name(axes, row, colors[row.bar.part])
        _bar(axes, row, colors[row.bar.part], span_ms)
    for row in rows:
        if row.label:
            _root(axes, trace, row)
    _say(figure, 0.24, drawable_text(summary(trace), 110), height_in, fontsize=9.5, weight="bold", color=INK)
    for at, note in enumerate(notes):
        line_in = height_in - 0.1 - NOTE_IN * (len(notes) - 1 - at)
        _say(figure, line_in, drawable_text(note, 150), height_in, fontsize=7.5, color=FAINT)
    named = figure.legend(
        handles=legend,
        loc="upper left",
        bbox_to_anchor=(0.005, (foot_in - 0.04) / height_in),
        ncols=LEGEND_COLUMNS,
        frameon=False,
        fontsize=7.5,
        labelcolor=INK,
        handlelength=1.6,
        columnspacing=1.3,
        borderpad=0.2,
    )
    for text in named.get_texts():
        text.set_parse_math(False)
    return to_png(figure)


def _laid_out(trace: Waterfall) -> tuple[list[_Row], float]:
    rows, y = list[_Row](), 0.0
    for bar in trace.bars:
        said = drawable_text(f"root cause: {bar.label}" if bar.label else "root cause", 2 * LABEL_CHARACTERS)
        label = tuple(textwrap.wrap(said, LABEL_CHARACTERS)) if bar.root_cause else ()
        rows.append(_Row(bar, y, label))
        y += 1 + (0.45 + 0.62 * len(label) if label else 0)
    return rows, y


def _say(figure: Figure, from_top_in: float, text: str, height_in: float, **look: Any) -> None:
    figure.text(LEFT, 1 - from_top_in / height_in, text, va="center", parse_math=False, **look)


def _notes(trace: Waterfall) -> list[str]:
    notes = textwrap.wrap(shifts(trace), 130, max_lines=2, placeholder=" …")
    if trace.folded:
        notes.append(
            f"{trace.folded:,} of {trace.spans:,} spans are folded into the gray rows; the record holds them all."
        )
    return notes


def _across(width_share: float) -> float:
    """A place on the figure's width in the axes' own coordinates."""
    return (width_share - NAMES_END) / (BARS_END - NAMES_END)


def _box(axes: Axes, x: float, y: float, width: float, half: float, **look: Any) -> None:
    """A rectangle around a row's middle line."""
    axes.add_patch(Rectangle((x, y - half), width, 2 * half, **look))


def _stripe(axes: Axes, row: _Row, *, shaded: bool) -> None:
    """A pale band behind every other row, a red one behind the root cause and its label."""
    if not (shaded or row.label):
        return
    half = 0.5 * (1 + (0.45 + 0.62 * len(row.label) if row.label else 0))
    look: dict[str, Any] = {"color": FAILED, "alpha": 0.09} if row.label else {"color": INK, "alpha": 0.028}
    where = axes.get_yaxis_transform()
    _box(
        axes,
        _across(0),
        row.y - 0.5 + half,
        _across(1) - _across(0),
        half,
        transform=where,
        lw=0,
        clip_on=False,
        **look,
    )


def _name(axes: Axes, row: _Row, color: str) -> None:
    """Part and name at the left, indented as deep as the span lies; a tick in the part's color."""
    bar, where = row.bar, axes.get_yaxis_transform()
    depth = min(bar.depth, 12)
    start, tick = LEFT + depth * INDENT, FAINT if bar.folded else color
    _box(
        axes,
        _across(start),
        row.y,
        0.004 / (BARS_END - NAMES_END),
        HALF,
        transform=where,
        color=tick,
        lw=0,
        clip_on=False,
    )
    room = round(NAME_CHARACTERS - depth * INDENT_CHARACTERS - (3 if bar.root_cause else 0))
    axes.text(
        _across(start + 0.009),
        row.y,
        drawable_text(bar.words if bar.folded else f"{bar.part} · {bar.words}", room),
        parse_math=False,
        transform=where,
        fontsize=7.8,
        va="center",
        color=FAINT if bar.missing or bar.folded else FAILED if bar.failed else INK,
        style="italic" if bar.missing or bar.folded else "normal",
        weight="bold" if bar.root_cause else "normal",
    )


def _bar(axes: Axes, row: _Row, color: str, span_ms: float) -> None:
    bar, y, least = row.bar, row.y, span_ms * 0.004
    start, length = bar.start_ms, max(bar.duration_ms, least)
    if bar.missing:
        _box(axes, start, y, length, HALF, fill=False, ec=FAINT, ls=(0, (3, 2)), lw=1)
    elif bar.folded:
        _box(axes, start, y, length, 0.1, color=FAINT, alpha=0.45, lw=0)
    else:
        _box(axes, start, y, length, HALF, color=color, alpha=0.3, lw=0)
        for own_start, own_end in bar.own:
            own = FAILED if bar.root_cause else color
            _box(axes, own_start, y, max(own_end - own_start, least), HALF, color=own, lw=0)
        if bar.failed:
            hatched = CARD if bar.root_cause else FAILED
            _box(axes, start, y, length, HALF, fill=False, ec=hatched, hatch="////", lw=0, alpha=0.65)
            _box(axes, start, y, length, HALF, fill=False, ec=FAILED, lw=1)
        if bar.critical:
            _box(axes, start, y, length, HALF, fill=False, ec=INK, lw=1.25)
    took = "not seen" if bar.missing else "" if bar.folded else format_duration(bar.duration_ms)
    shade = FAILED if bar.failed and not bar.missing else FAINT
    where = axes.get_yaxis_transform()
    axes.text(_across(BARS_END + 0.008), y, took, transform=where, fontsize=7.6, va="center", color=shade)


def _root(axes: Axes, trace: Waterfall, row: _Row) -> None:
    """The root cause's label on its own lines under its bar, and an arrow up to it."""
    bar, span_ms = row.bar, trace.end_ms - trace.start_ms
    middle = ((bar.start_ms + bar.end_ms) / 2 - trace.start_ms) / span_ms
    width = max(len(line) for line in row.label) * LABEL_CHARACTER_IN / (WIDTH_IN * (BARS_END - NAMES_END)) + 0.03
    left = min(max(middle - width / 2, 0.012), max(0.012, 1 - width))
    top, where = row.y + 0.95, axes.get_yaxis_transform()
    axes.annotate(
        "",
        xy=(middle, row.y + HALF),
        xytext=(middle, top + 0.1),
        xycoords=where,
        arrowprops={"arrowstyle": "-|>", "color": FAILED, "lw": 1.6, "shrinkA": 0, "shrinkB": 0},
    )
    axes.text(
        left + 0.012,
        top,
        "\n".join(row.label),
        parse_math=False,
        transform=where,
        va="top",
        fontsize=7.8,
        weight="bold",
        color="white",
        linespacing=1.2,
        bbox={"boxstyle": "round,pad=0.3", "fc": FAILED, "ec": "none"},
    )


def _legend(trace: Waterfall, colors: dict[str, str]) -> list[Patch]:
    """Only what occurs."""
    seen = {bar.part: colors[bar.part] for bar in trace.bars if not bar.folded}
    handles = [Patch(color=color, label=drawable_text(part, 24)) for part, color in list(seen.items())[:PARTS_NAMED]]
    if len(seen) > PARTS_NAMED:
        handles.append(Patch(color="none", label=f"and {len(seen) - PARTS_NAMED} more parts"))
    if any(bar.own and bar.own != ((bar.start_ms, bar.end_ms),) for bar in trace.bars):
        handles.append(Patch(color=FAINT, alpha=0.33, label="pale: waiting for others"))
    if any(bar.critical for bar in trace.bars):
        handles.append(Patch(fill=False, ec=INK, lw=1.25, label="critical path"))
    if any(bar.failed and not bar.folded for bar in trace.bars):
        handles.append(Patch(fill=False, ec=FAILED, hatch="/////", lw=1.1, label="failed"))
    if any(bar.missing for bar in trace.bars):
        handles.append(Patch(fill=False, ec=FAINT, ls="--", label="not seen"))
    if any(bar.attempt is not None for bar in trace.bars):
        handles.append(Patch(color="none", label="#2: second attempt"))
    return handles
