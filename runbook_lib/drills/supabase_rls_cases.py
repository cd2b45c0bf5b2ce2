"""The cases of 03: every fault in every variant, the healthy system, and NexusCore's own first schema."""

from pathlib import Path
from typing import Any

from runbook_lib.drills.case import Case, Injected
from runbook_lib.drills.supabase_rls_asking import by_access, every_table, same_user
from runbook_lib.sandbox import faults
from runbook_lib.sandbox.faults import supabase_rls as known
from runbook_lib.sandbox.faults.fault import Exercise
from runbook_lib.sandbox.faults.supabase_rls_database import audit
from runbook_lib.sandbox.faults.supabase_rls_session import access, signed_in

P = "03_supabase_rls"
FIRST_SCHEMA = str(Path(__file__).parents[2] / "tests" / "fixtures" / "001_init.sql")
_STATES = ("rls.row_absent",)


def fault_case(code: str, variant: str = "", **more: Any) -> Case:
    """A fault in one variant; healed afterwards."""
    usual = next(iter(faults.find(code).variants))
    is_audit = faults.find(code).variant(variant).exercise is audit
    given: dict[str, Any] = {
        "id": "/".join(["fault", code, *([variant] if variant not in ("", usual) else [])]),
        "procedure": P,
        "kind": "fault",
        "status": "ruled_out" if code in _STATES else "confirmed",
        "codes": (code,),
        "faults": (Injected(code, variant),),
        "ask": by_access,
        "again": (every_table if is_audit else same_user) if variant in ("", usual) else None,
        "settle_s": 0.0,
    }
    return Case(**{**given, **more})


def _every_fault() -> list[Case]:
    """Every code and sub-code in every variant; a cause whose narrower cases are listed is run once."""
    cases = []
    codes = [each.code for each in known.FAULTS]
    for code in codes:
        variants = list(faults.find(code).variants)
        is_whole = any(other.startswith(f"{code}.") for other in codes)
        if is_whole and any(
            faults.find(other) is not faults.find(code) and faults.find(other).variants is faults.find(code).variants
            for other in codes
        ):
            variants = variants[:1]  # an alias of one of its narrower cases
        cases += [fault_case(code, variant) for variant in variants]
    return cases


def _healthy(name: str, exercise: Exercise, **more: Any) -> Case:
    given: dict[str, Any] = {"exercise": exercise, "ask": by_access, "settle_s": 0.0}
    return Case(f"healthy/03/{name}", P, "healthy", "ruled_out", **{**given, **more})


_HEALTHY = (
    _healthy("a-member-reads", access()),
    _healthy("with-the-token", signed_in),
    _healthy("every-table", audit),
    _healthy("own-profile", access(org="", table="profiles")),
    _healthy("own-profile-updated", access(org="", table="profiles", command="update")),
    _healthy("memberships-without-organization", access(org="", table="")),
)


def _first_schema() -> list[Case]:
    """NexusCore's schema as it was first written, loaded unchanged: its membership policy recurses, and everybody is refused."""
    schema = {"schema": FIRST_SCHEMA}
    settings: dict[str, Any] = {"options": schema, "ask": by_access, "settle_s": 0.0}
    recursion = ("rls.policy_recursion",)

    def first(name: str, kind: str, exercise: Exercise, codes: tuple[str, ...], **more: Any) -> Case:
        return Case(f"schema/{name}", P, kind, "confirmed", codes, exercise=exercise, **{**settings, **more})

    return [
        first("a-member-is-refused", "fault", access(), recursion),
        first("with-the-token", "fault", signed_in, recursion),
        first("every-table", "fault", audit, recursion),
        Case(
            "schema/recursion-and-no-membership", P, "double", "confirmed", ("rls.policy_recursion", "rls.no_membership"),
            faults=(Injected("rls.no_membership"),), **settings,
        ),
    ]  # fmt: skip


CASES: tuple[Case, ...] = (*_every_fault(), *_HEALTHY, *_first_schema())
