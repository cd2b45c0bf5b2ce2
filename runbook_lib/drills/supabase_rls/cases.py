"""The cases of 03: every fault in every variant, the healthy system, and NexusCore's own first schema."""

from pathlib import Path
from typing import Any

from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import audit_again
from runbook_lib.drills.kit.blind import deadline
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Exercise
from runbook_lib.drills.kit.fault_cases import case_of_fault, is_usual
from runbook_lib.drills.supabase_rls import faults as known
from runbook_lib.drills.supabase_rls.asking import by_access, same_user
from runbook_lib.drills.supabase_rls.faults_database import audit
from runbook_lib.drills.supabase_rls.faults_session import access, ask_with_own_token

PROCEDURE = "03_supabase_rls"
FIRST_SCHEMA = str(Path(__file__).parents[3] / "tests" / "fixtures" / "001_init.sql")
_STATES = ("rls.row_absent",)
# nothing here hangs unless it is made to, so that patience costs nothing and a busy machine makes nothing unseen
_PATIENT = deadline(20)


def rls_case(name: str, kind: str, status: str, codes: tuple[str, ...], **more: Any) -> Case:
    """A case of 03: asked by what the user told, at once, with patience."""
    given: dict[str, Any] = {"ask": by_access, "settle_s": 0.0, **more}
    return Case(name, PROCEDURE, kind, status, codes, **{**given, "settings": {**_PATIENT, **more.get("settings", {})}})


def fault_case(code: str, variant: str = "") -> Case:
    """A fault in one variant; the usual one is looked at again after healing."""
    again = audit_again if faults.find(code).variant(variant).exercise is audit else same_user
    return case_of_fault(
        PROCEDURE,
        ("fault",),
        code,
        variant,
        status="ruled_out" if code in _STATES else "confirmed",
        ask=by_access,
        settle_s=0.0,
        settings=_PATIENT,
        again=again if is_usual(code, variant) else None,
    )


def _every_fault() -> list[Case]:
    """Every code and sub-code in every variant; one that only stands for a narrower one is run once."""
    cases = []
    for each in known.FAULTS:
        narrower = [other for other in known.FAULTS if other.code.startswith(f"{each.code}.")]
        is_alias = any(other.variants is each.variants for other in narrower)
        variants = list(each.variants)
        cases += [fault_case(each.code, variant) for variant in (variants[:1] if is_alias else variants)]
    return cases


def _healthy(name: str, exercise: Exercise) -> Case:
    return rls_case(f"healthy/03/{name}", "healthy", "ruled_out", (), exercise=exercise)


_HEALTHY = (
    _healthy("a-member-reads", access()),
    _healthy("organization-by-name", access(org="Acme Rockets")),
    _healthy("with-the-token", ask_with_own_token),
    _healthy("every-table", audit),
    _healthy("own-profile", access(org="", table="profiles")),
    _healthy("own-profile-updated", access(org="", table="profiles", command="update")),
    _healthy("memberships-without-organization", access(org="", table="")),
)


def _first_schema() -> list[Case]:
    """NexusCore's schema as it was first written, loaded unchanged: its membership policy recurses, and everybody is refused."""
    options: dict[str, Any] = {"options": {"schema": FIRST_SCHEMA}}
    recursion = ("rls.policy_recursion",)
    both = ("rls.policy_recursion", "rls.no_membership")
    return [
        rls_case("schema/a-member-is-refused", "fault", "confirmed", recursion, exercise=access(), **options),
        rls_case("schema/with-the-token", "fault", "confirmed", recursion, exercise=ask_with_own_token, **options),
        rls_case("schema/every-table", "fault", "confirmed", recursion, exercise=audit, **options),
        rls_case(
            "schema/and-no-membership", "double", "confirmed", both, faults=(Injected("rls.no_membership"),), **options
        ),
    ]


CASES: tuple[Case, ...] = (*_every_fault(), *_HEALTHY, *_first_schema())
