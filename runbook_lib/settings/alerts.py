"""Prometheus and Alertmanager, or Grafana in their place: who counts, which rules there are, and who is told."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, Url, setting


class Alerts(BaseModel):
    """Prometheus and Alertmanager, or Grafana in their place: who counts, which rules there are, and who is told."""

    prometheus_url: Url = setting(
        "RUNBOOK_PROMETHEUS_URL",
        group="Alerts",
        about="Prometheus with span metrics and the alerting rules; of Grafana: …/api/prometheus/grafana.",
    )
    prometheus_token: Secret = setting(
        "RUNBOOK_PROMETHEUS_TOKEN",
        group="Alerts",
        about="Bearer token; with RUNBOOK_PROMETHEUS_USER the password of basic auth. Needs: read metrics and rules.",
    )
    prometheus_user: Text = setting(
        "RUNBOOK_PROMETHEUS_USER", group="Alerts", about="User of basic auth (Grafana Cloud)."
    )
    prometheus_retention_h: float | None = setting(
        "RUNBOOK_PROMETHEUS_RETENTION_H",
        group="Alerts",
        about="Hours that samples are kept, where the server does not say so itself (Mimir, Grafana Cloud).",
    )
    alertmanager_url: Url = setting(
        "RUNBOOK_ALERTMANAGER_URL",
        group="Alerts",
        about="Alertmanager; of Grafana: …/api/alertmanager/grafana.",
    )
    alertmanager_token: Secret = setting(
        "RUNBOOK_ALERTMANAGER_TOKEN",
        group="Alerts",
        about="Bearer token; with RUNBOOK_ALERTMANAGER_USER the password of basic auth. Posting needs only a test alert.",
    )
    alertmanager_user: Text = setting(
        "RUNBOOK_ALERTMANAGER_USER", group="Alerts", about="User of basic auth (Grafana Cloud)."
    )
