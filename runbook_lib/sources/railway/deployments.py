"""Railway: how a service is set up to be deployed, one deployment with its instances and steps, what its build wrote.

Facts: Railway's own schema (tests/specs/railway). The values of variables never leave a look, but for one number: PORT.
"""

from typing import Literal

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.deployments import (
    BuildLog,
    DeploymentState,
    DeploymentStep,
    RailwayDeploymentDetail,
    RailwayDomain,
    RailwayService,
    ServingRailwayDeployment,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, number_of, rows_in, text_of
from runbook_lib.sources.railway.api import RailwayApi, service_of
from runbook_lib.sources.this_machine.build_log import digest

_MOST_LINES = 2000


def service(part: str) -> Look[RailwayService]:
    """The service of `api` or `gateway` in its environment."""

    def fetch(door: Door) -> Answer[RailwayService]:
        api, id_ = RailwayApi(door), service_of(door, part)
        scope = api.scope()
        instance, _ = api.ask("service_instance", environmentId=scope.environment_id, serviceId=id_)
        held, _ = api.ask("values", projectId=scope.project_id, environmentId=scope.environment_id, serviceId=id_)
        port = held.in_confidence().parsed(lambda document: _port(document["data"]["variables"]))
        return Answer(
            Status.ok, instance.parsed(lambda document: _service(document["data"]["serviceInstance"], port, part))
        )

    return Look("railway", "service", {"part": part}, fetch)


def detail(id: str, part: str) -> Look[RailwayDeploymentDetail]:
    """One deployment, whole."""

    def fetch(door: Door) -> Answer[RailwayDeploymentDetail]:
        api = RailwayApi(door)
        reply, _ = api.ask("deployment", id=id)
        steps, _ = api.ask("deployment_events", id=id, first=50)
        events = steps.parsed(lambda document: _events(document["data"]["deploymentEvents"]))
        return Answer(Status.ok, reply.parsed(lambda document: _detail(document["data"]["deployment"], events, part)))

    return Look("railway", "detail", {"part": part, "id": id}, fetch)


def build_log(id: str, part: str) -> Look[BuildLog]:
    """What a deployment's build wrote, cut down."""

    def fetch(door: Door) -> Answer[BuildLog]:
        reply, _ = RailwayApi(door).ask("build_logs", deploymentId=id, limit=_MOST_LINES)
        lines = reply.parsed(
            lambda document: [
                (iso_of_text(row["timestamp"]), str(row["message"])) for row in rows_in(document["data"], "buildLogs")
            ]
        )
        if not lines:
            return Answer(Status.empty, None, "the build wrote nothing")
        return Answer(Status.ok, digest(lines))

    return Look("railway", "build_log", {"part": part, "id": id}, fetch, deadline_s=20)


def _service(row: dict[str, Json], port: int | Literal[""] | None, part: str) -> RailwayService:
    source, domains, newest = row.get("source") or {}, row["domains"], row.get("latestDeployment")
    found = [*rows_in(domains, "serviceDomains"), *rows_in(domains, "customDomains")]
    return {
        "id": str(row["serviceId"]),
        "name": text_of(row, "serviceName"),
        "repository": text_of(source, "repo"),
        "image": text_of(source, "image"),
        "root": text_of(row, "rootDirectory"),
        "dockerfile": text_of(row, "dockerfilePath"),
        "start_command": text_of(row, "startCommand"),
        "health_path": text_of(row, "healthcheckPath"),
        "health_timeout_s": number_of(row.get("healthcheckTimeout")),
        "replicas": number_of(row.get("numReplicas")),
        "region": text_of(row, "region"),
        "sleeps": row.get("sleepApplication") is True,
        "restart_policy": text_of(row, "restartPolicyType"),
        "restarts_most": number_of(row.get("restartPolicyMaxRetries")),
        "domains": [
            RailwayDomain(domain=str(each["domain"]), target_port=number_of(each.get("targetPort"))) for each in found
        ],
        "port": port,
        "newest": DeploymentState(id=str(newest["id"]), state=str(newest["status"])) if newest else None,
        "serving": [
            ServingRailwayDeployment(
                id=str(each["id"]),
                state=str(each["status"]),
                stopped=each["deploymentStopped"] is True,
                instances=[str(one["status"]) for one in rows_in(each, "instances")],
            )
            for each in rows_in(row, "activeDeployments")
        ],
        "part": part,
        "platform": "railway",
    }


def _port(variables: Json) -> int | Literal[""] | None:
    if not isinstance(variables, dict):
        raise TypeError("the variables are no object")
    value = variables.get("PORT")
    if value is None:
        return None
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else ""


def _detail(row: dict[str, Json], events: list[DeploymentStep], part: str) -> RailwayDeploymentDetail:
    meta, diagnosis = row.get("meta") or {}, row.get("diagnosis")
    said = text_of(diagnosis, "error", "message") if isinstance(diagnosis, dict) else None
    at = iso_of_text(row["createdAt"])
    if at is None:
        raise KeyError("createdAt")
    return {
        "id": str(row["id"]),
        "at": at,
        "state": str(row["status"]),
        "stopped": row["deploymentStopped"] is True,
        "diagnosis": (said or str(diagnosis))[:500] if diagnosis else None,
        "instances": [str(one["status"]) for one in rows_in(row, "instances")],
        "can_roll_back": row.get("canRollback") is True,
        "commit": text_of(meta, "commitHash"),
        "branch": text_of(meta, "branch"),
        "image": text_of(meta, "image"),
        "events": events,
        "part": part,
        "platform": "railway",
    }


def _events(connection: dict[str, Json]) -> list[DeploymentStep]:
    found = []
    for edge in rows_in(connection, "edges"):
        node, payload = edge["node"], edge["node"].get("payload") or {}
        found.append(
            DeploymentStep(
                step=str(node["step"]),
                at=iso_of_text(node["createdAt"]),
                ended_at=iso_of_text(node.get("completedAt")),
                error=text_of(payload, "error"),
                attempt=number_of(payload.get("attempt")),
                most_attempts=number_of(payload.get("maxAttempts")),
            )
        )
    return sorted(found, key=lambda event: str(event["at"]))
