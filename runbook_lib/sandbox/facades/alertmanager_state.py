"""What the sandbox's Alertmanager holds: its configuration, silences, alerts, and how many notifications it sent."""

import hashlib
import re
import secrets
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import yaml

Labels = dict[str, str]
SECRET = "<secret>"
_MATCHER = re.compile(r'\s*([a-zA-Z_][\w]*)\s*(=~|!~|!=|=)\s*"?(.*?)"?\s*')
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

    def masked(self) -> str:
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
            "group_interval": "5m",
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


def receivers_of(route: Mapping[str, Any], labels: Labels, inherited: str = "") -> list[str]:
    """The receivers that an alert reaches: the first route that matches at each level, and further ones where one continues."""
    receiver = str(route.get("receiver") or inherited)
    found: list[str] = []
    for child in route.get("routes") or ():
        if all(is_match(text, labels) for text in matchers_of(child)):
            found += receivers_of(child, labels, receiver)
            if not child.get("continue"):
                break
    return list(dict.fromkeys(found)) or [receiver]


def muted_by(config: Mapping[str, Any], labels: Labels, now: datetime) -> list[str]:
    """The time intervals that mute an alert's way at this moment: of weekdays and times in UTC, which is all that is set here."""
    held = {each["name"]: each["time_intervals"] for each in config.get("time_intervals") or ()}
    found = []
    for child in config["route"].get("routes") or ():
        if all(is_match(text, labels) for text in matchers_of(child)):
            names = child.get("mute_time_intervals") or ()
            found += [name for name in names if any(_is_within(each, now) for each in held[name])]
    return found


def _is_within(interval: Mapping[str, Any], now: datetime) -> bool:
    clock = now.strftime("%H:%M")
    is_day = interval.get("weekdays", [now.strftime("%A").lower()]) == [now.strftime("%A").lower()]
    times = interval.get("times", [{"start_time": "00:00", "end_time": "24:00"}])
    return is_day and any(each["start_time"] <= clock < each["end_time"] for each in times)


def group_wait_s(route: Mapping[str, Any]) -> float:
    """How long the first notification of a group waits; 30 s unless said otherwise."""
    text = str(route.get("group_wait") or "30s")
    number = float(re.sub(r"[^\d.]", "", text))
    return number / 1000 if text.endswith("ms") else number * (60 if text.endswith("m") else 1)


def matchers_of(route: Mapping[str, Any]) -> list[str]:
    """A route's matchers in the present spelling, whichever it is written in."""
    return [
        *(route.get("matchers") or ()),
        *(f'{name}="{value}"' for name, value in (route.get("match") or {}).items()),
        *(f'{name}=~"{value}"' for name, value in (route.get("match_re") or {}).items()),
    ]


def is_match(text: str, labels: Labels) -> bool:
    """Whether labels satisfy one matcher, as `severity="page"`. Raises ValueError where it is none."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        raise ValueError(f"bad matcher format: {text}")
    name, sign, wanted = found.groups()
    got = labels.get(name, "")
    is_equal = re.fullmatch(wanted, got) is not None if "~" in sign else got == wanted
    return is_equal != sign.startswith("!")


def is_silenced_by(silence: Mapping[str, Any], labels: Labels, now: datetime) -> bool:
    """Whether a silence is active and meant for these labels."""
    if state_of(silence, now) != "active":
        return False
    for matcher in silence["matchers"]:
        got = labels.get(matcher["name"], "")
        is_equal = re.fullmatch(matcher["value"], got) is not None if matcher["isRegex"] else got == matcher["value"]
        if is_equal != matcher.get("isEqual", True):
            return False
    return True


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
