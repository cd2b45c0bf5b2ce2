"""Was the request slow? How long it took, held against its healthy likes; whoever saw neither cannot tell."""

from dataclasses import dataclass

from runbook_lib.core.records.requests import RequestRow
from runbook_lib.procedures.failed_request.reading import Reading, timed_row
from runbook_lib.reading.critical_path import critical_path
from runbook_lib.reading.request_rows import baseline_p95_ms

LONG_MS = 5_000.0  # with nothing to compare with, only this much is worth a doubt
SLOW_FACTOR = 3.0  # slower than three times the healthy p95 …
SLOW_MARGIN_MS = 500.0  # … and by at least half a second more, so that fast routes do not cry wolf


@dataclass(frozen=True)
class Pace:
    """How long a request took, and the p95 of its healthy likes; None where that is not known.

    looks: the ids of what told of the likes, where somebody did in full or told of enough of them.
    """

    row: RequestRow | None
    took_ms: float | None
    p95_ms: float | None
    looks: tuple[str, ...]

    @property
    def is_slow(self) -> bool:
        """Whether it took far longer than its likes usually do."""
        if self.took_ms is None or self.p95_ms is None:
            return False
        return self.took_ms > max(SLOW_FACTOR * self.p95_ms, self.p95_ms + SLOW_MARGIN_MS)

    @property
    def is_doubtful(self) -> bool:
        """Whether it took long, and there is nothing to compare with."""
        return self.took_ms is not None and self.p95_ms is None and self.took_ms > LONG_MS

    @property
    def is_usual(self) -> bool:
        """Whether it was seen not to be slow: it took no half second, or no longer than its likes do."""
        if self.took_ms is None:
            return False
        is_short = self.took_ms <= SLOW_MARGIN_MS
        return is_short or (bool(self.looks) and not self.is_slow and not self.is_doubtful)


def pace_of(reading: Reading) -> Pace:
    """How long the request took, and its likes."""
    row, likes, told = timed_row(reading)
    if row is None or row["duration_ms"] is None:
        return Pace(row, None, None, ())
    p95_ms = baseline_p95_ms(likes, row)
    looks = tuple(look.id for look in told if look.status.answered or (look.status.has_content and p95_ms is not None))
    return Pace(row, row["duration_ms"], p95_ms, looks)


def where_it_went(reading: Reading, took_ms: float) -> tuple[str, str] | None:
    """What the time went into and how, by a complete trace; None without one."""
    if reading.trace is None or not reading.is_complete or not reading.trace.trace.roots:
        return None
    trace = reading.trace
    for series in trace.series:
        if len(series.attempts) < 2 or not series.attempts[-1].ok:
            continue
        wasted_s = sum(attempt.duration_ms / 1000 + (attempt.gap_s or 0) for attempt in series.attempts[:-1])
        if wasted_s * 1000 > took_ms / 2:
            callee = series.attempts[0].callee
            return (
                f"retries to {callee}",
                f"{wasted_s:.1f} s went into {len(series.attempts) - 1} failed attempts at {callee}",
            )
    top = max(critical_path(trace.trace, trace.timeline, trace.trace.roots[0]), key=lambda each: each.self_ms)
    part, name = trace.parts[top.span["id"]], top.span["name"]
    return f"{part} {name}", f"{top.self_ms:.0f} ms of it were {part}'s own in `{name}`"
