"""What the figures of 09 are made of: a month of traffic that was well, and the ways in which it was not, or cannot be known."""

from pathlib import Path
from typing import Any

from runbook_lib.drills.kit.fault import Fault, Step, Variant, alias, fault, no_action, use

_PROMISES = Path(__file__).parent  # read by nobody here: the runbook is told where they are
DAY = 1440.0
MONTH = 31 * DAY
_LAST_HOURS = 360.0
EVENTS = ("invoice.paid", "invoice.payment_failed", "customer.subscription.updated")


def month(part: str, until_min: float = 1.0, since_min: float = MONTH, **how: Any) -> tuple[Step, ...]:
    """A month of a part's traffic: by the hour, the last week by the quarter of an hour, the last six hours by the minute."""
    usual = {"failed": 0.001, "slow": 0.01, **how}
    pieces = ((MONTH, 8 * DAY, 3600.0), (8 * DAY, _LAST_HOURS, 900.0), (_LAST_HOURS, until_min, 60.0))
    return tuple(
        use(
            "history",
            part=part,
            since_min=min(since, since_min),
            until_min=max(until, until_min),
            every_s=every_s,
            **usual,
        )
        for since, until, every_s in pieces
        if min(since, since_min) > max(until, until_min)
    )


def events(**how: Any) -> tuple[Step, ...]:
    """A month of Stripe's events, all taken."""
    return tuple(use("events", type=each, count=120, **how) for each in EVENTS)


def outage(part: str, hours: float, days_ago: float = 3.0, **how: Any) -> Step:
    """A stretch in which most requests failed, some days ago; or whatever `how` says."""
    given = {"failed": 0.9, "every_s": 300.0, **how}
    return use("history", part=part, since_min=days_ago * DAY + hours * 60, until_min=days_ago * DAY, **given)


def _promising(levels: str) -> dict[str, str]:
    """What the runbook is told has been promised, where a fault is one of other promises than the sandbox's own."""
    return {"RUNBOOK_SERVICE_LEVELS": str(_PROMISES / f"{levels}.toml"), "RUNBOOK_TRACE_RETENTION_H": "840"}


HEALTHY = (*month("api"), *month("gateway"), *events())


_NOWHERE_ELSE = {"api_platform": "vercel"}  # Railway counts a service's requests itself, and keeps them longer


def _figure(code: str, *steps: Step, needs: Any = None, **others: Variant) -> Fault:
    return fault(code, *HEALTHY, *steps, by=no_action, needs=needs, **others)


_SPARSE = {"per_min": 0.01, "failed": 0.0, "slow": 0.0}  # some four hundred requests a month
_MISSED = _figure(
    "slo.webhook_missed",
    use("events", type="invoice.paid", count=30, undelivered=30, since_min=DAY),
)
_FAST = _figure(
    "slo.budget_burning.fast", use("history", part="api", since_min=61, until_min=1, every_s=60.0, failed=0.5)
)
_SLOW = _figure(
    "slo.budget_burning.slow", use("history", part="api", since_min=DAY, until_min=1, every_s=60.0, failed=0.04)
)
# Of Tempo the runbook is told how long it keeps spans; Prometheus says so itself.
_RETENTION = _figure(
    "slo.no_data.retention", use("dial", of="PrometheusState", field="keeps", value="3d"), needs=_NOWHERE_ELSE
)

FAULTS: tuple[Fault, ...] = (
    _figure("slo.met"),
    _figure(
        "slo.availability_missed",
        outage("api", 12),
        gateway=Variant((*HEALTHY, outage("gateway", 14)), no_action),
    ),
    _figure("slo.latency_missed", outage("api", 60, failed=0.0, slow=0.9)),
    _MISSED,
    fault(
        "slo.webhook_missed.no_endpoint",
        *HEALTHY,
        use("dial", of="StripeState", field="books.false.objects.webhook_endpoint", value={}),
        by=no_action,
    ),
    alias("slo.budget_burning", _FAST),
    _FAST,
    _SLOW,
    alias("slo.no_data", _RETENTION),
    fault("slo.no_data.nothing", *HEALTHY, by=no_action, runbook_settings=_promising("worker")),
    _figure(
        "slo.no_data.unseen",
        use("process", part="tempo", action="stop"),
        use("process", part="prometheus", action="stop"),
        needs=_NOWHERE_ELSE,
    ),
    _RETENTION,
    fault(
        "slo.no_data.gap",
        *month("api", until_min=4 * DAY),
        *month("gateway"),
        *events(),
        use("history", part="api", since_min=2 * DAY, failed=0.001),
        by=no_action,
    ),
    fault("slo.too_few_requests", *month("api", **_SPARSE), *month("gateway"), *events(), by=no_action),
    fault(
        "slo.no_data.coarse",
        *month("api", slow=0.0),
        *month("gateway"),
        *events(),
        outage("api", 60, failed=0.0, slow=0.9, slow_ms=7000.0),
        use("process", part="tempo", action="stop"),
        by=no_action,
        needs=_NOWHERE_ELSE,
        runbook_settings=_promising("week"),
    ),
    fault(
        "slo.sampling_biased",
        *month("api"),
        *month("gateway", until_min=2 * DAY, at_edge=False, traced=0.1, traced_failed=1.0),
        *month("gateway", since_min=2 * DAY, traced=0.1, traced_failed=1.0),
        *events(),
        by=no_action,
        runbook_settings=_promising("counted"),
    ),
)
