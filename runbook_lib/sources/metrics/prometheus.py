"""Prometheus: span metrics as counts, the alerting rules, what fired when, and whether an Alertmanager is told.

Names of span metrics: Tempo's metrics generator (traces_spanmetrics_…, label service), else the OpenTelemetry Collector's span
metrics connector (traces_span_metrics_…, label service_name). They are made before or after sampling, as the team has set it up.
"""

import re

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.alerts import AlertRule, AlertRules, FiredAlert, FiredAlerts, PrometheusAccess
from runbook_lib.core.records.counts import Counts
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, rows_in, text_of, window_arguments
from runbook_lib.sources.kit.counts import Steps, answer_with_counts
from runbook_lib.sources.metrics.histogram_counts import Series, count
from runbook_lib.sources.metrics.prometheus_api import MOST_POINTS, PrometheusApi, label_literal

_FLAVOURS = (
    ("traces_spanmetrics_calls_total", "traces_spanmetrics_latency_bucket", "service", 1000.0),
    ("traces_span_metrics_calls_total", "traces_span_metrics_duration_milliseconds_bucket", "service_name", 1.0),
)
_SERVER = 'span_kind="SPAN_KIND_SERVER"'
_NAMES = {"gateway": ".*(gateway|llm).*", "api": ".*(api|backend).*", "web": ".*(web|frontend|ui).*"}
_ROUTES = {"gateway": '=~".* /v1/.*"', "api": '=~".* /api/.*"', "web": '!~".* /(api|v1)/.*"'}
_FIRED_STEP_S = 300
_SELECTOR = re.compile(r"([a-zA-Z_:][\w:]*)\s*(\{[^{}]*\})\s*(?:\[|[^\w(]|$)")
_STATUS_MATCHER = re.compile(r',?\s*(?:status_code|http_status_code|status|code|le)\s*(?:=~|!~|!=|=)\s*"[^"]*"')
_MOST_SELECTORS = 6


def service_counts(service: str, window: Window, within_ms: float | None = None) -> Look[Counts]:
    """The requests of a service by five minutes, from span metrics of server spans.

    service: web, api or gateway, told apart by the service's name where it tells, else by the span's; or a service's name.
    """

    def fetch(door: Door) -> Answer[Counts]:
        api = PrometheusApi.of(door)
        start_s, end_s = int(window.since.timestamp()), int(window.until.timestamp())
        flavour, names = _FLAVOURS[0], list[str]()
        for each in _FLAVOURS:
            if found := api.label_values(each[2], f"{each[0]}{{{_SERVER}}}", start_s, end_s):
                flavour, names = each, found
                break
        calls, buckets, label, unit_ms = flavour
        chosen = f"{_SERVER}, {_matcher(service, label, names)}"
        series = Series(
            f"{calls}{{{chosen}}}",
            f"{buckets}{{{chosen}}}",
            "status_code",
            lambda code: code.endswith("ERROR"),
            unit_ms,
        )
        steps, total, failed, slow, latency = count(api, series, window, within_ms)
        kept_h = door.settings.prometheus_retention_h or api.retention_h() or float("inf")
        return answer_with_counts(
            door, service, "Prometheus span metrics", steps, total, failed, slow=slow, latency=latency,
            retention_h=min(kept_h, 24.0 * 3650), delay_s=door.settings.trace_delay_s,
            retention_setting="RUNBOOK_PROMETHEUS_RETENTION_H",
        )  # fmt: skip

    arguments = {"service": service, **window_arguments(window), "within_ms": within_ms}
    return Look("prometheus", "service_counts", arguments, fetch, deadline_s=60)


def alert_rules() -> Look[AlertRules]:
    """The alerting rules, and whether their alerts are sent on."""

    def fetch(door: Door) -> Answer[AlertRules]:
        api = PrometheusApi.of(door)
        found = api.get("/api/v1/rules", _rules, type="alert")
        held: dict[str, bool] = {}
        for rule in found:
            rule["is_seen"] = _is_seen(api, rule["query"], held)
        return Answer(Status.ok, {"rules": found, "alertmanagers": _alertmanagers(api)})

    return Look("prometheus", "alert_rules", {}, fetch, deadline_s=20)


