"""What can be wrong with the organization of `support.quota`: one world for each cause, and the pieces that they are made of."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from support.evidence import look
from support.quota import MIDNIGHT, NOW, SINCE, UNTIL, World, epoch, request, subscription

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Conclusion, Observation, Status
from runbook_lib.procedures.quota_enforcement.verdict import diagnose

CLEAN = World()
DAY = timedelta(days=1)


def codes(conclusion: Conclusion) -> list[str]:
    """The causes and states that a verdict names."""
    return [finding.code for finding in (*conclusion.causes, *conclusion.states)]


def judged(world: World) -> Conclusion:
    """The verdict on a world."""
    return diagnose(world.evidence())


def up_to(moment: Any) -> dict[int, float]:
    """What Stripe holds where nothing newer than a moment was reported."""
    return {start: quantity for start, quantity in CLEAN.held.items() if start < epoch(moment)}


def without(first: Any, last: Any) -> dict[int, float]:
    """What Stripe holds where a time was never reported."""
    return {start: q for start, q in CLEAN.held.items() if not epoch(first) <= start < epoch(last)}


def times(factor: float, first: Any, last: Any) -> dict[int, float]:
    """What Stripe holds where a time was reported so many times over."""
    return {s: q * factor if epoch(first) <= s < epoch(last) else q for s, q in CLEAN.held.items()}


LOST = (MIDNIGHT - 6 * DAY, MIDNIGHT - 4 * DAY)
PEERS = [CLEAN.held]
NOBODY: list[dict[int, float]] = [{}]
OK_RUN = {
    "at": to_iso(MIDNIGHT + timedelta(minutes=10)),
    "status": 200,
    "request_id": "r1",
    "path": "/api/cron/usage-report",
    "logs": [{"message": "usage report: 2026-11-22: 3 of 3 customers, 900 tokens"}],
}
STALE = CLEAN.but(reported=up_to(MIDNIGHT - 3 * DAY), errors=[], peers=[up_to(MIDNIGHT - 3 * DAY)], runs=[])
NEVER = CLEAN.but(reported={}, errors=[], peers=NOBODY, runs=[])
USED_UP = {
    "at": to_iso(NOW - timedelta(hours=1)),
    "records_after": 0,
    "tokens_after": 0,
    "first_after_at": None,
    "last_after_at": None,
}
SMALL = {"enterprise": {"tokens": 1_000_000, "requests": 1_000_000}}
REFUSED = [request(NOW - timedelta(minutes=30), 429), request(NOW - timedelta(minutes=20), 429)]
UNPAID = [request(NOW - timedelta(hours=2)), request(NOW - timedelta(minutes=20), 402)]
STRIPE = ("subscriptions", "customer", "customers_of", "meters", "meter_usage", "legacy_usage")
BULK = [[epoch(NOW - timedelta(hours=1)), "openai", "gpt-4o", 20_000_000, 1, 1, 0]]


def log_of(*rows: dict[str, Any]) -> tuple[Observation, ...]:
    """The platform's log by status: what was refused and what was served."""
    found = []
    for status in ("429", "402", "200"):
        mine = [row for row in rows if str(row["status"]) == status]
        seen = look("vercel", "request_log", mine or None, Status.ok if mine else Status.empty, of=status)
        found.append(replace(seen, arguments={"part": "api", "status": status}))
    return tuple(found)


def logged(status: int, trace: str | None = None, **given: Any) -> dict[str, Any]:
    """A request of the metered route in the platform's log."""
    row = {"request_id": f"r{status}{trace}", "path": "/api/chat", "status": status, "trace_id": trace}
    return {**row, "at": to_iso(NOW - timedelta(hours=1)), **given}


def record(**given: Any) -> dict[str, Any]:
    """The organization's billing record with something changed."""
    return {**CLEAN.record, **given}


def error_report(code: str, at: Any = NOW) -> dict[str, Any]:
    """A report of Stripe's on meter events that it dropped."""
    return {"at": to_iso(at), "since": None, "until": None, "count": 3, "codes": {code: 3}, "examples": []}


