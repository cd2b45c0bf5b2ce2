"""The third ledger: what was enforced. Is the limit kept, and is nobody kept out who may come in?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from runbook_lib.core.model import Finding, Suspect
from runbook_lib.judging.answers import whole_object, whole_rows
from runbook_lib.procedures.quota_enforcement.account import REFUSALS, Account
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.procedures.quota_enforcement.evidence import ROUTE, known_since
from runbook_lib.reading.periods import moment
from runbook_lib.reading.plans import BLOCKING, units_used_up, usage_in_words

_LEAST_LOST = 2
_LONGEST_REQUEST_S = 30.0
_SKEW_S = 1.0  # by which the parts' clocks and the database's may differ
_LEAST_LOST_SHARE = 0.02


@dataclass(frozen=True)
class Enforced:
    """What enforcement comes to. `wrongly`: how many refusals were wrong."""

    faults: tuple[Finding, ...] = ()
    states: tuple[Finding, ...] = ()
    suspects: tuple[Suspect, ...] = ()
    wrongly: int = 0


def enforcement_findings(account: Account) -> Enforced:
    """Whether the limit is enforced where it is used up, and only there. What was used is known only where usage, limit and the
    period that Stripe bills were seen."""
    if account.limit is None or not account.has_answered("by_hour") or not account.is_billed_as_seen:
        return Enforced()
    over = units_used_up(account.used_now, account.limit)
    return _over(account, over) if over else _under(account)


def _over(account: Account, over: list[str]) -> Enforced:
    """Used up: refused since, or served all the same?"""
    limit = account.limit or {}
    if not account.has_answered("crossings"):
        return Enforced()
    crossing = whole_object(account.look("crossings"))
    cited = account.cite("by_hour", "limits", "crossings", "requests")
    used = usage_in_words(account.used_now, limit, over)
    since = f" since {crossing['at']}" if crossing.get("at") else ""
    later = int(crossing.get("records_after") or 0)
    if later:
        words = (
            f"{used} are used{since}, and {later:,} more requests with {int(crossing.get('tokens_after') or 0):,} tokens were "
            f"served, the last at {crossing.get('last_after_at')}"
        )
        return Enforced((CATALOGUE.finding("quota.not_enforced", account.subject, words, cited),))
    refused = [row for row in account.refused if row["status"] == 429]
    asked = f"; {len(refused):,} requests were refused since" if refused else ""
    state = CATALOGUE.finding("quota.over_limit", account.subject, f"{used} are used{since}{asked}", cited)
    return Enforced(states=(state,))


def _under(account: Account) -> Enforced:
    """Not used up: nobody may be refused for the plan, nor for a subscription that is in order."""
    in_period = [
        row for row in account.refused if (at := moment(row.get("at"))) is not None and at >= account.period.since
    ]
    wrong = [row for row in in_period if row["status"] == 429]
    status = str(account.subscription.get("status") or account.record.get("status") or "active")
    unpaid = [row for row in in_period if row["status"] == 402]
    suspects: tuple[Suspect, ...] = ()
    if unpaid and status not in BLOCKING and _is_last(account, unpaid[-1]):
        # an earlier one may have been right: the subscription was paid since, and requests are served
        stood, suspects = _stood(account, status, unpaid)
        wrong += unpaid if stood else []
    if not wrong:
        return Enforced(suspects=suspects or refusals_of_unknown(account))
    first, last = min(str(row["at"]) for row in wrong), max(str(row["at"]) for row in wrong)
    codes = "/".join(str(code) for code in sorted({row["status"] for row in wrong}))
    words = (
        f"{len(wrong):,} requests were refused with {codes} from {first} to {last}, with "
        f"{usage_in_words(account.used_now, account.limit or {})} used and the subscription {status}"
    )
    cited = account.cite("by_hour", "limits", "subscriptions", "record", "requests")
    return Enforced((CATALOGUE.finding("quota.blocked_wrongly", account.subject, words, cited),), wrongly=len(wrong))


def _stood(account: Account, status: str, unpaid: list[dict[str, Any]]) -> tuple[bool, tuple[Suspect, ...]]:
    """Whether the subscription has been as it is since the first refusal: no event of Stripe's tells of a change."""
    look = account.look("events")
    if look is None or not look.status.answered:
        why = f"{len(unpaid)} requests were refused with 402, the subscription is {status} now, and whether it was then is unknown"
        wanted = "Stripe's events of the subscription since then (a key with read on events)"
        return False, (Suspect("quota.blocked_wrongly", account.subject, why, wanted),)
    changed = [row for row in whole_rows(look) if row.get("customer") == account.customer_id]
    return not changed, ()


