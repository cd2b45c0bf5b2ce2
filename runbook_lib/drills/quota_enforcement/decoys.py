"""05 beside what looks like trouble and is none, with two faults at once, and over all organizations."""

from typing import Any

from runbook_lib.core.clock import to_iso
from runbook_lib.drills.kit.asking import since_fault
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Step, use
from runbook_lib.drills.quota_enforcement import faults as broken
from runbook_lib.drills.quota_enforcement.cases import AT_ONCE, case
from runbook_lib.drills.quota_enforcement.faults import FREE, LARGE, PAYING

WELL = ("quota.within_limits",)
# Stripe's answer to the list of meters where an account has none: then usage records are the only ledger
NO_METERS = use(
    "http",
    part="stripe",
    path="/v1/billing/meters",
    status=200,
    body='{"object":"list","data":[],"has_more":false,"url":"/v1/billing/meters"}',
)
NEWEST = {"RUNBOOK_STRIPE_API_VERSION": "2026-10-28.endive"}


def _decoy(name: str, *steps: Step, org: str = LARGE, **more: Any) -> Case:
    return case(f"decoy/quota/{name}", "decoy", "ruled_out", WELL, org=org, **{"before": steps, **more})


def _fault(name: str, code: str, *steps: Step, org: str = LARGE, **more: Any) -> Case:
    return case(f"fault/{code}/{name}", "fault", "confirmed", (code,), org=org, **{"before": steps, **more})


def _double(name: str, codes: tuple[str, ...], *faults: str, org: str = LARGE, **more: Any) -> Case:
    injected = tuple(Injected(code) for code in faults)
    return case(f"double/quota/{name}", "double", "confirmed", codes, org=org, **{"faults": injected, **more})


_DECOYS = (
    _decoy(
        "ends-with-its-period",
        use("dial", of="StripeState", field=broken.subscription_field("cancel_at_period_end"), value=True),
    ),
    _decoy("on-trial", use("dial", of="StripeState", field=broken.subscription_field("status"), value="trialing")),
    _decoy("ended-subscription-beside-it", broken.another_subscription("canceled")),
    _decoy("no-tokens-long-ago", broken.records("null", 5, "now() - interval '60 days'")),
    _decoy("over-in-an-earlier-period", broken.records("400000", 1, "now() - interval '40 days'", org=FREE), org=FREE),
    _decoy("others-not-reported", broken.ledger(PAYING, times=0.0)),
    _decoy("others-over-their-limit", *broken.use_up_tokens(), exercise=broken.visits(FREE)),
    _decoy("others-past-due", *broken.subscription_is("past_due", PAYING)),
    _decoy("busy-but-not-a-spike", broken.records("700000", 1)),
    _decoy("used-since-midnight-not-due", broken.records("5000", 3, "now() - n * interval '20 minutes'")),
    _decoy(
        "same-address-without-subscription",
        use(
            "stripe",
            method="POST",
            path="/v1/customers",
            form=lambda sandbox: {"email": broken.email_of(sandbox)},
        ),
    ),
    _decoy(
        "provider-throttles", use("dial", of="openai", field="mode", value="throttled"), exercise=broken.visits(LARGE)
    ),
    _decoy("deployment-coincides", use("deploy", part="api", serve=False)),
    _decoy(
        "error-line-in-the-log", use("log", part="api", level="error", message="usage report: retrying after a reset")
    ),
    _decoy("by-its-id", ask=lambda sandbox, _got, since: {"org": broken.org_id_of(sandbox), "since": to_iso(since)}),
    _decoy(
        "by-its-customer",
        ask=lambda sandbox, _got, since: {"org": broken.customer_of(sandbox), "since": to_iso(since)},
    ),
    _decoy("newest-version", settings={**NEWEST, **AT_ONCE}),
    _decoy("usage-records-only", NO_METERS),
)

