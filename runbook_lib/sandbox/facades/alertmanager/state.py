"""What the sandbox's Alertmanager holds: its configuration, silences, alerts, and how many notifications it sent."""

import hashlib
import secrets
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import yaml

from runbook_lib.sandbox.facades.alertmanager.routes import Labels, Matcher, checked_matcher

SECRET = "<secret>"
_SECRET_KEYS = ("routing_key", "api_url", "service_key", "password", "url")


@dataclass
class PostedAlert:
    """An alert that somebody sent."""

    labels: Labels
    annotations: Labels
    starts_at: datetime
    ends_at: datetime
    updated_at: datetime


@dataclass
class AlertmanagerState:
    """The dials of this façade.

    config: as alertmanager.yml, secrets in clear; `/status` shows them masked. silences: as the API gives them. resend: how often a
    failing notification is tried. receiver_in_metrics: whether counters carry the receiver's name (a feature flag).
    """

    config: dict[str, Any] = field(default_factory=dict)
    silences: list[dict[str, Any]] = field(default_factory=list)
    alerts: dict[str, PostedAlert] = field(default_factory=dict)
    sent: Counter[tuple[str, str]] = field(default_factory=Counter)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    resend: int = 3
    receiver_in_metrics: bool = True

    def masked_config(self) -> str:
        """The configuration as `/status` shows it."""
        return yaml.safe_dump(_masked(self.config), sort_keys=False)

    def receivers(self) -> list[str]:
        """Their names, in order."""
        return [str(each["name"]) for each in self.config.get("receivers", ())]

    def integrations(self, receiver: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """(kind, settings) of a receiver: webhook, slack, pagerduty."""
        for each in self.config.get("receivers", ()):
            if each["name"] == receiver:
                for key, rows in each.items():
                    if key.endswith("_configs"):
                        yield from ((key.removesuffix("_configs"), row) for row in rows)


def usual_config(receivers_url: str) -> dict[str, Any]:
    """The team's configuration: pages to PagerDuty, tickets to Slack and a webhook."""
    token = f"T{secrets.token_hex(4).upper()}/B{secrets.token_hex(4).upper()}/{secrets.token_urlsafe(18)}"
    return {
        "global": {"resolve_timeout": "5m"},
        "route": {
            "receiver": "team",
            "group_by": ["alertname", "service"],
            "group_wait": "100ms",
            "group_interval": "1s",  # five minutes elsewhere; a second test of the same route would wait as long
            "repeat_interval": "4h",
            "routes": [
                {"receiver": "oncall", "matchers": ['severity="page"']},
                {"receiver": "team", "matchers": ['severity="ticket"']},
            ],
        },
        "receivers": [
            {
                "name": "oncall",
                "pagerduty_configs": [{"routing_key": secrets.token_hex(16), "url": f"{receivers_url}/v2/enqueue"}],
            },
            {
                "name": "team",
                "slack_configs": [{"api_url": f"{receivers_url}/services/{token}", "channel": "#nexuscore"}],
                "webhook_configs": [{"url": f"{receivers_url}/webhook/team", "send_resolved": True}],
            },
            {"name": "nobody"},
        ],
        "inhibit_rules": [],
    }


def is_silenced_by(silence: Mapping[str, Any], labels: Labels, now: datetime) -> bool:
    """Whether a silence is active and meant for these labels."""
    return state_of(silence, now) == "active" and all(each.holds(labels) for each in _matchers(silence["matchers"]))


def _matchers(asked: list[dict[str, Any]]) -> list[Matcher]:
    """A silence's matchers. Raises ValueError for one that cannot be read."""
    signs = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
    return [
        checked_matcher(each["name"], signs[(each.get("isEqual", True), each.get("isRegex", False))], each["value"])
        for each in asked
    ]


def check_silence(matchers: list[dict[str, Any]], starts: datetime, ends: datetime, now: datetime) -> None:
    """Raises ValueError, in Alertmanager's words, for a silence that it refuses."""
    if ends <= starts:
        raise ValueError("Failed to create silence: start time must be before end time")
    if ends < now:
        raise ValueError("Failed to create silence: end time can't be in the past")
    if not any(each.sign.startswith("!") or not each.holds({}) for each in _matchers(matchers)):
        raise ValueError("silence invalid: at least one matcher must not match the empty string")


def state_of(silence: Mapping[str, Any], now: datetime) -> str:
    """expired, active or pending."""
    if datetime.fromisoformat(silence["endsAt"]) <= now:
        return "expired"
    return "active" if datetime.fromisoformat(silence["startsAt"]) <= now else "pending"


def fingerprint(labels: Labels) -> str:
    """Sixteen hex digits, the same for the same labels."""
    return hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest()[:16]


def new_silence(
    matchers: list[dict[str, Any]], starts: datetime, ends: datetime, by: str, comment: str, now: datetime
) -> dict[str, Any]:
    """A silence as the API keeps it."""
    return {
        "id": str(uuid.uuid4()),
        "matchers": [{"isEqual": True, "isRegex": False, **each} for each in matchers],
        "startsAt": starts.isoformat(),
        "endsAt": ends.isoformat(),
        "updatedAt": now.isoformat(),
        "createdBy": by,
        "comment": comment,
        "annotations": {},
    }


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: SECRET if key in _SECRET_KEYS and isinstance(each, str) else _masked(each)
            for key, each in value.items()
        }
    return [_masked(each) for each in value] if isinstance(value, list) else value
