"""The cases of 09: every fault in every variant, and the system that keeps its promises."""

from pathlib import Path
from typing import Any

from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of, narrower
from runbook_lib.drills.service_levels.faults_figures import HEALTHY
from runbook_lib.sandbox import Sandbox

PROCEDURE = "09_service_levels"
FILES = Path(__file__).parent
# Tempo keeps the month and a few days; a busy machine is no reason not to answer.
WEEK = {
    "RUNBOOK_TRACE_RETENTION_H": "840",
    "RUNBOOK_SERVICE_LEVELS": str(FILES / "week.toml"),
    "RUNBOOK_LOOK_DEADLINE_S": "30",
}
MONTH = {**WEEK, "RUNBOOK_SERVICE_LEVELS": "service_levels.toml"}

_BLIND = ("slo.no_data", "slo.too_few_requests", "slo.sampling_biased")
_HEALED = ("slo.availability_missed", "slo.webhook_missed.no_endpoint", "alert.silenced", "alert.receiver_failing")
_SETTINGS: dict[str, dict[str, str]] = {
    "slo.no_data.retention": {"RUNBOOK_TRACE_RETENTION_H": "72"},
    "slo.budget_burning": {"RUNBOOK_SERVICE_LEVELS": "service_levels.toml"},
    "slo.budget_burning.fast": {"RUNBOOK_SERVICE_LEVELS": "service_levels.toml"},
    "slo.budget_burning.slow": {"RUNBOOK_SERVICE_LEVELS": "service_levels.toml"},
    "slo.no_data": {"RUNBOOK_TRACE_RETENTION_H": "72"},
    "slo.sampling_biased": {"RUNBOOK_SERVICE_LEVELS": str(FILES / "counted.toml")},
    "slo.no_data.nothing": {"RUNBOOK_SERVICE_LEVELS": str(FILES / "worker.toml")},
}


def plant(sandbox: Sandbox) -> None:
    """A month that went well."""
    for step in HEALTHY:
        step.apply(sandbox)


def well_again(sandbox: Sandbox) -> dict[str, str]:
    """Healed: the month is planted anew, for healing took it with the fault."""
    plant(sandbox)
    return {}


def _status(code: str) -> str:
    if code.startswith(_BLIND):
        return "could_not_tell"
    return "ruled_out" if code == "slo.met" else "confirmed"


def fault_case(code: str, variant: str = "", **more: Any) -> Case:
    """A fault in one variant."""
    given: dict[str, Any] = {
        "kind": "healthy" if code == "slo.met" else "fault",
        "status": _status(code),
        "settings": {**WEEK, **_SETTINGS.get(code, {})},
        "options": {"traffic": False},
        "settle_s": 0.0,
    }
    if code in _HEALED:
        given |= {"again": well_again, "healed_codes": ("slo.met",)}
    return case_of_fault(PROCEDURE, ("fault",), code, variant, **{**given, **more})


def _every_fault() -> list[Case]:
    cases = []
    for code in codes_of("slo", "alert"):
        if narrower(code) and code not in ("slo.webhook_missed", "alert.silenced"):
            cases.append(fault_case(code))
            continue
        cases += [fault_case(code, variant) for variant in faults.find(code).variants]
    return cases


CASES: tuple[Case, ...] = tuple(_every_fault())
