"""Every organization at first sight: its sums and its records, and why it should be looked at by the hour."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Finding
from runbook_lib.procedures.quota_enforcement.account import Account
from runbook_lib.procedures.quota_enforcement.billing import billing_findings, billing_suspects
from runbook_lib.procedures.quota_enforcement.evidence import rows_seen
from runbook_lib.procedures.quota_enforcement.fleet_evidence import Fleet
from runbook_lib.procedures.quota_enforcement.reports import is_reported
from runbook_lib.reading.periods import DAY_S, floor_hour
from runbook_lib.reading.plans import units_used_up

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
    """One organization at first sight: its account, what its sums say, and why it should be looked at by the hour."""

    account: Account
    used: dict[str, Any]
    reported: float | None
    reasons: tuple[str, ...]
    findings: tuple[Finding, ...]


def screen(fleet: Fleet) -> list[Screened]:
    """Every organization at first sight."""
    refused = _refused(fleet)
    held = fleet.customers
    double = held.value if held is not None and held.status.has_content and isinstance(held.value, dict) else {}
    settled_of = {account.org_id for account, _ in metered(fleet)}
    found = []
    for account in fleet.accounts:
        used = fleet.used.get(account.org_id, {})
        findings = billing_findings(account)
        reasons = [each.code for each in findings] + [each.code for each in billing_suspects(account)]
        if account.org_id in double:
            reasons.append("customer.duplicate")
        reported = _reported(fleet, account)
        if account.org_id in settled_of and fleet.ledger is not None and fleet.ledger.status.has_content:
            reasons += _ledger_reason(fleet, used, reported)
        if account.limit is not None and units_used_up(used, account.limit):
            reasons.append("over")
        if used.get("without_tokens"):
            reasons.append("unmetered")
        if _may_be_spike(account, used):
            reasons.append("spike")
        if refused[account.org_id] and "over" not in reasons:
            reasons.append("refused")
        found.append(Screened(account, used, reported, tuple(reasons), tuple(findings)))
    return found


def _refused(fleet: Fleet) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    since = to_iso(fleet.window.since)
    for row in rows_seen(fleet.attributed):
        if str(row.get("at")) >= since:  # backends search by whole seconds, and so bring more
            counts[str(row.get("org"))] += 1
    return counts


def _reported(fleet: Fleet, account: Account) -> float | None:
    if fleet.ledger is None:
        return None
    if fleet.ledger.call == "fleet_usage":
        return fleet.reported.get(account.customer_id)
    totals = [fleet.reported.get(str(item["id"])) for item in account.metered_items]
    known = [total for total in totals if total is not None]
    return sum(known) if known else None


def _ledger_reason(fleet: Fleet, used: dict[str, Any], reported: float | None) -> list[str]:
    """Why the ledgers' sums do not fit; none where they do, or where Stripe's was not read."""
    settled = float(used.get("settled_tokens") or 0)
    if reported is None:
        known = fleet.ledger is not None and fleet.ledger.status.answered
        return ["ledger"] if known and settled else []
    if fleet.ledger is not None and fleet.ledger.call == "fleet_usage":
        return [] if reported == settled else ["ledger"]
    return [] if settled <= reported <= float(used.get("tokens") or 0) else ["ledger"]


def _may_be_spike(account: Account, used: dict[str, Any]) -> bool:
    """Whether the last day's share of the period is so large that its days are worth a look."""
    recent, tokens = float(used.get("recent_tokens") or 0), float(used.get("tokens") or 0)
    limit = (account.limit or {}).get("tokens")
    days = (account.evidence.now - account.period.since).total_seconds() / DAY_S - 1
    if recent < (limit or 0) * _SPIKE_SHARE or not recent:
        return False
    return days < 1 or recent > _SPIKE_TIMES * (tokens - recent) / days


def up_to_date(screened: Sequence[Screened]) -> float | None:
    """Up to when (epoch s) anybody's usage is at Stripe: the settled moment where someone's sums agree, else None."""
    agreeing = [
        each for each in screened if each.used.get("settled_tokens") and "ledger" not in each.reasons and each.reported
    ]
    return agreeing[0].account.settled.timestamp() if agreeing else None


def closer(screened: Sequence[Screened]) -> list[Screened]:
    """Those to look at by the hour: some of each kind of trouble first, then the rest, the largest users first."""
    wanted = sorted((each for each in screened if each.reasons), key=lambda each: -int(each.used.get("tokens") or 0))
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
            "name": each.account.record.get("name"),
            "tokens": each.used.get("tokens"),
            "requests": each.used.get("requests"),
        }
        for each in screened
        if each.used
    ]
    return {"by": "organization", "shares": sorted(rows, key=lambda row: -int(row["tokens"] or 0))[:200]}


def details(fleet: Fleet, screened: Sequence[Screened]) -> list[Account]:
    """Those that were looked at by the hour, each with its own looks."""
    others = up_to_date(screened)
    return [fleet.detail(each.account, others) for each in closer(screened) if fleet.closer]
