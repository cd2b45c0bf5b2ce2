"""Requests counted by a Prometheus's counters and histogram: what the team's own and Fly's hosted one have in common."""

from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status
from runbook_lib.core.records.counts import LatencyBuckets, SlowCounts
from runbook_lib.sources.kit.counts import HOUR_S, Row, Steps, slow_from_buckets
from runbook_lib.sources.metrics.prometheus_api import PrometheusApi

STEP_S = 300
_LONGEST_SCRAPE_S = 60
_PAGE_STEPS = 7 * 86_400 // STEP_S  # a server holds each part of a query over all its points at once, 50 million in all


@dataclass(frozen=True)
class Series:
    """How a service's requests are found.

    calls: selectors of the counter, without braces closed wrongly: `name{…}`. buckets: of the histogram. by: the label that tells
    how a request ended; has_failed: whether a value of it is a failure. unit_ms: milliseconds in one of `le`. extrapolates: whether
    `increase` is a guess from the samples inside of its range, as Prometheus's is; VictoriaMetrics's counts from the one before.
    """

    calls: str
    buckets: str
    by: str
    has_failed: Callable[[str], bool]
    unit_ms: float
    extrapolates: bool = True


def count(
    api: PrometheusApi, series: Series, window: Window, within_ms: float | None
) -> tuple[Steps, Row, Row, SlowCounts | None, LatencyBuckets | None]:
    """(steps, total, failed, slow, latency) by five minutes, latency by the hour.

    A sum is right to the requests of one scrape interval at its two ends; between them a request is counted once, at the latest a
    scrape interval later. What a series holds when it is first scraped is not counted: Tempo's generator begins with a 0, so that
    nothing is lost.
    """
    steps, hours = Steps.over(window, STEP_S), Steps.over(window, HOUR_S)
    total, failed = Row(steps), Row(steps)
    for labels, samples in _ranged(api, f"sum by ({series.by}) ({_growth(series, series.calls)})", steps):
        total.add(samples)
        if series.has_failed(labels.get(series.by, "")):
            failed.add(samples)
    if within_ms is None:
        return steps, total, failed, None, None
    hourly = _buckets(api, f"sum by (le) (increase({series.buckets}[{HOUR_S}s]))", hours, series.unit_ms)
    if not hourly:
        return steps, total, failed, None, None
    latency = LatencyBuckets(
        step_s=HOUR_S,
        upper_ms=[upper_ms for upper_ms, _ in hourly],
        counts=[row.clean() for _, row in hourly],
    )
    around = _around(within_ms, [upper_ms for upper_ms, _ in hourly])
    wanted = "|".join("\\\\+Inf" if each is None else f"{each / series.unit_ms:g}(\\\\.0+)?" for each in around)
    chosen = series.buckets.removesuffix("}") + f', le=~"{wanted}"}}'
    by_step = _buckets(api, f"sum by (le) ({_growth(series, chosen)})", steps, series.unit_ms)
    return steps, total, failed, slow_from_buckets(within_ms, by_step, steps), latency


def _growth(series: Series, selector: str) -> str:
    """By how much each counter grew in a step.

    Prometheus's `increase` leaves out what grew between the last sample before its range and the first one inside, and stretches
    the rest to make up for it: a burst of failures at a step's edge would be lost, another one counted too high. The difference of
    the counter's own values loses nothing; a counter that began anew within the step, or was not there, is left to `increase`.
    """
    guess = f"increase({selector}[{STEP_S}s])"
    if not series.extrapolates:
        return guess
    difference = f"({selector} - {selector} offset {STEP_S}s) >= 0"
    return f"({difference} unless resets({selector}[{STEP_S + _LONGEST_SCRAPE_S}s]) > 0) or {guess}"


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
    for start, end in steps.pages(_PAGE_STEPS * steps.step_s):
        found += api.matrix(query, start, end, steps.step_s)
    return found
