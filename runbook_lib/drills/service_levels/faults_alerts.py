"""What can be wrong with the alerts of 09: rules, routes, silences, receivers, and alerts that do not tell the truth."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runbook_lib.drills.kit.fault import Fault, Step, Variant, alias, fault, no_action, use
from runbook_lib.drills.service_levels.faults_figures import HEALTHY, outage
from runbook_lib.sandbox.facades.prometheus.state import Rule, usual_rules

if TYPE_CHECKING:
    pass

_API = "ApiErrorBudgetBurn"


def rules(change: Callable[[Rule], Rule | None]) -> Step:
    """Prometheus's rules, each changed, or left out where nothing comes back."""
    changed = [new for rule in usual_rules("one") if (new := change(rule)) is not None]
    return use("dial", of="PrometheusState", field="rules", value=changed)


def _of(alert: str, **fields: Any) -> Callable[[Rule], Rule | None]:
    def change(rule: Rule) -> Rule | None:
        return {**rule, **fields} if rule["alert"] == alert else rule

    return change


def _without(alert: str, severity: str = "") -> Callable[[Rule], Rule | None]:
    return lambda rule: None if rule["alert"] == alert and severity in ("", rule["labels"]["severity"]) else rule


def _deaf(rule: Rule) -> Rule:
    """The threshold of a rule that never fires: a hundred times too high."""
    return {**rule, "expr": rule["expr"].replace("> 0.", "> 100.")} if rule["alert"] == _API else rule


def burst(part: str = "api") -> Step:
    """An hour in which half of the requests failed: worth an alert, not the month's budget."""
    return outage(part, 0.75, days_ago=2.0, failed=0.5, every_s=60.0)


def _silence(matchers: list[dict[str, Any]], hours: float = 72.0) -> Step:
    return use(
        "silence", matchers=matchers, hours=hours, comment="migration of the usage table", by="omar@nexuscore.example"
    )


def _routing(field: str, value: Any) -> Step:
    return use("dial", of="AlertmanagerState", field=f"config.{field}", value=value)


def muted_pages(interval: dict[str, Any]) -> tuple[Step, ...]:
    """The route of pages, muted during a time interval."""
    page = {"receiver": "oncall", "matchers": ['severity="page"'], "mute_time_intervals": ["quiet"]}
    ticket = {"receiver": "team", "matchers": ['severity="ticket"']}
    quiet = {"name": "quiet", "time_intervals": [interval]}
    return _routing("route.routes", [page, ticket]), _routing("time_intervals", [quiet])


def _alert_fault(code: str, *steps: Step, **others: Variant) -> Fault:
    return fault(code, *HEALTHY, *steps, by=no_action, **others)


def _variant(*steps: Step) -> Variant:
    return Variant((*HEALTHY, *steps), no_action)


_NO_RULE = _alert_fault(
    "alert.unrouted.no_rule",
    rules(_without(_API)),
    no_page=_variant(rules(_without(_API, "page"))),
)
# a file with a rule that cannot be read is refused as a whole; this one is read, and fails whenever it is evaluated
_TWO_TO_ONE = "traces_spanmetrics_calls_total / on (service) traces_spanmetrics_calls_total > 0"
_EVALUATION = _alert_fault("alert.rule_broken.evaluation", rules(_of(_API, expr=_TWO_TO_ONE)))
_INHIBIT = [{"source_matchers": ['alertname="Maintenance"'], "target_matchers": ['severity="page"']}]

FAULTS: tuple[Fault, ...] = (
    alias("alert.unrouted", _NO_RULE),
    _NO_RULE,
    _alert_fault(
        "alert.unrouted.no_route",
        _routing("route.routes", [{"receiver": "oncall", "matchers": ['severity="critical"']}]),
        first_match=_variant(
            _routing(
                "route.routes",
                [
                    {"receiver": "team", "matchers": ['service=~".*"']},
                    {"receiver": "oncall", "matchers": ['severity="page"']},
                ],
            )
        ),
    ),
    _alert_fault(
        "alert.unrouted.no_receiver",
        _routing("receivers", [{"name": "oncall"}, {"name": "team", "webhook_configs": []}]),
    ),
    _alert_fault("alert.unrouted.not_sent", use("dial", of="PrometheusState", field="has_alertmanager", value=False)),
    _alert_fault(
        "alert.unrouted.platform",
        use(
            "dial",
            of="VercelState",
            field="alert_channels",
            value={"webhooks": ["https://hooks.nexuscore.example/old"]},
        ),
        railway=_variant(use("dial", of="RailwayState", field="notification_events", value=[])),
    ),
    _alert_fault("alert.silent", rules(_deaf), burst()),
    _alert_fault(
        "alert.silenced",
        _silence([{"name": "alertname", "value": _API}]),
        everything=_variant(_silence([{"name": "service", "value": "api|gateway", "isRegex": True}])),
        clock=_variant(*muted_pages({"times": [{"start_time": "00:00", "end_time": "24:00"}]})),
    ),
    _alert_fault(
        "alert.silenced.inhibited",
        _routing("inhibit_rules", _INHIBIT),
        use("alert", labels={"alertname": "Maintenance", "severity": "info"}),
    ),
    _alert_fault(
        "alert.receiver_failing",
        use("http", part="receivers", path="/v2/enqueue", status=403, body='{"status":"forbidden"}'),
        slack=_variant(use("http", part="receivers", path="/services/*", status=404, body="no_service")),
        unreachable=_variant(use("process", part="receivers", action="stop")),
    ),
    alias("alert.rule_broken", _EVALUATION),
    _EVALUATION,
    _alert_fault(
        "alert.rule_broken.no_series",
        rules(
            lambda rule: (
                {**rule, "expr": rule["expr"].replace("spanmetrics_calls", "spanmetrics_request")}
                if rule["alert"] == _API
                else rule
            )
        ),
    ),
    _alert_fault("alert.rule_broken.stale", use("dial", of="PrometheusState", field="rules_age_s", value=86_400.0)),
    _alert_fault(
        "alert.false",
        rules(_of(_API, expr='sum(rate(traces_spanmetrics_calls_total{span_name=~".* /api/.*"}[1h])) > 0', for_s=0.0)),
    ),
)
