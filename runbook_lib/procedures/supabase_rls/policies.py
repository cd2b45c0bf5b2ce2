"""What the policies say of this user and this row, and which fact about the user makes the false one false.

Permissive policies are joined by OR, so that one true policy allows and all must be false to refuse; restrictive ones by AND. A
false term is explained by the narrowest fact that is seen: no membership, another role, claims of yesterday; else by itself.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from runbook_lib.core.model import Finding, Observation, Suspect
from runbook_lib.core.records.rights import JudgedPolicy
from runbook_lib.procedures.supabase_rls.access import clauses_of, is_narrow, proof_of_absent_row, proof_of_access
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE
from runbook_lib.procedures.supabase_rls.reading import Evidence, asked_text, counted_in, ids_of, is_about_membership

_ROLES = re.compile(r"'(owner|admin|member|viewer)'")
_AS_USER = "the same query as this user in Postgres: RUNBOOK_DATABASE_URL of a role that may become authenticated"
_WHO = "who the user is, past RLS: RUNBOOK_DATABASE_URL, the Management API's token, or the service-role key"
_WHAT = "what the policies say: RUNBOOK_DATABASE_URL, or the Management API's token"
_ONE_ROW = "row_id=<the id of one row that should be there for this user>"


@dataclass
class PolicyFindings:
    """What the policies come to."""

    faults: list[Finding] = field(default_factory=list)
    states: list[Finding] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)

    @property
    def is_silent(self) -> bool:
        """Whether nothing was found, and nothing is suspected."""
        return not (self.faults or self.states or self.suspects)


def policy_findings(evidence: Evidence, *, blocked: bool, unclear: bool = False) -> PolicyFindings:
    """The policies' part of the verdict.

    Args:
        blocked: something refuses every user already; only what is known without asking the policies can be added.
        unclear: which organization or row is meant is not known; only what is so for every row can be said.
    """
    judged = _judge(evidence, blocked=blocked, unclear=unclear)
    is_denied = evidence.query is not None and not (
        proof_of_access(evidence.seen) or proof_of_absent_row(evidence.seen)
    )
    if is_denied and judged.is_silent and not blocked and not unclear:
        why = "Postgres does not show this user what was asked for, and no policy that was read says why"
        judged.suspects.append(Suspect("rls.policy_false", evidence.table, why, f"the same question with {_ONE_ROW}"))
    return judged


def _judge(evidence: Evidence, *, blocked: bool, unclear: bool) -> PolicyFindings:
    judged = PolicyFindings()
    facts, query = evidence.table_facts, evidence.query
    ids = ids_of(evidence.catalogue, evidence.person, evidence.as_user, *evidence.rows)
    if facts is not None and not facts["rls"]:
        return judged
    if facts is not None and not blocked:
        judged.faults += _no_policy(evidence, ids)
    if judged.faults or unclear:
        return judged
    if blocked:
        judged.faults += _membership(evidence, ids) if _all_ask_membership(evidence) else []
        return judged
    if query is None:
        return _without_impersonation(evidence, ids)
    if query["judged"] is None:
        return _nothing_to_judge(evidence, ids)
    if proof_of_access(evidence.seen):
        return _disagreement(evidence)
    for use, clause in clauses_of(evidence.command):
        group = [each for each in query["policies"] if each["use"] == use and each["clause"] == clause]
        if evidence.command == "insert" and use == "select":
            judged.faults += _reading_back(evidence, group, ids) if not judged.faults and not judged.suspects else []
            continue
        _group(evidence, group, judged, ids)
    if evidence.command == "select" and judged.faults and not is_narrow(evidence.as_user):
        words = "the user sees no row of the table, and no row was named that should be theirs"
        judged.suspects = [
            Suspect(each.code, each.subject, f"{each.summary}; {words}", _narrower(evidence)) for each in judged.faults
        ]
        judged.faults = []
    return judged


def _no_policy(evidence: Evidence, ids: list[str]) -> list[Finding]:
    """No permissive policy for the command, or, for a change, none that lets the row be found."""
    for command in (evidence.command, *(("select",) if evidence.command in ("update", "delete") else ())):
        if not any(rule["permissive"] for rule in evidence.rules(command)):
            why = "" if command == evidence.command else f", so that no row is found to {evidence.command}"
            words = f"RLS is on for {evidence.table}, and no policy allows {command} to {evidence.role}{why}"
            return [CATALOGUE.finding("rls.no_policy", f"{command} on {evidence.table}", words, ids)]
    return []


def _narrower(evidence: Evidence) -> str:
    """The question that would decide it: about one row or, where the table's rows belong to organizations, about one of these."""
    facts = evidence.table_facts
    has_org = evidence.table == "organizations" or facts is None or "org_id" in facts["columns"]
    org = "org=<the id or name of the organization whose rows should be there>, or " if has_org else ""
    return f"the same question with {org if not evidence.org else ''}{_ONE_ROW}"


