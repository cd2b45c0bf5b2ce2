"""Requests by step as arrays, and what service levels are made of: shares with their bounds, burn rates, the budget over time.

A figure whose source knows it only between bounds keeps both: `least` and `most` of what counts against the budget. Where the two
lead to different answers, there is no answer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from runbook_lib.core.clock import from_epoch_s, from_iso, to_iso
from runbook_lib.core.model import Json
from runbook_lib.core.records.counts import LatencyBuckets, LatencyQuantiles

HOUR_S = 3600
Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclass(frozen=True)
class Policy:
    """A pair of windows that must burn at once for an alert. Facts: Google's SRE Workbook, chapter 5.

    `budget_spent`: the share of the period's budget that is gone when the long window has burnt at the threshold.
    """

    severity: str
    budget_spent: float
    long_s: int
    short_s: int

    def threshold(self, period_s: float) -> float:
        """The burn rate that both windows must reach: 14.4 for an hour of a 30-day period; at least 1, which lasts it out."""
        return max(1.0, self.budget_spent * period_s / self.long_s)

    @property
    def name(self) -> str:
        """`1h and 5m`."""
        return f"{span_text(self.long_s)} and {span_text(self.short_s)}"


POLICIES = (
    Policy("page", 0.02, HOUR_S, 300),
    Policy("page", 0.05, 6 * HOUR_S, 1800),
    Policy("ticket", 0.1, 24 * HOUR_S, 2 * HOUR_S),
    Policy("ticket", 0.1, 72 * HOUR_S, 6 * HOUR_S),
)


def span_text(seconds: float) -> str:
    """`5m`, `6h`, `3d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


@dataclass(frozen=True)
class Stretch:
    """From and to which moment, in epoch seconds."""

    since_s: float
    until_s: float

    @property
    def seconds(self) -> float:
        """How long."""
        return self.until_s - self.since_s


@dataclass(frozen=True, eq=False)
class Tally:
    """How many, and how many of them count against the budget, at least and at most, by step.

    Sums over windows are kept once made: rules, policies and displays ask for the same few again and again.
    """

    since_s: int
    step_s: int
    total: Numbers
    least: Numbers
    most: Numbers
    _rolled: dict[int, tuple[Numbers, Numbers, Numbers]] = field(default_factory=dict, init=False, repr=False)
    _burnt: dict[tuple[int, float, bool], Numbers] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        since: str,
        step_s: int,
        total: Sequence[float] | Numbers,
        least: Sequence[float] | Numbers,
        most: Sequence[float] | Numbers,
    ) -> "Tally":
        """From a look's lists, which are of one length. Raises ValueError where they are not."""
        rows = [np.asarray(row, dtype=np.float64) for row in (total, least, most)]
        if len({len(row) for row in rows}) != 1:
            raise ValueError("rows of different lengths")
        return cls(int(from_iso(since).timestamp()), step_s, rows[0], rows[1], np.minimum(rows[2], rows[0]))

    @property
    def until_s(self) -> int:
        """Where the last step ends."""
        return self.since_s + self.step_s * len(self.total)

    def sums(self) -> tuple[float, float, float]:
        """(total, least, most) over everything."""
        return float(self.total.sum()), float(self.least.sum()), float(self.most.sum())

    def share(self) -> tuple[float, float]:
        """The share that went well, at worst and at best. Raises ValueError where there was nothing."""
        total, least, most = self.sums()
        if not total:
            raise ValueError("a share of nothing")
        return 1 - most / total, 1 - least / total

    def within(self, since_s: float, until_s: float) -> "Tally":
        """The whole steps of a stretch."""
        first = max(0, math.ceil((since_s - self.since_s) / self.step_s))
        last = max(first, min(len(self.total), math.floor((until_s - self.since_s) / self.step_s)))
        return Tally(
            self.since_s + first * self.step_s,
            self.step_s,
            self.total[first:last],
            self.least[first:last],
            self.most[first:last],
        )

    def coarser(self, step_s: int) -> "Tally":
        """The same in longer steps, aligned to multiples of them; what does not fill one at either end is left out."""
        if step_s == self.step_s:
            return self
        if step_s % self.step_s:
            raise ValueError(f"{step_s} s is no multiple of {self.step_s} s")
        whole = self.within(-(-self.since_s // step_s) * step_s, self.until_s // step_s * step_s)
        rows = [row.reshape(-1, step_s // self.step_s).sum(axis=1) for row in (whole.total, whole.least, whole.most)]
        return Tally(whole.since_s, step_s, *rows)

    def rolling(self, window_s: float) -> tuple[Numbers, Numbers, Numbers]:
        """(total, least, most) of the window that ends with each step; windows that begin before the first are shorter."""
        steps = self._steps_in(window_s)
        if steps not in self._rolled:
            total, least, most = (_summed(run, steps) for run in self._running)
            self._rolled[steps] = total, least, most
        return self._rolled[steps]

    def burn(self, window_s: float, target: float) -> tuple[Numbers, Numbers]:
        """The burn rate of the window that ends with each step, at least and at most; NaN where nothing was asked."""
        return self._burn(window_s, target, at_most=False), self._burn(window_s, target, at_most=True)

    def burn_now(self, window_s: float, target: float) -> tuple[float | None, float]:
        """(burn rate, failures) of the window that ends with the last step, at least; the rate is None where nothing was asked."""
        total, least = (self._last(running, window_s) for running in self._running[:2])
        return (least / ((1 - target) * total) if total > 0 else None), least

    def _last(self, running: Numbers, window_s: float) -> float:
        """The sum over the window that ends with the last step."""
        return float(running[-1] - running[max(0, len(running) - 1 - self._steps_in(window_s))])

    def _burn(self, window_s: float, target: float, at_most: bool) -> Numbers:
        key = self._steps_in(window_s), target, at_most
        if key not in self._burnt:
            total, least, most = self.rolling(window_s)
            budget = (1 - target) * total
            with np.errstate(divide="ignore", invalid="ignore"):
                self._burnt[key] = np.where(total > 0, (most if at_most else least) / budget, np.nan)
        return self._burnt[key]

    def _steps_in(self, window_s: float) -> int:
        return max(1, round(window_s / self.step_s))

    @cached_property
    def _running(self) -> tuple[Numbers, Numbers, Numbers]:
        """total, least and most up to each step, with a zero before the first."""
        total, least, most = (np.concatenate(([0.0], np.cumsum(row))) for row in (self.total, self.least, self.most))
        return total, least, most

    def fires_now(self, policy: Policy, target: float, period_s: float, least_bad: float) -> bool:
        """Whether both windows that end with the last step burn at the threshold or more, with that many failures at least."""
        threshold = policy.threshold(period_s)
        long, bad = self.burn_now(policy.long_s, target)
        short, _ = self.burn_now(max(policy.short_s, self.step_s), target)
        return bad >= least_bad and None not in (long, short) and min(long or 0.0, short or 0.0) >= threshold

    def fires(
        self, policy: Policy, target: float, period_s: float, factor: float = 1.0
    ) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """At the end of which steps both windows burn at `factor` times the threshold or more, for certain."""
        threshold = policy.threshold(period_s) * factor
        low_long = self._burn(policy.long_s, target, at_most=False)
        low_short = self._burn(max(policy.short_s, self.step_s), target, at_most=False)
        with np.errstate(invalid="ignore"):
            result: np.ndarray[Any, np.dtype[np.bool_]] = (low_long >= threshold) & (low_short >= threshold)
        return result

    def stretches(self, held: np.ndarray[Any, np.dtype[np.bool_]], least_s: float = 0.0) -> list[Stretch]:
        """Where a condition held for that long or longer, as stretches of time."""
        edges = np.flatnonzero(np.diff(np.concatenate(([False], held, [False])).astype(np.int8)))
        first, last = edges[::2], edges[1::2]
        long = (last - first) * self.step_s >= least_s
        return [
            Stretch(self.since_s + begin * self.step_s, self.since_s + end * self.step_s)
            for begin, end in zip(first[long].tolist(), last[long].tolist(), strict=True)
        ]

    def budget_left(self, target: float) -> Numbers:
        """The share of the whole period's budget that is left after each step, at worst; below zero when it is overspent."""
        allowed = (1 - target) * float(self.total.sum())
        if allowed <= 0:
            return np.ones(len(self.total))
        left: Numbers = 1 - self._running[2][1:] / allowed
        return left

    def holes(self) -> list[Stretch]:
        """Where nothing was counted for an hour or longer although at least twenty requests were to be expected.

        What is to be expected at an hour of the day is what the quieter days had then (the lower quartile), so that a quiet
        night or a quiet weekend is none. A day or more before the first request is one, whatever came later.
        """
        silent = self.stretches(self.total == 0, HOUR_S) if self.total.any() else []
        if not silent:
            return []
        hourly = self.coarser(HOUR_S).total
        if not len(hourly):
            return []
        found = []
        per_step = self._expected(hourly)
        for gap in silent:
            # By whole hours of the clock: traffic that ends at half past six leaves a half-empty hour every day.
            begins = round((-(-gap.since_s // HOUR_S) * HOUR_S - self.since_s) / self.step_s)
            ends = round((gap.until_s // HOUR_S * HOUR_S - self.since_s) / self.step_s)
            is_before_all = gap.since_s == self.since_s and gap.seconds >= 24 * HOUR_S
            if is_before_all or (begins < ends and per_step[begins:ends].sum() >= _EXPECTED):
                found.append(gap)
        return found

    def _expected(self, hourly: Numbers) -> Numbers:
        """How many requests a step of that hour of the day has on a quieter day."""
        offset = -(-self.since_s // HOUR_S) % 24
        hours = (np.arange(len(hourly)) + offset) % 24
        quiet = np.array(
            [np.quantile(hourly[hours == hour], 0.25) if (hours == hour).any() else 0.0 for hour in range(24)]
        )
        at = (self.since_s + np.arange(len(self.total)) * self.step_s) // HOUR_S % 24
        result: Numbers = quiet[at.astype(int)] * self.step_s / HOUR_S
        return result

    def missing_in(self, gaps: Sequence[Stretch]) -> float:
        """How many requests there would have been in these stretches, by the rate of the rest."""
        inside = sum(gap.seconds for gap in gaps if self.since_s <= gap.since_s < self.until_s)
        seen_s = self.step_s * len(self.total) - inside
        return float(self.total.sum()) * sum(gap.seconds for gap in gaps) / seen_s if seen_s > 0 else 0.0


_EXPECTED = 20.0


def _summed(running: Numbers, steps: int) -> Numbers:
    """The sum over the last so many steps, at each step, from the running sum."""
    result: Numbers = running[1:].copy()
    result[steps:] -= running[1:-steps]
    return result


def p95_between(
    latency: LatencyBuckets | LatencyQuantiles | None, share: float = 0.95
) -> tuple[float, float | None] | None:
    """Between which milliseconds the quantile of all requests lies, from a look's buckets or quantiles; None where it holds none.

    From buckets: the bounds of the bucket that holds it (None: above the last). From quantiles by step: the least and the
    greatest of the steps, which is all that can be said of the whole.
    """
    if not latency:
        return None
    if "upper_ms" in latency:
        return _from_buckets(latency["upper_ms"], [sum(row) for row in latency["counts"]], share)
    values = [value for value in latency["quantiles"].get(f"{share:g}", ()) if value is not None]
    return (min(values), max(values)) if values else None


def p95_by_step(
    latency: LatencyBuckets | LatencyQuantiles | None, since: str, share: float = 0.95
) -> list[dict[str, Json]]:
    """The quantile of each step that had requests: [{"at", "low_ms", "high_ms", "count"}]."""
    if not latency:
        return []
    step_s, first_s = latency["step_s"], int(from_iso(since).timestamp()) // latency["step_s"] * latency["step_s"]
    rows = []
    buckets = latency["counts"] if "upper_ms" in latency else None
    for at in range(len(buckets[0]) if buckets else len(latency["counts"])):
        if "upper_ms" in latency:
            counts = [row[at] for row in latency["counts"]]
            found = _from_buckets(latency["upper_ms"], counts, share)
            count = sum(counts)
        else:
            value, count = latency["quantiles"][f"{share:g}"][at], latency["counts"][at]
            found = None if value is None else (value, value)
        if found is not None and count:
            moment = to_iso(from_epoch_s(first_s + (at + 0.5) * step_s))
            rows.append({"at": moment, "low_ms": found[0], "high_ms": found[1], "count": count})
    return rows


def _from_buckets(
    upper_ms: Sequence[float | None], counts: Sequence[float], share: float
) -> tuple[float, float | None] | None:
    total = sum(counts)
    if not total:
        return None
    rank, seen, below = share * total, 0.0, 0.0
    for bound, count in zip(upper_ms, counts, strict=True):
        seen += count
        if count and seen >= rank - 1e-9:
            return below, bound
        below = bound if bound is not None else below
    return below, None
