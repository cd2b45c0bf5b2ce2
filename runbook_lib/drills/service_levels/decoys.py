"""What looks like trouble and is none; two troubles at once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Step, no_action, use
from runbook_lib.drills.service_levels.cases import PROCEDURE, WEEK
from runbook_lib.drills.service_levels.faults_alerts import burst, muted_pages
from runbook_lib.drills.service_levels.faults_figures import DAY, HEALTHY, events, month, outage

_GIVEN: dict[str, Any] = {
    "procedure": PROCEDURE,
    "exercise": no_action,
    "options": {"traffic": False},
    "settings": WEEK,
    "settle_s": 0.0,
}


def _decoy(name: str, *steps: Step, base: tuple[Step, ...] = HEALTHY) -> Case:
    return Case(
        f"decoy/levels/{name}", kind="decoy", status="ruled_out", codes=("slo.met",), before=(*base, *steps), **_GIVEN
    )


def _double(name: str, first: Injected, *steps: Step, codes: tuple[str, ...]) -> Case:
    """A fault, and what the second one is made of."""
    given = {**_GIVEN, "exercise": None}
    return Case(
        f"double/levels/{name}", kind="double", status="confirmed", codes=codes, faults=(first,), before=steps, **given
    )


def _office_hours(part: str) -> tuple[Step, ...]:
    """Traffic by day alone: no request at night, and that is nothing."""
    return tuple(
        use("history", part=part, since_min=(n + 0.6) * DAY, until_min=max(1.0, n * DAY), failed=0.001, slow=0.01)
        for n in range(15)
    )


_SILENCE: dict[str, Any] = {"by": "omar@nexuscore.example", "comment": "load test"}
_ANOTHER_DAY = (datetime.now(UTC) + timedelta(days=3)).strftime("%A").lower()
_API_RULE = [{"name": "alertname", "value": "ApiErrorBudgetBurn"}]

CASES: tuple[Case, ...] = (
    _decoy("before-the-period", outage("api", 24, days_ago=9.0)),
    _decoy("within-budget-and-told", burst()),
    _decoy("refused-by-design", outage("api", 24, days_ago=1.0, status=429)),
    _decoy("quiet-nights", base=(*_office_hours("api"), *_office_hours("gateway"), *events())),
    _decoy(
        "sampled-alike",
        base=(*month("api", traced=0.2), *month("gateway", traced=0.2), *events()),
    ),
    _decoy(
        "webhooks-on-their-way", use("events", type="invoice.paid", count=5, undelivered=5, since_min=6, until_min=1)
    ),
    _decoy("silence-that-is-over", use("silence", matchers=_API_RULE, hours=-2.0, **_SILENCE)),
    _decoy("silence-to-come", use("silence", matchers=_API_RULE, begins_in_hours=20.0, **_SILENCE)),
    _decoy(
        "silence-of-another-service",
        use("silence", matchers=[{"name": "service", "value": "reporting"}], hours=48.0, **_SILENCE),
    ),
    _decoy("muted-on-another-day", *muted_pages({"weekdays": [_ANOTHER_DAY]})),
    _decoy(
        "alert-of-another-team",
        use("alert", labels={"alertname": "DiskFull", "severity": "page", "service": "reporting"}),
    ),
    _decoy("web-is-slow", *month("web", slow=0.5)),
    _double(
        "missed+silenced",
        Injected("slo.availability_missed"),
        use("silence", matchers=_API_RULE, hours=48.0, **_SILENCE),
        codes=("slo.availability_missed", "alert.silenced"),
    ),
    _double(
        "slow+receiver-failing",
        Injected("slo.latency_missed"),
        use("http", part="receivers", path="/v2/enqueue", status=500, body=""),
        codes=("slo.latency_missed", "alert.receiver_failing"),
    ),
    _double(
        "gateway+webhooks",
        Injected("slo.availability_missed", "gateway"),
        use("events", type="invoice.paid", count=30, undelivered=30, since_min=DAY),
        codes=("slo.availability_missed", "slo.webhook_missed"),
    ),
    _double(
        "silent+platform",
        Injected("alert.silent"),
        use("dial", of="RailwayState", field="notification_events", value=[]),
        codes=("alert.unrouted.platform", "alert.silent"),
    ),
)