def _nothing_to_judge(evidence: Evidence, ids: list[str]) -> PolicyFindings:
    """No row is there for this question, or none could be seen past RLS."""
    judged, query = PolicyFindings(), evidence.query
    if _all_ask_membership(evidence) and (evidence.org or not evidence.row_id):
        judged.faults += _membership(evidence, ids)
    if proof_of_absent_row(evidence.seen):
        judged.states.append(_absent(evidence, ids))
    elif not judged.faults and not (query is not None and query["visible"]):
        why = "the database's own role is under RLS here, so that no row could be judged"
        judged.suspects.append(Suspect("rls.policy_false", evidence.table, why, f"{_AS_USER} and has BYPASSRLS"))
    return judged


def _group(evidence: Evidence, group: Sequence[JudgedPolicy], judged: PolicyFindings, ids: list[str]) -> None:
    """One clause's policies: all permissive ones false, or a restrictive one false."""
    allowing = [each for each in group if each["permissive"]]
    if allowing and all(each["result"] is False for each in allowing):
        open_terms = [term for each in allowing for term in each["terms"] if term["open"] and term["result"] is False]
        if later := [each for each in allowing if each["now"] is True]:
            words = f"with the claims that Auth holds today `{later[0]['name']}` is true; with the token's it is false"
            judged.faults.append(
                CATALOGUE.finding("rls.stale_claims", f"{evidence.table}: {later[0]['name']}", words, ids)
            )
        elif open_terms:
            words = f"`{open_terms[0]['term']}` rests on a column of the new row that nobody named"
            look = "the very insert in a transaction that is rolled back, as this user, with the row's real values"
            judged.suspects.append(Suspect("rls.policy_false", f"{evidence.table}: {allowing[0]['name']}", words, look))
        elif unread := _unread(evidence, allowing):
            judged.suspects.append(unread)
        else:
            judged.faults += _narrowest(evidence, allowing, ids)
    elif (failed := [each for each in allowing if each["result"] is None]) and not any(
        each["result"] for each in allowing
    ):
        why = f"`{failed[0]['name']}` could not be evaluated: {failed[0]['sqlstate']} {failed[0]['message']}"
        look = f"the same question with {_ONE_ROW}"
        judged.suspects.append(Suspect("rls.policy_false", f"{evidence.table}: {failed[0]['name']}", why, look))
    for each in group:
        if not each["permissive"] and each["result"] is False:
            judged.faults.append(_false(evidence, each, "rls.restrictive_policy", _false_terms(each), ids))


def _absent(evidence: Evidence, ids: list[str]) -> Finding:
    subject = f"{evidence.table} {evidence.row_id or evidence.org_id}".strip()
    return CATALOGUE.finding("rls.row_absent", subject, f"{evidence.table} holds no such row, seen past RLS", ids)


def _unread(evidence: Evidence, allowing: Sequence[JudgedPolicy]) -> Suspect | None:
    """What must be seen before it can be said why these policies are false: what they ask, and who the user is."""
    where = f"{evidence.table}: {allowing[0]['name']}"
    if evidence.rights is None:
        return Suspect(
            "rls.policy_false", where, "it is false; what the functions that it calls ask is not known", _WHAT
        )
    false = [term for each in allowing for term in _false_terms(each)]
    asks = any(is_about_membership(asked_text(evidence, None, term)) for term in false)
    if asks and evidence.user_found is None:
        return Suspect("rls.no_membership", where, "it asks memberships, and the user's could not be read", _WHO)
    return None


def _narrowest(evidence: Evidence, allowing: Sequence[JudgedPolicy], ids: list[str]) -> list[Finding]:
    """The policy that lacks least: why each of its false terms is false. What it takes to make one policy true is the cause."""
    reasons = [_reasons(evidence, each, ids) for each in allowing]
    return min(reasons, key=lambda found: (sum(each.code == "rls.policy_false" for each in found), len(found)))


def _reasons(evidence: Evidence, policy: JudgedPolicy, ids: list[str]) -> list[Finding]:
    false = _false_terms(policy)
    found: dict[str, Finding] = {}
    plain = []
    for term in false:
        text = asked_text(evidence, None, term)
        narrow = _membership(evidence, ids) if is_about_membership(text) else []
        narrow = narrow or _role(evidence, policy, text, ids)
        if narrow:
            found |= {each.code: each for each in narrow}
        else:
            plain.append(term)
    if plain or not false:
        found["rls.policy_false"] = _false(evidence, policy, "rls.policy_false", plain, ids)
    return list(found.values())


def _false_terms(policy: JudgedPolicy) -> list[str]:
    return [each["term"] for each in policy["terms"] if each["result"] is False]


def _false(evidence: Evidence, policy: JudgedPolicy, code: str, terms: Sequence[str], ids: list[str]) -> Finding:
    """The finding of a policy that is false, by these terms of it."""
    query, some = evidence.query, ""
    if query is not None and query["hidden"] and query["visible"]:
        some = f" ({query['hidden']} of {query['past_rls']} rows are hidden)"
    why = "; ".join(f"`{term}`" for term in terms[:3]) or "as a whole"
    words = f"`{policy['name']}` ({policy['clause']}) is false for this user and row{some}: {why}"
    return CATALOGUE.finding(code, f"{evidence.table}: {policy['name']}", words, ids)