def refusals_of_unknown(account: Account) -> tuple[Suspect, ...]:
    """Refusals in the platform's log that no trace tells the organization of: it may have been this one."""
    refused = [] if account.traces_answered or account.refusal_lines else account.refused_of_unknown
    if not refused:
        return _of_another_route(account)
    why = f"{len(refused)} requests were refused with 402 or 429, and nothing that was seen says for which organization"
    wanted = "the trace of one of them: a trace backend whose spans carry the organization's id"
    return (
        Suspect("quota.blocked_wrongly", account.subject if account.record else account.evidence.route, why, wanted),
    )


def _of_another_route(account: Account) -> tuple[Suspect, ...]:
    """Usage was written down, and nothing that was seen was a request of the route: it is not where the usage comes from, and
    who was refused there says nothing."""
    held = int(whole_object(account.look("recorded") or account.look("everybody")).get("records") or 0)
    seen = account.requests if account.traces_answered else account.logged(200, *REFUSALS)
    others, route = account.other_routes, account.evidence.route
    is_named = route != ROUTE  # the usual one may rest while usage comes in by another way
    if not held or seen or not (others or is_named) or not _was_heard(account):
        return ()
    why = f"{held:,} usage records were written in the window, and no request of {route} was seen, served or refused"
    known = f" (seen: {', '.join(others[:5])})" if others else ""
    wanted = f"route=… of the requests that are counted, as the API has it{known}; no further permission"
    return (Suspect("quota.blocked_wrongly", f"{account.subject} {route}" if account.record else route, why, wanted),)


def _was_heard(account: Account) -> bool:
    """Whether traces or the platform's log would have told of requests."""
    return account.traces_answered or any(look.status.answered for look in account.evidence.served)


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
        found.append(CATALOGUE.finding("usage.unmetered", account.subject, words, account.cite("by_hour")))
    if (unseen := lost_by_log(account)) is not None:
        found.append(unseen)
    if account.has_answered("recorded"):
        held, served = int(whole_object(account.look("recorded"))["records"]), _settled(account)
        lost = served - held
        if lost >= max(_LEAST_LOST, _LEAST_LOST_SHARE * served):
            words = f"{served:,} requests were served in the window, and {held:,} usage records were written: {lost:,} are missing"
            found.append(
                CATALOGUE.finding("usage.unrecorded", account.subject, words, account.cite("requests", "recorded"))
            )
    return found


def lost_by_log(account: Account) -> Finding | None:
    """Where traces tell nothing of one organization: more requests served, of all together, than records written by all."""
    look = account.look("everybody")
    if account.traces_answered or not whole_object(look):
        return None
    window = account.evidence.window
    since = known_since(account.evidence.served) or window.since  # records were counted from there on
    until = window.until - timedelta(seconds=_LONGEST_REQUEST_S)
    rows = [row for row in account.logged(200) if (at := moment(row.get("at"))) is not None and since <= at < until]
    held = int(whole_object(look)["records"])
    missing = len(rows) - held
    if missing < max(_LEAST_LOST, _LEAST_LOST_SHARE * len(rows)):
        return None
    words = (
        f"at least {len(rows):,} requests of all organizations were served since {since:%Y-%m-%d %H:%M} UTC, and {held:,} usage "
        f"records were written: {missing:,} are missing"
    )
    cited = [*account.cite("everybody"), *(each.id for each in account.evidence.served if each.status.has_content)]
    return CATALOGUE.finding("usage.unrecorded", account.evidence.route, words, cited)


def _settled(account: Account) -> int:
    """How many requests were served so long before the window's end that their records must be there."""
    until = account.evidence.window.until.timestamp() - _SKEW_S
    return sum(
        (at := moment(row.get("at"))) is not None and at.timestamp() + float(row.get("ms") or 0) / 1000 < until
        for row in account.served
    )
