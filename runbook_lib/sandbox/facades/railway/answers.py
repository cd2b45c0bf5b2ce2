"""Railway's objects as its GraphQL schema names their fields: deployments, services, environments, events, status."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.sandbox.facades.railway.state import (
    SERVICE_NAMES,
    WORKSPACE_ID,
    RailwayState,
    active_of,
    deployments_of,
    rfc3339,
    service_id,
    status_of,
)
from runbook_lib.sandbox.world import Deployment, World

_FOUNDED = "2025-01-01T00:00:00.000Z"
_STEPS = ("SNAPSHOT_CODE", "BUILD_IMAGE", "PUBLISH_IMAGE", "CREATE_CONTAINER", "HEALTHCHECK")


def connection(rows: list[dict[str, Any]], first: int | None, after: str | None) -> dict[str, Any]:
    """Rows as a Relay connection; the cursor is the row's id. A cursor that is unknown begins at the start."""
    cursors = [row["id"] for row in rows]
    start = cursors.index(after) + 1 if after in cursors else 0
    end = len(rows) if first is None else start + first
    page = rows[start:end]
    return {
        "edges": [{"cursor": row["id"], "node": row} for row in page],
        "pageInfo": {
            "hasNextPage": start + len(page) < len(rows),
            "hasPreviousPage": start > 0,
            "startCursor": page[0]["id"] if page else None,
            "endCursor": page[-1]["id"] if page else None,
        },
    }


def paged_field(rows: Callable[[], list[dict[str, Any]]]) -> Callable[..., dict[str, Any]]:
    """A field that takes Relay's paging arguments; its rows are made when it is asked for."""

    def resolve(_: Any, first: int | None = None, after: str | None = None, **__: Any) -> dict[str, Any]:
        return connection(rows(), first, after)

    return resolve


def deployment(world: World, one: Deployment) -> dict[str, Any]:
    """A deployment; its service and environment are filled in when asked for."""
    status = status_of(world, one)
    active = active_of(world, one.part)
    is_active = active is not None and active.id == one.id
    updated = rfc3339(one.created_at + timedelta(seconds=55))
    return {
        "id": one.id,
        "status": status,
        "createdAt": rfc3339(one.created_at),
        "updatedAt": updated,
        "statusUpdatedAt": updated,
        "canRedeploy": status not in ("BUILDING", "QUEUED", "INITIALIZING"),
        "canRollback": status == "REMOVED" and one.error is None,
        "deploymentStopped": not is_active or status in ("CRASHED", "FAILED"),
        "diagnosis": {"error": one.error} if one.error else None,
        "instances": [
            {"id": f"{one.id}-{nth}", "status": word} for nth, word in enumerate(_instances(world, one, is_active))
        ],
        "meta": {
            "reason": "deploy",
            "repo": "nexuscore/nexuscore",
            "branch": one.branch,
            "commitHash": one.commit_sha,
            "commitMessage": one.message,
            "commitAuthor": "nexuscore-oncall",
        },
        "creator": {"id": "usr_oncall", "email": "oncall@nexuscore.example", "name": "On call", "avatar": None},
        "projectId": world.ids.railway_project,
        "environmentId": world.ids.railway_environment,
        "serviceId": service_id(world, one.part),
        "snapshotId": None,
        "url": one.url or None,
        "staticUrl": one.url.removeprefix("https://") or None,
        "service": lambda _: service(world, one.part),
        "environment": lambda _: environment(world),
    }


def _instances(world: World, one: Deployment, is_active: bool) -> list[str]:
    usual = {"CRASHED": ["CRASHED"], "FAILED": [], "SLEEPING": ["STOPPED"]}.get(
        one.state, ["RUNNING"] if is_active else []
    )
    return world.state(RailwayState).instances.get(one.id, usual if one.instances is None else one.instances)


def deployment_events(world: World, one: Deployment) -> list[dict[str, Any]]:
    """The steps of a deployment as far as it got; the one that failed carries the error."""
    steps = list(_STEPS)
    failed = None
    if one.state == "FAILED":
        failed = world.state(RailwayState).failed_steps.get(one.id, one.failed_step or "BUILD_IMAGE")
        steps = [*steps[: steps.index(failed)], failed] if failed in steps else [*steps, failed]
    rows = []
    for nth, step in enumerate(steps):
        began = one.created_at + timedelta(seconds=10 * nth)
        payload = {"error": one.error or "failed", "durationMs": 10_000} if step == failed else {"durationMs": 10_000}
        rows.append(
            {
                "id": f"{one.id}-{step.lower()}",
                "step": step,
                "createdAt": rfc3339(began),
                "completedAt": rfc3339(began + timedelta(seconds=10)),
                "payload": payload,
            }
        )
    return rows


def service(world: World, part: str) -> dict[str, Any]:
    """A part's service."""
    return {
        "id": service_id(world, part),
        "name": SERVICE_NAMES[part],
        "projectId": world.ids.railway_project,
        "createdAt": _FOUNDED,
        "updatedAt": _FOUNDED,
        "deletedAt": None,
    }


