"""The time that 01 looks at around one call."""

from datetime import datetime, timedelta

from runbook_lib.clock import Window

_BESIDE = timedelta(seconds=2)


def around_call(start_ns: int, end_ns: int, now: datetime) -> Window:
    """A call's time with two seconds on either side, but not beyond now."""
    start = datetime.fromtimestamp(start_ns / 1e9, now.tzinfo) - _BESIDE
    end = datetime.fromtimestamp(end_ns / 1e9, now.tzinfo) + _BESIDE
    return Window(start, max(start + timedelta(seconds=1), min(now, end)))
