"""The cases of 05: every fault in every variant, healthy organizations, and the audit of all of them."""

from datetime import UTC, datetime
from typing import Any

from runbook_lib.core.clock import to_iso
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import Parameters
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.fault import Result, no_action
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of, narrower
from runbook_lib.drills.quota_enforcement.faults import FREE, LARGE, PAYING
from runbook_lib.sandbox import Sandbox

PROCEDURE = "05_quota_enforcement"
# Nothing has to arrive where no request is asked about: what is not there then is really not there.
AT_ONCE = {"RUNBOOK_TRACE_DELAY_S": "0", "RUNBOOK_LOG_DELAY_S": "0"}
# Faults that strike another organization than the large one, and those that only requests bring to light.
_OF_ORG = {
    "quota.over_limit": FREE,
    "quota.blocked_wrongly": FREE,
    "quota.not_enforced": FREE,
    "usage.unrecorded": PAYING,
}
_BY_REQUESTS = tuple(_OF_ORG)
_STATES = ("quota.within_limits", "quota.over_limit")


def about_organization(org: str) -> Any:
    """How on-call asks about an organization: who was served since the trouble began."""

    def ask(_sandbox: Sandbox, _got: Result, since: datetime) -> Parameters:
        return {"org": org, "since": to_iso(since)}

    return ask


def about_healed_organization(org: str) -> Any:
    """The same question of the healed system: of what comes from now on."""

    def ask(_sandbox: Sandbox) -> Parameters:
        return {"org": org, "since": to_iso(datetime.now(UTC))}

    return ask


def fault_case(code: str, variant: str = "", **more: Any) -> Case:
    """A fault in one variant; healed afterwards."""
    org = _OF_ORG.get(code, LARGE)
    waits = code in _BY_REQUESTS
    given: dict[str, Any] = {
        "kind": "healthy" if code == "quota.within_limits" else "fault",
        "status": "ruled_out" if code in _STATES else "confirmed",
        "ask": about_organization(org),
        "again": None if code == "quota.within_limits" else about_healed_organization(org),
        "healed_codes": ("quota.within_limits",),
        "settle_s": 1.2 if code == "usage.unrecorded" else 0.3 if waits else 0.0,
        "settings": AT_ONCE,
    }
    return case_of_fault(PROCEDURE, ("fault",), code, variant, **{**given, **more})


def case(id_: str, kind: str, status: str, codes: tuple[str, ...] = (), *, org: str = LARGE, **more: Any) -> Case:
    """Another case about one organization."""
    given: dict[str, Any] = {
        "exercise": no_action,
        "ask": about_organization(org),
        "settle_s": 0.0,
        "settings": AT_ONCE,
    }
    return Case(id_, PROCEDURE, kind, status, codes, **{**given, **more})


_MINE = codes_of("quota", "usage", "subscription", "plan", "limits", "customer")


def _every_fault() -> list[Case]:
    """Every code and sub-code in every variant; a cause whose narrower cases are listed is not run twice."""
    return [fault_case(code, variant) for code in _MINE if not narrower(code) for variant in faults.find(code).variants]


def _wider() -> list[Case]:
    """Causes of which the narrower cases are drilled: once each under their own name."""
    return [fault_case(code) for code in _MINE if narrower(code)]


def _healthy() -> list[Case]:
    return [
        case(f"healthy/{org.split()[0].lower()}", "healthy", "ruled_out", ("quota.within_limits",), org=org)
        for org in (PAYING, FREE)
    ]


CASES: tuple[Case, ...] = (*_every_fault(), *_wider(), *_healthy())
