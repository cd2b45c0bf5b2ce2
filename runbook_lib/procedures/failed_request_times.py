"""Times that 01 looks at: around one call, and the billing period that a refusal was in."""

import calendar
from datetime import datetime, timedelta

from runbook_lib.clock import Window, from_iso
from runbook_lib.model import Json

_BESIDE = timedelta(seconds=2)


def around_call(start_ns: int, end_ns: int, now: datetime) -> Window:
    """A call's time with two seconds on either side, but not beyond now."""
    start = datetime.fromtimestamp(start_ns / 1e9, now.tzinfo) - _BESIDE
    end = datetime.fromtimestamp(end_ns / 1e9, now.tzinfo) + _BESIDE
    return Window(start, max(start + timedelta(seconds=1), min(now, end)))


def billing_period(customer: dict[str, Json], at: datetime) -> Window:
    """The billing period up to the moment: whole months back from current_period_end, else the calendar month."""
    end = customer.get("current_period_end")
    start = from_iso(end) if isinstance(end, str) else None
    if start is None or start <= at:
        return Window(at.replace(day=1, hour=0, minute=0, second=0, microsecond=0), at)
    last = start
    months = 0
    while start > at:
        months += 1
        start = _months_before(last, months)
    return Window(start, at)


def _months_before(moment: datetime, months: int) -> datetime:
    """The same day so many months earlier, or that month's last."""
    year, month = divmod(moment.year * 12 + moment.month - 1 - months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
