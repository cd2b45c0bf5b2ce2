"""Draws a contrast: per attribute value a bar for the failing requests above one for the healthy ones."""

from collections.abc import Sequence

from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from runbook_lib.show.contrast import Pair, lift_words
from runbook_lib.show.figure import FAILED, FAINT, HEALTHY, INK, LINE, drawable_text, new_figure, style_axes, to_png
from runbook_lib.show.text import plural

ROW_IN, HEAD_IN, FOOT_IN = 0.46, 0.42, 0.36
NAMES_END = 0.41


def draw_contrast(pairs: Sequence[Pair], more: int) -> bytes:
    """The pairs as a PNG, in their order; `more` counts those that are not drawn."""
    height_in = HEAD_IN + ROW_IN * len(pairs) + FOOT_IN
    figure = new_figure(height_in)
    axes = figure.add_axes((NAMES_END, FOOT_IN / height_in, 0.95 - NAMES_END, ROW_IN * len(pairs) / height_in))
    axes.set_xlim(0, 1.22)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    style_axes(axes)
    axes.set_yticks([])
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(axis="x", color=LINE, linewidth=0.7)
    for at, pair in enumerate(pairs):
        bars = ((-0.17, pair.failing_ratio, FAILED, pair.failing), (0.17, pair.healthy_ratio, HEALTHY, pair.healthy))
        for shift, ratio, color, count in bars:
            axes.barh(at + shift, ratio, height=0.3, color=color, alpha=0.88)
            said = f" {ratio:.0%} ({count:,})"
            axes.text(ratio, at + shift, said, fontsize=7.4, va="center", color=color if count else FAINT)
        axes.text(
            -0.015,
            at - 0.14,
            drawable_text(pair.name, 44),
            parse_math=False,
            fontsize=8,
            va="center",
            ha="right",
            color=INK,
            weight="bold" if at == 0 else "normal",
        )
        axes.text(
            -0.015, at + 0.24, f"lift {lift_words(pair.lift)}", fontsize=7.2, va="center", ha="right", color=FAINT
        )
    first = pairs[0]
    handles = [
        Patch(color=FAILED, label=f"of {plural(first.failing_total, 'failing request')}"),
        Patch(color=HEALTHY, label=f"of {plural(first.healthy_total, 'healthy request')}"),
    ]
    legend = figure.legend(handles=handles, loc="upper left", ncols=2, frameon=False, fontsize=8, labelcolor=INK)
    legend.set_in_layout(False)
    if more > 0:
        figure.text(0.02, 0.1 / height_in, f"{more:,} more in the table", fontsize=7.5, color=FAINT)
    return to_png(figure)
