"""A request that a part of ours refused: by design, for the session, or for the organization's plan, and whether rightly."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from runbook_lib.core.model import Finding, Kind, Observation, Suspect
from runbook_lib.core.records.project import BillingCustomer, RecordedUsage
from runbook_lib.core.records.subscriptions import CurrentSubscription
from runbook_lib.core.records.usage import PlanLimits
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.failed_request.causes import CATALOGUE
from runbook_lib.procedures.failed_request.reading import Reading
from runbook_lib.reading.parts import WEB
from runbook_lib.reading.plans import BLOCKING, ENDED, units_used_up, usage_in_words
from runbook_lib.reading.request_rows import LoggedRequest

Record = TypeVar("Record")

# the sub-code for each status that keeps an organization out: 01 says only whether it may still be paid, 05 says more
_SUBCODES = {status: "canceled" if status in ENDED else "past_due" for status in BLOCKING}
_REJECTIONS = frozenset({400, 404, 405, 406, 409, 410, 411, 413, 414, 415, 422})


@dataclass(frozen=True)
class JudgedRefusal:
    """What a refusal comes to."""

    faults: tuple[Finding, ...] = ()
    states: tuple[Finding, ...] = ()
    suspects: tuple[Suspect, ...] = ()


def may_be_quota(status: int | None) -> bool:
    """Whether an answer of this status may be a refusal for the plan: 402, 429."""
    return status in (402, 429)


def judge_refusal(reading: Reading, row: LoggedRequest | None, quota: Sequence[Observation]) -> JudgedRefusal | None:
    """Judge a 4xx that no failure explains; None where the request was not refused.

    Who refused it must have been seen: the trace shows the part, or the row of API or gateway does. Web's row alone may only pass
    on what somebody else answered in the API's place.

    Args:
        row: the innermost platform row with a 4xx; None without rows.
        quota: looks at plan, usage and subscription.
    """
    refusal = reading.refusal if reading.is_complete else None
    if refusal is None and row is None:
        return None
    status = refusal.status if refusal is not None else (row.row["status"] or 0) if row is not None else 0
    part = refusal.part if refusal is not None else row.row["part"] if row is not None else ""
    path = str(row.row["path"]) if row is not None else ""
    evidence = [*([row.observation.id] if row is not None else []), *(reading.trace_evidence if refusal else ())]
    subject = f"{part} {path}".strip()
    if may_be_quota(status):
        return _judge_quota(status, subject, evidence, quota, [line["message"] for line, _ in reading.my_lines])
    is_seen = refusal is not None or part != WEB
    if status == 401:
        summary = f"{part} answered 401: the session is missing, expired or unknown"
        return _by(is_seen, "request.auth_failed.session_expired", subject, summary, evidence)
    if status == 403:
        why = f"{part} answered 403 of its own accord: a user without membership, or a policy that hides it"
        look = "03_supabase_rls with this user and organization: a database URL or a service-role key"
        return JudgedRefusal(
            suspects=(
                Suspect("request.rejected", subject, why, look),
                Suspect("request.db_failed.rls", subject, why, look),
            )
        )
    if status in _REJECTIONS:
        summary = f"{part} refused the request by design with {status}; nothing is broken"
        return _by(is_seen, "request.rejected", subject, summary, evidence)
    why = f"{part} answered {status}, and nothing that was seen says why"
    return JudgedRefusal(
        suspects=(Suspect("", subject, why, f"{part}'s log of the request: read access to its platform's log"),)
    )


def _by(is_seen: bool, code: str, subject: str, summary: str, evidence: list[str]) -> JudgedRefusal:
    """A refusal under its code, where it was seen who refused; else only suspected."""
    if not is_seen:
        look = "the request's trace, or the API's log of it: read access to either"
        return JudgedRefusal(
            suspects=(Suspect(code, subject, f"{summary}; or web passed on what another answered", look),)
        )
    finding = CATALOGUE.finding(code, subject, summary, evidence)
    return JudgedRefusal(states=(finding,)) if CATALOGUE.kind(code) is Kind.state else JudgedRefusal(faults=(finding,))


def _judge_quota(
    status: int, subject: str, evidence: list[str], quota: Sequence[Observation], lines: Sequence[str]
) -> JudgedRefusal:
    """Whether the organization's records support the refusal."""
    said = next((line for line in lines if re.search(r"quota|subscription", line, re.I)), "")
    told = f" ({said})" if said else ""
    sub, shows = _by_subscription(quota) if status == 402 else _by_usage(quota)
    if sub:
        judged = "rightly" if sub != "wrongly" else "wrongly"
        cited = [*evidence, *(look.id for look in quota if look.status.answered)]
        summary = f"refused with {status}{told}; {shows}; {judged}"
        return JudgedRefusal(faults=(CATALOGUE.finding(f"request.quota_blocked.{sub}", subject, summary, cited),))
    if said:
        summary = f"refused with {status}{told}; whether rightly could not be checked"
        return JudgedRefusal(faults=(CATALOGUE.finding("request.quota_blocked", subject, summary, evidence),))
    why = f"answered {status}; neither the part's log nor the organization's records could be read"
    look = "05_quota_enforcement for the organization: service-role key and a Stripe key with read on subscriptions"
    return JudgedRefusal(suspects=(Suspect("request.quota_blocked", subject, why, look),))


def _by_subscription(quota: Sequence[Observation]) -> tuple[str, str]:
    """What the subscription's status makes of a 402: the sub-code, and the words; empty where nobody tells.

    Stripe's word counts for its customers, the database's for the others. A customer whose subscription could not be seen,
    or is not there, is judged by neither.
    """
    plan = _whole(quota, "billing_customer", BillingCustomer)
    subscription = _whole(quota, "subscription", CurrentSubscription)
    if plan is not None and plan["stripe_customer_id"]:
        source, status = "Stripe", subscription["status"] if subscription is not None else None
    else:
        source, status = "the database", plan["status"] if plan is not None else None
    if not status:
        return "", ""
    if status in _SUBCODES:
        return _SUBCODES[status], f"{source} agrees: the subscription is {status}"
    return "wrongly", f"{source} says that the subscription is {status}"


def _by_usage(quota: Sequence[Observation]) -> tuple[str, str]:
    """What usage and limits make of a 429: the sub-code, and the words; empty where nobody tells.

    Records that hold nothing at all contradict whoever counted them, and prove neither.
    """
    plan, usage = _whole(quota, "billing_customer", BillingCustomer), _whole(quota, "usage", RecordedUsage)
    limits = _whole(quota, "plan_limits", PlanLimits) or {}
    limit = limits.get(plan["plan"] or "") if plan is not None else None
    if limit is None or usage is None or not usage["records"]:
        return "", ""
    if over := units_used_up(usage, limit):
        return "over_limit", f"the records agree: {usage_in_words(usage, limit, over)} used in the period"
    return "wrongly", f"the records do not: {usage_in_words(usage, limit)} used in the period"


def _whole(quota: Sequence[Observation], call: str, record: type[Record]) -> Record | None:
    """What a look brought; None where it was not made, brought nothing, or brought less than all."""
    return whole_record(next((look for look in quota if look.call == call and look.status.answered), None), record)
