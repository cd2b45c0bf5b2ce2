"""The cases of 06: every fault in every variant, and systems in which nothing is wrong."""

from collections.abc import Mapping
from typing import Any

from runbook_lib.drills.deploy_llm_gateway.cases import LATER, ORDINARY, after_an_hour
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of

PROCEDURE = "06_deploy_web_api"
ON_RAILWAY: Mapping[str, Any] = {"api_platform": "railway", "trace_backend": "both"}
_STATES = ("deploy.in_progress", "deploy.rolled_back", "deploy.errors_elsewhere")
_TRAFFIC = ("deploy.error_rate_up", "deploy.migration_missing", "deploy.errors_elsewhere")
_SERVICE_ONLY = ("deploy.health_failing.at_deploy", "deploy.not_ready.crashed")
# what else is so, beside the code itself
_TOGETHER: dict[str, tuple[str, ...]] = {
    "deploy.not_ready.none": ("deploy.alias_stale.missing", "deploy.not_ready.none"),
}


# what a case in which nothing fails begins with: requests of now that were answered
WELL: Mapping[str, Any] = {"before": (LATER,), "exercise": ORDINARY, "settle_s": 0.6}


def fault_case(code: str, variant: str = "", **more: Any) -> Case:
    """A fault in one variant; healed afterwards."""
    is_state = code in _STATES
    given: dict[str, Any] = {
        "status": "ruled_out" if is_state else "confirmed",
        "codes": _TOGETHER.get(code, (code,)),
        "before": (LATER,) if is_state else (),
        "again": after_an_hour,
        "settle_s": 1.0 if is_state or code.startswith(_TRAFFIC) else 0.0,
        "options": ON_RAILWAY if code in _SERVICE_ONLY else {},
    }
    return case_of_fault(PROCEDURE, ("fault", "06"), code, variant, **{**given, **more})


def _every_fault() -> list[Case]:
    cases = []
    for code in codes_of("deploy"):
        variants = [name for name in faults.find(code).variants if not name.startswith("gateway")]  # those are 07's
        cases += [fault_case(code, variant) for variant in variants]
    return cases


def _healthy() -> list[Case]:
    def healthy(name: str, **more: Any) -> Case:
        return Case(f"healthy/06/{name}", PROCEDURE, "healthy", "ruled_out", **{**WELL, **more})

    return [
        healthy("both"),
        healthy("web", ask=lambda *_: {"part": "web"}),
        healthy("api-on-railway", options=ON_RAILWAY),
        healthy("preview", ask=lambda *_: {"target": "preview"}),
        healthy("no-github", settings={"RUNBOOK_GITHUB_TOKEN": "", "RUNBOOK_NOT_USED": "github"}),
    ]


CASES: tuple[Case, ...] = (*_every_fault(), *_healthy())
