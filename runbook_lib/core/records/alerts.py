"""Alerts: the rules, the ways from them to people, what is silenced, what fired, and what became of a test."""

from collections.abc import Mapping

from typing_extensions import TypedDict

Matcher = list[str]  # name, sign (=, !=, =~, !~), text


class AlertRule(TypedDict):
    """An alerting rule of Prometheus's. `health`: ok, err or unknown. `error`: of its last evaluation.

    `evaluated_at`: None before the first time. `is_seen`: whether any series that it looks at is there; None: not found out.
    `since`: when its alert became active; None while it is not. `for_s`: how long its condition must hold.
    """

    name: str
    severity: str | None
    labels: Mapping[str, str]
    query: str
    for_s: float
    health: str
    error: str | None
    state: str
    evaluated_at: str | None
    interval_s: float
    is_seen: bool | None
    since: str | None


class AlertRules(TypedDict):
    """The rules, and to how many Alertmanagers their alerts are sent: None where that is not said."""

    rules: list[AlertRule]
    alertmanagers: int | None


class FiredAlert(TypedDict):
    """A stretch in which an alert fired, in epoch seconds; its ends are right to a step."""

    name: str
    severity: str | None
    labels: Mapping[str, str]
    since_s: float
    until_s: float


class FiredAlerts(TypedDict):
    """What fired. `kept_since_s`: where Prometheus's memory begins, where that lies within the window. An alert shorter than a step
    may be missing."""

    fired: list[FiredAlert]
    kept_since_s: float | None
    step_s: int


class PrometheusAccess(TypedDict):
    """That Prometheus answers, and lets this key ask it."""

    may_query: bool


# A node of Alertmanager's routing tree. `continue`: further routes are tried after it. `muted_by`: the time intervals for which it
# tells nobody at this moment; `timed_by`: those that ever mute it. (Written as a call: `continue` is a word of Python's.)
AlertRoute = TypedDict(
    "AlertRoute",
    {
        "receiver": str,
        "matchers": list[Matcher],
        "continue": bool,
        "group_wait_s": float,
        "muted_by": list[str],
        "timed_by": list[str],
        "routes": list["AlertRoute"],
    },
)


class AlertRoutes(TypedDict):
    """Alertmanager's configuration. `receivers`: by name, the kinds of their integrations. `inhibits`: how many rules inhibit."""

    route: AlertRoute
    receivers: Mapping[str, list[str]]
    inhibits: int


class NotificationCount(TypedDict):
    """How many notifications an integration sent since Alertmanager started. `receiver`: empty where they are not told apart."""

    integration: str
    receiver: str
    sent: float
    failed: float


class AlertRouting(AlertRoutes):
    """The configuration, and what came of notifications: None where Alertmanager does not count."""

    notifications: list[NotificationCount] | None


class Silence(TypedDict):
    """A silence that is active or pending."""

    id: str
    state: str
    matchers: list[Matcher]
    since: str | None
    until: str | None
    by: str | None
    comment: str | None


class HeldAlert(TypedDict):
    """An alert that Alertmanager holds. `state`: active, suppressed or unprocessed; the lists say by what it is suppressed."""

    name: str
    labels: Mapping[str, str]
    since: str | None
    state: str
    silenced_by: list[str]
    inhibited_by: list[str]
    muted_by: list[str]
    receivers: list[str]


class TestedAlert(TypedDict):
    """What became of a test alert. `receivers`: to whom it was routed; `expected`: their integrations.

    `state`: active, suppressed or None (never seen). `taken`, `refused`: how many requests, by integration, those that never got
    through among the refused; None where nothing counts notifications.
    """

    receivers: list[str]
    expected: list[str]
    state: str | None
    silenced_by: list[str]
    inhibited_by: list[str]
    muted_by: list[str]
    taken: Mapping[str, float] | None
    refused: Mapping[str, float] | None
    waited_s: float


class AlertmanagerState(TypedDict):
    """That Alertmanager answers."""

    version: str
    cluster: str
