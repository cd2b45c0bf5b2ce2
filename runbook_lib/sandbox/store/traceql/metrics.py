"""TraceQL metrics: the spans a pipeline leaves, counted or measured over time.

As in Tempo 3: a sample at time t covers (t - step, t], durations are in seconds, quantiles are read from buckets whose bounds
are powers of two and therefore only approximate, a series without any value is left out.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.sandbox.store.durations import format_go
from runbook_lib.sandbox.store.model import Span, Trace
from runbook_lib.sandbox.store.traceql.check import kind_of
from runbook_lib.sandbox.store.traceql.evaluate import runner, single
from runbook_lib.sandbox.store.traceql.fields import getter
from runbook_lib.sandbox.store.traceql.tree import Attribute, Intrinsic, Metric, Query, SecondStage

Labels = tuple[tuple[str, Any], ...]
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


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


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One span that a series counted."""

    trace_id: bytes
    value: float
    time_ns: int


@dataclass(slots=True)
class Series:
    """One line of a graph. A value is NaN where nothing was measured."""

    labels: Labels
    values: list[float]
    exemplars: list[Exemplar] = field(default_factory=list)


@dataclass(slots=True)
class _Group:
    """What is known of one combination of `by` values: for each sample how many, and how often each number was seen."""

    counts: list[int]
    numbers: list[dict[float, int]]
    exemplars: list[Exemplar]


def evaluate(query: Query, traces: list[Trace], window: Window, *, exemplars: int = 0) -> list[Series]:
    """The series of a metrics query over the window; `exemplars` is the most to give for each series."""
    metric = query.metric
    assert metric is not None
    keys = [(str(one), getter(one), kind_of(one) == "duration") for one in metric.by]
    groups: dict[tuple[tuple[type, str], ...], tuple[Labels, _Group]] = {}
    for trace, span, index, number in _measured(query, traces, window):
        shown = [
            (name, format_go(value) if timed and type(value) is int else value)
            for name, read, timed in keys
            for value in (single(read(span, trace)),)
        ]
        key = tuple((type(value), str(value)) for _, value in shown)
        if key not in groups:
            empty = _Group([0] * window.count, [{} for _ in range(window.count if metric.argument else 0)], [])
            groups[key] = (_labels(metric, shown), empty)
        group = groups[key][1]
        group.counts[index] += span.count
        if metric.argument:
            group.numbers[index][number] = group.numbers[index].get(number, 0) + span.count
        if len(group.exemplars) < exemplars:
            group.exemplars.append(Exemplar(span.trace_id, number, span.start_ns))
    found = [one for labels, group in groups.values() for one in _series(metric, labels, group, window)]
    for stage in metric.after:
        found = _after(stage, found, window.count)
    return found


def _measured(query: Query, traces: list[Trace], window: Window) -> Iterator[tuple[Trace, Span, int, float]]:
    """Every span that the pipeline leaves, with its sample's index and its number (1 where only spans are counted)."""
    run = runner(query.pipeline)
    argument = query.metric.argument if query.metric else None
    read = _number(argument) if argument else None
    for trace in traces:
        for spanset in run(trace):
            for span in spanset.spans:
                index = window.index(span.start_ns)
                number = read(span, trace) if read else 1.0
                if index is not None and number is not None:
                    yield trace, span, index, number


def _number(argument: Attribute | Intrinsic) -> Callable[[Span, Trace], float | None]:
    read = getter(argument)
    scale = 1e9 if kind_of(argument) == "duration" else 1.0

    def number(span: Span, trace: Trace) -> float | None:
        value = single(read(span, trace))
        return value / scale if type(value) in (int, float) else None

    return number


def _labels(metric: Metric, shown: list[tuple[str, Any]]) -> Labels:
    """Labels of a series; values that are missing are left out, unless all are."""
    if not shown:
        return (
            () if metric.function in ("quantile_over_time", "histogram_over_time") else (("__name__", metric.function),)
        )
    present = tuple((name, value) for name, value in shown if value is not None)
    return present or ((shown[0][0], None),)


def _series(metric: Metric, labels: Labels, group: _Group, window: Window) -> Iterator[Series]:
    if metric.function == "count_over_time":
        yield Series(labels, [float(count) for count in group.counts], group.exemplars)
    elif metric.function == "rate":
        step_s = window.step_ns / 1e9
        yield Series(labels, [count / step_s for count in group.counts], group.exemplars)
    elif metric.function == "histogram_over_time":
        bounds = sorted({_bucket(number) for numbers in group.numbers for number in numbers})
        for bound in bounds:
            values = [float(sum(c for n, c in numbers.items() if _bucket(n) == bound)) for numbers in group.numbers]
            yield Series((*labels, ("__bucket", bound)), values, group.exemplars)
    elif metric.function == "quantile_over_time":
        for quantile in metric.numbers:
            values = [_quantile(numbers, quantile) for numbers in group.numbers]
            yield Series((*labels, ("p", quantile)), values, group.exemplars)
    else:
        reduce = _REDUCERS[metric.function]
        values = [reduce(numbers) if numbers else math.nan for numbers in group.numbers]
        yield Series(labels, values, group.exemplars)


def _sum(numbers: dict[float, int]) -> float:
    return sum(number * count for number, count in numbers.items())


_REDUCERS: dict[str, Callable[[dict[float, int]], float]] = {
    "min_over_time": min,
    "max_over_time": max,
    "sum_over_time": _sum,
    "avg_over_time": lambda numbers: _sum(numbers) / sum(numbers.values()),
}


def _bucket(number: float) -> float:
    """The power of two that is the upper bound of the number's bucket; 0 for what is not positive."""
    return float(2.0 ** math.ceil(math.log2(number))) if number > 0 and math.isfinite(number) else 0.0


def _quantile(numbers: dict[float, int], quantile: float) -> float:
    """The quantile as log2 buckets give it: the bucket is right, the place within it is interpolated."""
    if not numbers:
        return math.nan
    rank = min(max(quantile, 0.0), 1.0) * sum(numbers.values())
    buckets: dict[float, int] = {}
    for number, count in numbers.items():
        buckets[_bucket(number)] = buckets.get(_bucket(number), 0) + count
    seen = 0
    for bound in sorted(buckets):
        if seen + buckets[bound] >= rank:
            return bound * math.exp2((rank - seen) / buckets[bound] - 1)
        seen += buckets[bound]
    return max(buckets)


def _after(stage: SecondStage, series: list[Series], count: int) -> list[Series]:
    """The series after topk, bottomk (chosen sample by sample) or a comparison; what is not chosen becomes NaN."""
    if stage.operator in _COMPARE:
        holds = _COMPARE[stage.operator]
        for one in series:
            one.values = [value if holds(value, stage.value) else math.nan for value in one.values]
    else:
        for index in range(count):
            ranked = [one for one in series if not math.isnan(one.values[index])]
            ranked.sort(key=lambda one: one.values[index], reverse=stage.operator == "topk")
            for one in ranked[int(stage.value) :]:
                one.values[index] = math.nan
    return [one for one in series if not all(math.isnan(value) for value in one.values)]
