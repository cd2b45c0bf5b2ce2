"""What the token has to do with it: whose it is, and who takes it.

PostgREST's own word outweighs every check of ours: its keys and its clock are those that count. Where it takes a token that one of
our verifiers refuses, that is told beside the verdict and explains no denial.
"""

from dataclasses import dataclass, field

from runbook_lib.core.model import Finding, Observation, Suspect
from runbook_lib.core.records.rights import TokenJudgement
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE
from runbook_lib.procedures.supabase_rls.reading import Evidence, ids_of

_VERIFIERS = {"legacy_secret": "the legacy JWT secret", "jwks": "the project's JWKS", "algorithm": "its algorithm"}
_WORDS = {
    "invalid": "refuses it",
    "unknown_key": "does not list its key",
    "valid": "takes it",
    "not_checked": "was not asked",
}
_ASK = "the same request with this token at PostgREST: SUPABASE_URL and SUPABASE_ANON_KEY of the project"


@dataclass
class TokenFindings:
    """What the token comes to. `nobody`: it speaks for no user, so that nothing can be said of one by it."""

    faults: list[Finding] = field(default_factory=list)
    also: list[Finding] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)
    nobody: bool = False


def read_token(evidence: Evidence) -> TokenFindings:
    """The token's part of the verdict; nothing without one."""
    look, said, told = evidence.token, evidence.token_found, TokenFindings()
    if look is None or said is None:
        return told
    ids, kind = [look.id], said["kind"]
    if kind in ("anon", "publishable"):
        told.faults.append(
            CATALOGUE.finding(
                "rls.no_session", "Authorization", f"the token is the {kind} key: nobody is signed in", ids
            )
        )
        told.nobody = True
        return told
    if kind in ("service_role", "secret"):
        words = f"the token is the {kind} key: the query runs past RLS, as no user"
        told.faults.append(CATALOGUE.finding("rls.wrong_role", "service_role", words, ids))
        told.nobody = True
        return told
    if kind == "other":
        told.faults.append(
            CATALOGUE.finding("rls.jwt_invalid.form", "token", "what was sent is no JWT: no verifier can read it", ids)
        )
        told.nobody = True
        return told
    _validity(evidence, look, said, told)
    if not said["sub"]:
        told.faults.append(
            CATALOGUE.finding("rls.jwt_no_subject", "token", "it has no sub, so auth.uid() is null", ids)
        )
        told.nobody = True
    if said["role"] != "authenticated":
        words = (
            f"its role is {said['role']}, not authenticated" if said["role"] else "it has no role: PostgREST takes anon"
        )
        told.faults.append(CATALOGUE.finding("rls.wrong_role", str(said["role"]), words, ids))
    user = evidence.user_found
    if evidence.user and user is not None and said["sub"] and said["sub"] != user["id"]:
        words = f"the token is of user {said['sub']}; asked was about {user['id']}"
        told.faults.append(CATALOGUE.finding("rls.wrong_user", said["sub"], words, [*ids, *ids_of(evidence.person)]))
    if said["apikey_role"] == "service_role" and not told.faults:
        words = "the service key is in `apikey`, a user's token in Authorization: the query runs as that user"
        told.faults.append(CATALOGUE.finding("rls.service_role_overridden", "Authorization", words, ids))
    return told


def _validity(evidence: Evidence, look: Observation, said: TokenJudgement, told: TokenFindings) -> None:
    """Whether it is taken, by whom, and now."""
    rest = evidence.rest_read
    is_about_it = rest is not None and (rest["as"] == "user" or rest["code"].startswith("PGRST30"))
    by_rest = rest["code"] if rest is not None and is_about_it else None
    accepted = by_rest is not None and not by_rest.startswith("PGRST30")
    told_by_rest = rest["message"] if rest is not None else ""
    message = told_by_rest.lower()
    ids = [look.id, *(ids_of(evidence.rest) if by_rest is not None else [])]
    end = said["expires_at"]
    if by_rest == "PGRST303" and "expired" in message:
        ours = (
            "" if said["expired"] else "; by this machine's clock it is still in force, so one of the clocks is wrong"
        )
        told.faults.append(
            CATALOGUE.finding("rls.jwt_expired", "token", f"PostgREST says that it expired (exp {end}){ours}", ids)
        )
        return
    if said["expired"] and not accepted:
        told.faults.append(CATALOGUE.finding("rls.jwt_expired", "token", f"it expired at {end}", ids))
    verifiers = _verifiers(said, by_rest, told_by_rest)
    sub = _invalid(said, by_rest, message)
    if sub is None:
        return
    finding = CATALOGUE.finding(f"rls.jwt_invalid.{sub}", "token", f"{_REASONS[sub]}: {verifiers}", ids)
    if accepted:
        told.also.append(finding)
    elif by_rest is not None or sub in ("project", "key") or said["signature"].get("secret_is_projects") is not False:
        if by_rest is None and sub == "audience":
            told.suspects.append(Suspect(finding.code, "token", finding.summary, _ASK))
        else:
            told.faults.append(finding)
    else:
        why = "RUNBOOK_SUPABASE_JWT_SECRET does not open it, nor the project's own anon key: the secret may be the wrong one"
        told.suspects.append(Suspect(finding.code, "token", why, _ASK))


_REASONS = {
    "project": "it was made for another project",
    "signature": "its signature does not verify",
    "key": "it is signed with a key that the project does not list",
    "audience": "its aud is not `authenticated`",
    "not_yet": "it is not yet in force",
}


def _invalid(said: TokenJudgement, by_rest: str | None, message: str) -> str | None:
    """Which sub-code of jwt_invalid fits; None where nobody refuses it for anything but its age."""
    states = [state for name, state in said["signature"].items() if name in _VERIFIERS]
    refused = "invalid" in states or "unknown_key" in states or by_rest == "PGRST301"
    if said["project_ok"] is False:
        return "project"
    if refused:
        return "key" if "unknown_key" in states else "signature"
    if by_rest == "PGRST303" and ("not yet" in message or "future" in message):
        return "not_yet"
    if said["not_yet"] and by_rest is None:
        return "not_yet"
    if said["aud_ok"] is False:
        return "audience"
    return None


def _verifiers(said: TokenJudgement, by_rest: str | None, message: str) -> str:
    """Each verifier's word, in one line."""
    words = [
        f"{_VERIFIERS[name]} {_WORDS.get(str(state), str(state))}"
        for name, state in said["signature"].items()
        if name in _VERIFIERS
    ]
    if by_rest is None:
        words.append("PostgREST was not asked")
    elif by_rest.startswith("PGRST30"):
        words.append(f"PostgREST refuses it ({by_rest}: {message})")
    else:
        words.append("PostgREST takes it")
    return "; ".join(words)
