"""What pictures over time share: moments as numbers, a UTC axis, deployments as marked lines."""

from collections.abc import Sequence
from datetime import UTC, datetime

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from runbook_lib.show.figure import ACCENT, FAINT, drawable_text
from runbook_lib.show.points import Mark

_CHARACTER = 0.0125  # of the axis, at this size of letters


def number_of(moment: datetime) -> float:
    """A moment on matplotlib's axis."""
    return float(date2num(moment))  # type: ignore[no-untyped-call]


def utc_axis(axes: Axes) -> None:
    """Dates and hours in UTC below the picture."""
    locator = AutoDateLocator(minticks=4, maxticks=8, tz=UTC)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=UTC))  # type: ignore[no-untyped-call]
    axes.xaxis.get_offset_text().set(color=FAINT, fontsize=8)


def mark_deployments(axes: Axes, marks: Sequence[Mark]) -> None:
    """A vertical line per deployment within the picture, labeled above on one of two levels where there is room for its words."""
    low, high = axes.get_xlim()
    taken: list[list[tuple[float, float]]] = [[], []]
    for mark in marks:
        share = (number_of(mark.at) - low) / (high - low)
        if not 0 <= share <= 1:
            continue
        axes.axvline(number_of(mark.at), color=ACCENT, linewidth=1.1, linestyle=(0, (2, 2)), zorder=1)
        side = "left" if share <= 0.6 else "right"
        label = drawable_text(f"▼ {mark.label}" if side == "left" else f"{mark.label} ▼", 34)
        reach = len(label) * _CHARACTER
        place = (share, share + reach) if side == "left" else (share - reach, share)
        level = next((at for at in (0, 1) if all(place[1] < a or place[0] > b for a, b in taken[at])), None)
        if level is None:
            continue
        taken[level].append(place)
        axes.annotate(
            label,
            xy=(number_of(mark.at), 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-3.5 if side == "left" else 3.5, 3 + 11 * level),
            textcoords="offset points",
            parse_math=False,
            fontsize=7.8,
            color=ACCENT,
            ha=side,
            annotation_clip=False,
        )