def _membership(evidence: Evidence, ids: list[str]) -> list[Finding]:
    """The user has no membership where one is asked for: why not. Empty where there is one, or nothing is known."""
    user, org = evidence.user_found, evidence.row_org
    if user is None or not evidence.has_no_membership:
        return []
    ids = [*ids, *ids_of(evidence.organization)]
    subject = f"{user['id']} in {org or 'any organization'}"
    others = [each["org"] for each in user["memberships"]]
    if org and org in user["invited"]:
        return [CATALOGUE.finding("rls.invite_pending", subject, "there is an invitation that was not accepted", ids)]
    if others and evidence.row_id and org != evidence.org_id:
        words = f"the row belongs to {org}; the user is in {', '.join(others[:3])}"
        return [CATALOGUE.finding("rls.other_org", subject, words, ids)]
    words = f"memberships holds no row for this user and organization ({len(others)} for others)"
    return [
        CATALOGUE.finding("rls.no_membership", subject, words if org else "memberships holds no row for this user", ids)
    ]


def _role(evidence: Evidence, policy: JudgedPolicy, text: str, ids: list[str]) -> list[Finding]:
    """A member whose role is not among those that the term asks for."""
    user = evidence.user_found
    if user is None:
        return []
    own = next((each["role"] for each in user["memberships"] if each["org"] == evidence.row_org), "")
    wanted = set(_ROLES.findall(text))
    if not is_about_membership(text) or not own or not wanted or own in wanted:
        return []
    words = f"the user is {own} there; `{policy['name']}` asks for {' or '.join(sorted(wanted))}"
    return [CATALOGUE.finding("rls.role_too_low", f"{user['id']} in {evidence.row_org}", words, ids)]


def _reading_back(evidence: Evidence, group: Sequence[JudgedPolicy], ids: list[str]) -> list[Finding]:
    """A write that is allowed, of a row that its writer may not read."""
    shown = any(each["permissive"] and each["result"] is not False for each in group)
    hidden = [each for each in group if not each["permissive"] and each["result"] is False]
    if shown and not hidden:
        return []
    false = [f"`{each['name']}`" for each in hidden or group]
    by = ", ".join(false) or "no SELECT policy"
    words = f"{evidence.command} is allowed, and the written row is not shown to its writer ({by})"
    return [CATALOGUE.finding("rls.returning_blocked", f"{evidence.command} on {evidence.table}", words, ids)]


def _disagreement(evidence: Evidence) -> PolicyFindings:
    """Postgres shows the user what PostgREST, with the user's own token, does not: they may not be the same project."""
    judged, rest = PolicyFindings(), evidence.rest_read
    if evidence.command == "select" and rest is not None and rest["as"] == "user" and rest["count"] == 0:
        why = "as this user Postgres shows rows, and PostgREST with the user's token none"
        look = "whether RUNBOOK_DATABASE_URL and SUPABASE_URL are the same project, and the primary"
        judged.suspects.append(Suspect("rls.policy_false", evidence.table, why, look))
    return judged


def _all_ask_membership(evidence: Evidence) -> bool:
    """Whether every policy that could allow the command asks memberships."""
    rules = [rule for rule in evidence.rules(evidence.command) if rule["permissive"]]
    return bool(rules) and all(is_about_membership(asked_text(evidence, rule)) for rule in rules)


def _without_impersonation(evidence: Evidence, ids: list[str]) -> PolicyFindings:
    """Postgres could not be asked as the user. What PostgREST denies for a reason that is seen is confirmed; else suspected."""
    judged, rest = PolicyFindings(), evidence.rest_read
    shown = rest["count"] if rest is not None and rest["as"] == "user" else None
    is_there = any(found["count"] for look in evidence.rows if (found := counted_in(look)) is not None)
    missing = _membership(evidence, ids)
    denied = shown == 0 and is_there
    if evidence.command == "select" and shown:
        return judged
    if evidence.command == "select" and denied and missing and _all_ask_membership(evidence):
        judged.faults += [_with(each, evidence.rest) for each in missing]
        return judged
    if proof_of_absent_row(evidence.seen):
        judged.states.append(_absent(evidence, ids))
        return judged
    judged.suspects += [Suspect(each.code, each.subject, each.summary, _AS_USER) for each in missing]
    if denied and not missing:
        why = "PostgREST shows the user nothing, although there are rows"
        judged.suspects.append(Suspect("rls.policy_false", evidence.table, why, _AS_USER))
    return judged


def _with(finding: Finding, look: Observation | None) -> Finding:
    return CATALOGUE.finding(finding.code, finding.subject, finding.summary, [*finding.evidence, *ids_of(look)])
