"""TraceQL metrics: the spans that a query's filters leave, counted over time.

As in Tempo 3: a sample at time t covers (t - step, t], durations are in seconds, a histogram's buckets have bounds that are powers
of two, a series without any span is left out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from runbook_lib.sandbox.store.durations import format_go
from runbook_lib.sandbox.store.model import Trace
from runbook_lib.sandbox.store.traceql.evaluate import runner
from runbook_lib.sandbox.store.traceql.fields import getter, kind_of
from runbook_lib.sandbox.store.traceql.tree import Metric, Query

Labels = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Window:
    """When to sample: `count` samples, the first at `start_ns`, `step_ns` apart."""

    start_ns: int
    step_ns: int
    count: int

    def index(self, time_ns: int) -> int | None:
        """The sample that a moment belongs to, or None when it lies outside."""
        index = -((self.start_ns - time_ns) // self.step_ns)
        return index if 0 <= index < self.count else None

    def time_ns(self, index: int) -> int:
        """When a sample is."""
        return self.start_ns + index * self.step_ns


@dataclass(slots=True)
class Series:
    """One line of a graph."""

    labels: Labels
    values: list[float]


def evaluate(query: Query, traces: list[Trace], window: Window) -> list[Series]:
    """The series of a metrics query over the window."""
    metric = query.metric
    assert metric is not None
    run = runner(query)
    is_histogram = metric.function == "histogram_over_time"
    keys = [(str(one), getter(one), kind_of(one) == "duration") for one in metric.by]
    # by the values of `by`: its labels, and how many by bucket (0 where only spans are counted) and sample
    groups: dict[tuple[tuple[type, str], ...], tuple[Labels, dict[float, list[int]]]] = {}
    for trace in traces:
        for span in run(trace):
            index = window.index(span.start_ns)
            if index is None:
                continue
            shown = [
                (name, format_go(value) if timed and type(value) is int else value)
                for name, read, timed in keys
                for value in (read(span, trace),)
            ]
            key = tuple((type(value), str(value)) for _, value in shown)
            if key not in groups:
                groups[key] = (_labels(metric, shown), {})
            bucket = _bucket((span.end_ns - span.start_ns) / 1e9) if is_histogram else 0.0
            groups[key][1].setdefault(bucket, [0] * window.count)[index] += span.count
    return [one for labels, buckets in groups.values() for one in _series(is_histogram, labels, buckets)]


def _labels(metric: Metric, shown: list[tuple[str, Any]]) -> Labels:
    """Labels of a series; values that are missing are left out, unless all are."""
    if not shown:
        return (("__name__", metric.function),) if metric.function == "count_over_time" else ()
    present = tuple((name, value) for name, value in shown if value is not None)
    return present or ((shown[0][0], None),)


def _series(is_histogram: bool, labels: Labels, buckets: dict[float, list[int]]) -> Iterator[Series]:
    for bound in sorted(buckets):
        named = (*labels, ("__bucket", bound)) if is_histogram else labels
        yield Series(named, [float(count) for count in buckets[bound]])


def _bucket(number: float) -> float:
    """The power of two that is the upper bound of the number's bucket; 0 for what is not positive."""
    return float(2.0 ** math.ceil(math.log2(number))) if number > 0 else 0.0
