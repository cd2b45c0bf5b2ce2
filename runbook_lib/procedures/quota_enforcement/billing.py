"""Customer, subscription, plan, limit and period of an organization: do database, Stripe and the team's file agree?"""

from collections.abc import Iterator
from datetime import timedelta

from runbook_lib.core.model import Finding, Observation, Status, Suspect
from runbook_lib.core.records.subscriptions import AnySubscription, DeletedCustomer, OtherCustomer
from runbook_lib.core.records.usage import PlanLimits
from runbook_lib.judging.answers import record_of, rows_of, whole_record
from runbook_lib.procedures.quota_enforcement.account import Account
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.reading.periods import in_words
from runbook_lib.reading.plans import BLOCKING, ENDED

_RUNNING = ("active", "trialing", "past_due", "unpaid")
_ALIKE = ({"active", "trialing"}, {"canceled", "incomplete_expired"})
_ON_ITS_WAY = timedelta(minutes=15)  # how long the webhook of a new period may take before it counts as lost
_QUARTER_S, _FARTHEST_ZONE_S = 900, 14 * 3600


def billing_findings(account: Account) -> list[Finding]:
    """Faults of customer, subscription, plan, limit and period.

    Without a customer there is no subscription to judge, and without a subscription no period.
    """
    found = list(_customer(account))
    if any(each.code.startswith(("customer.missing", "customer.deleted")) for each in found):
        return [*found, *_limits(account)]
    return [*found, *_subscription(account), *_plan(account), *_limits(account), *_period(account)]


def billing_suspects(account: Account) -> list[Suspect]:
    """Where no subscription runs and the customer itself was not seen: a deleted customer's subscriptions have ended as well."""
    if not account.customer_id or not account.is_paid or not account.has_answered("subscriptions"):
        return []
    if account.has_answered("customer") or (account.subscriptions and not account.has_ended):
        return []
    current = account.subscription
    gone = f"subscription.{BLOCKING[current['status']]}" if current is not None else "subscription.missing"
    why = f"no subscription of {account.customer_id} runs, and whether the customer itself is still there was not seen"
    look = f"stripe customer {account.customer_id}: a key with read on customers"
    return [Suspect(code, account.subject, why, look) for code in ("customer.missing", "customer.deleted", gone)]


def _customer(account: Account) -> Iterator[Finding]:
    if not account.record:
        return
    if not account.customer_id:
        if account.is_paid:
            words = f"the plan is {account.plan}, and billing_customers holds no Stripe customer"
            yield CATALOGUE.finding("customer.missing.no_id", account.subject, words, account.cite("record"))
        return
    look = account.look("customer")
    if look is not None and look.status == Status.not_found:
        yield _gone(account, look)
    others = rows_of(account.look("customers_of"), OtherCustomer)
    doubles = [row for row in others if row["same"] == "org_id" or row["subscriptions"]]
    if doubles:
        ids = ", ".join(row["id"] for row in doubles)
        words = f"besides {account.customer_id} Stripe has {ids} for the same organization"
        yield CATALOGUE.finding("customer.duplicate", account.subject, words, account.cite("record", "customers_of"))


def _gone(account: Account, look: Observation) -> Finding:
    cited = [*account.cite("record"), look.id]
    if whole_record(look, DeletedCustomer) is not None:
        return CATALOGUE.finding(
            "customer.deleted", account.subject, f"{account.customer_id} was deleted at Stripe", cited
        )
    if "similar object exists in" in look.why:
        words = f"{account.customer_id} exists in Stripe's other mode only: keys and record are of different modes"
        return CATALOGUE.finding("customer.missing.wrong_mode", account.subject, words, cited)
    return CATALOGUE.finding("customer.missing", account.subject, f"Stripe does not know {account.customer_id}", cited)


