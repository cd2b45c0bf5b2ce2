"""Hand-made evidence for the rules of 09: a month of counts in which one thing is wrong, and alerts in order."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from support.evidence import look

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.procedures.service_levels.evidence import Evidence

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
DAYS = 30
STEP_S = 300
STEPS = DAYS * 86_400 // STEP_S
PERIOD = Window(NOW - timedelta(days=DAYS), NOW)
SINCE_S = int(PERIOD.since.timestamp())
API = {
    "name": "API availability",
    "kind": "availability",
    "service": "api",
    "target": 0.995,
    "within_ms": None,
    "events": [],
    "min_requests": 1000,
    "alerts": [],
}
LATENCY = {**API, "name": "API p95 latency", "kind": "latency", "target": 0.95, "within_ms": 2000}
WEBHOOKS = {
    **API,
    "name": "Stripe webhooks",
    "kind": "webhooks",
    "service": None,
    "target": 0.99,
    "min_requests": 50,
    "events": ["invoice.paid"],
}
GUARDED = {**API, "alerts": ["ApiErrorBudgetBurn"]}


def file_of(*objectives: dict[str, Any], routes: Sequence[dict[str, Any]] = ()) -> Observation:
    """The team's file."""
    return look(
        "team",
        "service_levels",
        {
            "file": "service_levels.toml",
            "period_days": DAYS,
            "min_requests": 1000,
            "objectives": list(objectives),
            "routes": list(routes),
        },
    )


def counts(
    failed: Callable[[int], float] = lambda _at: 0.0,
    *,
    total: Callable[[int], float] = lambda _at: 50.0,
    source: str = "tempo",
    by: str = "TraceQL metrics",
    service: str = "api",
    status: Status = Status.ok,
    slow: tuple[Callable[[int], float], Callable[[int], float] | None] | None = None,
    kept_since: datetime | None = None,
    latency: Any = None,
) -> Observation:
    """What a source counted, by five minutes; `failed`, `total` and `slow` are functions of the step's number."""
    limit = {"within_ms": None if slow is None else 2000}
    if not status.has_content:
        return look(source, "service_counts", None, status, service=service, **limit)
    value = {
        "service": service,
        "by": by,
        "step_s": STEP_S,
        "since": to_iso(PERIOD.since),
        "until": to_iso(PERIOD.until),
        "kept_since": to_iso(kept_since) if kept_since else None,
        "total": [total(at) for at in range(STEPS)],
        "failed": [failed(at) for at in range(STEPS)],
        "slow": None,
        "latency": latency,
    }
    if slow is not None:
        least, most = slow
        value["slow"] = {
            "within_ms": 2000,
            "least": [least(at) for at in range(STEPS)],
            "most": [most(at) for at in range(STEPS)] if most else None,
        }
    return look(source, "service_counts", value, status, service=service, **limit)


def during(first_hour: float, last_hour: float, value: float, otherwise: float = 0.0) -> Callable[[int], float]:
    """A number between two hours before the end of the period, another one otherwise."""
    begin, end = STEPS - first_hour * 3600 / STEP_S, STEPS - last_hour * 3600 / STEP_S
    return lambda at: value if begin <= at < end else otherwise


def evidence(*objectives: dict[str, Any], counted: Sequence[Observation] = (), **more: Any) -> Evidence:
    """What was looked at; `routes` go into the file."""
    routes = more.pop("routes", ())
    return Evidence(
        NOW,
        file=file_of(*objectives, routes=routes),
        counts=tuple(counted),
        **{key: tuple(value) for key, value in more.items()},
    )


def deployment(hours_ago: float, part: str = "api", commit: str = "abc1234def") -> dict[str, Any]:
    """A deployment that served."""
    at = to_iso(NOW - timedelta(hours=hours_ago))
    return {
        "id": f"dpl_{hours_ago:g}",
        "at": at,
        "ready_at": at,
        "part": part,
        "commit": commit,
        "message": "Usage page",
        "error": None,
        "url": "https://vercel.com/x",
    }


def deployments(*hours_ago: float, part: str = "api", source: str = "vercel") -> Observation:
    """What a platform says of a part's deployments."""
    rows = [deployment(each, part) for each in hours_ago]
    return look(source, "deployments", rows or None, Status.ok if rows else Status.empty, part=part)


def rule(severity: str = "page", **changed: Any) -> dict[str, Any]:
    """One of the rules that guard the API's availability."""
    return {
        "name": "ApiErrorBudgetBurn",
        "severity": severity,
        "labels": {"severity": severity, "service": "api"},
        "query": "a > b",
        "for_s": 120.0,
        "health": "ok",
        "error": None,
        "state": "inactive",
        "evaluated_at": "2026-11-23T08:49:50.000Z",
        "interval_s": 60.0,
        "is_seen": True,
        "since": None,
        **changed,
    }


