"""The looks of 09's sources with what a source in good health answers, for the tests that every source goes through."""

from datetime import UTC, datetime
from typing import Any

from support.source_cases import AT, PAST, Case, _graphql

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Status
from runbook_lib.sources.fly import metrics as fly_metrics
from runbook_lib.sources.metrics import alertmanager, prometheus
from runbook_lib.sources.railway import alerts as railway_alerts
from runbook_lib.sources.railway import metrics as railway_metrics
from runbook_lib.sources.stripe import delivery_counts as stripe_delivery_counts
from runbook_lib.sources.traces import jaeger_monitor, raw_counts, tempo_metrics
from runbook_lib.sources.vercel import alerts as vercel_alerts

AT_S = int(AT.timestamp()) // 3600 * 3600 + 3600
CONFIG = """
route:
  receiver: team
  routes:
    - {receiver: oncall, matchers: ['severity="page"']}
receivers:
  - {name: oncall, pagerduty_configs: [{routing_key: <secret>}]}
  - {name: team, slack_configs: [{api_url: <secret>}]}
"""
STATUS = {
    "cluster": {"status": "ready"},
    "versionInfo": {"version": "0.28.1"},
    "config": {"original": CONFIG},
    "uptime": to_iso(AT),
}
SILENCE = {
    "id": "s1",
    "status": {"state": "active"},
    "matchers": [{"name": "alertname", "value": "Burn", "isRegex": False, "isEqual": True}],
    "startsAt": to_iso(AT),
    "endsAt": "2036-01-01T00:00:00Z",
    "createdBy": "omar",
    "comment": "",
}
ALERT = {
    "labels": {"alertname": "Burn"},
    "startsAt": to_iso(AT),
    "status": {"state": "suppressed", "silencedBy": ["s1"], "inhibitedBy": [], "mutedBy": []},
    "receivers": [{"name": "oncall"}],
}
RULE = {
    "name": "Burn",
    "type": "alerting",
    "query": 'sum(rate(a_total{service="api"}[1h])) > 1',
    "duration": 120,
    "labels": {"severity": "page"},
    "health": "ok",
    "state": "inactive",
    "alerts": [],
    "lastEvaluation": to_iso(AT),
}
SERIES = [
    {
        "labels": [
            {"key": "status", "value": {"stringValue": "error"}},
            {"key": "__bucket", "value": {"doubleValue": 0.512}},
        ],
        "samples": [{"timestampMs": str(AT_S * 1000), "value": 4.0}],
    }
]


def _vector(**labels: str) -> dict[str, Any]:
    return _data({"resultType": "matrix", "result": [{"metric": labels, "values": [[AT_S, "4"]]}]})


def _data(data: Any) -> dict[str, Any]:
    return {"status": "success", "data": data}


def _family(value: float) -> dict[str, Any]:
    at = to_iso(datetime.fromtimestamp(AT_S, UTC))
    labels = [{"name": "operation", "value": "POST /api/chat"}, {"name": "service_name", "value": "nexuscore"}]
    return {
        "name": "m",
        "metrics": [{"labels": labels, "metricPoints": [{"timestamp": at, "gaugeValue": {"doubleValue": value}}]}],
    }


_RAW_SPAN = {
    "spanID": "8b0d2a4c6e1f3a5c",
    "name": "POST /api/chat",
    "startTimeUnixNano": str(AT_S * 10**9),
    "durationNanos": "41000000",
    "attributes": [{"key": "status", "value": {"stringValue": "error"}}],
}
RAW = {
    "traces": [
        {"traceID": "1", "startTimeUnixNano": str(AT_S * 10**9), "durationMs": 41, "spanSets": [{"spans": [_RAW_SPAN]}]}
    ]
}
JAEGER_RAW = {
    r"/api/v3/services": {"services": ["nexuscore"]},
    r"/api/v3/traces": {"result": {"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "nexuscore"}}]},
        "scopeSpans": [{"spans": [{
            "traceId": "1".rjust(32, "0"), "spanId": _RAW_SPAN["spanID"], "name": "POST /api/chat", "kind": 2,
            "startTimeUnixNano": str(AT_S * 10**9), "endTimeUnixNano": str(AT_S * 10**9 + 41_000_000),
        }]}],
    }]}},
}  # fmt: skip


