"""The bodies that Alertmanager sends: its webhook, version 4; Slack's incoming webhook; PagerDuty's Events API v2."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbook_lib.sandbox.facades.alertmanager_state import PostedAlert

_SEVERITIES = {"page": "critical", "ticket": "warning"}


@dataclass(frozen=True)
class Notice:
    """One alert on its way to one receiver."""

    receiver: str
    alert: PostedAlert
    fingerprint: str
    external_url: str

    @property
    def group(self) -> dict[str, str]:
        """The labels that it is grouped by."""
        return {name: self.alert.labels[name] for name in ("alertname", "service") if name in self.alert.labels}

    @property
    def group_key(self) -> str:
        """Its group in words."""
        return "{}:{" + ", ".join(f'{name}="{value}"' for name, value in self.group.items()) + "}"


def body_of(kind: str, settings: dict[str, Any], notice: Notice) -> dict[str, Any]:
    """What an integration of this kind is sent."""
    title = f"[FIRING:1] {notice.alert.labels.get('alertname', '')}"
    summary = notice.alert.annotations.get("summary", "")
    if kind == "slack":
        return {"text": f"{title} {summary}", "attachments": [{"title": title, "text": summary, "color": "danger"}]}
    if kind == "pagerduty":
        return {
            "routing_key": settings["routing_key"],
            "event_action": "trigger",
            "dedup_key": notice.fingerprint,
            "client": "Alertmanager",
            "client_url": notice.external_url,
            "payload": {
                "summary": f"{title} {summary}"[:1024],
                "source": notice.alert.labels.get("service", "Alertmanager"),
                "severity": _SEVERITIES.get(notice.alert.labels.get("severity", ""), "error"),
                "custom_details": {"labels": notice.alert.labels},
            },
        }
    return _webhook(notice)


def _webhook(notice: Notice) -> dict[str, Any]:
    alert = notice.alert
    return {
        "version": "4",
        "groupKey": notice.group_key,
        "truncatedAlerts": 0,
        "receiver": notice.receiver,
        "status": "firing",
        "alerts": [
            {
                "status": "firing",
                "labels": alert.labels,
                "annotations": alert.annotations,
                "startsAt": _rfc3339(alert.starts_at),
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "",
                "fingerprint": notice.fingerprint,
            }
        ],
        "groupLabels": notice.group,
        "commonLabels": alert.labels,
        "commonAnnotations": alert.annotations,
        "externalURL": notice.external_url,
    }


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
