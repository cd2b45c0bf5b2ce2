"""A request that a part of ours refused: by design, for the session, or for the organization's plan, and whether rightly."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runbook_lib.diagnose import requests as rows
from runbook_lib.diagnose.failed_request_trace import Refusal, make_finding
from runbook_lib.model import Finding, Observation, Suspect

_BLOCKING = {"past_due": "past_due", "unpaid": "past_due", "canceled": "canceled", "incomplete_expired": "canceled"}
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


def judge_refusal(
    refusal: Refusal | None, row: rows.Seen | None, quota: Sequence[Observation], lines: Sequence[str]
) -> JudgedRefusal | None:
    """Judge a 4xx that no failure explains; None where the request was not refused.

    Args:
        refusal: the refusing part by the trace; None without a trace.
        row: the innermost platform row with a 4xx; None without rows.
        quota: looks at plan, usage and subscription.
        lines: what the parts logged about the request.
    """
    if refusal is None and row is None:
        return None
    status = refusal.status if refusal is not None else int(row.row["status"]) if row is not None else 0
    part = refusal.part if refusal is not None else str(row.row.get("part")) if row is not None else ""
    path = str(row.row.get("path")) if row is not None else ""
    evidence = [row.observation.id] if row is not None else []
    subject = f"{part} {path}".strip()
    if may_be_quota(status):
        return _judge_quota(status, subject, evidence, quota, lines)
    if status == 401:
        summary = f"{part} answered 401: the session is missing, expired or unknown"
        return JudgedRefusal(faults=(make_finding("request.auth_failed.session_expired", subject, summary, evidence),))
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
        return JudgedRefusal(states=(make_finding("request.rejected", subject, summary, evidence),))
    why = f"{part} answered {status}, and nothing that was seen says why"
    return JudgedRefusal(
        suspects=(Suspect("", subject, why, f"{part}'s log of the request: read access to its platform's log"),)
    )


def _judge_quota(
    status: int, subject: str, evidence: list[str], quota: Sequence[Observation], lines: Sequence[str]
) -> JudgedRefusal:
    """Whether the organization's records support the refusal."""
    facts = {look.call: look for look in quota if look.status.answered}
    plan, usage = _value(facts.get("billing_customer")), _value(facts.get("usage"))
    subscription, limits = _value(facts.get("subscription")), _value(facts.get("plan_limits"))
    cited = [*evidence, *(look.id for look in facts.values())]
    said = next((line for line in lines if re.search(r"quota|subscription", line, re.I)), "")
    stripe_status = str(subscription.get("status", ""))
    own_status = str(plan.get("status", ""))
    blocking = _BLOCKING.get(stripe_status) or (_BLOCKING.get(own_status) if not stripe_status else None)
    told = f" ({said})" if said else ""
    if status == 402 and blocking:
        source = "Stripe" if stripe_status else "the database"
        summary = f"refused with 402{told}; {source} agrees: the subscription is {stripe_status or own_status}; rightly"
        return JudgedRefusal(faults=(make_finding(f"request.quota_blocked.{blocking}", subject, summary, cited),))
    limit = limits.get(str(plan.get("plan", "free")), {}) if limits else {}
    if status == 429 and limit and usage:
        over = [
            f"{usage.get(unit)} of {limit[unit]} {unit}"
            for unit in ("tokens", "requests")
            if limit.get(unit) is not None and (usage.get(unit) or 0) >= limit[unit]
        ]
        if over:
            summary = f"refused with 429{told}; the records agree: {', '.join(over)} used in the period; rightly"
            return JudgedRefusal(faults=(make_finding("request.quota_blocked.over_limit", subject, summary, cited),))
        summary = f"refused with 429{told}; the records do not: {_spent(usage, limit)} used in the period; wrongly"
        return JudgedRefusal(faults=(make_finding("request.quota_blocked.wrongly", subject, summary, cited),))
    if status == 402 and (stripe_status or own_status):
        summary = f"refused with 402{told}; the subscription is {stripe_status or own_status}; wrongly"
        return JudgedRefusal(faults=(make_finding("request.quota_blocked.wrongly", subject, summary, cited),))
    if said:
        summary = f"refused with {status}{told}; whether rightly could not be checked"
        return JudgedRefusal(faults=(make_finding("request.quota_blocked", subject, summary, evidence),))
    why = f"answered {status}; neither the part's log nor the organization's records could be read"
    look = "05_quota_enforcement for the organization: service-role key and a Stripe key with read on subscriptions"
    return JudgedRefusal(suspects=(Suspect("request.quota_blocked", subject, why, look),))


def _spent(usage: dict[str, Any], limit: dict[str, Any]) -> str:
    return ", ".join(
        f"{usage.get(unit) or 0} of {limit[unit]} {unit}" for unit in ("tokens", "requests") if unit in limit
    )


def _value(look: Observation | None) -> dict[str, Any]:
    return look.value if look is not None and isinstance(look.value, dict) else {}
