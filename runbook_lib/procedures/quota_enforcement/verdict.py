"""The verdict on one organization: what is wrong between its plan, its usage, what Stripe bills and what was enforced."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Conclusion, Finding, Situation, Status, Suspect, VerdictStatus
from runbook_lib.core.records.usage import LimitCrossing, UsedUnits
from runbook_lib.judging.answers import whole_record
from runbook_lib.judging.concluding import conclude
from runbook_lib.judging.findings import Findings
from runbook_lib.procedures.quota_enforcement.account import Account, read
from runbook_lib.procedures.quota_enforcement.billing import billing_findings, billing_suspects, ended_at
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.procedures.quota_enforcement.enforced import Enforced, enforcement_findings, recording_findings
from runbook_lib.procedures.quota_enforcement.evidence import Evidence
from runbook_lib.procedures.quota_enforcement.reports import Reports, report_findings
from runbook_lib.procedures.quota_enforcement.spending import (
    forecast_in_words,
    forecasts,
    spike_in_words,
    spike_of,
    usage_exhibit,
)
from runbook_lib.reading.changes import changes_of
from runbook_lib.reading.periods import moment
from runbook_lib.reading.plans import units_used_up, usage_in_words


@dataclass(frozen=True)
class JudgedAccount:
    """What one organization comes to: what was found, and what its reports and refusals show beside it."""

    account: Account
    found: Findings = field(default_factory=Findings)
    reports: Reports = field(default_factory=Reports)
    enforced: Enforced = field(default_factory=Enforced)


def diagnose(evidence: Evidence) -> Conclusion:
    """The verdict on one organization."""
    account = read(evidence)
    look = evidence.look("record")
    if look is not None and look.status is Status.not_found:
        where = "the organization's id, from the customer's page or the request's trace"
        return conclude(CATALOGUE, evidence.all(), suspects=[Suspect("", evidence.org, look.why, where)])
    judged = judge(account)

    def concluded(*more: Finding) -> Conclusion:
        return conclude(
            CATALOGUE,
            evidence.all(),
            faults=judged.found.faults,
            also=judged.found.also,
            states=[*judged.found.states, *more],
            suspects=judged.found.suspects,
            situation=situation_of([judged]),
            facts={
                "period": account.period.as_dict(),
                "usage": usage_exhibit(account),
                "forecast": [forecast_in_words(each) for each in forecasts(account)],
            },
        )

    said = concluded()
    is_well = said.status is VerdictStatus.ruled_out and not judged.found.states
    return concluded(_within_limits(account)) if is_well else said


def judge(account: Account) -> JudgedAccount:
    """Every rule on one organization, and how the findings hang together. Without its record nothing is said of it."""
    if not account.record:
        return JudgedAccount(account)
    reports = report_findings(account)
    enforced = enforcement_findings(account)
    found = [*billing_findings(account), *enforced.faults, *reports.findings, *recording_findings(account)]
    if (spike := spike_of(account)) is not None:
        found.append(CATALOGUE.finding("usage.spike", account.subject, spike_in_words(spike), account.cite("by_hour")))
    suspects = [*billing_suspects(account), *reports.suspects, *enforced.suspects]
    findings = Findings(found, states=[*enforced.states], suspects=suspects).settled(CATALOGUE)
    return JudgedAccount(account, findings, reports, enforced)


def _within_limits(account: Account) -> Finding:
    """All is well: how much is used of what, and when it will be used up."""
    used = usage_in_words(account.used_now, account.known_limit) or "no limit"
    words = "; ".join(forecast_in_words(each) for each in forecasts(account)) or used
    return CATALOGUE.finding("quota.within_limits", account.subject, words, account.cite("record", "by_hour", "limits"))


def situation_of(judged: Sequence[JudgedAccount]) -> Situation:
    """Since when, for how many, and what changed in the two hours before."""
    wrong = [each for each in judged if each.found.faults]
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
    last = [refused.at for each in wrong for refused in each.account.refused if refused.at]
    return Situation(
        ongoing=True if onset or any(_is_standing(each) for each in wrong) else None,
        onset=to_iso(onset) if onset else None,
        last_seen=max(last, default=None) or to_iso(evidence.now),
        requests_failed=wrongly or None,
        orgs_affected=len(wrong),
        changes=changes,
    )


def _onset(judged: JudgedAccount) -> datetime | None:
    """When it began, as far as the evidence tells."""
    code = judged.found.faults[0].code
    if code.startswith(
        ("usage.report", "usage.no_job", "usage.rejected", "usage.unreported", "usage.double", "usage.shifted")
    ):
        return datetime.fromtimestamp(judged.reports.onset, UTC) if judged.reports.onset is not None else None
    if code.startswith("quota.blocked") and judged.account.refused:
        return moment(judged.account.refused[0].at)
    if code.startswith("quota.not_enforced"):
        crossing = whole_record(judged.account.look("crossings"), LimitCrossing)
        return moment(crossing["at"]) if crossing else None
    spike = spike_of(judged.account)
    if code == "usage.spike" and spike:
        return datetime.fromtimestamp(spike.since, UTC)
    if code.startswith("subscription.canceled"):
        return moment(ended_at(judged.account.subscription)) if judged.account.subscription else None
    return None


def _is_standing(judged: JudgedAccount) -> bool:
    """Whether the fault is a state of records: it goes on until somebody corrects them."""
    return any(
        each.code.split(".")[0] in ("subscription", "plan", "customer", "limits") for each in judged.found.faults
    )


def limit_hour(account: Account) -> tuple[Window, UsedUnits] | None:
    """Where to look for the moment at which the limit was reached: from that hour to now, and what was used before it.

    None where no limit is reached.
    """
    used = UsedUnits(tokens=0, requests=0)
    since = account.period.since.timestamp()
    by_start: dict[int, UsedUnits] = {}
    for group in account.groups:
        if since <= group.start < account.evidence.now.timestamp():
            mine = by_start.setdefault(group.start, UsedUnits(tokens=0, requests=0))
            mine["tokens"] += group.tokens
            mine["requests"] += group.requests
    for start, mine in sorted(by_start.items()):
        after = UsedUnits(tokens=used["tokens"] + mine["tokens"], requests=used["requests"] + mine["requests"])
        if units_used_up(after, account.known_limit):
            return Window(datetime.fromtimestamp(start, UTC), account.evidence.now), used
        used = after
    return None
