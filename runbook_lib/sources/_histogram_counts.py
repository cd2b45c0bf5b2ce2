"""Requests counted by a Prometheus's counters and histogram: what the team's own and Fly's hosted one have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib.clock import Window
from runbook_lib.errors import LookError
from runbook_lib.model import Json, Status
from runbook_lib.sources._counts import HOUR_S, Row, Steps, slow_from_buckets
from runbook_lib.sources._prometheus_api import MOST_POINTS, PrometheusApi

STEP_S = 300


@dataclass(frozen=True)
class Series:
    """How a service's requests are found.

    calls: selectors of the counter, without braces closed wrongly: `name{…}`. buckets: of the histogram. by: the label that tells
    how a request ended; has_failed: whether a value of it is a failure. unit_ms: milliseconds in one of `le`.
    """

    calls: str
    buckets: str
    by: str
    has_failed: Callable[[str], bool]
    unit_ms: float


def count(
    api: PrometheusApi, series: Series, window: Window, within_ms: float | None
) -> tuple[Steps, Row, Row, Json, Json]:
    """(steps, total, failed, slow, latency) by five minutes, latency by the hour.

    `increase` extrapolates to the window's edges: a count is right to about the requests of one scrape interval.
    """
    steps, hours = Steps.over(window, STEP_S), Steps.over(window, HOUR_S)
    total, failed = Row(steps), Row(steps)
    for labels, samples in _ranged(api, f"sum by ({series.by}) (increase({series.calls}[{STEP_S}s]))", steps):
        total.add(samples)
        if series.has_failed(labels.get(series.by, "")):
            failed.add(samples)
    if within_ms is None:
        return steps, total, failed, None, None
    hourly = _buckets(api, f"sum by (le) (increase({series.buckets}[{HOUR_S}s]))", hours, series.unit_ms)
    if not hourly:
        return steps, total, failed, None, None
    latency = {
        "step_s": HOUR_S,
        "upper_ms": [upper_ms for upper_ms, _ in hourly],
        "counts": [row.clean() for _, row in hourly],
    }
    around = _around(within_ms, [upper_ms for upper_ms, _ in hourly])
    wanted = "|".join("\\\\+Inf" if each is None else f"{each / series.unit_ms:g}(\\\\.0+)?" for each in around)
    chosen = series.buckets.removesuffix("}") + f', le=~"{wanted}"}}'
    by_step = _buckets(api, f"sum by (le) (increase({chosen}[{STEP_S}s]))", steps, series.unit_ms)
    return steps, total, failed, slow_from_buckets(within_ms, by_step, steps), latency


def _around(within_ms: float, bounds: list[float | None]) -> list[float | None]:
    """The bounds around the limit, and the endless one."""
    below = [bound for bound in bounds if bound is not None and bound <= within_ms]
    above = [bound for bound in bounds if bound is not None and bound > within_ms]
    return [*below[-1:], *above[:1], None]


def _buckets(api: PrometheusApi, query: str, steps: Steps, unit_ms: float) -> list[tuple[float | None, Row]]:
    """(upper bound in ms, how many fell into it) in order, made from the cumulative buckets of the answer."""
    rows: dict[float | None, Row] = {}
    for labels, samples in _ranged(api, query, steps):
        text = labels.get("le", "")
        try:
            bound = None if text in ("+Inf", "Inf") else round(float(text) * unit_ms, 6)
        except ValueError as error:
            raise LookError(Status.malformed, f"a bucket without a bound: le is {text!r:.40}") from error
        rows.setdefault(bound, Row(steps)).add(samples)
    ordered: list[float | None] = [
        *sorted(bound for bound in rows if bound is not None),
        *([None] if None in rows else []),
    ]
    found: list[tuple[float | None, Row]] = []
    before = [0.0] * steps.count
    for bound in ordered:
        values = rows[bound].values
        found.append((bound, Row(steps, [max(0.0, value - low) for value, low in zip(values, before, strict=True)])))
        before = values
    return found


def _ranged(api: PrometheusApi, query: str, steps: Steps) -> list[tuple[dict[str, str], list[tuple[float, float]]]]:
    found = []
    for start, end in steps.pages((MOST_POINTS - 1) * steps.step_s):
        found += api.matrix(query, start, end, steps.step_s)
    return found
