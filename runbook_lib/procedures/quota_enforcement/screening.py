"""Every organization at first sight: its sums and its records, and why it should be looked at by the hour."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Finding
from runbook_lib.core.records.traces import OrgRequest
from runbook_lib.core.records.usage import PeriodUsage
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.quota_enforcement.account import Account
from runbook_lib.procedures.quota_enforcement.billing import billing_findings, billing_suspects
from runbook_lib.procedures.quota_enforcement.evidence import rows_seen
from runbook_lib.procedures.quota_enforcement.fleet_evidence import Fleet
from runbook_lib.procedures.quota_enforcement.reports import is_reported
from runbook_lib.reading.periods import DAY_S, floor_hour
from runbook_lib.reading.plans import UNUSED, units_used_up

CLOSER = 24  # organizations that one audit looks at by the hour
_OF_A_KIND = 4  # of one kind of trouble, as long as there are other kinds
_SPIKE_TIMES, _SPIKE_SHARE = 4.0, 0.1


def periods(fleet: Fleet) -> list[dict[str, str]]:
    """Each organization's own period, as the database is asked to add it up."""
    now = fleet.now
    return [
        {
            "org_id": account.org_id,
            "since": to_iso(account.period.since),
            "until": to_iso(now),
            "counted_since": to_iso(floor_hour(account.period.since)),
        }
        for account in fleet.accounts
    ]


def metered(fleet: Fleet) -> list[tuple[Account, Window]]:
    """Those whose usage must be at Stripe, with the time that is settled in their period."""
    found = []
    for account in fleet.accounts:
        since = floor_hour(account.period.since)
        if is_reported(account) and account.settled > since:
            found.append((account, Window(since, account.settled)))
    return found


@dataclass(frozen=True)
class Screened:
    """One organization at first sight: its account, what its sums say, and why it should be looked at by the hour.

    `used`: None where it used nothing, or that is not known.
    """

    account: Account
    used: PeriodUsage | None
    reported: float | None
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def tokens(self) -> int:
        """What it used of its period."""
        return self.used["tokens"] if self.used else 0


def screen(fleet: Fleet) -> list[Screened]:
    """Every organization at first sight."""
    refused = _refused(fleet)
    double = record_of(fleet.customers, dict[str, list[str]]) or {}
    settled_of = {account.org_id for account, _ in metered(fleet)}
    found = []
    for account in fleet.accounts:
        used = fleet.used.get(account.org_id)
        findings = billing_findings(account)
        reasons = [each.code for each in findings] + [each.code for each in billing_suspects(account)]
        if account.org_id in double:
            reasons.append("customer.duplicate")
        reported = _reported(fleet, account)
        if account.org_id in settled_of and fleet.ledger is not None and fleet.ledger.status.has_content:
            reasons += _ledger_reason(fleet, used, reported)
        if units_used_up(used or UNUSED, account.known_limit):
            reasons.append("over")
        if used and used["without_tokens"]:
            reasons.append("unmetered")
        if used and _may_be_spike(account, used):
            reasons.append("spike")
        if refused[account.org_id] and "over" not in reasons:
            reasons.append("refused")
        found.append(Screened(account, used, reported, tuple(reasons), tuple(findings)))
    return found


def _refused(fleet: Fleet) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    since = to_iso(fleet.window.since)
    for row in rows_seen(fleet.attributed, OrgRequest):
        if row["at"] >= since:  # backends search by whole seconds, and so bring more
            counts[row["org"]] += 1
    return counts


def _reported(fleet: Fleet, account: Account) -> float | None:
    if fleet.ledger is None:
        return None
    if fleet.ledger.call == "fleet_usage":
        return fleet.reported.get(account.customer_id)
    totals = [fleet.reported.get(item["id"]) for item in account.metered_items]
    known = [total for total in totals if total is not None]
    return sum(known) if known else None


def _ledger_reason(fleet: Fleet, used: PeriodUsage | None, reported: float | None) -> list[str]:
    """Why the ledgers' sums do not fit; none where they do, or where Stripe's was not read."""
    settled, tokens = (used["settled_tokens"], used["tokens"]) if used else (0, 0)
    if reported is None:
        known = fleet.ledger is not None and fleet.ledger.status.answered
        return ["ledger"] if known and settled else []
    if fleet.ledger is not None and fleet.ledger.call == "fleet_usage":
        return [] if reported == settled else ["ledger"]
    return [] if settled <= reported <= tokens else ["ledger"]


def _may_be_spike(account: Account, used: PeriodUsage) -> bool:
    """Whether the last day's share of the period is so large that its days are worth a look."""
    recent, tokens = used["recent_tokens"], used["tokens"]
    limit = account.known_limit["tokens"]
    days = (account.evidence.now - account.period.since).total_seconds() / DAY_S - 1
    if recent < (limit or 0) * _SPIKE_SHARE or not recent:
        return False
    return days < 1 or recent > _SPIKE_TIMES * (tokens - recent) / days


def up_to_date(screened: Sequence[Screened]) -> float | None:
    """Up to when (epoch s) anybody's usage is at Stripe: the settled moment where someone's sums agree, else None."""
    agreeing = [
        each
        for each in screened
        if each.used and each.used["settled_tokens"] and "ledger" not in each.reasons and each.reported
    ]
    return agreeing[0].account.settled.timestamp() if agreeing else None


def closer(screened: Sequence[Screened]) -> list[Screened]:
    """Those to look at by the hour: some of each kind of trouble first, then the rest, the largest users first."""
    wanted = sorted((each for each in screened if each.reasons), key=lambda each: -each.tokens)
    kinds: dict[str, int] = defaultdict(int)
    first: list[Screened] = []
    rest: list[Screened] = []
    for each in wanted:
        kinds[each.reasons[0]] += 1
        (first if kinds[each.reasons[0]] <= _OF_A_KIND else rest).append(each)
    return [*first, *rest][:CLOSER]


def recent_since(now: datetime) -> datetime:
    """From when usage counts as recent: the last day."""
    return now - timedelta(seconds=DAY_S)


def shares_of(screened: Sequence[Screened]) -> dict[str, Any]:
    """What the display `usage` draws of all: who spent it."""
    rows = [
        {
            "name": each.account.record["name"] if each.account.record else None,
            "tokens": each.used["tokens"],
            "requests": each.used["requests"],
        }
        for each in screened
        if each.used
    ]
    return {"by": "organization", "shares": sorted(rows, key=lambda row: -int(row["tokens"] or 0))[:200]}


def details(fleet: Fleet, screened: Sequence[Screened]) -> list[Account]:
    """Those that were looked at by the hour, each with its own looks."""
    others = up_to_date(screened)
    return [fleet.detail(each.account, others) for each in closer(screened) if fleet.closer]
