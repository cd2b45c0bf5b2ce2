"""The audit of every organization: totals for all, and the hours of those whose totals do not fit.

The database adds up each organization's usage in its own billing period, Stripe tells what it holds of it, both as one sum; an
organization whose sums agree, whose records agree and whose limit is kept needs no closer look. The others are looked at by
the hour, as many as a run can bear, the gravest kinds first; of what then remains the verdict names the number.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Conclusion, Finding, Observation, Status, Suspect
from runbook_lib.judging.concluding import conclude, unseen
from runbook_lib.procedures.quota_enforcement.account import Account, Evidence, meter_of, pick
from runbook_lib.procedures.quota_enforcement.billing import billing_findings
from runbook_lib.procedures.quota_enforcement.enforced import lost_by_log, refusals_of_unknown
from runbook_lib.procedures.quota_enforcement.reports import is_reported
from runbook_lib.procedures.quota_enforcement.verdict import Judged, judge, situation_of
from runbook_lib.reading.periods import DAY_S, floor_hour, moment
from runbook_lib.reading.plans import told_use, used_up

CLOSER = 24  # organizations that one audit looks at by the hour
_OF_A_KIND = 4  # of one kind of trouble, as long as there are other kinds
_NAMED = 5  # more organizations with the same cause are told as one finding
_SPIKE_TIMES, _SPIKE_SHARE = 4.0, 0.1
_ALL = "several organizations"


@dataclass(frozen=True)
class Fleet:
    """Everything an audit looked at. `details`: the evidence of those looked at by the hour."""

    base: Evidence
    orgs: tuple[Observation, ...] = ()
    subscriptions: Observation | None = None
    meters: Observation | None = None
    customers: Observation | None = None
    usage: tuple[Observation, ...] = ()
    ledger: Observation | None = None
    refusals: tuple[Observation, ...] = ()
    runs: tuple[Observation, ...] = ()
    details: tuple[Evidence, ...] = ()

    @cached_property
    def accounts(self) -> list[Account]:
        """Every organization with its subscriptions."""
        look = pick(self.orgs, "organizations")
        rows = look.value if look is not None and look.status.has_content else []
        by_customer: dict[str, list[dict[str, Any]]] = defaultdict(list)
        held = self.subscriptions
        for row in held.value or () if held is not None and held.status.has_content else ():
            by_customer[str(row["customer"])].append(row)
        for of_one in by_customer.values():
            of_one.sort(key=_weight)
        seen = tuple(each for each in (held, self.meters) if each is not None)
        shared = replace(self.base, records=self.orgs, billed=seen, runs=self.runs, usage=self.usage, in_fleet=True)
        return [
            Account(shared, row, by_customer.get(str(row.get("stripe_customer_id") or ""), [])) for row in rows or ()
        ]

    @cached_property
    def meter(self) -> dict[str, Any] | None:
        """The meter that counts tokens; None where there is none."""
        rows = self.meters.value if self.meters is not None and self.meters.status.has_content else []
        return meter_of(rows or [], [])

    @property
    def used(self) -> dict[str, dict[str, Any]]:
        """What the database added up, by organization."""
        look = pick(self.usage, "fleet")
        return look.value if look is not None and isinstance(look.value, dict) else {}

    @property
    def reported(self) -> dict[str, float | None]:
        """What Stripe holds, by customer (meter) or by item (usage records)."""
        return self.ledger.value if self.ledger is not None and isinstance(self.ledger.value, dict) else {}

    @property
    def looks(self) -> list[Observation]:
        """Everything that was looked at, the details last."""
        own = [self.base.limits, self.subscriptions, self.customers, self.meters, self.ledger]
        found = [*self.orgs, *(each for each in own if each is not None), *self.usage, *self.refusals, *self.runs]
        found += [*self.base.refusals, *(look for look in (self.base.everybody,) if look is not None)]
        return [*found, *self.base.changes, *(look for each in self.details for look in each.looks)]


_WEIGHT = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled", "incomplete_expired")


def _weight(row: dict[str, Any]) -> tuple[int, float]:
    status = str(row.get("status"))
    created = moment(row.get("created_at"))
    return (_WEIGHT.index(status) if status in _WEIGHT else 99, -(created.timestamp() if created else 0))


def periods(fleet: Fleet) -> list[dict[str, str]]:
    """Each organization's own period, as the database is asked to add it up."""
    now = fleet.base.now
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
        reasons = [each.code for each in findings]
        if account.org_id in double:
            reasons.append("customer.duplicate")
        reported = _reported(fleet, account)
        if account.org_id in settled_of and fleet.ledger is not None and fleet.ledger.status.has_content:
            reasons += _ledger_reason(fleet, used, reported)
        if account.limit is not None and used_up(used, account.limit):
            reasons.append("over")
        if used.get("without_tokens"):
            reasons.append("unmetered")
        if _may_be_spike(account, used):
            reasons.append("spike")
        if refused.get(account.org_id) and "over" not in reasons:
            reasons.append("refused")
        found.append(Screened(account, used, reported, tuple(reasons), tuple(findings)))
    return found


