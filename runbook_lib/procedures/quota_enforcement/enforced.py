"""The third ledger: what was enforced. Is the limit kept, and is nobody kept out who may come in?"""

from dataclasses import dataclass
from datetime import timedelta

from runbook_lib.core.model import Finding, Suspect
from runbook_lib.core.records.subscriptions import StripeEvent
from runbook_lib.core.records.usage import LimitCrossing, UsageRecordCount
from runbook_lib.judging.answers import whole_record, whole_rows
from runbook_lib.procedures.quota_enforcement.account import REFUSALS, Account, Refused
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE
from runbook_lib.procedures.quota_enforcement.evidence import ROUTE, known_since
from runbook_lib.reading.periods import moment
from runbook_lib.reading.plans import BLOCKING, Unit, units_used_up, usage_in_words

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


def _over(account: Account, over: list[Unit]) -> Enforced:
    """Used up: refused since, or served all the same?"""
    if not account.has_answered("crossings"):
        return Enforced()
    crossing = whole_record(account.look("crossings"), LimitCrossing)
    cited = account.cite("by_hour", "limits", "crossings", "requests")
    used = usage_in_words(account.used_now, account.known_limit, over)
    since = f" since {crossing['at']}" if crossing and crossing["at"] else ""
    if crossing and crossing["records_after"]:
        words = (
            f"{used} are used{since}, and {crossing['records_after']:,} more requests with {crossing['tokens_after']:,} tokens "
            f"were served, the last at {crossing['last_after_at']}"
        )
        return Enforced((CATALOGUE.finding("quota.not_enforced", account.subject, words, cited),))
    refused = [each for each in account.refused if each.status == 429]
    asked = f"; {len(refused):,} requests were refused since" if refused else ""
    state = CATALOGUE.finding("quota.over_limit", account.subject, f"{used} are used{since}{asked}", cited)
    return Enforced(states=(state,))


def _under(account: Account) -> Enforced:
    """Not used up: nobody may be refused for the plan, nor for a subscription that is in order."""
    in_period = [each for each in account.refused if (at := moment(each.at)) is not None and at >= account.period.since]
    wrong = [each for each in in_period if each.status == 429]
    status = (account.subscription and account.subscription["status"]) or account.status_on_record or "active"
    unpaid = [each for each in in_period if each.status == 402]
    suspects: tuple[Suspect, ...] = ()
    if unpaid and status not in BLOCKING and _is_last(account, unpaid[-1]):
        # an earlier one may have been right: the subscription was paid since, and requests are served
        stood, suspects = _stood(account, status, unpaid)
        wrong += unpaid if stood else []
    if not wrong:
        return Enforced(suspects=suspects or refusals_of_unknown(account))
    times = [each.at for each in wrong if each.at]
    codes = "/".join(str(code) for code in sorted({each.status for each in wrong}))
    words = (
        f"{len(wrong):,} requests were refused with {codes} from {min(times)} to {max(times)}, with "
        f"{usage_in_words(account.used_now, account.known_limit)} used and the subscription {status}"
    )
    cited = account.cite("by_hour", "limits", "subscriptions", "record", "requests")
    return Enforced((CATALOGUE.finding("quota.blocked_wrongly", account.subject, words, cited),), wrongly=len(wrong))


def _stood(account: Account, status: str, unpaid: list[Refused]) -> tuple[bool, tuple[Suspect, ...]]:
    """Whether the subscription has been as it is since the first refusal: no event of Stripe's tells of a change."""
    look = account.look("events")
    if look is None or not look.status.answered:
        why = f"{len(unpaid)} requests were refused with 402, the subscription is {status} now, and whether it was then is unknown"
        wanted = "Stripe's events of the subscription since then (a key with read on events)"
        return False, (Suspect("quota.blocked_wrongly", account.subject, why, wanted),)
    changed = [row for row in whole_rows(look, StripeEvent) if row["customer"] == account.customer_id]
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
    counted = whole_record(account.look("recorded") or account.look("everybody"), UsageRecordCount)
    written = counted["records"] if counted else 0
    seen = account.requests if account.traces_answered else account.logged(200, *REFUSALS)
    others, route = account.other_routes, account.evidence.route
    is_named = route != ROUTE  # the usual one may rest while usage comes in by another way
    if not written or seen or not (others or is_named) or not _was_heard(account):
        return ()
    why = f"{written:,} usage records were written in the window, and no request of {route} was seen, served or refused"
    known = f" (seen: {', '.join(others[:5])})" if others else ""
    wanted = f"route=… of the requests that are counted, as the API has it{known}; no further permission"
    return (Suspect("quota.blocked_wrongly", f"{account.subject} {route}" if account.record else route, why, wanted),)


def _was_heard(account: Account) -> bool:
    """Whether traces or the platform's log would have told of requests."""
    return account.traces_answered or any(look.status.answered for look in account.evidence.served)


def _is_last(account: Account, refused: Refused) -> bool:
    """Whether no request was served after this one."""
    return not any(other["at"] > (refused.at or "") for other in account.served)


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
    if (counted := whole_record(account.look("recorded"), UsageRecordCount)) is not None:
        written, served = counted["records"], _settled(account)
        lost = served - written
        if lost >= max(_LEAST_LOST, _LEAST_LOST_SHARE * served):
            words = (
                f"{served:,} requests were served in the window, and {written:,} usage records were written: "
                f"{lost:,} are missing"
            )
            found.append(
                CATALOGUE.finding("usage.unrecorded", account.subject, words, account.cite("requests", "recorded"))
            )
    return found


def lost_by_log(account: Account) -> Finding | None:
    """Where traces tell nothing of one organization: more requests served, of all together, than records written by all."""
    counted = whole_record(account.look("everybody"), UsageRecordCount)
    if account.traces_answered or counted is None:
        return None
    window = account.evidence.window
    since = known_since(account.evidence.served) or window.since  # records were counted from there on
    until = window.until - timedelta(seconds=_LONGEST_REQUEST_S)
    rows = [row for row in account.logged(200) if (at := moment(row["at"])) is not None and since <= at < until]
    written = counted["records"]
    missing = len(rows) - written
    if missing < max(_LEAST_LOST, _LEAST_LOST_SHARE * len(rows)):
        return None
    words = (
        f"at least {len(rows):,} requests of all organizations were served since {since:%Y-%m-%d %H:%M} UTC, and {written:,} usage "
        f"records were written: {missing:,} are missing"
    )
    cited = [*account.cite("everybody"), *(each.id for each in account.evidence.served if each.status.has_content)]
    return CATALOGUE.finding("usage.unrecorded", account.evidence.route, words, cited)


def _settled(account: Account) -> int:
    """How many requests were served so long before the window's end that their records must be there."""
    until = account.evidence.window.until.timestamp() - _SKEW_S
    return sum(
        (at := moment(row["at"])) is not None and at.timestamp() + row["ms"] / 1000 < until for row in account.served
    )