BROKEN: dict[str, World] = {
    "quota.over_limit": CLEAN.but(limits=SMALL, crossing=USED_UP, requests=REFUSED),
    "quota.not_enforced": CLEAN.but(
        limits=SMALL, crossing={**USED_UP, "records_after": 7, "tokens_after": 900, "last_after_at": to_iso(NOW)}
    ),
    "quota.blocked_wrongly": CLEAN.but(requests=[*CLEAN.requests, *REFUSED]),
    "quota.period_mismatch.calendar_month": CLEAN.but(record=record(current_period_end=None)),
    "quota.period_mismatch.stale": CLEAN.but(record=record(current_period_end=to_iso(SINCE))),
    "quota.period_mismatch.zone": CLEAN.but(record=record(current_period_end=to_iso(UNTIL + timedelta(hours=5)))),
    "quota.period_mismatch.edge": CLEAN.but(record=record(current_period_end=to_iso(UNTIL - timedelta(seconds=1)))),
    "usage.no_job": NEVER,
    "usage.report_stale": STALE,
    "usage.rejected.customer": CLEAN.but(
        reported=without(*LOST), errors=[error_report("meter_event_customer_not_found")]
    ),
    "usage.rejected.value": CLEAN.but(reported=without(*LOST), errors=[error_report("meter_event_invalid_value")]),
    "usage.rejected.meter": CLEAN.but(reported=without(*LOST), errors=[error_report("archived_meter")]),
    "usage.rejected": CLEAN.but(reported=without(*LOST), errors=[error_report("a_code_of_tomorrow")]),
    "usage.report_partial.broken_off": CLEAN.but(
        reported=up_to(MIDNIGHT - timedelta(hours=12)),
        errors=[],
        peers=[up_to(MIDNIGHT - timedelta(hours=12))],
        runs=[],
    ),
    "usage.report_partial.left_out": CLEAN.but(reported=up_to(MIDNIGHT - 3 * DAY), errors=[], peers=PEERS),
    "usage.report_partial.short": CLEAN.but(reported=times(0.5, *LOST)),
    "usage.unreported": CLEAN.but(reported=without(*LOST), errors=[]),
    "usage.double_reported": CLEAN.but(reported=times(2, *LOST)),
    "usage.shifted": CLEAN.but(
        reported={start + 5 * 3600: quantity for start, quantity in CLEAN.held.items()}, errors=[]
    ),
    "usage.unrecorded": CLEAN.but(records_in_window=1),
    "usage.unmetered": CLEAN.but(groups=[[epoch(NOW - DAY), "openai", "gpt-4o", 0, 3, 3, 3]]),
    "usage.spike": CLEAN.but(groups=BULK),
    **{
        f"subscription.{code}": CLEAN.but(
            subscriptions=[subscription(status=status)], record=record(status=status), reported=CLEAN.held
        )
        for code, status in (
            ("past_due", "past_due"),
            ("unpaid", "unpaid"),
            ("canceled", "canceled"),
            ("incomplete", "incomplete"),
            ("incomplete.expired", "incomplete_expired"),
            ("paused", "paused"),
        )
    },
    "subscription.paused.collection": CLEAN.but(subscriptions=[subscription(paused=True)]),
    "subscription.multiple": CLEAN.but(subscriptions=[subscription(), subscription(id="sub_2")]),
    "subscription.missing": CLEAN.but(subscriptions=[]),
    "subscription.status_mismatch": CLEAN.but(record=record(status="past_due")),
    "plan.mismatch": CLEAN.but(record=record(plan="pro")),
    "limits.missing": CLEAN.but(limits={"free": {"tokens": 1, "requests": 1}}),
    "customer.missing": CLEAN.but(customer=(Status.not_found, None, "No such customer: 'cus_1'"), subscriptions=[]),
    "customer.missing.no_id": CLEAN.but(
        record=record(stripe_customer_id=None, current_period_end=None), subscriptions=[]
    ),
    "customer.missing.wrong_mode": CLEAN.but(
        customer=(Status.not_found, None, "No such customer: 'cus_1'; a similar object exists in live mode"),
        subscriptions=[],
    ),
    "customer.deleted": CLEAN.but(customer=(Status.not_found, {"deleted": True}, "the customer was deleted")),
    "customer.duplicate": CLEAN.but(others=[{"id": "cus_2", "same": "org_id", "subscriptions": 0}]),
}