def _refused(fleet: Fleet) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for look in fleet.refusals:
        for row in look.value or () if look.status.has_content else ():
            if str(row.get("at")) >= to_iso(
                fleet.base.window.since
            ):  # backends search by whole seconds, and so bring more
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


def diagnose_fleet(fleet: Fleet) -> Conclusion:
    """The verdict on all organizations."""
    screened = screen(fleet)
    judged = [judge(account_of(fleet, detail)) for detail in fleet.details]
    known = {each.account.org_id for each in judged}
    faults: list[tuple[Finding, str]] = []
    suspects: list[Suspect] = []
    for each in judged:
        faults += [(found, each.account.org_id) for found in each.faults]
        suspects += each.suspects
    rest = [each for each in screened if each.reasons and each.account.org_id not in known]
    for other in rest:
        faults += [(found, other.account.org_id) for found in other.findings]
    unsure = [each for each in rest if set(each.reasons) - {found.code for found in each.findings}]
    if unsure and not _explained(unsure, judged):
        suspects.append(_remaining(unsure))
    if (lost := lost_by_log(Account(fleet.base))) is not None:
        faults.append((lost, ""))
    suspects += refusals_of_unknown(Account(fleet.base))
    needed = _needed(fleet)
    for one in judged:
        needed += one.needed
    states = [state for each in judged for state in each.states if state.code == "quota.over_limit"]
    told = _grouped(faults, len(rest))
    if not (told or states or suspects) and screened:
        states = [_within(fleet, screened)]
    return conclude(
        faults=told,
        also=_grouped([(found, each.account.org_id) for each in judged for found in each.also], 0),
        states=_grouped([(state, state.subject) for state in states], 0),
        suspects=suspects[:10],
        needed=needed,
        not_seen=unseen(_shown(fleet)),
        situation=replace(situation_of(judged), orgs_affected=len({org for _, org in faults if org}) or None),
        facts={"organizations": len(screened), "looked_at_by_the_hour": len(judged), "not_looked_at": len(unsure)},
    )


def account_of(fleet: Fleet, detail: Evidence) -> Account:
    """The account of a detail: its own looks, with the fleet's record and subscriptions where it has none of its own."""
    known = next(account for account in fleet.accounts if account.org_id == detail.org)
    own = pick(detail.billed, "subscriptions")
    return Account(detail, known.record, None if own is not None and own.status.answered else known.given_subscriptions)


def _explained(unsure: Sequence[Screened], judged: Sequence[Judged]) -> bool:
    """Whether those looked at more closely had a fault of every kind that the remaining ones have."""
    kinds = {reason for each in unsure for reason in each.reasons} - {
        found.code for each in unsure for found in each.findings
    }
    heads = {found.code.split(".")[0] for each in judged for found in each.faults}
    needs = {"ledger": "usage", "unmetered": "usage", "spike": "usage", "over": "quota", "refused": "quota"}
    return all(needs.get(kind, kind) in heads for kind in kinds)


