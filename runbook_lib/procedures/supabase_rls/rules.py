"""Why may this user not see or write this row, and what is open to everybody? One verdict from what was seen.

In the order in which a request meets them: the token, PostgREST, the grants, the policies, the row. What strikes every user
explains the symptom before anything about this one does; both are named where both are seen.
"""

from runbook_lib.core.model import Conclusion, Finding, Status, Suspect
from runbook_lib.judging.concluding import conclude
from runbook_lib.procedures.supabase_rls.access import is_from_an_api_that_tells_nothing, proof_of_user
from runbook_lib.procedures.supabase_rls.audit import audit_findings
from runbook_lib.procedures.supabase_rls.barriers import barrier_findings
from runbook_lib.procedures.supabase_rls.causes import ACCESS, CATALOGUE, COMPARISON, EVERY_TABLE, IDENTITY, SESSION
from runbook_lib.procedures.supabase_rls.drift import drift_findings
from runbook_lib.procedures.supabase_rls.exposures import exposures, is_in
from runbook_lib.procedures.supabase_rls.policies import PolicyFindings, policy_findings
from runbook_lib.procedures.supabase_rls.question import unclear_parts
from runbook_lib.procedures.supabase_rls.reading import Evidence
from runbook_lib.procedures.supabase_rls.situation import facts_of, situation_of
from runbook_lib.procedures.supabase_rls.token import TokenFindings, read_token


def every_table(evidence: Evidence) -> Conclusion:
    """The verdict on the whole schema."""
    faults, _ = CATALOGUE.settle([*audit_findings(evidence), *exposures(evidence)])
    drift = drift_findings(evidence)
    # a live change that another finding is about already is how that came to be, not one more cause
    apart = [each for each in drift if not is_in(faults, each.subject.partition(": ")[0])]
    return conclude(
        CATALOGUE,
        evidence.all(),
        asked=(EVERY_TABLE, COMPARISON),
        faults=[*faults, *apart],
        also=[each for each in drift if each not in apart],
        situation=situation_of(evidence, [*faults, *apart]),
        facts=facts_of(evidence),
    )


def one_user(evidence: Evidence) -> Conclusion:
    """The verdict on one user's access."""
    token = read_token(evidence)
    found: list[Finding] = []
    questions: list[Suspect] = []
    judged = PolicyFindings()
    if _is_about_a_user(evidence, token):
        person, barriers = _person(evidence), barrier_findings(evidence)
        if not any(each.code.startswith("rls.user_unknown") for each in person):
            questions = unclear_parts(evidence)
            judged = policy_findings(evidence, blocked=bool(barriers), unclear=bool(questions))
        found = [*barriers, *person, *judged.faults]
    faults, explained = CATALOGUE.settle([*token.faults, *found])
    return conclude(
        CATALOGUE,
        evidence.all(),
        asked=_asked(evidence, token),
        faults=faults,
        also=[*token.also, *explained, *exposures(evidence), *drift_findings(evidence)],
        states=judged.states if not found else (),
        suspects=[*questions, *token.suspects, *judged.suspects],
        situation=situation_of(evidence, faults, judged.suspects),
        facts=facts_of(evidence),
    )


def _is_about_a_user(evidence: Evidence, token: TokenFindings) -> bool:
    return bool(evidence.user) or not token.nobody


def _asked(evidence: Evidence, token: TokenFindings) -> list[str]:
    """What an answer must cover."""
    wanted = {
        ACCESS: _is_about_a_user(evidence, token),
        SESSION: evidence.token is not None,
        IDENTITY: evidence.token is not None and bool(evidence.user),
        COMPARISON: evidence.is_file_asked,
    }
    return [name for name, is_asked in wanted.items() if is_asked]


def _person(evidence: Evidence) -> list[Finding]:
    """Whether the user exists, and has a profile. Nobody is unknown whom another way met, or to a door that knows nothing."""
    look, user, token = evidence.person, evidence.user_found, evidence.token_found
    if look is None:
        return []
    if look.status == Status.not_found:
        if proof_of_user(evidence.seen) or is_from_an_api_that_tells_nothing(look, evidence.seen):
            return []
        subject = evidence.user or (token["sub"] if token is not None else None) or "the token's subject"
        return [CATALOGUE.finding("rls.user_unknown", subject, "auth.users holds no such user", [look])]
    if user is None:
        return []
    if user["deleted"]:
        words = "auth.users holds the user as deleted"
        return [CATALOGUE.finding("rls.user_unknown.deleted", user["id"], words, [look])]
    if not user["profile"]:
        words = "profiles holds no row of this user"
        return [CATALOGUE.finding("rls.profile_missing", user["id"], words, [look])]
    return []
