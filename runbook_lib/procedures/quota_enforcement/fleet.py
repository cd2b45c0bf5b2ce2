"""The audit of every organization: totals for all, and the hours of those whose totals do not fit.

The database adds up each organization's usage in its own billing period, Stripe tells what it holds of it, both as one sum; an
organization whose sums agree, whose records agree and whose limit is kept needs no closer look. The others are looked at by
the hour, as many as a run can bear, the gravest kinds first; of what then remains the verdict names the number.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from runbook_lib.core.model import Conclusion, Finding, Suspect, VerdictStatus
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.quota_enforcement.account import Account
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.procedures.quota_enforcement.enforced import lost_by_log, refusals_of_unknown
from runbook_lib.procedures.quota_enforcement.fleet_evidence import Fleet
from runbook_lib.procedures.quota_enforcement.screening import Screened, details, screen
from runbook_lib.procedures.quota_enforcement.verdict import JudgedAccount, judge, situation_of
from runbook_lib.reading.plans import UNITS, UNUSED, usage_in_words

_NAMED = 5  # more organizations with the same cause are told as one finding
_ALL = "several organizations"


def diagnose_fleet(fleet: Fleet) -> Conclusion:
    """The verdict on all organizations."""
    screened = screen(fleet)
    judged = [judge(each) for each in details(fleet, screened)]
    known = {each.account.org_id for each in judged}
    faults = [(found, each.account.org_id) for each in judged for found in each.found.faults]
    rest = [each for each in screened if each.reasons and each.account.org_id not in known]
    faults += [(found, other.account.org_id) for other in rest for found in other.findings]
    unsure = [each for each in rest if set(each.reasons) - {found.code for found in each.findings}]
    suspects = [suspect for each in judged for suspect in (*each.found.suspects, *_not_closer(fleet, each, screened))]
    if unsure and not _explained(unsure, judged):
        suspects.append(_remaining(unsure))
    if (lost := lost_by_log(Account(fleet.base))) is not None:
        faults.append((lost, ""))
    suspects += refusals_of_unknown(Account(fleet.base))
    told = _grouped(faults, len(rest))
    states = [(state, state.subject) for each in judged for state in each.found.states]

    def concluded(*more: Finding) -> Conclusion:
        return conclude(
            CATALOGUE,
            fleet.all(),
            faults=told,
            also=_grouped([(found, each.account.org_id) for each in judged for found in each.found.also], 0),
            states=[*_grouped(states, 0), *more],
            suspects=suspects[:10],
            situation=replace(situation_of(judged), orgs_affected=len({org for _, org in faults if org}) or None),
            facts={
                "organizations": len(screened),
                "looked_at_by_the_hour": len(judged),
                "not_looked_at": len(unsure),
            },
        )

    said = concluded()
    is_well = said.status is VerdictStatus.ruled_out and not states and screened
    return concluded(_within(fleet, screened)) if is_well else said


def _not_closer(fleet: Fleet, judged: JudgedAccount, screened: Sequence[Screened]) -> list[Suspect]:
    """Where something did not fit at first sight, and not all came back that was to tell why."""
    account = judged.account
    mine = fleet.looked_at(account)
    traced = [look for look in mine if look.call == "of_org"]
    missing = [look for look in mine if not look.status.answered and look not in traced]
    missing += traced if not any(look.status.answered for look in traced) else []
    if not missing or judged.found.faults or judged.found.states or judged.found.suspects:
        return []
    reasons = [reason for each in screened if each.account.org_id == account.org_id for reason in each.reasons]
    look = missing[0]
    why = f"its sums do not fit ({', '.join(reasons)}), and {look.source}.{look.call} did not answer: {look.why}"
    return [Suspect("", account.subject, why, f"{look.source} {look.call}: {look.help or 'look again'}")]


def _explained(unsure: Sequence[Screened], judged: Sequence[JudgedAccount]) -> bool:
    """Whether those looked at more closely had a fault of every kind that the remaining ones have."""
    kinds = {reason for each in unsure for reason in each.reasons} - {
        found.code for each in unsure for found in each.findings
    }
    heads = {found.code.split(".")[0] for each in judged for found in each.found.faults}
    needs = {"ledger": "usage", "unmetered": "usage", "spike": "usage", "over": "quota", "refused": "quota"}
    return all(needs.get(kind, kind.split(".")[0]) in heads for kind in kinds)


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
        is_by_hour = code.startswith(("usage", "subscription", "customer"))
        more = f"; {unlooked} more were not looked at by the hour" if unlooked and is_by_hour else ""
        names = ", ".join(each.subject for each, _ in mine[:3])
        words = f"{len(orgs)} organizations{more}: {names} …; {mine[0][0].subject}: {first.summary}"
        evidence = [one for each, _ in mine[:_NAMED] for one in each.evidence]
        told.append(CATALOGUE.finding(code, _ALL, words, evidence, first.remedy or ""))
    return told


def _within(fleet: Fleet, screened: Sequence[Screened]) -> Finding:
    """Nothing wrong with anybody: how many, and who is nearest to a limit."""
    nearest = max(screened, key=_share)
    near = ""
    if _share(nearest) > 0:
        used = usage_in_words(nearest.used or UNUSED, nearest.account.known_limit)
        near = f"; nearest to its limit is {nearest.account.subject}: {used}"
    cited = [look for look in (*fleet.organizations, *fleet.usage) if look.status.answered]
    words = f"{len(screened)} organizations are within their limits, and Stripe holds all that is due{near}"
    return CATALOGUE.finding("quota.within_limits", "all organizations", words, cited)


def _share(each: Screened) -> float:
    used, limit = each.used, each.account.known_limit
    return max((used[unit] / most for unit in UNITS if used and (most := limit[unit])), default=0.0)