_LEDGERS = (
    _fault("newest-version", "usage.unreported", broken.ledger(times=0.0, **broken.LAST_WEEK),
           settings={**NEWEST, "RUNBOOK_TRACE_DELAY_S": "0"}),
    _fault("usage-records-only", "usage.report_stale", NO_METERS, broken.ledger("*", times=0.0, **broken.TWO_DAYS_AGO),
           use("cron", off=True, forget=True), use("log", part="api", level="info", message="usage-report is not scheduled")),
    _fault("usage-records-only", "usage.double_reported", NO_METERS, broken.ledger(times=2.0)),
    _fault("usage-records-only", "usage.no_job", NO_METERS, broken.ledger("*", times=0.0), use("cron", off=True, forget=True),
           use("log", part="api", level="info", message="usage-report is not scheduled")),
)  # fmt: skip

_DOUBLES = (
    _double(
        "past-due-and-unreported",
        ("subscription.past_due", "usage.unreported"),
        "subscription.past_due",
        "usage.unreported",
    ),
    _double(
        "double-and-unmetered", ("usage.double_reported", "usage.unmetered"), "usage.double_reported", "usage.unmetered"
    ),
    _double(
        "plan-and-period",
        ("plan.mismatch", "quota.period_mismatch.zone"),
        "plan.mismatch",
        "quota.period_mismatch.zone",
    ),
    _double(
        "spike-and-left-out",
        ("usage.report_partial.left_out", "usage.spike"),
        "usage.report_partial.left_out",
        "usage.spike",
    ),
    _double(
        "two-customers-two-subscriptions",
        ("customer.duplicate", "subscription.multiple"),
        "customer.duplicate",
        "subscription.multiple",
    ),
    case(
        "double/quota/status-at-stripe-only",
        "double",
        "confirmed",
        ("subscription.past_due", "subscription.status_mismatch"),
        before=(use("dial", of="StripeState", field=broken.subscription_field("status"), value="past_due"),),
    ),
    case(
        "double/quota/lost-and-short",
        "double",
        "confirmed",
        ("usage.unreported", "usage.report_partial.short"),
        before=(
            broken.ledger(
                times=0.0,
                since_h=lambda _: broken.hours_since_midnight(6),
                until_h=lambda _: broken.hours_since_midnight(5),
            ),
            broken.ledger(
                times=0.5,
                since_h=lambda _: broken.hours_since_midnight(4),
                until_h=lambda _: broken.hours_since_midnight(3),
            ),
        ),
    ),
)


def _audit(name: str, kind: str, status: str, codes: tuple[str, ...], *faults: str, **more: Any) -> Case:
    injected = tuple(Injected(code) for code in faults)
    return case(f"audit/quota/{name}", kind, status, codes, **{"faults": injected, "ask": since_fault, **more})


_AUDITS = (
    _audit("healthy", "healthy", "ruled_out", WELL),
    *(
        _audit(code, "fault", "confirmed", (code,), code)
        for code in (
            "usage.no_job",
            "usage.report_stale",
            "usage.report_partial.left_out",
            "usage.unreported",
            "usage.double_reported",
            "usage.rejected.customer",
            "usage.unmetered",
            "usage.spike",
            "subscription.past_due",
            "subscription.multiple",
            "plan.mismatch",
            "limits.missing",
            "customer.missing",
            "customer.deleted",
            "customer.duplicate",
            "quota.period_mismatch.stale",
        )
    ),
    _audit("quota.over_limit", "fault", "ruled_out", ("quota.over_limit",), "quota.over_limit", settle_s=0.3),
    _audit("quota.blocked_wrongly", "fault", "confirmed", ("quota.blocked_wrongly",), "quota.blocked_wrongly", settle_s=0.3,
           exercise=broken.visits(FREE, count=2)),
    _audit("two-organizations", "double", "confirmed", ("usage.unreported", "subscription.past_due"), "usage.unreported",
           before=broken.subscription_is("past_due", PAYING)),
)  # fmt: skip

CASES: tuple[Case, ...] = (*_DECOYS, *_LEDGERS, *_DOUBLES, *_AUDITS)
