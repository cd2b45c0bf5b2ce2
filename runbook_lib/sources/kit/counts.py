"""Requests counted over a period, step by step: how every source of service levels answers (core/records/counts)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from runbook_lib.core.clock import Window, from_epoch_s, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.counts import Counts, LatencyBuckets, LatencyQuantiles, SlowCounts
from runbook_lib.io.observe import Door
from runbook_lib.sources.kit.asking import judge_absence

HOUR_S = 3600
_MOST = 1e15  # requests in one step


@dataclass(frozen=True)
class Steps:
    """Steps of equal length; step n covers (since + n·step, since + (n+1)·step], as Tempo's and Prometheus's samples do."""

    since_s: int
    step_s: int
    count: int

    @classmethod
    def over(cls, window: Window, step_s: int) -> "Steps":
        """The whole steps from a window's beginning to its end, both on multiples of the step since the epoch."""
        first = int(window.since.timestamp()) // step_s * step_s
        last = int(window.until.timestamp()) // step_s * step_s
        return cls(first, step_s, max(0, (last - first) // step_s))

    @property
    def until_s(self) -> int:
        """Where the last step ends."""
        return self.since_s + self.count * self.step_s

    def at(self, end_s: float) -> int | None:
        """The step that ends at this moment (or holds it); None outside."""
        index = -((self.since_s - int(end_s)) // self.step_s) - 1
        return index if 0 <= index < self.count else None

    def pages(self, longest_s: int) -> list[tuple[int, int]]:
        """(first sample, last sample) in epoch seconds of pieces no longer than that, none of them overlapping."""
        size = max(1, longest_s // self.step_s)
        return [
            (self.since_s + (at + 1) * self.step_s, self.since_s + min(at + size, self.count) * self.step_s)
            for at in range(0, self.count, size)
        ]


@dataclass
class Row:
    """One row of numbers, a number a step."""

    steps: Steps
    values: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.values = self.values or [0] * self.steps.count

    def add(self, samples: Iterable[tuple[float, float]]) -> None:
        """Add (end of the step in epoch seconds, number) to what is there; what is not a number is left out."""
        since_s, step_s, count, values = self.steps.since_s, self.steps.step_s, self.steps.count, self.values
        for end_s, value in samples:
            if 0 < value < _MOST:
                index = -((since_s - int(end_s)) // step_s) - 1
                if 0 <= index < count:
                    values[index] += value
            elif value and math.isfinite(value):
                raise LookError(Status.malformed, f"not a count: {value:g}")

    def clean(self) -> list[float]:
        """Whole numbers as such, fractions to four digits: a record need not be longer than what is known."""
        return [int(value) if value == int(value) else round(value, 4) for value in self.values]


def answer_with_counts(
    door: Door,
    service: str,
    by: str,
    steps: Steps,
    total: Row,
    failed: Row,
    *,
    slow: SlowCounts | None = None,
    latency: LatencyBuckets | LatencyQuantiles | None = None,
    retention_h: float,
    delay_s: float,
    retention_setting: str = "",
) -> Answer[Counts]:
    """The answer; without a single request, what nothing means there."""
    window = Window(from_epoch_s(steps.since_s), from_epoch_s(steps.until_s))
    if not any(total.values):
        return judge_absence(
            door,
            f"request of {service}",
            delay_s=delay_s,
            retention_h=max(retention_h, 0.0),
            window=window,
            retention_setting=retention_setting,
        )
    oldest = door.clock() - timedelta(hours=retention_h)
    value: Counts = {
        "service": service,
        "by": by,
        "step_s": steps.step_s,
        "since": to_iso(window.since),
        "until": to_iso(window.until),
        "kept_since": to_iso(oldest) if oldest > window.since + timedelta(seconds=steps.step_s) else None,
        "total": total.clean(),
        "failed": failed.clean(),
        "slow": slow,
        "latency": latency,
    }
    return Answer(Status.ok, value)


def has_failed(status: Json, codes: Iterable[Json]) -> bool:
    """Whether a server span failed: by its status, or by an HTTP status code of 500 and above."""
    return str(status) == "error" or any(str(code).isdigit() and int(str(code)) >= 500 for code in codes)


def histogram(rows: Mapping[float, Row], hours: Steps) -> LatencyBuckets:
    """Latencies by bucket and hour: rows by their buckets' upper bounds in milliseconds."""
    bounds = sorted(rows)
    counts = [rows[bound].clean() for bound in bounds]
    return LatencyBuckets(step_s=hours.step_s, upper_ms=[*bounds], counts=counts)


def slow_exactly(within_ms: float, row: Row) -> SlowCounts:
    """How many were slower, where that was counted."""
    return {"within_ms": within_ms, "least": row.clean(), "most": None}


def slow_between(within_ms: float, least: Row, most: Row) -> SlowCounts:
    """How many were slower, where only bounds are known."""
    return {"within_ms": within_ms, "least": least.clean(), "most": most.clean()}


def from_quantiles(
    within_ms: float,
    steps: Steps,
    hours: Steps,
    total: Row,
    hourly: Row,
    rows: Sequence[tuple[int, dict[str, float]]],
    *,
    is_upper: bool = False,
) -> tuple[SlowCounts, LatencyQuantiles | None]:
    """(slow, latency) where only quantiles of each hour are known.

    Of an hour whose 0.9 is within the limit and whose 0.95 is not, between 5 % and 10 % were slower: each step of the hour is given
    its share of both bounds. An hour without quantiles says nothing: none or all of it.

    Args:
        rows: (where the hour ends in epoch seconds, milliseconds by quantile).
        is_upper: they are the slowest operation's, and so say what most were slower, never what least.
    """
    shares = sorted({share for _, found in rows for share in found}, key=float)
    by_hour: dict[int, dict[str, float]] = {end_s: found for end_s, found in rows if hours.at(end_s) is not None}
    least, most = Row(steps), Row(steps)
    for at, count in enumerate(total.values):
        if not count:
            continue
        end_s = steps.since_s + (at + 1) * steps.step_s
        low, high = _slow_share(within_ms, by_hour.get(-(-end_s // HOUR_S) * HOUR_S, {}))
        least.values[at], most.values[at] = 0.0 if is_upper else low * count, high * count
    quantiles: dict[str, list[float | None]] = {share: [None] * hours.count for share in shares}
    for end_s, found in by_hour.items():
        at_hour = hours.at(end_s)
        assert at_hour is not None
        for share, milliseconds in found.items():
            quantiles[share][at_hour] = round(milliseconds, 3)
    latency = LatencyQuantiles(step_s=hours.step_s, quantiles=quantiles, counts=hourly.clean())
    return slow_between(within_ms, least, most), latency if by_hour else None


def _slow_share(within_ms: float, found: dict[str, float]) -> tuple[float, float]:
    """Between which shares of an hour's requests were slower than the limit."""
    below = [float(share) for share, milliseconds in found.items() if milliseconds <= within_ms]
    above = [float(share) for share, milliseconds in found.items() if milliseconds > within_ms]
    return 1 - min(above, default=1.0), 1 - max(below, default=0.0)


def slow_from_buckets(within_ms: float, buckets: Sequence[tuple[float | None, Row]], steps: Steps) -> SlowCounts:
    """How many were slower, from counts by bucket: exact where the limit is a bucket's bound, else between the two around it.

    Args:
        buckets: (upper bound in ms or None for the endless one, how many fell into it by step), in order.
    """
    least, most = Row(steps), Row(steps)
    below = 0.0
    for upper_ms, row in buckets:
        for at, value in enumerate(row.values):
            if value and below >= within_ms:
                least.values[at] += value
            if value and (upper_ms is None or upper_ms > within_ms):
                most.values[at] += value
        below = upper_ms if upper_ms is not None else below
    return slow_between(within_ms, least, most)
