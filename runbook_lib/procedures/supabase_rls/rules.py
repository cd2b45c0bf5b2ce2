"""Why may this user not see or write this row, and what is open to everybody? One verdict from what was seen.

In the order in which a request meets them: the token, PostgREST, the grants, the policies, the row. What strikes every user
explains the symptom before anything about this one does; both are named where both are seen.
"""

from collections.abc import Sequence

from runbook_lib.core.model import Conclusion, Finding, Observation, Status, Suspect, Unseen
from runbook_lib.judging.concluding import conclude, unseen
from runbook_lib.procedures.supabase_rls.audit import audit_findings
from runbook_lib.procedures.supabase_rls.drift import drift_findings
from runbook_lib.procedures.supabase_rls.exposed import exposures, is_in
from runbook_lib.procedures.supabase_rls.policies import policy_findings
from runbook_lib.procedures.supabase_rls.question import unclear
from runbook_lib.procedures.supabase_rls.reading import Evidence, ids_of, make, value_of
from runbook_lib.procedures.supabase_rls.situation import facts_of, situation_of
from runbook_lib.procedures.supabase_rls.token import read_token
from runbook_lib.procedures.supabase_rls.way import way_findings


def diagnose(evidence: Evidence) -> Conclusion:
    """The verdict on one user's access, or, with nobody named, on the whole schema."""
    return _audit(evidence) if evidence.is_audit else _access(evidence)


def _audit(evidence: Evidence) -> Conclusion:
    faults = [*audit_findings(evidence), *exposures(evidence)]
    drift = drift_findings(evidence)
    # a live change that another finding is about already is how that came to be, not one more cause
    apart = [each for each in drift if not is_in(faults, each.subject.partition(": ")[0])]
    needed = [look for look in (evidence.catalogue, evidence.reach) if look is not None]
    if evidence.needs_drift and evidence.schema_file is not None:
        needed.append(evidence.schema_file)
    return conclude(
        faults=[*faults, *apart],
        also=[each for each in drift if each not in apart],
        needed=needed,
        not_seen=_not_seen(evidence),
        situation=situation_of(evidence, [*faults, *apart]),
        facts=facts_of(evidence),
    )


def _access(evidence: Evidence) -> Conclusion:
    token = read_token(evidence)
    faults: list[Finding] = list(token.faults)
    suspects: list[Suspect] = list(token.suspects)
    also = [*token.also, *exposures(evidence), *drift_findings(evidence)]
    states: list[Finding] = []
    doubted: list[Suspect] = []
    asks_user = bool(evidence.user) or not token.nobody
    if asks_user:
        person = _person(evidence)
        way = way_findings(evidence)
        is_known = not any(each.code.startswith("rls.user_unknown") for each in person)
        questions = unclear(evidence) if is_known else []
        judged = policy_findings(evidence, blocked=bool(way), unclear=bool(questions)) if is_known else None
        policies = judged.faults if judged else []
        if any(each.code == "rls.profile_missing" for each in person):
            also += policies  # without a profile there can be no membership
            policies = []
        found = [*way[:1], *person, *way[1:], *policies]
        if any(each.code in ("rls.service_role_overridden", "rls.wrong_user") for each in token.faults):
            also += found  # true of the user whom the query runs as, who was never meant
        else:
            faults += found
        states += judged.states if judged and not found else []
        doubted = judged.suspects if judged else []
        suspects = [*questions, *suspects, *doubted]
    needed = _needed(evidence, bool(states)) if asks_user else [look for look in (evidence.token,) if look is not None]
    return conclude(
        faults=faults,
        also=also,
        states=states,
        suspects=() if faults else suspects,
        needed=needed,
        not_seen=_not_seen(evidence),
        situation=situation_of(evidence, faults, doubted),
        facts=facts_of(evidence),
    )


def _person(evidence: Evidence) -> list[Finding]:
    """Whether the user exists, and has a profile."""
    look, said = evidence.person, value_of(evidence.person)
    if look is None:
        return []
    if look.status == Status.not_found:
        subject = evidence.user or str(value_of(evidence.token).get("sub") or "the token's subject")
        return [make("rls.user_unknown", subject, "auth.users holds no such user", [look.id])]
    if said.get("deleted"):
        return [make("rls.user_unknown.deleted", str(said["id"]), "auth.users holds the user as deleted", [look.id])]
    if said and not said["profile"]:
        return [make("rls.profile_missing", str(said["id"]), "profiles holds no row of this user", [look.id])]
    return []


def _needed(evidence: Evidence, has_state: bool) -> list[Observation]:
    """What "nothing refuses this user" depends on: the access itself was seen, and PostgREST offers the table.

    The access is seen as the user in Postgres; or, for a read, over PostgREST with the user's own token.
    """
    needed = [evidence.token, evidence.rest]
    rest = value_of(evidence.rest)
    seen_by_rest = evidence.command == "select" and rest.get("as") == "user" and bool(rest.get("count"))
    direct = evidence.as_user
    if not seen_by_rest and direct is not None and not (has_state and not direct.status.answered):
        needed.append(direct)
    if not (seen_by_rest or value_of(direct).get("visible")):
        needed.append(evidence.person)
    if evidence.is_file_asked:
        needed.append(evidence.schema_file)
    return [look for look in needed if look is not None]


def _not_seen(evidence: Evidence) -> list[Unseen]:
    """What could not be seen. Another way to the same answer that is merely not set up is no gap where one way answered."""
    spare: set[str] = set()
    for ways in (evidence.catalogues, evidence.people, evidence.organizations, evidence.rows):
        if ids_of(*ways):
            spare |= {look.id for look in ways if look.status == Status.not_configured}
    spare |= {look.id for look in (*evidence.traffic, *evidence.changes) if look.status == Status.not_configured}
    if evidence.schema_file is not None and not evidence.needs_drift:
        spare |= {evidence.schema_file.id} if evidence.schema_file.status == Status.not_configured else set()
    return unseen(_without(evidence.looks(), spare))


def _without(looks: Sequence[Observation], ids: set[str]) -> list[Observation]:
    return [look for look in looks if look.id not in ids]