def service_instance(world: World, part: str) -> dict[str, Any]:
    """A part's service in the environment: its settings, its newest deployment and the ones that run."""
    found = deployments_of(world, part)
    active = active_of(world, part)
    domain = {
        "id": f"dom-{part}",
        "domain": f"{SERVICE_NAMES[part]}.up.railway.app",
        "serviceId": service_id(world, part),
        "environmentId": world.ids.railway_environment,
        "projectId": world.ids.railway_project,
        "createdAt": _FOUNDED,
        "targetPort": {"api": 3001, "gateway": 8000}[part],
    }
    row = {
        "id": f"si-{service_id(world, part)}",
        "serviceId": service_id(world, part),
        "serviceName": SERVICE_NAMES[part],
        "environmentId": world.ids.railway_environment,
        "createdAt": _FOUNDED,
        "updatedAt": rfc3339(found[0].created_at) if found else _FOUNDED,
        "builder": "RAILPACK",
        "buildCommand": None,
        "startCommand": None,
        "dockerfilePath": "Dockerfile" if part == "gateway" else None,
        "rootDirectory": {"api": "apps/api", "gateway": "apps/llm-gateway"}[part],
        "source": {"repo": "nexuscore/nexuscore", "image": None},
        "region": "us-east4",
        "numReplicas": 1,
        "healthcheckPath": {"api": "/api/health", "gateway": "/"}[part],
        "healthcheckTimeout": 300,
        "restartPolicyType": "ON_FAILURE",
        "restartPolicyMaxRetries": 10,
        "sleepApplication": False,
        "cronSchedule": None,
        "nextCronRunAt": None,
        "deletedAt": None,
        "domains": {"serviceDomains": [domain], "customDomains": []},
        "latestDeployment": deployment(world, found[0]) if found else None,
        "activeDeployments": [deployment(world, active)] if active and active.state == "SUCCESS" else [],
        "service": lambda _: service(world, part),
    }
    return {**row, **world.state(RailwayState).service_extras.get(part, {})}


def environment(world: World) -> dict[str, Any]:
    """The one environment, production."""
    return {
        "id": world.ids.railway_environment,
        "name": "production",
        "projectId": world.ids.railway_project,
        "isEphemeral": False,
        "createdAt": _FOUNDED,
        "updatedAt": _FOUNDED,
        "deletedAt": None,
        "serviceInstances": paged_field(lambda: [service_instance(world, part) for part in SERVICE_NAMES]),
        "variables": paged_field(lambda: _variables(world)),
    }


def _variables(world: World) -> list[dict[str, Any]]:
    """The services' variables as this connection shows them: name and times, no value."""
    return [
        {
            "id": f"{v.part}/{v.key}",
            "name": v.key,
            "serviceId": service_id(world, v.part),
            "environmentId": world.ids.railway_environment,
            "isSealed": v.kind == "sensitive",
            "references": [],
            "createdAt": rfc3339(v.updated_at),
            "updatedAt": rfc3339(v.updated_at),
        }
        for v in world.variables
        if v.platform == "railway"
    ]


def project(world: World) -> dict[str, Any]:
    """The one project."""
    return {
        "id": world.ids.railway_project,
        "name": "nexuscore",
        "description": None,
        "workspaceId": WORKSPACE_ID,
        "createdAt": _FOUNDED,
        "updatedAt": _FOUNDED,
        "deletedAt": None,
        "environments": paged_field(lambda: [environment(world)]),
        "services": paged_field(lambda: [service(world, part) for part in SERVICE_NAMES]),
    }


def audit_logs(world: World, since: datetime | None, until: datetime | None) -> list[dict[str, Any]]:
    """Who changed what, newest first: deployments made, variables set."""
    rows = [
        _audit(
            world,
            "deployment.create",
            d.created_at,
            d.id,
            {"deploymentId": d.id, "serviceId": service_id(world, d.part)},
        )
        for d in deployments_of(world)
    ]
    rows += [
        _audit(world, "variable.update", v.updated_at, v.key, {"name": v.key, "serviceId": service_id(world, v.part)})
        for v in world.variables
        if v.platform == "railway"
    ]
    kept = [row for at, row in rows if (since is None or at >= since) and (until is None or at <= until)]
    return sorted(kept, key=lambda row: str(row["createdAt"]), reverse=True)


def notification_rules(world: World) -> list[dict[str, Any]]:
    """The project's notification rule, if it has one. A channel's `config` is a scalar: its type and where it leads."""
    state = world.state(RailwayState)
    if not state.notification_events:
        return []
    places = {
        "webhook": {"url": "https://hooks.nexuscore.example/railway"},
        "email": {"email": "oncall@nexuscore.example"},
    }
    channels = [
        {
            "id": f"nch_{kind}",
            "config": {"type": kind.upper(), **places.get(kind, {})},
            "createdAt": _FOUNDED,
            "updatedAt": _FOUNDED,
            "workspaceId": WORKSPACE_ID,
        }
        for kind in state.notification_channels
    ]
    return [
        {
            "id": "nru_deployments",
            "channels": channels,
            "eventTypes": state.notification_events,
            "severities": ["CRITICAL", "WARNING"],
            "projectId": world.ids.railway_project,
            "environmentId": None,
            "serviceId": None,
            "ephemeralEnvironments": False,
            "createdAt": _FOUNDED,
            "updatedAt": _FOUNDED,
            "workspaceId": WORKSPACE_ID,
        }
    ]


def _audit(world: World, kind: str, at: datetime, of: str, payload: dict[str, Any]) -> tuple[datetime, dict[str, Any]]:
    row = {
        "id": f"{kind}-{of}-{int(at.timestamp())}",
        "eventType": kind,
        "createdAt": rfc3339(at),
        "payload": payload,
        "context": {"actor": "nexuscore-oncall"},
        "projectId": world.ids.railway_project,
        "environmentId": world.ids.railway_environment,
        "workspaceId": WORKSPACE_ID,
    }
    return at, row


def platform_status(world: World) -> dict[str, Any]:
    """What Railway says about itself."""
    incident = world.state(RailwayState).incident
    if incident is None:
        return {"isStable": True, "incident": None, "maintenance": None}
    shown = {
        "id": "incident-1",
        "message": incident.message,
        "status": incident.status,
        "url": "https://status.railway.com",
        "createdAt": rfc3339(incident.created_at) if incident.created_at else None,
    }
    return {"isStable": incident.status == "RESOLVED", "incident": shown, "maintenance": None}