def alerts_fired(window: Window) -> Look[FiredAlerts]:
    """What fired in the window, oldest first, and how far back Prometheus knows."""

    def fetch(door: Door) -> Answer[FiredAlerts]:
        api = PrometheusApi.of(door)
        steps = Steps.over(window, _FIRED_STEP_S)
        stretches: list[FiredAlert] = []
        samples: dict[tuple[tuple[str, str], ...], list[float]] = {}
        for start, end in steps.pages((MOST_POINTS - 1) * steps.step_s):
            for labels, values in api.matrix('ALERTS{alertstate="firing"}', start, end, steps.step_s):
                samples.setdefault(tuple(sorted(labels.items())), []).extend(at for at, _ in values)
        for key, moments in samples.items():
            labels = {name: value for name, value in key if not name.startswith("__")}
            stretches += _stretches(labels, sorted(moments), steps.step_s)
        kept_h = door.settings.prometheus_retention_h or api.retention_h()
        kept_s = door.clock().timestamp() - kept_h * 3600 if kept_h else None
        value: FiredAlerts = {
            "fired": sorted(stretches, key=lambda each: (each["since_s"], each["name"], str(each["severity"]))),
            "kept_since_s": kept_s if kept_s is not None and kept_s > steps.since_s else None,
            "step_s": steps.step_s,
        }
        return Answer(Status.ok, value)

    return Look("prometheus", "alerts_fired", window_arguments(window), fetch, deadline_s=30)


def health() -> Look[PrometheusAccess]:
    """Whether Prometheus answers and this key may ask it."""

    def fetch(door: Door) -> Answer[PrometheusAccess]:
        api = PrometheusApi.of(door)
        api.get("/api/v1/query", lambda data: data["resultType"], query="1")
        return Answer(Status.ok, PrometheusAccess(may_query=True))

    return Look("prometheus", "health", {}, fetch)


def _matcher(service: str, label: str, names: list[str]) -> str:
    """What tells a service's series: its name where names differ, else the span's name by route."""
    if service not in _NAMES:
        return f"{label}={label_literal(service)}"
    if any(re.fullmatch(_NAMES[service], name, re.IGNORECASE) for name in names):
        return f'{label}=~"{_NAMES[service]}"'
    return f"span_name{_ROUTES[service]}"


def _rules(data: Json) -> list[AlertRule]:
    return [
        _rule(rule, group)
        for group in rows_in(data, "groups")
        for rule in rows_in(group, "rules")
        if rule.get("type") == "alerting"
    ]


def _rule(rule: dict[str, Json], group: dict[str, Json]) -> AlertRule:
    """The rule; whether what it looks at is there is found out afterwards."""
    labels = {str(key): str(value) for key, value in (rule.get("labels") or {}).items()}
    active = [iso_of_text(each.get("activeAt")) for each in rule.get("alerts") or ()]
    return {
        "name": str(rule["name"]),
        "severity": labels.get("severity"),
        "labels": labels,
        "query": str(rule.get("query") or ""),
        "for_s": float(rule.get("duration") or 0),
        "health": str(rule.get("health") or "unknown"),
        "error": text_of(rule, "lastError"),
        "state": str(rule.get("state") or "unknown"),
        "evaluated_at": _evaluated_at(rule.get("lastEvaluation") or group.get("lastEvaluation")),
        "interval_s": float(group.get("interval") or 60),
        "is_seen": None,
        "since": min((each for each in active if each), default=None),
    }


def _evaluated_at(text: Json) -> str | None:
    """None where it was not evaluated yet, which Prometheus writes as the year 1."""
    return None if str(text).startswith("0001-") else iso_of_text(text)


def _is_seen(api: PrometheusApi, query: str, held: dict[str, bool]) -> bool | None:
    """Whether any series is there of those that a rule looks at, whatever their status or bucket; None where it names none."""
    selectors = []
    for name, braces in _SELECTOR.findall(query)[:_MOST_SELECTORS]:
        inner = _STATUS_MATCHER.sub("", braces[1:-1]).strip(" ,")
        selectors.append(f"{name}{{{inner}}}" if inner else name)
    for selector in dict.fromkeys(selectors):
        if selector not in held:
            try:
                held[selector] = bool(
                    api.get("/api/v1/series", lambda data: list(data)[:1], **{"match[]": selector, "limit": 1})
                )
            except LookError:
                return None
        if held[selector]:
            return True
    return False if selectors else None


def _alertmanagers(api: PrometheusApi) -> int | None:
    try:
        return api.get("/api/v1/alertmanagers", lambda data: len(data["activeAlertmanagers"]))
    except LookError:
        return None  # Grafana and Mimir have no such route


def _stretches(labels: dict[str, str], moments: list[float], step_s: int) -> list[FiredAlert]:
    """Where samples follow each other without a gap."""
    found: list[FiredAlert] = []
    for at in moments:
        if found and at - found[-1]["until_s"] <= 1.5 * step_s:
            found[-1]["until_s"] = at
        else:
            found.append(
                {"name": labels.get("alertname", ""), "severity": labels.get("severity"), "labels": labels,
                 "since_s": at, "until_s": at}
            )  # fmt: skip
    return found
