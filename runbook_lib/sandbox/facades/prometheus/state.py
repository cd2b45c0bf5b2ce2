"""What the sandbox's Prometheus knows by itself: its rules, how long it keeps samples, and whom it tells."""

from dataclasses import dataclass, field
from typing import Any

CALLS, ERROR = "traces_spanmetrics_calls_total", "STATUS_CODE_ERROR"
BUCKETS = "traces_spanmetrics_latency_bucket"
Rule = dict[str, Any]


@dataclass
class PrometheusState:
    """The dials of this façade.

    rules: alerting rules by name and severity: {"alert", "expr", "for_s", "labels", "annotations"}. rules_age_s: how long ago the
    group was evaluated last. has_alertmanager: whether alerts are sent on. keeps: the retention as Prometheus writes it.
    """

    rules: list[Rule] = field(default_factory=list)
    rules_age_s: float = 12.0
    has_alertmanager: bool = True
    keeps: str = "45d"


def burn_rules(alert: str, bad: str, total: str, budget: float, service: str) -> list[Rule]:
    """The two rules that guard an objective: to page, and to open a ticket; over pairs of windows as in the SRE Workbook.

    bad, total: expressions of the two rates, with `RANGE` for the window.
    """

    def burns(window: str, factor: float) -> str:
        ratio = f"{bad} / {total}".replace("RANGE", window)
        return f"({ratio}) > {round(factor * budget, 9):.9g}"

    def both(long: str, short: str, factor: float) -> str:
        return f"({burns(long, factor)} and {burns(short, factor)})"

    def rule(severity: str, *pairs: str) -> Rule:
        return {
            "alert": alert,
            "expr": " or ".join(pairs),
            "for_s": 120.0,
            "labels": {"severity": severity, "service": service},
            "annotations": {"summary": f"{service} burns its budget too fast"},
        }

    return [
        rule("page", both("1h", "5m", 14.4), both("6h", "30m", 6)),
        rule("ticket", both("1d", "2h", 3), both("3d", "6h", 1)),
    ]


def usual_rules(service_names: str) -> list[Rule]:
    """The team's rules: API and gateway availability, API latency. Parts are told apart as the sandbox's spans do."""
    if service_names == "several":
        api, gateway = 'service="nexus-api"', 'service="nexus-gateway"'
    else:
        api, gateway = 'span_name=~".* /api/.*"', 'span_name=~".* /v1/.*"'
    server = 'span_kind="SPAN_KIND_SERVER"'

    def availability(alert: str, chosen: str, budget: float, service: str) -> list[Rule]:
        bad = f'sum(rate({CALLS}{{{server}, {chosen}, status_code="{ERROR}"}}[RANGE]))'
        return burn_rules(alert, bad, f"sum(rate({CALLS}{{{server}, {chosen}}}[RANGE]))", budget, service)

    count = f'sum(rate({BUCKETS}{{{server}, {api}, le="+Inf"}}[RANGE]))'
    slow = f'({count} - sum(rate({BUCKETS}{{{server}, {api}, le="2.5"}}[RANGE])))'
    return [
        *availability("ApiErrorBudgetBurn", api, 0.005, "api"),
        *availability("GatewayErrorBudgetBurn", gateway, 0.01, "gateway"),
        *burn_rules("ApiLatencyBudgetBurn", slow, count, 0.05, "api"),
    ]
