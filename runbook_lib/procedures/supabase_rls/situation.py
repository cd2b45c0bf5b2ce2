"""The first minute's questions for 03, and what displays and the postmortem keep of it."""

from collections.abc import Sequence

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Change, Finding, Json, Situation, Suspect
from runbook_lib.core.records.rights import JudgedPolicy, RefusedRequest
from runbook_lib.judging.answers import rows_of
from runbook_lib.procedures.supabase_rls.reading import Evidence, counted_in
from runbook_lib.reading.changes import changes_of

_ALOUD = ("rls.policy_recursion", "rls.grant_missing", "rls.not_exposed", "rls.jwt")
_OF_ONE = ("rls.no_membership", "rls.other_org", "rls.invite_pending", "rls.role_too_low")


def situation_of(evidence: Evidence, faults: Sequence[Finding], doubted: Sequence[Suspect] = ()) -> Situation:
    """Whether it goes on, since when it shows, how many requests were refused, what changed before.

    A read that a policy empties is answered 200 and leaves no trace, so that the counts are of what was refused aloud; without
    any they stay untold. What is denied at this moment goes on. That it is over nobody can say: rights are of this moment, and
    where nothing refuses the user now, nothing is known of a time when something did.

    Args:
        doubted: what may refuse the user, and perhaps rightly.
    """
    refused = sorted({each["at"] or "" for each in _refused(evidence)})
    answered = any(look.status.answered for look in evidence.traffic)
    is_aloud = any(each.code.startswith(_ALOUD) for each in faults)
    return Situation(
        ongoing=True if faults or (doubted and _is_refused_now(evidence)) else None,
        onset=refused[0] if refused and faults else None,
        last_seen=refused[-1] if refused and faults else None,
        requests_failed=len(refused) if faults and answered and (refused or is_aloud) else None,
        orgs_affected=1 if faults and faults[0].code in _OF_ONE else None,
        changes=_changes(evidence),
    )


def _is_refused_now(evidence: Evidence) -> bool:
    """Whether this user is shown nothing of what is there, or refused aloud, at this moment."""
    query, rest = evidence.query, evidence.rest_read
    if query is not None and (query["statement"]["sqlstate"] or (query["hidden"] and not query["visible"])):
        return True
    if rest is None or rest["as"] != "user":
        return False
    is_counted = any(found["count"] for look in evidence.rows if (found := counted_in(look)) is not None)
    return bool(rest["code"]) or (rest["count"] == 0 and is_counted)


def _refused(evidence: Evidence) -> list[RefusedRequest]:
    """Requests to PostgREST that were refused, of the table in question or, in an audit, of any."""
    rows = [row for look in evidence.traffic for row in rows_of(look, RefusedRequest)]
    return [row for row in rows if row["status"] in (401, 403, 404, 406, 500)]


def _changes(evidence: Evidence) -> tuple[Change, ...]:
    """Migrations, deployments and variables that changed in the two hours before, newest first."""
    at = evidence.asked_at
    return changes_of(evidence.changes, Window(at, at)) if at is not None else ()


def facts_of(evidence: Evidence) -> dict[str, Json]:
    """Everything for displays and the postmortem that is no judgement."""
    query = evidence.query
    return {
        "question": {
            "user": evidence.user, "org": evidence.org_id, "table": evidence.table, "command": evidence.command,
            "row": evidence.row_id,
        },
        "role": evidence.role,
        "visible": query["visible"] if query is not None else None,
        "past_rls": query["past_rls"] if query is not None else None,
        "policies": [_policy_facts(each) for each in query["policies"]] if query is not None else [],
    }  # fmt: skip


def _policy_facts(policy: JudgedPolicy) -> dict[str, Json]:
    return {
        "name": policy["name"],
        "use": policy["use"],
        "clause": policy["clause"],
        "result": policy["result"],
        "terms": policy["terms"],
    }
