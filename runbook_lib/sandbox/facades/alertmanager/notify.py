"""The bodies that Alertmanager sends with its own templates: its webhook, version 4; Slack's incoming webhook; PagerDuty's Events
API v2. No annotation is in Slack's, and none in what PagerDuty shows first."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from runbook_lib.sandbox.facades.alertmanager.routes import Labels
from runbook_lib.sandbox.facades.alertmanager.state import PostedAlert, fingerprint


@dataclass(frozen=True)
class Notice:
    """The alerts of one group on their way to one receiver. route: the route's path."""

    receiver: str
    route: str
    group: Labels
    alerts: tuple[PostedAlert, ...]
    external_url: str

    @property
    def group_key(self) -> str:
        """Its group in words."""
        return f"{self.route}:{{" + ", ".join(f'{name}="{value}"' for name, value in self.group.items()) + "}"

    @property
    def common_labels(self) -> Labels:
        """The labels that all of its alerts have."""
        first, *others = [each.labels for each in self.alerts]
        return {name: value for name, value in first.items() if all(each.get(name) == value for each in others)}

    @property
    def title(self) -> str:
        """How many, what they are grouped by, and in brackets what else they have in common."""
        rest = {name: value for name, value in self.common_labels.items() if name not in self.group}
        title = f"[FIRING:{len(self.alerts)}] {_values(self.group)}"
        return f"{title} ({_values(rest)})" if rest else title

    @property
    def url(self) -> str:
        """Where to look at it."""
        return f"{self.external_url}/#/alerts?receiver={self.receiver}"


def _values(labels: Labels) -> str:
    return " ".join(labels[name] for name in sorted(labels, key=lambda name: (name != "alertname", name)))


def body_of(kind: str, settings: dict[str, Any], notice: Notice) -> dict[str, Any]:
    """What an integration of this kind is sent."""
    if kind == "slack":
        shown = {
            "title": notice.title, "title_link": notice.url, "text": "", "fallback": f"{notice.title} | {notice.url}",
            "callback_id": "", "footer": "", "color": "danger", "mrkdwn_in": ["fallback", "pretext", "text"],
        }  # fmt: skip
        return {"channel": settings.get("channel", ""), "username": "Alertmanager", "attachments": [shown]}
    if kind == "pagerduty":
        return {
            "routing_key": settings["routing_key"],
            "event_action": "trigger",
            "dedup_key": hashlib.sha256(notice.group_key.encode()).hexdigest(),
            "client": "Alertmanager",
            "client_url": notice.url,
            "payload": {
                "summary": notice.title[:1024],
                "source": "Alertmanager",
                "severity": "error",
                "custom_details": {
                    "firing": "".join(_paragraph(each) for each in notice.alerts),
                    "num_firing": str(len(notice.alerts)),
                    "num_resolved": "0",
                    "resolved": "",
                },
            },
        }
    return _webhook(notice)


def _paragraph(alert: PostedAlert) -> str:
    labels, annotations = (
        "".join(f" - {name} = {value}\n" for name, value in sorted(held.items()))
        for held in (alert.labels, alert.annotations)
    )
    return f"Labels:\n{labels}Annotations:\n{annotations}Source: \n"


def _webhook(notice: Notice) -> dict[str, Any]:
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
                "fingerprint": fingerprint(alert.labels),
            }
            for alert in notice.alerts
        ],
        "groupLabels": notice.group,
        "commonLabels": notice.common_labels,
        "commonAnnotations": {
            name: value
            for name, value in notice.alerts[0].annotations.items()
            if all(each.annotations.get(name) == value for each in notice.alerts)
        },
        "externalURL": notice.external_url,
    }


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
