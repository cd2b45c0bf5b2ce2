"""Requests counted over a period, step by step: what every source of service levels answers."""

from collections.abc import Mapping
from typing import final

from typing_extensions import TypedDict


class SlowCounts(TypedDict):
    """How many took longer than the limit, by step, as two bounds; `most` None where `least` is exact."""

    within_ms: float
    least: list[float]
    most: list[float] | None


@final
class LatencyBuckets(TypedDict):
    """Latencies by bucket: their upper bounds (None: endless), and for each bucket how many fell into it, by step."""

    step_s: int
    upper_ms: list[float | None]
    counts: list[list[float]]


@final
class LatencyQuantiles(TypedDict):
    """Latencies by quantile, such as "0.95": milliseconds by step, None where nothing is known; and how many there were."""

    step_s: int
    quantiles: Mapping[str, list[float | None]]
    counts: list[float]


class Counts(TypedDict):
    """The requests of a service over a period, each number a step's.

    `by`: what counted them. `kept_since`: where the source's memory begins, where that lies within the period. `failed`: of the
    total. `slow`, `latency`: None where they were not asked for, or the source does not tell. Whole numbers where the source
    counts; a rate times its step may leave a fraction.
    """

    service: str
    by: str
    step_s: int
    since: str
    until: str
    kept_since: str | None
    total: list[float]
    failed: list[float]
    slow: SlowCounts | None
    latency: LatencyBuckets | LatencyQuantiles | None
