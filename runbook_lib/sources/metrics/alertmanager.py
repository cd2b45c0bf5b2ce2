"""Alertmanager: who is told of what, what is silenced, what its notifications came to; and one test alert along a route.

Routes and shapes: prometheus/alertmanager, api/v2/openapi.yaml; counters on /metrics. Grafana answers the same under
…/api/alertmanager/grafana, without counters. Of the configuration only names, kinds and matchers leave a look.
"""

import contextlib
import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import yaml

from runbook_lib.core.clock import to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.alerts import (
    AlertmanagerState,
    AlertRoute,
    AlertRoutes,
    AlertRouting,
    HeldAlert,
    NotificationCount,
    Silence,
    TestedAlert,
)
from runbook_lib.io.http import Http, Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import iso_of_text, require_list, require_setting, rows_in, text_of
from runbook_lib.sources.metrics.alert_routes import read_config
from runbook_lib.sources.metrics.prometheus_api import authorized, label_literal

_HELP = "RUNBOOK_ALERTMANAGER_TOKEN (and USER where it has one) must be allowed to read alerts, silences and status"
_COUNTER = re.compile(r"^alertmanager_(notification(?:s|_requests)(?:_failed)?_total)\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_TEST_LABEL = "runbook_test"
_TEST_WORDS = "TEST by the runbook, no action needed"
_POLL_S = 0.25
_AFTER_WAIT_S = 20.0  # time for a notification that is tried again


class _Alertmanager:
    """One look's way to Alertmanager."""

    def __init__(self, door: Door) -> None:
        self.http: Http = door.http
        self.url = require_setting(door, "alertmanager_url")
        self.headers = authorized(reveal(door.settings.alertmanager_token), door.settings.alertmanager_user)

    def get(self, path: str, **params: Any) -> Reply:
        """A complete answer."""
        return require_list(self.http.get(f"{self.url}{path}", params=params, headers=self.headers), _HELP)

    def post(self, alerts: list[dict[str, Json]]) -> None:
        """Hand in alerts."""
        reply = self.http.send("POST", f"{self.url}/api/v2/alerts", json=alerts, headers=self.headers)
        require_list(reply, f"{_HELP}; a test alert needs the right to create alerts")

    def counters(self) -> dict[tuple[str, str, str], float] | None:
        """(counter, integration, receiver or empty) → value, failures of all reasons together; None where there are no counters."""
        reply = self.http.get(f"{self.url}/metrics", headers=self.headers)
        if reply.status_code != 200:
            return None
        found: dict[tuple[str, str, str], float] = {}
        for name, labels, value in _COUNTER.findall(reply.text):
            held = dict(_LABEL.findall(labels))
            key = (name, held.get("integration", ""), held.get("receiver_name", ""))
            found[key] = found.get(key, 0.0) + float(value)
        return found or None


def routing() -> Look[AlertRouting]:
    """The configuration, and what its notifications came to since it started."""

    def fetch(door: Door) -> Answer[AlertRouting]:
        manager = _Alertmanager(door)
        value = _config(manager, door.clock())
        return Answer(Status.ok, AlertRouting(**value, notifications=_notifications(manager.counters())))

    return Look("alertmanager", "routing", {}, fetch)


def silences() -> Look[list[Silence]]:
    """The silences that are active or pending."""

    def fetch(door: Door) -> Answer[list[Silence]]:
        rows = (
            _Alertmanager(door)
            .get("/api/v2/silences", expired="false")
            .parsed(lambda document: [_silence(row) for row in rows_in(document)])
        )
        return Answer.of([row for row in rows if row["state"] != "expired"])

    return Look("alertmanager", "silences", {}, fetch)


def alerts() -> Look[list[HeldAlert]]:
    """The alerts it holds now, tests of ours apart."""

    def fetch(door: Door) -> Answer[list[HeldAlert]]:
        rows = (
            _Alertmanager(door)
            .get("/api/v2/alerts")
            .parsed(lambda document: [_alert(row) for row in rows_in(document)])
        )
        return Answer.of([row for row in rows if _TEST_LABEL not in row["labels"]])

    return Look("alertmanager", "alerts", {}, fetch)


def test_alert(labels: Mapping[str, str], token: str) -> Look[TestedAlert]:
    """Send one alert that says it is a test, and watch what becomes of it. Leaves a mark: whoever is meant gets a message.

    Args:
        labels: those of the alert whose way is tested; one more label makes it another alert.
        token: tells this test from others.
    """

    def fetch(door: Door) -> Answer[TestedAlert]:
        manager = _Alertmanager(door)
        before = manager.counters()
        now = door.clock()
        # In a label as well: Slack's and PagerDuty's usual templates show those, and no annotation in what somebody reads first.
        mark = f"{_TEST_WORDS}: {token}"
        alert = {
            "labels": {**labels, _TEST_LABEL: mark},
            "annotations": {
                "summary": _TEST_WORDS,
                "description": "Sent by notebook 09_service_levels to see whether alerts arrive; it resolves by itself.",
            },
            "startsAt": to_iso(now),
            "endsAt": to_iso(now + timedelta(minutes=5)),
        }
        manager.post([alert])
        try:
            return Answer(Status.ok, _watched(door, manager, mark, before))
        finally:
            _resolve(manager, alert, now)

    return Look("alertmanager", "test_alert", {"labels": dict(labels), "token": token}, fetch, deadline_s=90)


def health() -> Look[AlertmanagerState]:
    """Whether Alertmanager answers."""

    def fetch(door: Door) -> Answer[AlertmanagerState]:
        reply = _Alertmanager(door).get("/api/v2/status")
        value = reply.parsed(
            lambda document: AlertmanagerState(
                version=str(document["versionInfo"]["version"]), cluster=str(document["cluster"]["status"])
            )
        )
        return Answer(Status.ok, value)

    return Look("alertmanager", "health", {}, fetch)


def _config(manager: _Alertmanager, at: datetime) -> AlertRoutes:
    """The configuration, read: a text, and Grafana's as it is. Raises LookError(malformed) where it is none."""
    given = manager.get("/api/v2/status").parsed(
        lambda document: document["config"].get("original", document["config"])
    )
    try:
        return read_config(given, at)
    except (ValueError, TypeError, AttributeError, KeyError, yaml.YAMLError) as error:
        why = str(error) if isinstance(error, ValueError) else type(error).__name__
        raise LookError(Status.malformed, f"the configuration cannot be read: {why}") from error


def _watched(door: Door, manager: _Alertmanager, mark: str, before: "_Counts | None") -> TestedAlert:
    """Look until it is decided: taken by every integration of its receivers, given up, suppressed, or time is up."""
    config = _config(manager, door.clock())
    began, wait_s = time.monotonic(), _longest_wait_s(config["route"]) + _AFTER_WAIT_S
    while True:
        rows = manager.get("/api/v2/alerts", filter=f"{_TEST_LABEL}={label_literal(mark)}").parsed(
            lambda document: [_alert(row) for row in rows_in(document)]
        )
        seen = rows[0] if rows else None
        names = list(seen["receivers"]) if seen else []
        expected = [kind for name in names for kind in config["receivers"].get(name, ())]
        after = manager.counters() if before is not None else None
        taken = {} if after is None or before is None else _taken(before, after, names, expected)
        refused = (
            {}
            if after is None or before is None
            else _growth(before, after, "notification_requests_failed_total", names)
        )
        gave_up = {} if after is None or before is None else _growth(before, after, "notifications_failed_total", names)
        waited_s = time.monotonic() - began
        is_decided = seen is not None and (
            seen["state"] == "suppressed"
            or after is None
            or all(taken.get(kind, 0) >= expected.count(kind) or gave_up.get(kind) for kind in expected)
        )
        if is_decided or waited_s > wait_s or door.deadline.remaining_s < 4 * _POLL_S:
            return {
                "receivers": names,
                "expected": sorted(expected),
                "state": seen["state"] if seen else None,
                "silenced_by": seen["silenced_by"] if seen else [],
                "inhibited_by": seen["inhibited_by"] if seen else [],
                "muted_by": seen["muted_by"] if seen else [],
                "taken": None if after is None else taken,
                "refused": None if after is None else refused,
                "waited_s": round(waited_s, 1),
            }
        time.sleep(_POLL_S)


_Counts = dict[tuple[str, str, str], float]


def _growth(before: _Counts, after: _Counts, name: str, receivers: list[str]) -> dict[str, float]:
    """By how much a counter grew, by integration; of these receivers, where the counters tell them apart."""
    found: dict[str, float] = {}
    for key, value in after.items():
        grown = value - before.get(key, 0.0)
        if key[0] == name and grown > 0 and (not key[2] or key[2] in receivers):
            found[key[1]] = found.get(key[1], 0.0) + grown
    return found


def _taken(before: _Counts, after: _Counts, receivers: list[str], expected: list[str]) -> dict[str, float]:
    """How many requests were answered well, by the integrations that are expected."""
    asked = _growth(before, after, "notification_requests_total", receivers)
    refused = _growth(before, after, "notification_requests_failed_total", receivers)
    return {kind: asked.get(kind, 0.0) - refused.get(kind, 0.0) for kind in sorted(set(expected))}


def _resolve(manager: _Alertmanager, alert: dict[str, Any], now: datetime) -> None:
    """End the test. An Alertmanager that takes no more lets it run out by itself, five minutes after it began."""
    with contextlib.suppress(LookError):
        manager.post([{**alert, "endsAt": to_iso(now + timedelta(milliseconds=1))}])


def _longest_wait_s(route: AlertRoute) -> float:
    """The longest that a group of any route waits for its first notification."""
    return max([route["group_wait_s"], *(_longest_wait_s(child) for child in route["routes"])])


def _notifications(counts: _Counts | None) -> list[NotificationCount] | None:
    if counts is None:
        return None
    keys = sorted({(kind, receiver) for _, kind, receiver in counts})
    return [
        {
            "integration": kind,
            "receiver": receiver,
            "sent": counts.get(("notifications_total", kind, receiver), 0.0),
            "failed": counts.get(("notifications_failed_total", kind, receiver), 0.0),
        }
        for kind, receiver in keys
    ]


def _silence(row: dict[str, Json]) -> Silence:
    return {
        "id": str(row["id"]),
        "state": str(row["status"]["state"]),
        "matchers": [
            [
                str(each["name"]),
                ("=" if each.get("isEqual", True) else "!")
                + ("~" if each["isRegex"] else "" if each.get("isEqual", True) else "="),
                str(each["value"]),
            ]
            for each in rows_in(row, "matchers")
        ],
        "since": iso_of_text(row["startsAt"]),
        "until": iso_of_text(row["endsAt"]),
        "by": text_of(row, "createdBy"),
        "comment": text_of(row, "comment"),
    }


def _alert(row: dict[str, Json]) -> HeldAlert:
    labels = {str(key): str(value) for key, value in row["labels"].items()}
    status = row["status"]
    return {
        "name": labels.get("alertname", ""),
        "labels": labels,
        "since": iso_of_text(row["startsAt"]),
        "state": str(status["state"]),
        "silenced_by": [str(each) for each in status.get("silencedBy") or ()],
        "inhibited_by": [str(each) for each in status.get("inhibitedBy") or ()],
        "muted_by": [str(each) for each in status.get("mutedBy") or ()],
        "receivers": [str(each["name"]) for each in rows_in(row, "receivers")],
    }