LEVEL_CASES: dict[str, Case] = {
    "tempo_metrics.service_counts": Case(
        lambda: tempo_metrics.service_counts("api", PAST, 500), {r"/api/metrics/query_range": {"series": SERIES}}
    ),
    "raw_counts.tempo": Case(lambda: raw_counts.tempo("api", PAST, 500), {r"/api/search": RAW}),
    "raw_counts.jaeger": Case(lambda: raw_counts.jaeger("nexuscore", PAST, 500), JAEGER_RAW, absent=Status.malformed),
    "prometheus.service_counts": Case(
        lambda: prometheus.service_counts("api", PAST, 500),
        {
            r"/label/service/values": _data(["nexuscore"]),
            r"runtimeinfo": _data({"storageRetention": "15d"}),
            r"sum by \(le\)": _vector(le="+Inf"),
            r"query_range": _vector(status_code="STATUS_CODE_ERROR"),
        },
    ),
    "prometheus.alert_rules": Case(
        lambda: prometheus.alert_rules(),
        {
            r"/rules": _data({"groups": [{"name": "g", "interval": 60, "rules": [RULE]}]}),
            r"/series": _data([{"__name__": "a_total"}]),
            r"/alertmanagers": _data({"activeAlertmanagers": [{"url": "u"}]}),
        },
    ),
    "prometheus.alerts_fired": Case(
        lambda: prometheus.alerts_fired(PAST),
        {
            r"query_range": _vector(alertname="Burn", severity="page"),
            r"runtimeinfo": _data({"storageRetention": "15d"}),
        },
    ),
    "prometheus.health": Case(
        lambda: prometheus.health(), {r"/query": _data({"resultType": "scalar", "result": [1, "1"]})}
    ),
    "alertmanager.routing": Case(lambda: alertmanager.routing(), {r"/status": STATUS}),
    "alertmanager.silences": Case(lambda: alertmanager.silences(), {r"/silences": [SILENCE]}),
    "alertmanager.alerts": Case(lambda: alertmanager.alerts(), {r"/alerts": [ALERT]}),
    "alertmanager.test_alert": Case(
        lambda: alertmanager.test_alert({"alertname": "Burn"}, "7"),
        {r"GET /api/v2/alerts": [ALERT], r"POST": {}, r"/status": STATUS},
    ),
    "alertmanager.health": Case(lambda: alertmanager.health(), {r"/status": STATUS}),
    "railway_metrics.service_counts": Case(
        lambda: railway_metrics.service_counts("gateway", PAST, 500),
        {
            r"GroupedByStatus": _graphql(
                httpMetricsGroupedByStatus=[{"statusCode": 502, "samples": [{"ts": AT_S, "value": 3.0}]}]
            ),
            r"httpDurationMetrics": _graphql(
                httpDurationMetrics={"samples": [{"ts": AT_S, "p50": 80.0, "p90": 400.0, "p95": 700.0, "p99": 900.0}]}
            ),
        },
        absent=Status.malformed,
    ),
    "railway_alerts.alert_rules": Case(
        lambda: railway_alerts.alert_rules(),
        {
            r"notificationRules\(": _graphql(
                notificationRules=[
                    {
                        "id": "r1",
                        "eventTypes": ["Deployment.failed"],
                        "severities": ["CRITICAL"],
                        "channels": [{"id": "c1", "config": {"type": "WEBHOOK", "url": "https://hooks"}}],
                    }
                ]
            ),
            r"workspaceId": _graphql(project={"workspaceId": "w1"}),
        },
        absent=Status.malformed,
    ),
    "vercel_alerts.alert_rules": Case(
        lambda: vercel_alerts.alert_rules("web"),
        {
            r"/alerts/v2/alert-rules": [
                {
                    "id": "a1",
                    "name": "n",
                    "alertTypes": [{"type": "error_anomaly"}],
                    "notifications": [{"slack": ["C1"]}],
                }
            ]
        },
    ),
    "fly_metrics.service_counts": Case(
        lambda: fly_metrics.service_counts("gateway", PAST, 500),
        {r"sum by \(le\)": _vector(le="+Inf"), r"query_range": _vector(status="503")},
    ),
    "jaeger_monitor.service_counts": Case(
        lambda: jaeger_monitor.service_counts("api", PAST, 500),
        {
            r"/api/v3/services": {"services": ["nexuscore"]},
            r"/api/metrics/calls": _family(0.5),
            r"/api/metrics/errors": _family(0.1),
            r"/api/metrics/latencies": _family(220.0),
        },
        absent=Status.malformed,
    ),
    "stripe_delivery_counts.webhook_counts": Case(
        lambda: stripe_delivery_counts.webhook_counts(PAST, ["invoice.paid"]),
        {
            r"/v1/events": {
                "object": "list",
                "data": [
                    {"id": "evt_1", "type": "invoice.paid", "created": int(AT.timestamp()), "pending_webhooks": 0}
                ],
                "has_more": False,
            },
            r"/v1/webhook_endpoints": {
                "object": "list",
                "data": [{"id": "we_1", "url": "https://api", "status": "enabled", "enabled_events": ["*"]}],
                "has_more": False,
            },
        },
        absent=Status.malformed,
    ),
}
