"""Railway's HTTP metrics: what its edge counted for a service, by status and by quantile of duration; no trace is needed for it.

Facts: railwayapp/cli, src/gql/schema.json. A sample's `ts` is where its step begins. Requests that never reached the part (502)
are counted here and nowhere else.
"""

from typing import Any

from runbook_lib.core.clock import Window, from_epoch_s, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.counts import Counts
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_setting, rows_in, whole_number, window_arguments
from runbook_lib.sources.kit.counts import HOUR_S, Row, Steps, answer_with_counts, from_quantiles
from runbook_lib.sources.kit.hosting import RAILWAY_SERVICES
from runbook_lib.sources.railway.api import RailwayApi

STEP_S = 300
_KEPT_H = 31 * 24.0
_QUANTILES = {"0.5": "p50", "0.9": "p90", "0.95": "p95", "0.99": "p99"}


def service_counts(service: str, window: Window, within_ms: float | None = None) -> Look[Counts]:
    """The requests of `api` or `gateway` that Railway's edge saw, by five minutes; failed: 500 and above.

    within_ms: how many were slower is known between bounds only, from the quantiles of each hour.
    """

    def fetch(door: Door) -> Answer[Counts]:
        if service not in RAILWAY_SERVICES:
            raise LookError(
                Status.not_configured, f"{service} does not run on Railway", do_next="ask for api or gateway"
            )
        api, service_id = RailwayApi(door), require_setting(door, RAILWAY_SERVICES[service])
        environment_id = api.scope().environment_id
        steps, hours = Steps.over(window, STEP_S), Steps.over(window, HOUR_S)

        def ask(name: str, over: Steps) -> Any:
            return api.ask(
                name,
                environmentId=environment_id,
                serviceId=service_id,
                startDate=to_iso(from_epoch_s(over.since_s)),
                endDate=to_iso(from_epoch_s(over.until_s)),
                step=over.step_s,
            )[0]

        total, failed, hourly = Row(steps), Row(steps), Row(hours)
        for status, samples in ask("requests_by_status", steps).parsed(_by_status):
            ends = [(ts + STEP_S, value) for ts, value in samples]
            total.add(ends)
            hourly.add([(-(-(ts + STEP_S) // HOUR_S) * HOUR_S, value) for ts, value in samples])
            if status >= 500:
                failed.add(ends)
        slow, latency = None, None
        if within_ms is not None:
            rows = ask("request_durations", hours).parsed(_durations)
            slow, latency = from_quantiles(within_ms, steps, hours, total, hourly, rows)
        return answer_with_counts(
            door, service, "Railway's HTTP metrics", steps, total, failed,
            slow=slow, latency=latency, retention_h=_KEPT_H, delay_s=door.settings.log_delay_s,
        )  # fmt: skip

    arguments = {"service": service, **window_arguments(window), "within_ms": within_ms}
    return Look("railway", "service_counts", arguments, fetch, deadline_s=60)


def _by_status(document: Json) -> list[tuple[int, list[tuple[int, float]]]]:
    return [
        (
            whole_number(row["statusCode"]),
            [(whole_number(each["ts"]), float(each["value"])) for each in rows_in(row, "samples")],
        )
        for row in rows_in(document["data"], "httpMetricsGroupedByStatus")
    ]


def _durations(document: Json) -> list[tuple[int, dict[str, float]]]:
    """(where the hour ends, milliseconds by quantile) of the hours that had requests."""
    return [
        (whole_number(row["ts"]) + HOUR_S, {share: float(row[name]) for share, name in _QUANTILES.items()})
        for row in rows_in(document["data"]["httpDurationMetrics"], "samples")
    ]
