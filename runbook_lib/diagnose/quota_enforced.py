"""The third ledger: what was enforced. Is the limit kept, and is nobody kept out who may come in?"""

from dataclasses import dataclass
from typing import Any

from runbook_lib.diagnose.periods import moment
from runbook_lib.diagnose.quota_account import Account
from runbook_lib.diagnose.quota_billing import finding
from runbook_lib.diagnose.quota_rules import BLOCKING, told_use, used_up
from runbook_lib.model import Finding

_LEAST_LOST = 2
_SKEW_S = 1.0  # by which the parts' clocks and the database's may differ
_LEAST_LOST_SHARE = 0.02


@dataclass(frozen=True)
class Enforced:
    """What enforcement comes to. `wrongly`: how many refusals were wrong."""

    faults: tuple[Finding, ...] = ()
    states: tuple[Finding, ...] = ()
    wrongly: int = 0


def enforcement_findings(account: Account) -> Enforced:
    """Whether the limit is enforced where it is used up, and only there."""
    if account.limit is None or account.look("by_hour") is None:
        return Enforced()
    over = used_up(account.used_now, account.limit)
    return _over(account, over) if over else _under(account)


def _over(account: Account, over: list[str]) -> Enforced:
    """Used up: refused since, or served all the same?"""
    limit = account.limit or {}
    look = account.look("crossing")
    crossing = look.value if look is not None and isinstance(look.value, dict) else {}
    cited = account.cite("by_hour", "plan_limits", "crossing", "of_org")
    used = told_use(account.used_now, limit, over)
    since = f" since {crossing['at']}" if crossing.get("at") else ""
    later = int(crossing.get("records_after") or 0)
    if later:
        words = (
            f"{used} are used{since}, and {later:,} more requests with {int(crossing.get('tokens_after') or 0):,} tokens were "
            f"served, the last at {crossing.get('last_after_at')}"
        )
        return Enforced((finding("quota.not_enforced", account, words, cited),))
    refused = [row for row in account.refused if row["status"] == 429]
    asked = f"{len(refused):,} requests were refused since" if refused else "nobody has asked since"
    state = finding("quota.over_limit", account, f"{used} are used{since}; {asked}", cited)
    return Enforced(states=(state,))


def _under(account: Account) -> Enforced:
    """Not used up: nobody may be refused for the plan, nor for a subscription that is in order."""
    in_period = [
        row for row in account.refused if (at := moment(row.get("at"))) is not None and at >= account.period.since
    ]
    wrong = [row for row in in_period if row["status"] == 429]
    status = str(account.subscription.get("status") or account.record.get("status") or "active")
    unpaid = [row for row in in_period if row["status"] == 402]
    if unpaid and status not in BLOCKING and _is_last(account, unpaid[-1]):
        wrong += unpaid  # an earlier one may have been right: the subscription was paid since, and requests are served
    if not wrong:
        return Enforced()
    first, last = min(str(row["at"]) for row in wrong), max(str(row["at"]) for row in wrong)
    codes = "/".join(str(code) for code in sorted({row["status"] for row in wrong}))
    words = (
        f"{len(wrong):,} requests were refused with {codes} from {first} to {last}, with "
        f"{told_use(account.used_now, account.limit or {})} used and the subscription {status}"
    )
    cited = account.cite("by_hour", "plan_limits", "subscriptions", "organization", "of_org")
    return Enforced((finding("quota.blocked_wrongly", account, words, cited),), wrongly=len(wrong))


def _is_last(account: Account, row: dict[str, Any]) -> bool:
    """Whether no request was served after this one."""
    return not any(str(other["at"]) > str(row["at"]) for other in account.served)


def recording_findings(account: Account) -> list[Finding]:
    """Usage that was not written down: requests without a record, records without tokens."""
    found = []
    without, records = account.used_now["without_tokens"], account.used_now["records"]
    if without:
        by_model: dict[str, int] = {}
        for group in account.groups:
            if group.without_tokens and group.start >= account.period.since.timestamp():
                name = f"{group.provider}/{group.model}"
                by_model[name] = by_model.get(name, 0) + group.without_tokens
        told = ", ".join(f"{name} {count:,}" for name, count in sorted(by_model.items(), key=lambda each: -each[1])[:4])
        words = f"{without:,} of {records:,} records of the period hold no tokens: {told}"
        found.append(finding("usage.unmetered", account, words, account.cite("by_hour")))
    look = account.look("recorded")
    if look is not None and look.status.answered and isinstance(look.value, dict):
        held, served = int(look.value["records"]), _settled(account)
        lost = served - held
        if lost >= max(_LEAST_LOST, _LEAST_LOST_SHARE * served):
            words = f"{served:,} requests were served in the window, and {held:,} usage records were written: {lost:,} are missing"
            found.append(finding("usage.unrecorded", account, words, account.cite("of_org", "recorded")))
    return found


def _settled(account: Account) -> int:
    """How many requests were served so long before the window's end that their records must be there."""
    until = account.evidence.window.until.timestamp() - _SKEW_S
    return sum(
        (at := moment(row.get("at"))) is not None and at.timestamp() + float(row.get("ms") or 0) / 1000 < until
        for row in account.served
    )
