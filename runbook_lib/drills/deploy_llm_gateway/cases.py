"""The cases of 07: every fault in every variant, on Railway or Fly as it can be there; and gateways that are well.

Most ask for no build, as on-call does; those that do find the sandbox's stand-in for Docker.
"""

import sys
from collections.abc import Mapping
from typing import Any

from runbook_lib.drills.deploy_llm_gateway.faults import STAND_IN
from runbook_lib.drills.deploy_llm_gateway.faults_of_gateway import many_visits
from runbook_lib.drills.failed_request.faults_parts import make_history
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import Parameters
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.fault import Step, no_action, use
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of, is_usual, narrower
from runbook_lib.sandbox import Sandbox

PROCEDURE = "07_deploy_llm_gateway"
ON_FLY: Mapping[str, Any] = {"gateway_platform": "fly", "service_names": "several", "semconv": "old"}
LATER = use("age", by_s=2 * 3600.0)  # what earlier cases broke is no longer among the newest requests
ORDINARY = many_visits("chat", 12)  # users of every part: that nothing fails shows only where somebody came
AGED = use("age", by_s=600.0)  # Fly's proxy counts by five minutes: what came before lies in steps that have ended
WITH_DOCKER = {
    "RUNBOOK_DOCKER_FOLDER": str(STAND_IN),
    "DOCKER_HOST": f"stand-in://{sys.executable}",
    "RUNBOOK_DOCKER_ANSWER_S": "3",
}
_BUILT = ("image.build_file.fails", "image.build_file.exits", "image.build_file.no_answer")
_STATES = ("machine.asleep", "deploy.in_progress", "deploy.errors_elsewhere")
_TRAFFIC = ("deploy.error_rate_up", "deploy.errors_elsewhere")
_ON_RAILWAY = ("image.", "machine.crash_loop", "machine.out_of_memory/railway")


def after_an_hour(sandbox: Sandbox) -> Parameters:
    """After healing, and after an ordinary hour: the requests that failed are no longer the newest."""
    sandbox.inject("age", by_s=2 * 3600.0)
    make_history(sandbox)
    return {}


def fault_case(code: str, variant: str = "", **more: Any) -> Case:
    """A fault in one variant; healed afterwards."""
    shown = "" if is_usual(code, variant) else variant
    is_railway = f"{code}/{shown}".startswith(_ON_RAILWAY) and not shown.startswith("fly")
    given: dict[str, Any] = {
        "status": "ruled_out" if code in _STATES else "confirmed",
        "again": after_an_hour,
        "settle_s": 0.0,
        "options": {} if is_railway else ON_FLY,
        "settings": WITH_DOCKER if code in _BUILT else {},
        "active": code in _BUILT,
        **more,
    }
    given = {"before": (AGED,) if given["options"] is ON_FLY else (), **given}
    return case_of_fault(PROCEDURE, ("fault", "07"), code, variant, **given)


def healthy_start(options: Mapping[str, Any], *before: Step) -> dict[str, Any]:
    """What a case in which nothing fails begins with: requests that were answered, where its platform shows them."""
    if options is ON_FLY:
        return {"before": (AGED, *before), "exercise": no_action, "settle_s": 0.0, "active": False}
    return {"before": (LATER, *before), "exercise": ORDINARY, "settle_s": 0.6, "active": False}


def _of_any_deployment() -> list[Case]:
    """The causes that 06 owns, as they come about on the gateway."""
    cases = []
    for code in codes_of("deploy"):
        for variant in faults.find(code).variants:
            if variant.startswith("gateway"):
                options = ON_FLY if variant.endswith("_fly") else {}
                more: dict[str, Any] = {"settle_s": 1.0} if code.startswith(_TRAFFIC) else {}
                if code in _STATES and not options:
                    more |= {"before": (LATER,), "settle_s": 1.0}
                if code == "deploy.in_progress":
                    more |= {"exercise": ORDINARY}
                cases.append(fault_case(code, variant, options=options, **more))
    return cases


def _every_fault() -> list[Case]:
    cases = []
    for code in codes_of("image", "machine", "region"):
        if narrower(code) and code != "machine.stopped":
            cases.append(fault_case(code))
            continue
        cases += [fault_case(code, variant) for variant in faults.find(code).variants]
    return cases


def _healthy() -> list[Case]:
    def healthy(name: str, **more: Any) -> Case:
        given = {**healthy_start(more.get("options", {})), **more}
        return Case(f"healthy/07/{name}", PROCEDURE, "healthy", "ruled_out", **given)

    return [
        healthy("railway"),
        healthy("fly", options=ON_FLY),
        healthy("fly/region-named", options=ON_FLY, ask=lambda *_: {"regions": "iad"}),
        healthy("built-and-started", settings=WITH_DOCKER, active=True),
    ]


CASES: tuple[Case, ...] = (*_every_fault(), *_of_any_deployment(), *_healthy())
