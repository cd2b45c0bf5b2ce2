"""Tempo's TraceQL metrics: how many requests a service served, how many failed, how many were slow.

Routes and limits: grafana/tempo, docs api_docs and traceql metrics. One query covers 24 h at most, so a period is asked for in
pages; a sample at t covers (t - step, t]. Counts are exact; a quantile is known to its bucket, whose bounds are powers of two.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.counts import Counts
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_list, rows_in, window_arguments
from runbook_lib.sources.kit.counts import HOUR_S, Row, Steps, answer_with_counts, has_failed, histogram, slow_exactly
from runbook_lib.sources.traces.span_table import otlp_value
from runbook_lib.sources.traces.tempo_api import HELP, TempoApi
from runbook_lib.sources.traces.traceql import of_service

STEP_S = 60
_LONGEST_S = 24 * 3600
_AT_ONCE = 4
_BUCKET = "__bucket"
_STATUS_CODES = ("span.http.response.status_code", "span.http.status_code")


def service_counts(service: str, window: Window, within_ms: float | None = None) -> Look[Counts]:
    """The requests of a service by minute: its server spans; failed: status error, or 500 and above.

    Args:
        service: web, api or gateway, told apart by service.name where it tells, else by runtime and route; or a service.name.
        within_ms: count those that took longer than this, too.
    """

    def fetch(door: Door) -> Answer[Counts]:
        tempo = TempoApi(door)
        steps, hours = Steps.over(window, STEP_S), Steps.over(window, HOUR_S)
        chosen = f"kind = server && ({of_service(service)})"
        by_status = ", ".join(("status", *_STATUS_CODES))
        asked = [(f"{{ {chosen} }} | count_over_time() by ({by_status})", steps)]
        if within_ms is not None:
            asked.append((f"{{ {chosen} && duration > {within_ms:g}ms }} | count_over_time()", steps))
            asked.append((f"{{ {chosen} }} | histogram_over_time(duration)", hours))
        total, failed, slow = Row(steps), Row(steps), Row(steps)
        buckets: dict[float, Row] = {}
        for at, series in _ask(tempo, asked):  # page by page: a month of samples is never held at once
            if at == 0:
                total.add(series.samples)
                if has_failed(series.labels.get("status"), map(series.labels.get, _STATUS_CODES)):
                    failed.add(series.samples)
            elif at == 1:
                slow.add(series.samples)
            else:
                _add_bucket(buckets, series, hours)
        settings = door.settings
        return answer_with_counts(
            door,
            service,
            "TraceQL metrics",
            steps,
            total,
            failed,
            slow=None if within_ms is None else slow_exactly(within_ms, slow),
            latency=None if within_ms is None else histogram(buckets, hours),
            retention_h=settings.trace_retention_h,
            delay_s=settings.trace_delay_s,
            retention_setting="RUNBOOK_TRACE_RETENTION_H",
        )

    arguments = {"service": service, **window_arguments(window), "within_ms": within_ms}
    return Look("tempo", "service_counts", arguments, fetch, deadline_s=90)


class _Series(NamedTuple):
    """One series: its labels, a bucket's bound as a number among them, and its samples as (epoch seconds, number)."""

    labels: dict[str, Json]
    samples: list[tuple[float, float]]


def _ask(tempo: TempoApi, asked: Sequence[tuple[str, Steps]]) -> Iterator[tuple[int, _Series]]:
    """Every series of each page of each query, with the query's number; a few pages are asked for at once."""
    jobs = [
        (at, query, steps.step_s, page) for at, (query, steps) in enumerate(asked) for page in steps.pages(_LONGEST_S)
    ]

    def one(job: tuple[int, str, int, tuple[int, int]]) -> tuple[int, list[_Series]]:
        at, query, step_s, (start, end) = job
        # A range of one sample has no length; Tempo wants the end after the start and rounds it up to the step.
        reply = tempo.get("/api/metrics/query_range", q=query, start=start, end=max(end, start + 1), step=f"{step_s}s")
        return at, require_list(reply, HELP).parsed(_series)

    first, rest = jobs[:1], jobs[1:]  # the first alone: where one is refused, so are all
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for group in (first, *(rest[at : at + _AT_ONCE] for at in range(0, len(rest), _AT_ONCE))):
            for at, found in pool.map(one, group):
                yield from ((at, series) for series in found)


def _series(document: dict[str, Json]) -> list[_Series]:
    return [
        _Series(
            _labels(series.get("labels") or ()),
            [
                (int(sample["timestampMs"]) / 1000, float(value))
                for sample in series.get("samples") or ()
                if (value := sample.get("value"))
            ],
        )
        for series in rows_in(document, "series", may_lack=True)
    ]


def _labels(pairs: Sequence[dict[str, Json]]) -> dict[str, Json]:
    found = {str(pair["key"]): otlp_value(pair["value"]) for pair in pairs}
    return {**found, _BUCKET: float(found[_BUCKET])} if _BUCKET in found else found


def _add_bucket(rows: dict[float, Row], series: _Series, hours: Steps) -> None:
    """Add to a bucket, which Tempo names by its upper bound in seconds. Raises LookError(malformed) where it is not named."""
    if _BUCKET not in series.labels:
        raise LookError(Status.malformed, "a histogram without buckets")
    upper_ms = series.labels[_BUCKET] * 1000
    rows.setdefault(upper_ms / 2, Row(hours))  # where the bucket begins
    rows.setdefault(upper_ms, Row(hours)).add(series.samples)
