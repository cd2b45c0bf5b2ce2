"""Times in words and numbers: ISO 8601 with a zone, `30m`, `2h`, `now`; windows; epoch conversions. Always aware UTC."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbook_lib.core.errors import UsageError

_AGO = re.compile(r"(\d{1,6})\s*(s|m|h|d)", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True)
class Window:
    """A span of time, both ends aware UTC, `since` before `until`."""

    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.until - self.since).total_seconds()

    def as_dict(self) -> dict[str, str]:
        """`{since, until}` as ISO 8601 text, as it stands in verdict.json."""
        return {"since": to_iso(self.since), "until": to_iso(self.until)}


def parse_time(text: str, *, now: datetime, name: str = "time") -> datetime:
    """A moment from `now`, `30m` (ago), or ISO 8601 with a zone.

    Raises:
        UsageError: not a time, a time without zone, or one that lies in the future.
    """
    text = text.strip()
    if text == "now":
        return now
    if match := _AGO.fullmatch(text):
        try:
            return now - timedelta(seconds=int(match[1]) * _UNIT_S[match[2]])
        except OverflowError:
            raise _bad_time(text, name, "it lies before the year 1") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _bad_time(text, name, "it is neither `now`, nor like `30m`, nor ISO 8601") from None
    if moment.tzinfo is None:
        raise _bad_time(text, name, "it has no zone, so it could mean any of 38 moments")
    moment = moment.astimezone(UTC)
    if moment > now + timedelta(seconds=60):
        raise _bad_time(text, name, f"it lies in the future (now is {to_iso(now)})")
    return moment


def parse_window(since: str, until: str, *, now: datetime) -> Window:
    """A window from two texts; see parse_time.

    Raises:
        UsageError: a bad time, or a window that ends before it begins.
    """
    start, end = parse_time(since, now=now, name="since"), parse_time(until, now=now, name="until")
    if start >= end:
        raise UsageError(
            "Cannot use this window",
            where=f"since={since!r}, until={until!r}",
            came_back=f"it ends ({to_iso(end)}) before it begins ({to_iso(start)})",
            do_next="Give an earlier `since` or a later `until`, for example since=30m until=now.",
        )
    return Window(start, end)


def _bad_time(text: str, name: str, problem: str) -> UsageError:
    shown = text if len(text) <= 60 else text[:57] + "…"
    return UsageError(
        "Cannot read this time",
        where=f"{name}={shown!r}",
        came_back=problem,
        do_next="Use `now`, `30m`, `2h`, `3d`, or ISO 8601 with a zone such as 2026-11-23T08:54:00Z.",
    )


def to_iso(moment: datetime) -> str:
    """ISO 8601 in UTC, to the millisecond, ending in Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> datetime:
    """The moment of an ISO 8601 text with a zone. Raises ValueError where it is none."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no zone in {text!r}")
    return moment.astimezone(UTC)


def from_epoch_s(seconds: float) -> datetime:
    """Aware UTC from epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def from_epoch_ms(milliseconds: float) -> datetime:
    """Aware UTC from epoch milliseconds."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_epoch_ns(moment: datetime) -> int:
    """Whole nanoseconds since the epoch, exact to the microsecond."""
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since_epoch.days * 86400 + since_epoch.seconds) * 1_000_000_000 + since_epoch.microseconds * 1000