def _subscription(account: Account) -> Iterator[Finding]:
    own = account.status_on_record or "active"
    cited = account.cite("record", "subscriptions")
    look = account.look("subscriptions")
    if not account.customer_id:
        if own in BLOCKING and account.record:
            words = f"billing_customers says {own}, and there is no customer at Stripe that could say otherwise"
            yield CATALOGUE.finding(f"subscription.{BLOCKING[own]}", account.subject, words, account.cite("record"))
        return
    if look is None or not look.status.answered or look.status is Status.not_found:
        return  # a customer that Stripe does not know: that is for the customer's own look to say
    current = account.subscription
    if current is None:
        if account.is_paid and account.is_at_stripe:
            words = f"the plan is {account.plan}, and {account.customer_id} has no subscription"
            yield CATALOGUE.finding("subscription.missing", account.subject, words, cited)
        return
    status, name = current["status"], current["id"]
    if status in ENDED and not (account.is_paid and account.is_at_stripe):
        return  # a free organization needs none, and a deleted customer's have ended as well
    if status in BLOCKING:
        since = ended_at(current)
        ended = f" since {since}" if since and status in ENDED else ""
        yield CATALOGUE.finding(
            f"subscription.{BLOCKING[status]}", account.subject, f"Stripe says that {name} is {status}{ended}", cited
        )
    elif current["paused"]:
        words = f"{name} is {status}, and its invoices are not collected"
        yield CATALOGUE.finding("subscription.paused.collection", account.subject, words, cited)
    running = [each for each in account.subscriptions if each["status"] in _RUNNING]
    if len(running) > 1:
        names = ", ".join(f"{each['id']} ({each['status']})" for each in running)
        yield CATALOGUE.finding(
            "subscription.multiple", account.subject, f"{len(running)} subscriptions run at once: {names}", cited
        )
    if own != status and not any({own, status} <= alike for alike in _ALIKE):
        words = f"billing_customers says {own}, and Stripe says that {name} is {status}"
        yield CATALOGUE.finding("subscription.status_mismatch", account.subject, words, cited)


def ended_at(subscription: AnySubscription) -> str | None:
    """When it ended, or was cancelled; None where it did not, or the list of all subscriptions does not tell."""
    return (subscription["ended_at"] or subscription["canceled_at"]) if "ended_at" in subscription else None


def plan_at_stripe(account: Account) -> str:
    """The plan that Stripe bills: its licensed price's lookup key, else the metadata's plan; empty where neither is a plan."""
    if account.subscription is None:
        return ""
    known = {"free", "pro", "enterprise", account.plan, *(record_of(account.evidence.limits, PlanLimits) or ())}
    items = account.subscription["items"]
    keys = [item["lookup_key"] for item in items if item["usage_type"] != "metered"]
    return next((key for key in (*keys, account.subscription["plan"]) if key and key in known), "")


def _plan(account: Account) -> Iterator[Finding]:
    billed = plan_at_stripe(account)
    if billed and account.subscription and not account.has_ended and billed != account.plan:
        words = f"billing_customers says {account.plan}, and Stripe bills {billed} ({account.subscription['id']})"
        yield CATALOGUE.finding(
            "plan.mismatch", account.subject, words, account.cite("record", "subscriptions", "limits")
        )


def _limits(account: Account) -> Iterator[Finding]:
    look = account.evidence.limits
    if look is None or not account.record:
        return
    cited = account.cite("record", "limits")
    if look.status.proves_absence:
        yield CATALOGUE.finding("limits.missing", account.subject, f"there is no limits file: {look.why}", cited)
    elif look.status.answered and account.limit is None:
        plans = ", ".join(sorted(whole_record(look, PlanLimits) or ())) or "none"
        yield CATALOGUE.finding(
            "limits.missing", account.subject, f"the limits file knows {plans}, and not {account.plan}", cited
        )


def _period(account: Account) -> Iterator[Finding]:
    """The end on record against Stripe's, to the second."""
    theirs = account.stripe_period
    if theirs is None or not account.record:
        return
    cited = account.cite("record", "subscriptions")
    ours, now = account.end_on_record, account.evidence.now
    stripe_says = f"Stripe's period is {theirs.since:%Y-%m-%d %H:%M:%S} to {theirs.until:%Y-%m-%d %H:%M:%S} UTC"
    if ours is None:
        words = f"billing_customers holds no period end, so the calendar month is counted; {stripe_says}"
        yield CATALOGUE.finding("quota.period_mismatch.calendar_month", account.subject, words, cited)
        return
    off_s = round((ours - theirs.until).total_seconds(), 3)
    if abs(off_s) < 1:
        return
    words = f"billing_customers ends the period at {ours:%Y-%m-%d %H:%M:%S} UTC; {stripe_says}"
    if ours <= now:
        if abs((ours - theirs.since).total_seconds()) < 1 and now - theirs.since < _ON_ITS_WAY:
            return  # the period has just begun, and its webhook is on its way
        yield CATALOGUE.finding("quota.period_mismatch.stale", account.subject, words, cited)
    elif off_s % _QUARTER_S == 0 and abs(off_s) <= _FARTHEST_ZONE_S:
        words += f": off by {in_words(timedelta(seconds=off_s))}"
        yield CATALOGUE.finding("quota.period_mismatch.zone", account.subject, words, cited)
    else:
        yield CATALOGUE.finding("quota.period_mismatch.edge", account.subject, words, cited)
