"""Fly's hosted Prometheus: what its proxy counted for the gateway's app; no trace is needed for it.

Facts: superfly/docs, monitoring: VictoriaMetrics with fly_app_http_responses_count by status and fly_app_http_response_time_seconds
as histogram; the header's scheme is `FlyV1` for tokens of `fly tokens create`, `Bearer` for those of `flyctl auth token`.
"""

from urllib.parse import quote

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.counts import Counts
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_setting, window_arguments
from runbook_lib.sources.kit.counts import answer_with_counts
from runbook_lib.sources.metrics.histogram_counts import Series, count
from runbook_lib.sources.metrics.prometheus_api import PrometheusApi, label_literal

_HELP = "RUNBOOK_FLY_TOKEN must be for this organization (fly tokens create readonly); check RUNBOOK_FLY_ORG"
_KEPT_H = 30 * 24.0 + 1


def service_counts(service: str, window: Window, within_ms: float | None = None) -> Look[Counts]:
    """The requests that Fly's proxy passed to the gateway, by five minutes; failed: 500 and above."""

    def fetch(door: Door) -> Answer[Counts]:
        if service != "gateway":
            raise LookError(Status.not_configured, f"{service} does not run on Fly", do_next="ask for gateway")
        app = label_literal(require_setting(door, "fly_gateway_app"))
        token = require_setting(door, "fly_token")
        header = token if token.startswith("FlyV1 ") else f"Bearer {token}"
        url = f"{require_setting(door, 'fly_api_url')}/prometheus/{quote(require_setting(door, 'fly_org'), safe='')}"
        api = PrometheusApi(door, url, {"Authorization": header}, _HELP)
        series = Series(
            f"fly_app_http_responses_count{{app={app}}}",
            f"fly_app_http_response_time_seconds_bucket{{app={app}}}",
            "status",
            lambda status: status.isdigit() and int(status) >= 500,
            1000.0,
            extrapolates=False,
        )
        steps, total, failed, slow, latency = count(api, series, window, within_ms)
        return answer_with_counts(
            door, service, "Fly's proxy metrics", steps, total, failed, slow=slow, latency=latency,
            retention_h=_KEPT_H, delay_s=door.settings.log_delay_s,
        )  # fmt: skip

    arguments = {"service": service, **window_arguments(window), "within_ms": within_ms}
    return Look("fly", "service_counts", arguments, fetch, deadline_s=60)
