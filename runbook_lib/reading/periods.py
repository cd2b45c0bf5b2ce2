"""Billing periods and full hours, exact to the second: Stripe's own edges where they are known, months back from an end else."""

import calendar
from datetime import UTC, datetime, timedelta

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.model import Json

HOUR_S = 3600
DAY_S = 86_400


def moment(text: Json) -> datetime | None:
    """A recorded time; None where there is none, or what stands there is no time."""
    try:
        return from_iso(text) if isinstance(text, str) else None
    except ValueError:
        return None


def months_before(at: datetime, months: int) -> datetime:
    """The same day so many months earlier (later for a negative number), or that month's last."""
    year, month = divmod(at.year * 12 + at.month - 1 - months, 12)
    day = min(at.day, calendar.monthrange(year, month + 1)[1])
    return at.replace(year=year, month=month + 1, day=day)


def calendar_month(at: datetime) -> Window:
    """The UTC calendar month around a moment."""
    since = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Window(since, months_before(since, -1))


def period_to(end: datetime | None, at: datetime) -> Window:
    """The period around a moment by the end that is on record: whole months back from it; the calendar month where there is no
    end, or it has passed. (Going back loses the day of a month's end: a period that Stripe began on the 31st is a guess here.)"""
    if end is None or end <= at:
        return calendar_month(at)
    months, since, until = 0, end, end
    while since > at:
        months += 1
        until, since = since, months_before(end, months)
    return Window(since, until)


def billing_period(ends_at: str | None, at: datetime) -> Window:
    """An organization's period up to a moment, by the end that the record of its billing tells."""
    return Window(period_to(moment(ends_at), at).since, at)


def floor_hour(at: datetime) -> datetime:
    """The full UTC hour that a moment lies in."""
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def iso_hour(epoch_s: float) -> str:
    """`2026-11-23 08:00`, in UTC."""
    return f"{datetime.fromtimestamp(epoch_s, UTC):%Y-%m-%d %H:%M}"


def told_hours(starts: list[int], unit_s: int = HOUR_S, most: int = 6) -> str:
    """Buckets in words, runs of neighbours as one: `2026-11-23 08:00–11:00, 2026-11-24 02:00–03:00 UTC and 3 more`."""
    runs: list[list[int]] = []
    for start in sorted(starts):
        if runs and start - runs[-1][1] == 0:
            runs[-1][1] = start + unit_s
        else:
            runs.append([start, start + unit_s])
    shown = [
        f"{iso_hour(since)}–{iso_hour(until)[11:] if until - since < DAY_S else iso_hour(until)}"
        for since, until in runs[:most]
    ]
    rest = f" and {len(runs) - most} more" if len(runs) > most else ""
    return f"{', '.join(shown)} UTC{rest}"


def in_words(span: timedelta) -> str:
    """`3 days`, `26 hours`, `40 minutes`."""
    seconds = abs(span.total_seconds())
    for size, name in ((DAY_S, "day"), (HOUR_S, "hour"), (60, "minute")):
        if seconds >= 2 * size or (seconds >= size and name == "minute"):
            return f"{round(seconds / size)} {name}s"
    return f"{seconds:g} seconds" if seconds < 60 else f"{round(seconds / 60)} minutes"