def rules(*held: dict[str, Any], alertmanagers: int | None = 1, status: Status = Status.ok) -> Observation:
    """Prometheus's rules."""
    value = {"rules": list(held) or [rule("page"), rule("ticket")], "alertmanagers": alertmanagers}
    return look("prometheus", "alert_rules", value, status)


def route(
    receiver: str,
    *routes: dict[str, Any],
    matchers: Sequence[Sequence[str]] = (),
    more: bool = False,
    muted_by: Sequence[str] = (),
) -> dict[str, Any]:
    """A route of Alertmanager's tree."""
    return {
        "receiver": receiver,
        "matchers": [list(m) for m in matchers],
        "continue": more,
        "group_wait_s": 30.0,
        "muted_by": list(muted_by),
        "timed_by": list(muted_by),
        "routes": list(routes),
    }


USUAL_ROUTE = route(
    "team",
    route("oncall", matchers=[["severity", "=", "page"]]),
    route("team", matchers=[["severity", "=", "ticket"]]),
)
ROUTES = [
    {"from": "traces", "severity": "page", "to": "oncall"},
    {"from": "traces", "severity": "ticket", "to": "team"},
]


def routing(tree: dict[str, Any] | None = None, **receivers: list[str]) -> Observation:
    """Alertmanager's configuration."""
    held = receivers or {"oncall": ["pagerduty"], "team": ["slack"]}
    return look(
        "alertmanager",
        "routing",
        {"route": tree or USUAL_ROUTE, "receivers": held, "inhibits": 0, "notifications": None},
    )


def silences(*rows: dict[str, Any]) -> Observation:
    """Alertmanager's silences."""
    return look("alertmanager", "silences", list(rows) or None, Status.ok if rows else Status.empty)


def silence(*matchers: list[str], state: str = "active") -> dict[str, Any]:
    """One of them."""
    return {
        "id": "s1",
        "state": state,
        "matchers": list(matchers),
        "since": "2026-11-23T07:00:00.000Z",
        "until": "2026-11-26T07:00:00.000Z",
        "by": "omar",
        "comment": "migration",
    }


def fired(*stretches: tuple[str, float, float], kept_since_h: float | None = None) -> Observation:
    """What fired: (severity, from and to how many hours before the end)."""
    end_s = PERIOD.until.timestamp()
    rows = [
        {
            "name": "ApiErrorBudgetBurn",
            "severity": severity,
            "labels": {},
            "since_s": end_s - first * 3600,
            "until_s": end_s - last * 3600,
        }
        for severity, first, last in stretches
    ]
    kept = None if kept_since_h is None else end_s - kept_since_h * 3600
    return look("prometheus", "alerts_fired", {"fired": rows, "kept_since_s": kept, "step_s": 300})


def trial(**changed: Any) -> Observation:
    """What became of a test alert to the on-call receiver."""
    value = {
        "receivers": ["oncall"],
        "expected": ["pagerduty"],
        "state": "active",
        "silenced_by": [],
        "inhibited_by": [],
        "muted_by": [],
        "taken": {"pagerduty": 1.0},
        "refused": {},
        "waited_s": 0.4,
        **changed,
    }
    labels = {"alertname": "ApiErrorBudgetBurn", "severity": "page"}
    return look("alertmanager", "test_alert", value, labels=labels, token="1")


def webhook_counts(
    lost: int = 0,
    total: int = 100,
    uncovered: Sequence[str] | None = (),
    status: Status = Status.ok,
    types: Sequence[str] = ("invoice.paid",),
) -> Observation:
    """Stripe's events by hour, the lost ones in the last hours."""
    hours = DAYS * 24
    endpoints = [
        {
            "id": "we_1",
            "url": "https://api",
            "status": "disabled" if uncovered else "enabled",
            "types": ["invoice.paid"],
        }
    ]
    told = {"endpoints": endpoints, "uncovered": None if uncovered is None else list(uncovered)}
    if not status.has_content:
        return look("stripe", "webhook_counts", told if status.answered else None, status, types=list(types))
    value = {
        "service": "stripe",
        "by": "Stripe's events",
        "step_s": 3600,
        "since": to_iso(PERIOD.since),
        "until": to_iso(PERIOD.until),
        "kept_since": None,
        "total": [0.0] * (hours - total) + [1.0] * total,
        "failed": [0.0] * (hours - lost) + [1.0] * lost,
        "slow": None,
        "latency": None,
        "undelivered": [],
        **told,
    }
    return look("stripe", "webhook_counts", value, types=list(types))
