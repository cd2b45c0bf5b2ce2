"""What pictures over time share: moments as numbers, a UTC axis, deployments as marked lines."""

from collections.abc import Sequence
from datetime import UTC, datetime

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

from runbook_lib.show.figure import ACCENT, FAINT, drawable
from runbook_lib.show.points import Mark

NAMED = 6


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
    """A vertical line per deployment within the picture, labelled above, on two levels so that neighbours stay apart."""
    low, high = axes.get_xlim()
    shown = [mark for mark in marks if low <= number_of(mark.at) <= high]
    for at, mark in enumerate(shown):
        axes.axvline(number_of(mark.at), color=ACCENT, linewidth=1.1, linestyle=(0, (2, 2)), zorder=1)
        if at >= NAMED:
            continue
        share = (number_of(mark.at) - low) / (high - low)
        label = f"▼ {mark.label}" if share <= 0.6 else f"{mark.label} ▼"
        side = "left" if share <= 0.6 else "right"
        axes.annotate(
            drawable(label, 34),
            xy=(number_of(mark.at), 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-3.5 if side == "left" else 3.5, 3 + 11 * (at % 2)),
            textcoords="offset points",
            parse_math=False,
            fontsize=7.8,
            color=ACCENT,
            ha=side,
            annotation_clip=False,
        )
