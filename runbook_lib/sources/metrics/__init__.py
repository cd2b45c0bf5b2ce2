"""Looks at Prometheus and Alertmanager."""

from runbook_lib.core.permissions import Request, permit
from runbook_lib.sources.kit.permitted import get

permit(
    "prometheus",
    *get(
        "/api/v1/alertmanagers",
        "/api/v1/label/{name}/values",
        "/api/v1/query",
        "/api/v1/query_range",
        "/api/v1/rules",
        "/api/v1/series",
        "/api/v1/status/runtimeinfo",
    ),
)
permit(
    "alertmanager",
    *get("/api/v2/alerts", "/api/v2/silences", "/api/v2/status", "/metrics"),
    Request("POST", "/api/v2/alerts", leaves_a_mark="a test alert, which its receivers see"),
)
