"""The verdict on one organization: what is wrong between its plan, its usage, what Stripe bills and what was enforced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Conclusion, Finding, Observation, Situation, Status, Suspect, Unseen
from runbook_lib.judging.concluding import conclude, unseen
from runbook_lib.procedures.failed_request.rules import changes_of
from runbook_lib.procedures.quota_enforcement.account import Account, Evidence, pick, read
from runbook_lib.procedures.quota_enforcement.billing import billing_findings, finding
from runbook_lib.procedures.quota_enforcement.enforced import Enforced, enforcement_findings, recording_findings
from runbook_lib.procedures.quota_enforcement.reports import Reports, is_reported, report_findings
from runbook_lib.procedures.quota_enforcement.spending import (
    forecasts,
    spike_of,
    told_forecast,
    told_spike,
    usage_exhibit,
)
from runbook_lib.reading.periods import moment
from runbook_lib.reading.plans import UNITS, told_use

_OPTIONAL = {Status.not_configured}


@dataclass(frozen=True)
class Judged:
    """What one organization comes to.

    Attributes:
        faults: the one that explains the others first. also: what follows from them.
        needed: the looks without which nothing found would prove nothing.
    """

    account: Account
    faults: tuple[Finding, ...]
    also: tuple[Finding, ...]
    states: tuple[Finding, ...]
    suspects: tuple[Suspect, ...]
    needed: tuple[Observation, ...]
    reports: Reports
    enforced: Enforced


def diagnose(evidence: Evidence) -> Conclusion:
    """The verdict on one organization."""
    account = read(evidence)
    look = pick(evidence.records, "organization")
    if look is not None and look.status == Status.not_found:
        return _unknown(evidence, look)
    judged = judge(account)
    return conclude(
        faults=judged.faults,
        also=judged.also,
        states=judged.states,
        suspects=judged.suspects,
        needed=judged.needed,
        not_seen=not_seen(evidence),
        situation=situation_of([judged]),
        facts={
            "period": account.period.as_dict(),
            "usage": usage_exhibit(account),
            "forecast": [told_forecast(each) for each in forecasts(account)],
        },
    )


def judge(account: Account) -> Judged:
    """Every rule on one organization, and how the findings hang together. Without its record nothing is said of it."""
    if not account.record:
        return Judged(account, (), (), (), (), tuple(needed_of(account)), Reports(), Enforced())
    billing = billing_findings(account)
    reports = report_findings(account)
    enforced = enforcement_findings(account)
    faults: list[Finding] = list(billing)
    also: list[Finding] = []
    counted_wrongly = [each for each in billing if each.code.startswith(("quota.period_mismatch", "plan.mismatch"))]
    (also if counted_wrongly else faults).extend(
        enforced.faults
    )  # counted over another period, or against another limit
    faults += [*reports.findings, *recording_findings(account)]
    spike = spike_of(account)
    if spike is not None:
        rise = finding("usage.spike", account, told_spike(spike), account.cite("by_hour"))
        faults.insert(0, rise) if not faults and enforced.states else faults.append(rise)
    states = list(enforced.states)
    needed = needed_of(account)
    suspects = (*reports.suspects, *enforced.suspects)
    if (
        not (faults or states or suspects)
        and account.limit is not None
        and all(look.status.answered for look in needed)
    ):
        used = told_use(account.used_now, account.limit) or "no limit"
        words = "; ".join(told_forecast(each) for each in forecasts(account)) or used
        states.append(
            finding("quota.within_limits", account, words, account.cite("organization", "by_hour", "plan_limits"))
        )
    return Judged(
        account,
        tuple(faults),
        tuple(also),
        tuple(states),
        suspects,
        tuple(needed),
        reports,
        enforced,
    )


def needed_of(account: Account) -> list[Observation]:
    """The looks on which "nothing is wrong" depends."""
    evidence = account.evidence
    names = ["organization", "by_hour", "recorded"]
    if account.customer_id:
        names += ["subscriptions", "customer", "customers_of"]
    if is_reported(account):
        names.append("meters")
        named = {look.call for look in evidence.ledgers}
        # where there is no meter, or no usage records in this version, the other ledger is the one
        names += [call for call in ("meter_usage", "legacy_usage") if call in named]
    if account.look("crossing") is not None:
        names.append("crossing")
    found = [account.look(name) for name in names]
    needed = [look for look in found if look is not None]
    if evidence.limits is not None:
        needed.append(evidence.limits)
    if not account.traces_answered:
        logged = [look for look in evidence.refusals if look.status != Status.not_configured]
        if not logged or not all(look.status.answered for look in logged):  # the platform's log stands in for traces
            needed += _worst(evidence.requests)
    return needed


def _worst(looks: Sequence[Observation]) -> list[Observation]:
    """One of several ways to the same thing, of which none answered: the one that is set up, where one is."""
    configured = [look for look in looks if look.status not in _OPTIONAL]
    return list((configured or list(looks))[:1])


def not_seen(evidence: Evidence) -> list[Unseen]:
    """Blind spots. A way that is not set up is none where another way to the same thing brought something."""
    ways = (
        evidence.records,
        evidence.usage,
        evidence.requests,
        evidence.refusals,
        evidence.attributed,
        evidence.runs,
        evidence.changes,
    )
    spare = set()
    for group in ways:
        has_other = any(look.status != Status.not_configured for look in group)
        missing = [look for look in group if look.status == Status.not_configured]
        spare |= {look.id for look in (missing if has_other else missing[1:])}
    return unseen(look for look in evidence.looks if look.id not in spare)


def _unknown(evidence: Evidence, look: Observation) -> Conclusion:
    """Nobody knows the organization: nothing can be said of it."""
    suspect = Suspect(
        "", evidence.org, look.why, "the organization's id, from the customer's page or the request's trace"
    )
    return conclude(suspects=[suspect], needed=[look], not_seen=not_seen(evidence))


def situation_of(judged: Sequence[Judged]) -> Situation:
    """Since when, for how many, and what changed in the two hours before."""
    wrong = [each for each in judged if each.faults]
    if not wrong:
        return Situation()
    evidence = wrong[0].account.evidence
    onsets = [onset for each in wrong if (onset := _onset(each)) is not None]
    onset = min(onsets, default=None)
    before = Window(onset, max(evidence.now, onset + timedelta(seconds=1))) if onset else evidence.window
    changes = changes_of([look for each in wrong for look in each.account.evidence.changes], before)
    if onset:
        limit = to_iso(onset + timedelta(minutes=5))
        changes = tuple(change for change in changes if change.at <= limit)
    wrongly = sum(each.enforced.wrongly for each in wrong)
    last = [str(row["at"]) for each in wrong for row in each.account.refused]
    return Situation(
        ongoing=True if onset or any(_is_standing(each) for each in wrong) else None,
        onset=to_iso(onset) if onset else None,
        last_seen=max(last, default=None) or to_iso(evidence.now),
        requests_failed=wrongly or None,
        orgs_affected=len(wrong),
        changes=changes,
    )


def _onset(judged: Judged) -> datetime | None:
    """When it began, as far as the evidence tells."""
    code = judged.faults[0].code
    if code.startswith(
        ("usage.report", "usage.no_job", "usage.rejected", "usage.unreported", "usage.double", "usage.shifted")
    ):
        return datetime.fromtimestamp(judged.reports.onset, UTC) if judged.reports.onset is not None else None
    if code.startswith("quota.blocked") and judged.account.refused:
        return moment(judged.account.refused[0]["at"])
    crossing = judged.account.look("crossing")
    if code.startswith("quota.not_enforced") and crossing is not None and isinstance(crossing.value, dict):
        return moment(crossing.value.get("at"))
    spike = spike_of(judged.account)
    if code == "usage.spike" and spike:
        return datetime.fromtimestamp(spike.since, UTC)
    if code.startswith("subscription.canceled"):
        return moment(judged.account.subscription.get("ended_at") or judged.account.subscription.get("canceled_at"))
    return None


def _is_standing(judged: Judged) -> bool:
    """Whether the fault is a state of records: it goes on until somebody corrects them."""
    return any(each.code.split(".")[0] in ("subscription", "plan", "customer", "limits") for each in judged.faults)


def limit_hour(account: Account) -> tuple[Window, dict[str, int]] | None:
    """Where to look for the moment at which the limit was reached: from that hour to now, and what was used before it.

    None where no limit is reached.
    """
    limit = account.limit or {}
    used = dict.fromkeys(UNITS, 0)
    since = account.period.since.timestamp()
    starts = sorted(
        {group.start for group in account.groups if since <= group.start < account.evidence.now.timestamp()}
    )
    for start in starts:
        mine = [group for group in account.groups if group.start == start]
        after = {
            "tokens": used["tokens"] + sum(group.tokens for group in mine),
            "requests": used["requests"] + sum(group.requests for group in mine),
        }
        if any(limit.get(unit) is not None and after[unit] >= limit[unit] for unit in UNITS):
            return Window(datetime.fromtimestamp(start, UTC), account.evidence.now), used
        used = after
    return None