def _remaining(unsure: Sequence[Screened]) -> Suspect:
    kinds = sorted({reason for each in unsure for reason in each.reasons})
    names = ", ".join(each.account.subject for each in unsure[:3])
    why = f"{len(unsure)} organizations do not fit by their sums ({', '.join(kinds)}) and were not looked at by the hour: {names}"
    return Suspect("", _ALL, why, "05_quota_enforcement for each of them: org=…")


def _grouped(found: Sequence[tuple[Finding, str]], unlooked: int) -> list[Finding]:
    """Findings by cause; where many organizations share one, they are told as one, the first few by name."""
    by_code: dict[str, list[tuple[Finding, str]]] = defaultdict(list)
    for each, org in found:
        by_code[each.code].append((each, org))
    told = []
    for code, mine in sorted(by_code.items(), key=lambda item: -len({org for _, org in item[1]})):
        orgs = {org for _, org in mine}
        if len(orgs) <= _NAMED:
            told += [each for each, _ in mine]
            continue
        first = mine[0][0]
        more = f"; {unlooked} more were not looked at by the hour" if unlooked and code.startswith("usage") else ""
        names = ", ".join(each.subject for each, _ in mine[:3])
        words = f"{len(orgs)} organizations{more}: {names} …; {mine[0][0].subject}: {first.summary}"
        evidence = tuple(dict.fromkeys(one for each, _ in mine[:_NAMED] for one in each.evidence))
        told.append(Finding(code, _ALL, words, evidence, first.remedy))
    return told


def _within(fleet: Fleet, screened: Sequence[Screened]) -> Finding:
    """Nothing wrong with anybody: how many, and who is nearest to a limit."""
    nearest = max(screened, key=_share)
    near = ""
    if _share(nearest) > 0:
        near = f"; nearest to its limit is {nearest.account.subject}: {told_use(nearest.used, nearest.account.limit or {})}"
    cited = [look.id for look in (*fleet.orgs, *fleet.usage) if look.status.answered]
    words = f"{len(screened)} organizations are within their limits, and Stripe holds all that is due{near}"
    return Finding("quota.within_limits", "all organizations", words, tuple(cited), "Nothing to do.")


def _share(each: Screened) -> float:
    limit = each.account.limit or {}
    return max(
        (float(each.used.get(unit) or 0) / limit[unit] for unit in ("tokens", "requests") if limit.get(unit)),
        default=0.0,
    )


def _needed(fleet: Fleet) -> list[Observation]:
    """The looks on which "nothing is wrong with anybody" depends."""
    looks = [
        pick(fleet.orgs, "organizations"),
        fleet.base.limits,
        fleet.subscriptions,
        pick(fleet.usage, "fleet"),
        fleet.ledger,
    ]
    found = [look for look in (*looks, fleet.customers) if look is not None]
    if fleet.refusals and not any(look.status.answered for look in fleet.refusals):
        configured = [look for look in fleet.refusals if look.status != Status.not_configured]
        found += (configured or list(fleet.refusals))[:1]
    return found


def _shown(fleet: Fleet) -> list[Observation]:
    """The looks among which blind spots are named: a way that is not set up is none where another brought something."""
    spare = set()
    requests = [each.requests for each in fleet.details]
    for group in (
        fleet.orgs,
        fleet.usage,
        fleet.refusals,
        fleet.runs,
        fleet.base.changes,
        fleet.base.refusals,
        *requests,
    ):
        missing = [look for look in group if look.status == Status.not_configured]
        has_other = any(look.status != Status.not_configured for look in group)
        spare |= {look.id for look in (missing if has_other else missing[1:])}
    return [look for look in fleet.looks if look.id not in spare]


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
