"""Requests counted from raw traces, span by span: the last resort, where nothing keeps metrics.

A period is read backwards, a day at a time; a piece of it with more traces than one answer may hold is halved. What is left
unread when the answers or the time run out is a stretch of which nothing is known: `kept_since` says where it ends.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from runbook_lib.core.clock import Window, from_epoch_s, to_iso
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.counts import Counts, LatencyBuckets
from runbook_lib.core.records.traces import Attributes, MatchedSpan, Span
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import window_arguments
from runbook_lib.sources.kit.counts import HOUR_S, Row, Steps, answer_with_counts, has_failed, histogram, slow_exactly
from runbook_lib.sources.traces.jaeger_api import JaegerApi
from runbook_lib.sources.traces.jaeger_services import services_of
from runbook_lib.sources.traces.span_table import SpanCollector
from runbook_lib.sources.traces.tempo_api import TempoApi
from runbook_lib.sources.traces.traceql import of_service

STEP_S = 60
PIECE_S = 24 * HOUR_S
MOST_TRACES = 1000  # in one answer
MOST_ANSWERS = 200
_SPANS_OF_TRACE = 100
_SPARE_S = 3.0  # of the deadline, so that what was read becomes an answer
_GROWTH = 1.05  # a bucket's bound to the one below it: quantiles are known to 5 %
_STATUS_CODES = ("http.response.status_code", "http.status_code")


@dataclass(frozen=True)
class _Served:
    """One server span."""

    id: str
    start_ns: int
    duration_ms: float
    has_failed: bool


Read = Callable[[Window], tuple[list[_Served], bool]]  # the spans of a piece, and whether there may be more


def tempo(service: str, window: Window, within_ms: float | None = None) -> Look[Counts]:
    """The requests of a service by minute, counted from the traces that Tempo finds; see `tempo_metrics.service_counts`.

    partial where not the whole period could be read, with `kept_since` in the answer.
    """

    def reader(door: Door) -> Read:
        api = TempoApi(door)
        codes = ", ".join(f"span.{name}" for name in _STATUS_CODES)
        query = f"{{ kind = server && ({of_service(service)}) }} | select(status, {codes})"

        def read(piece: Window) -> tuple[list[_Served], bool]:
            found, why = api.search(query, piece, MOST_TRACES, _SPANS_OF_TRACE)
            return [
                _served(span, span["duration_ms"], span["attributes"]) for each in found for span in each["spans"]
            ], bool(why)

        return read

    return _look("tempo", "raw traces of Tempo", service, window, within_ms, reader)


def jaeger(service: str, window: Window, within_ms: float | None = None) -> Look[Counts]:
    """The requests of a service by minute, counted from the traces that Jaeger finds; see `jaeger_monitor.service_counts`.

    partial where not the whole period could be read, with `kept_since` in the answer.
    """

    def reader(door: Door) -> Read:
        api = JaegerApi(door)
        names, is_mine = services_of(service, api.services()[0])

        def read(piece: Window) -> tuple[list[_Served], bool]:
            served, is_full = list[_Served](), False
            for name in names:
                table, why = api.search(piece, MOST_TRACES, {}, service=name)
                served += [
                    _served(
                        span,
                        (span["end_ns"] - span["start_ns"]) / 1e6,
                        {**span["attributes"], "status": span["status"]},
                    )
                    for span in table.spans
                    if span["kind"] == "server" and _service(table, span) in names and is_mine(span["name"])
                ]
                is_full = is_full or bool(why)
            return served, is_full

        return read

    return _look("jaeger", "raw traces of Jaeger", service, window, within_ms, reader)


def _look(
    source: str, by: str, service: str, window: Window, within_ms: float | None, reader: Callable[[Door], Read]
) -> Look[Counts]:
    def fetch(door: Door) -> Answer[Counts]:
        steps = Steps.over(window, STEP_S)
        served, known_since_s = _backwards(steps, reader(door), lambda: door.deadline.remaining_s > _SPARE_S)
        answer = _counted(door, service, by, steps, served, within_ms)
        if known_since_s <= steps.since_s:
            return answer
        since = to_iso(from_epoch_s(known_since_s))
        why = f"only the time since {since} was read: before it there are more traces than can be read one by one"
        help_text = "keep metrics of spans (Tempo's metrics-generator, the collector's span metrics connector)"
        if answer.value is None:
            return Answer(Status.timed_out, None, why, help_text)
        value: Counts = {**answer.value, "kept_since": max(since, answer.value["kept_since"] or since)}
        return Answer(Status.partial, value, why, help_text)

    arguments = {"service": service, **window_arguments(window), "within_ms": within_ms}
    return Look(source, "raw_counts", arguments, fetch, deadline_s=60)


def _backwards(steps: Steps, read: Read, has_time: Callable[[], bool]) -> tuple[Iterable[_Served], int]:
    """The spans that began in the steps, each once, and since when (epoch seconds) all of them were read."""
    found: dict[str, _Served] = {}
    known_since_s, todo, asked = steps.until_s, [(steps.since_s, steps.until_s)], 0
    while todo and asked < MOST_ANSWERS and has_time():
        since_s, until_s = todo.pop()
        length = until_s - since_s
        if length > PIECE_S:
            todo += [(since_s, until_s - PIECE_S), (until_s - PIECE_S, until_s)]
            continue
        served, is_full = read(Window(from_epoch_s(since_s), from_epoch_s(until_s)))
        asked += 1
        if is_full and length <= STEP_S:
            break
        if is_full:
            middle = since_s + length // 2 // STEP_S * STEP_S
            todo += [(since_s, middle), (middle, until_s)] if middle > since_s else [(since_s, until_s)]
            continue
        found |= {each.id: each for each in served if since_s * 10**9 < each.start_ns <= until_s * 10**9}
        known_since_s = since_s
    return found.values(), known_since_s


def _counted(
    door: Door, service: str, by: str, steps: Steps, served: Iterable[_Served], within_ms: float | None
) -> Answer[Counts]:
    hours = Steps.over(Window(from_epoch_s(steps.since_s), from_epoch_s(steps.until_s)), HOUR_S)
    total, failed, slow = Row(steps), Row(steps), Row(steps)
    buckets: dict[int, Row] = {}
    for each in served:
        sample = [(-(-each.start_ns // 10**9), 1.0)]
        total.add(sample)
        if each.has_failed:
            failed.add(sample)
        if within_ms is not None:
            if each.duration_ms > within_ms:
                slow.add(sample)
            buckets.setdefault(_bucket(each.duration_ms), Row(hours)).add(sample)
    settings = door.settings
    return answer_with_counts(
        door, service, by, steps, total, failed,
        slow=None if within_ms is None else slow_exactly(within_ms, slow),
        latency=None if within_ms is None else _latency(buckets, hours),
        retention_h=settings.trace_retention_h, delay_s=settings.trace_delay_s,
        retention_setting="RUNBOOK_TRACE_RETENTION_H",
    )  # fmt: skip


def _bucket(duration_ms: float) -> int:
    """The power of the growth that is the upper bound of a duration's bucket."""
    return math.ceil(round(math.log(max(duration_ms, 0.001), _GROWTH), 9))


def _latency(buckets: dict[int, Row], hours: Steps) -> LatencyBuckets:
    """Counts by bucket and hour; where a bucket begins is a bound, too."""
    rows = {power - 1: Row(hours) for power in buckets} | buckets
    return histogram({round(_GROWTH**power, 6): row for power, row in rows.items()}, hours)


def _served(span: Span | MatchedSpan, duration_ms: float, attributes: Attributes) -> _Served:
    failed = has_failed(attributes.get("status"), map(attributes.get, _STATUS_CODES))
    return _Served(span["id"], span["start_ns"], duration_ms, failed)


def _service(table: SpanCollector, span: Span) -> str:
    return str(table.resources[span["resource"]].get("service.name", ""))
