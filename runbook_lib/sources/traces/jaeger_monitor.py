"""Jaeger's monitor (service performance metrics): calls, errors and latencies that its metrics store was told, by operation.

Facts: jaegertracing/jaeger, query service, /api/metrics/*; times in ms; 501 without a metrics store. A point is a rate over
the step before it, so a count is the rate times the step; `errors` is a share of the calls.
"""

from typing import Any

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.counts import Counts
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, require_list, rows_in, window_arguments
from runbook_lib.sources.kit.counts import HOUR_S, Row, Steps, answer_with_counts, from_quantiles
from runbook_lib.sources.traces.jaeger_api import HELP, JaegerApi
from runbook_lib.sources.traces.jaeger_services import services_of

STEP_S = 300
_QUANTILES = ("0.5", "0.9", "0.95", "0.99")


def service_counts(service: str, window: Window, within_ms: float | None = None) -> Look[Counts]:
    """The requests of a service by five minutes, from Jaeger's metrics of server spans.

    service: web, api or gateway, told apart by the service's name where it tells, else by the operation's route; or a
    service's name. within_ms: how many were slower is known between bounds only, from the quantiles of each hour and operation.
    """

    def fetch(door: Door) -> Answer[Counts]:
        monitor = _Monitor(JaegerApi(door), service)
        steps, hours = Steps.over(window, STEP_S), Steps.over(window, HOUR_S)
        total, failed, hourly = Row(steps), Row(steps), Row(hours)
        calls = monitor.ask("calls", steps)
        for operation, samples in calls.items():
            total.add([(at, rate * STEP_S) for at, rate in samples])
            hourly.add([(-(-int(at) // HOUR_S) * HOUR_S, rate * STEP_S) for at, rate in samples])
            shares = dict(monitor.ask("errors", steps).get(operation, ()))
            failed.add([(at, rate * STEP_S * shares.get(at, 0.0)) for at, rate in samples])
        slow, latency = None, None
        if within_ms is not None:
            rows = monitor.quantiles(hours)
            slow, latency = from_quantiles(within_ms, steps, hours, total, hourly, rows, is_upper=len(calls) > 1)
        return answer_with_counts(
            door, service, "Jaeger's monitor", steps, _whole(total), _whole(failed), slow=slow, latency=latency,
            retention_h=24.0 * 3650, delay_s=door.settings.trace_delay_s,
        )  # fmt: skip

    arguments = {"service": service, **window_arguments(window), "within_ms": within_ms}
    return Look("jaeger", "service_counts", arguments, fetch, deadline_s=60)


class _Monitor:
    """One service's metrics. Answers are kept: each is asked for once."""

    def __init__(self, jaeger: JaegerApi, service: str) -> None:
        self._jaeger = jaeger
        self._held: dict[str, dict[str, list[tuple[float, float]]]] = {}
        names, _ = jaeger.services()
        self._services, self._is_mine = services_of(service, names)

    def ask(self, what: str, steps: Steps, **more: str) -> dict[str, list[tuple[float, float]]]:
        """(epoch seconds, number) by operation."""
        key = f"{what} {steps.step_s} {more}"
        if key not in self._held:
            params: dict[str, Any] = {
                "service": self._services,
                "groupByOperation": "true",
                "spanKind": "server",
                "endTs": steps.until_s * 1000,
                "lookback": steps.count * steps.step_s * 1000 - steps.step_s * 1000,
                "step": steps.step_s * 1000,
                "ratePer": steps.step_s * 1000,
                **more,
            }
            reply = self._jaeger.get(f"/api/metrics/{what}", params)
            if reply.status_code == 501:
                raise LookError(
                    Status.not_configured,
                    "Jaeger has no metrics store",
                    do_next="give Jaeger a metrics storage (Prometheus), fed by the span metrics connector",
                )
            found = require_list(reply, HELP).parsed(_points)
            self._held[key] = {name: rows for name, rows in found.items() if self._is_mine(name)}
        return self._held[key]

    def quantiles(self, hours: Steps) -> list[tuple[int, dict[str, float]]]:
        """(end of the hour, milliseconds by quantile); of several operations the slowest's, which none of them exceeds."""
        found: dict[int, dict[str, float]] = {}
        for share in _QUANTILES:
            for samples in self.ask("latencies", hours, quantile=share).values():
                for at, milliseconds in samples:
                    row = found.setdefault(int(at), {})
                    row[share] = max(row.get(share, 0.0), milliseconds)
        return sorted(found.items())


def _points(document: dict[str, Json]) -> dict[str, list[tuple[float, float]]]:
    """Samples by operation; a point that is no number has had no calls."""
    found: dict[str, list[tuple[float, float]]] = {}
    for metric in rows_in(document, "metrics", may_lack=True):
        labels = {str(pair["name"]): str(pair["value"]) for pair in metric.get("labels") or ()}
        rows = found.setdefault(labels.get("operation", ""), [])
        for point in metric.get("metricPoints") or ():
            value = point["gaugeValue"]["doubleValue"]
            if not isinstance(value, str):
                rows.append((_epoch_s(point["timestamp"]), float(value)))
    return found


def _epoch_s(text: str) -> float:
    return from_iso(iso_of_text(text) or "").timestamp()


def _whole(row: Row) -> Row:
    """Rates times their step, rounded: requests are whole."""
    return Row(row.steps, [float(round(value)) if abs(value - round(value)) < 0.01 else value for value in row.values])
