"""Jaeger's service performance metrics (SPM), computed from the spans themselves.

Shape: specs/jaeger/spm-openmetrics.proto and sample-spm-metrics.json. The real ones come from a metrics store that is fed by
the span metrics connector; they follow the same definitions: a point covers the `ratePer` before it.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbook_lib.sandbox.store.model import STATUS_ERROR, Span, Trace


@dataclass(frozen=True, slots=True)
class MetricsQuery:
    """What is asked; all times in nanoseconds, kinds as OTLP numbers."""

    services: tuple[str, ...]
    kinds: frozenset[int]
    by_operation: bool
    end_ns: int
    lookback_ns: int
    step_ns: int
    rate_per_ns: int


def metric_family(name: str, traces: list[Trace], query: MetricsQuery, quantile: float = 0.0) -> dict[str, Any]:
    """The MetricFamily `calls`, `errors` or `latencies` (the quantile in milliseconds) of the services asked for."""
    groups: dict[tuple[str, str], list[Span]] = {}
    for trace in traces:
        for span in trace.spans:
            if span.resource.service in query.services and span.kind in query.kinds:
                operation = span.name if query.by_operation else ""
                groups.setdefault((span.resource.service, operation), []).append(span)
    metrics = []
    for (service, operation), spans in sorted(groups.items()):
        labels = [{"name": "operation", "value": operation}] if query.by_operation else []
        labels.append({"name": "service_name", "value": service})
        metrics.append({"labels": labels, "metricPoints": _points(name, spans, query, quantile)})
    by = "service & operation" if query.by_operation else "service"
    what = {
        "calls": "calls/sec, grouped by",
        "errors": "error rate, computed as a fraction of errors/sec over calls/sec, grouped by",
        "latencies": f"{quantile:g}th quantile latency, grouped by",
    }[name]
    kind = {"calls": "call_rate", "errors": "error_rate", "latencies": "latencies"}[name]
    family = f"service_{'operation_' if query.by_operation else ''}{kind}"
    return {"name": family, "type": "GAUGE", "help": f"{what} {by}", "metrics": metrics}


def _points(name: str, spans: list[Span], query: MetricsQuery, quantile: float) -> list[dict[str, Any]]:
    spans = sorted(spans, key=lambda span: span.end_ns)
    points, first, last = [], 0, 0
    for at_ns in range(query.end_ns - query.lookback_ns, query.end_ns + 1, query.step_ns):
        while last < len(spans) and spans[last].end_ns <= at_ns:
            last += 1
        while first < last and spans[first].end_ns <= at_ns - query.rate_per_ns:
            first += 1
        at = datetime.fromtimestamp(at_ns // 10**9, UTC).isoformat().replace("+00:00", "Z")
        value = _value(name, spans[first:last], query.rate_per_ns / 1e9, quantile)
        points.append({"timestamp": at, "gaugeValue": {"doubleValue": "NaN" if math.isnan(value) else value}})
    return points


def _value(name: str, spans: list[Span], seconds: float, quantile: float) -> float:
    if name == "calls":
        return sum(span.count for span in spans) / seconds
    if not spans:
        return math.nan
    count = sum(span.count for span in spans)
    if name == "errors":
        return sum(span.count for span in spans if span.status_code == STATUS_ERROR) / count
    rank, seen = max(1, math.ceil(quantile * count)), 0
    for span in sorted(spans, key=lambda each: each.duration_ns):
        seen += span.count
        if seen >= rank:
            return span.duration_ns / 1e6
    return math.nan
