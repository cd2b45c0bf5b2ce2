"""Hand-made gateways on Railway and on Fly for the rules of 07: well, and ways to change them."""

from typing import Any

from support.deployments import (
    HEAD,
    NOW,
    OLD,
    ago,
    answered,
    check,
    compared,
    deployment,
    evidence,
    request_row,
    variables,
)
from support.evidence import look

from runbook_lib.core.model import Conclusion, Observation
from runbook_lib.procedures.deploy_llm_gateway.evidence import Evidence
from runbook_lib.procedures.deploy_llm_gateway.rules import diagnose
from runbook_lib.procedures.deployments.reading import Site
from runbook_lib.sources.this_machine.dockerfile import instructions

DOCKERFILE = """FROM python:3.11-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY . .
EXPOSE 8000
CMD ["uvicorn", "main:app", "--host", "::", "--port", "8000"]
"""
NEW_IMAGE, OLD_IMAGE = "nexus-gateway:deployment-2", "nexus-gateway:deployment-1"


def dockerfile(text: str = DOCKERFILE, copies: list[dict[str, Any]] | None = None) -> Observation:
    held = {"path": "/repo/apps/llm-gateway/Dockerfile", "instructions": instructions(text), "copies": copies or []}
    return look("gateway_image", "dockerfile", held)


def built(**more: Any) -> Observation:
    held = {"built": True, "log": {"lines": 3, "errors": [], "last": []}, "started": True, "answers": 200, "exit_code": None,
            "out_of_memory": False, "said": [], **more}  # fmt: skip
    return look("gateway_image", "build_and_run", held)


def service(**more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": "svc", "name": "nexuscore-gateway", "repository": "nexuscore/nexuscore", "image": None, "root": "apps/llm-gateway",
        "dockerfile": "Dockerfile", "start_command": None, "health_path": "/", "health_timeout_s": 300, "replicas": 1,
        "region": "us-east4", "sleeps": False, "restart_policy": "ON_FAILURE", "restarts_most": 10, "port": 8000,
        "domains": [{"domain": "gw.up.railway.app", "target_port": 8000}], "newest": {"id": "new", "state": "SUCCESS"},
        "serving": [{"id": "new", "state": "SUCCESS", "stopped": False, "instances": ["RUNNING"]}], "part": "gateway",
        "platform": "railway",
    }  # fmt: skip
    return {**base, **more}


def detail(state: str = "SUCCESS", instances: tuple[str, ...] = ("RUNNING",), **more: Any) -> Observation:
    base: dict[str, Any] = {
        "id": "new", "at": ago(days=2), "state": state, "stopped": False, "diagnosis": None, "instances": list(instances),
        "can_roll_back": False, "commit": HEAD, "branch": "main", "image": None, "events": [], "part": "gateway",
        "platform": "railway",
    }  # fmt: skip
    return look("railway", "detail", {**base, **more})


def probe(status_code: int = 200, text: str = "{}", json: Any = "same") -> Observation:
    held = {"message": "LLM gateway"} if json == "same" else json
    return look("parts", "probe", {"status_code": status_code, "text": text, "json": held}, part="gateway")


def on_railway(**more: Any) -> Site:
    rows = more.pop("rows", None) or [
        deployment("new", ago(days=2), state="SUCCESS", platform="railway"),
        deployment("old", ago(days=9), OLD, state="REMOVED", platform="railway"),
    ]
    given: dict[str, Any] = {
        "project": look("railway", "service", more.pop("service", service())),
        "variables": answered("railway", "variables_names", more.pop("variables", variables("gateway", targets=None))),
        "deployments": answered("railway", "deployments", rows),
        "detail": detail(),
        "compare": look("github", "compare", compared()),
        "checks": look("github", "checks", [check("pytest")]),
        "probe": probe(),
        "after": (answered("railway", "http_log", [request_row(n, deployment_id="new") for n in range(12)]),),
        **more,
    }
    return Site("gateway", "railway", **given)


def machine(id: str = "m1", **more: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": id, "name": id, "state": "started", "region": "iad", "image": NEW_IMAGE, "host_status": "ok",
        "checks": [{"name": "http", "status": "passing", "output": "200", "changed_at": ago(days=1)}], "exits": [],
        "ports": [8000], "autostop": "off", "autostart": True, "min_running": 1, "memory_mb": 512, "primary_region": "iad",
        "env": ["PORT", "PRIMARY_REGION"], "config_complete": True, "updated_at": ago(days=1), "part": "gateway",
        "platform": "fly",
    }  # fmt: skip
    return {**base, **more}


def exits(
    *minutes_ago: float, out_of_memory: bool = False, code: int = 1, requested: bool = False
) -> list[dict[str, Any]]:
    return [
        {"at": ago(minutes=each), "code": code, "out_of_memory": out_of_memory, "requested": requested}
        for each in minutes_ago
    ]


def on_fly(*machines: dict[str, Any], **more: Any) -> Site:
    rows = more.pop("rows", None) or [
        deployment("r2", ago(days=2), None, "complete", platform="fly", image=f"registry.fly.io/{NEW_IMAGE}"),
        deployment("r1", ago(days=9), None, "complete", platform="fly", image=f"registry.fly.io/{OLD_IMAGE}"),
    ]
    given: dict[str, Any] = {
        "project": answered("fly", "machine_states", list(machines) or [machine()]),
        "variables": answered("fly", "secret_names", more.pop("variables", variables("gateway", targets=None))),
        "deployments": answered("fly", "releases", rows),
        "probe": probe(),
        "after": (look("fly", "service_counts", {"total": [20, 12], "failed": [0, 0]}),),
        **more,
    }
    return Site("gateway", "fly", **given)


def judged(*sites: Site, **more: Any) -> Conclusion:
    given: dict[str, Any] = {"dockerfile": dockerfile(), **more}
    return diagnose(evidence(*(sites or (on_railway(),)), kind=Evidence, **given), NOW)


def said(*sites: Site, **more: Any) -> tuple[str, list[str]]:
    conclusion = judged(*sites, **more)
    named = {"confirmed": conclusion.causes, "ruled_out": conclusion.states, "could_not_tell": conclusion.suspects}
    return str(conclusion.status), [each.code for each in named[str(conclusion.status)]]
