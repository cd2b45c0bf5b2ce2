"""Alertmanager's time intervals: whether a moment lies in one by name.

Facts: prometheus.io/docs/alerting/latest/configuration, `time_interval`. Every field that is given must fit; ranges include both
ends but for times, whose end is not included; negative days count from the month's end; times are UTC without a location.
"""

import calendar
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_MONTHS = tuple(name.lower() for name in calendar.month_name[1:])


def intervals_of(document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """A configuration's intervals by name, in the present and in the older spelling."""
    named = [*(document.get("time_intervals") or ()), *(document.get("mute_time_intervals") or ())]
    return {str(each["name"]): [dict(one) for one in each.get("time_intervals") or ()] for each in named}


def holds(intervals: Sequence[Mapping[str, Any]], at: datetime) -> bool:
    """Whether a moment lies in any of the intervals of one name. Raises ValueError where one of them cannot be read."""
    return any(_holds(each, at) for each in intervals)


def _holds(interval: Mapping[str, Any], at: datetime) -> bool:
    try:
        here = at.astimezone(ZoneInfo(str(interval.get("location") or "UTC")))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no such location: {interval.get('location')!r:.40}") from error
    last = calendar.monthrange(here.year, here.month)[1]
    minute = here.hour * 60 + here.minute
    times = interval.get("times")
    return (
        (not times or any(_minutes(one["start_time"]) <= minute < _minutes(one["end_time"]) for one in times))
        and _fits(interval.get("weekdays"), here.isoweekday() % 7, lambda text: _DAYS.index(text))
        and _fits(interval.get("days_of_month"), here.day, lambda text: _day(int(text), last))
        and _fits(interval.get("months"), here.month, _month)
        and _fits(interval.get("years"), here.year, int)
    )


def _fits(ranges: Sequence[Any] | None, value: int, read: Callable[[str], int]) -> bool:
    """Whether a number lies in any range, `first:last` or one alone; no ranges fit all."""
    if not ranges:
        return True
    for each in ranges:
        first, _, last = str(each).lower().partition(":")
        if read(first.strip()) <= value <= read((last or first).strip()):
            return True
    return False


def _day(day: int, last: int) -> int:
    return day if day > 0 else last + 1 + day


def _month(text: str) -> int:
    return int(text) if text.isdigit() else _MONTHS.index(text) + 1


def _minutes(text: Any) -> int:
    """Minutes from midnight; YAML 1.1 reads 22:00 without quotes as a number to the base of sixty, which is the same."""
    if isinstance(text, int):
        return text
    hours, minutes = str(text).split(":")
    return int(hours) * 60 + int(minutes)
