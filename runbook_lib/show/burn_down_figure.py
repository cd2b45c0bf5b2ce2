"""Draws the budget left over time: a line per objective, the end of the budget, deployments."""

from matplotlib.ticker import FuncFormatter, MultipleLocator

from runbook_lib.show.burn_down import BurnDown, left_words
from runbook_lib.show.figure import CARD, FAILED, FAINT, INK, LINE, drawable_text, new_figure, style_axes, to_png
from runbook_lib.show.time_axis import mark_deployments, number_of, utc_axis

HEIGHT_IN = 3.9
LOWEST = -1.5  # a budget that is overspent further leaves the picture, and its name says by how much
COLOURS = ("#3b78b5", "#2f8f6b", "#d68a1c", "#7a5bb5", "#6b7280", "#98803d")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))


def draw_burn_down(seen: BurnDown) -> bytes:
    """The plot as a PNG. Time in UTC to the right; from 100 % down to nothing, and below."""
    figure = new_figure(HEIGHT_IN)
    axes = figure.add_axes((0.075, 0.13, 0.655, 0.645 if seen.deployments else 0.72))
    style_axes(axes)
    moments = [at for line in seen.lines for at, _ in line.points] + [at for at in (seen.since, seen.until) if at]
    first, last = min(moments), max(moments)
    axes.set_xlim(number_of(first), number_of(last) if last > first else number_of(first) + 1)
    lowest = min(left for line in seen.lines for _, left in line.points)
    bottom = max(LOWEST, min(0.0, lowest) * 1.1 - 0.06)
    axes.set_ylim(bottom, 1.06)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    axes.axhspan(bottom, 0, color=FAILED, alpha=0.07, lw=0, zorder=0)
    axes.axhline(0, color=FAILED, linewidth=1.2, zorder=2)
    placed: list[float] = []
    ends = sorted(enumerate(seen.lines), key=lambda each: each[1].points[-1][1])
    for at, line in ends:
        color = FAILED if line.broken else COLOURS[at % len(COLOURS)]
        dashes = DASHES[at % len(DASHES)]
        x, y = [number_of(moment) for moment, _ in line.points], [max(left, bottom) for _, left in line.points]
        axes.step(x, y, where="post", color=color, linewidth=2.0 if line.broken else 1.5, linestyle=dashes, zorder=3)
        height = (y[-1] - bottom) / (1.06 - bottom)
        height = max([height, *(each + 0.105 for each in placed)])
        placed.append(height)
        for shift, text, weight in ((0.018, line.name, "bold"), (-0.03, left_words(line.points[-1][1]), "normal")):
            axes.text(
                1.015, height + shift, drawable_text(text, 30), transform=axes.transAxes, fontsize=7.8, color=color,
                va="center", weight=weight, parse_math=False,
            )  # fmt: skip
    axes.yaxis.set_major_locator(MultipleLocator(0.25 if bottom > -0.6 else 0.5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda left, _: f"{left * 100:.0f} %"))
    mark_deployments(axes, seen.deployments)
    utc_axis(axes)
    broken = sum(line.broken for line in seen.lines)
    said = f"Error budget left: {broken} of {len(seen.lines)} objectives broken" if broken else "Error budget left"
    figure.text(0.02, 0.94, drawable_text(said, 120), parse_math=False, fontsize=9.5, weight="bold", color=INK)
    figure.text(0.02, 0.02, "times in UTC · 100 % is the whole period's budget", fontsize=7.5, color=FAINT)
    figure.set_facecolor(CARD)
    return to_png(figure)
