"""Every query and mutation of Railway's schema that the façade answers, for one caller."""

import uuid
from dataclasses import replace
from typing import Any

from graphql import GraphQLError

from runbook_lib.sandbox.facades.railway import answers as railway_answers
from runbook_lib.sandbox.facades.railway import logs as railway_logs
from runbook_lib.sandbox.facades.railway import metrics as railway_metrics
from runbook_lib.sandbox.facades.railway.state import (
    SERVICE_NAMES,
    WORKSPACE_ID,
    Caller,
    deployments_of,
    find_deployment,
    not_authorized,
    parse_time,
    part_of_service,
    status_of,
)
from runbook_lib.sandbox.world import Deployment, World


class Root:
    """Every query and mutation, for one caller. Methods have the schema's names; graphql-core calls them by name."""

    def __init__(self, world: World, caller: Caller) -> None:
        self._world = world
        self._caller = caller

    def _see(self, **ids: str | None) -> World:
        self._caller.require_sight(
            self._world, environment_id=ids.get("environmentId"), project_id=ids.get("projectId")
        )
        return self._world

    def me(self, _: Any) -> dict[str, Any]:
        """The account; a project token has none."""
        if self._caller.kind != "account":
            raise not_authorized()
        return {
            "id": "usr_oncall",
            "email": "oncall@nexuscore.example",
            "name": "On call",
            "createdAt": "2025-01-01T00:00:00Z",
        }

    def apiToken(self, _: Any) -> dict[str, Any]:
        """The workspaces that an account's token may work on."""
        if self._caller.kind != "account":
            raise not_authorized()
        return {"workspaces": [{"id": WORKSPACE_ID, "name": "NexusCore"}]}

    def projectToken(self, _: Any) -> dict[str, Any]:
        """The project token of the header."""
        if self._caller.kind != "project":
            raise GraphQLError("Project Token not found")
        return {
            "id": "ptk_runbook",
            "name": "runbook",
            "displayToken": f"****-{self._world.keys.railway_project_token[-4:]}",
            "createdAt": "2025-01-01T00:00:00.000Z",
            "projectId": self._world.ids.railway_project,
            "environmentId": self._world.ids.railway_environment,
            "project": railway_answers.project(self._world),
            "environment": railway_answers.environment(self._world),
        }

    def platformStatus(self, _: Any) -> dict[str, Any]:
        """Railway's own state; asked without a token too."""
        return railway_answers.platform_status(self._world)

    def project(self, _: Any, id: str) -> dict[str, Any]:
        """The project."""
        return railway_answers.project(self._see(projectId=id))

    def environment(self, _: Any, id: str, projectId: str | None = None) -> dict[str, Any]:
        """The environment."""
        return railway_answers.environment(self._see(environmentId=id, projectId=projectId))

    def service(self, _: Any, id: str) -> dict[str, Any]:
        """One service."""
        return railway_answers.service(self._see(), part_of_service(self._world, id))

    def serviceInstance(self, _: Any, environmentId: str, serviceId: str) -> dict[str, Any]:
        """One service in the environment."""
        world = self._see(environmentId=environmentId)
        return railway_answers.service_instance(world, part_of_service(world, serviceId))

    def deployment(self, _: Any, id: str) -> dict[str, Any]:
        """One deployment."""
        return railway_answers.deployment(self._see(), find_deployment(self._world, id))

    def deployments(
        self, _: Any, input: dict[str, Any], first: int | None = None, after: str | None = None, **__: Any
    ) -> dict[str, Any]:
        """Deployments by service and status, newest first."""
        world = self._see(environmentId=input.get("environmentId"), projectId=input.get("projectId"))
        part = part_of_service(world, input["serviceId"]) if input.get("serviceId") else None
        wanted, unwanted = _status_sets(input.get("status") or {})
        found = [d for d in deployments_of(world, part) if _is_wanted(status_of(world, d), wanted, unwanted)]
        rows = [railway_answers.deployment(world, one) for one in found]
        return railway_answers.connection(rows, first, after)

    def deploymentEvents(
        self, _: Any, id: str, first: int | None = None, after: str | None = None, **__: Any
    ) -> dict[str, Any]:
        """The steps of one deployment."""
        rows = railway_answers.deployment_events(self._see(), find_deployment(self._world, id))
        return railway_answers.connection(rows, first, after)

    def variables(
        self, _: Any, projectId: str, environmentId: str, serviceId: str | None = None, **__: Any
    ) -> dict[str, str]:
        """A service's variables with their values; none are shared."""
        world = self._see(projectId=projectId, environmentId=environmentId)
        if serviceId is None:
            return {}
        part = part_of_service(world, serviceId)
        own = {v.key: v.value for v in world.variables if (v.platform, v.part) == ("railway", part)}
        ids = world.ids
        return {
            **own,
            "RAILWAY_PROJECT_ID": ids.railway_project,
            "RAILWAY_ENVIRONMENT_ID": ids.railway_environment,
            "RAILWAY_ENVIRONMENT_NAME": "production",
            "RAILWAY_SERVICE_ID": serviceId,
            "RAILWAY_SERVICE_NAME": SERVICE_NAMES[part],
        }

    variablesForServiceDeployment = variables

    def deploymentLogs(
        self,
        _: Any,
        deploymentId: str,
        filter: str | None = None,
        startDate: str | None = None,
        endDate: str | None = None,
        limit: int | None = None,
    ) -> list[dict[str, Any]]:
        """What one deployment wrote."""
        one = find_deployment(self._see(), deploymentId)
        return railway_logs.deployment_logs(self._world, one, filter, startDate, endDate, limit)

    def buildLogs(
        self, _: Any, deploymentId: str, filter: str | None = None, limit: int | None = None, **__: Any
    ) -> list[dict[str, Any]]:
        """What one build wrote."""
        return railway_logs.build_logs(self._see(), find_deployment(self._world, deploymentId), filter, limit)

    def environmentLogs(
        self, _: Any, environmentId: str, filter: str | None = None, **window: Any
    ) -> list[dict[str, Any]]:
        """What all services wrote around an anchor."""
        return railway_logs.environment_logs(self._see(environmentId=environmentId), filter, window)

    def httpLogs(
        self, _: Any, deploymentId: str, filter: str | None = None, limit: int | None = None, **window: Any
    ) -> list[dict[str, Any]]:
        """What the edge saw of one deployment."""
        one = find_deployment(self._see(), deploymentId)
        return railway_logs.http_logs(self._world, one, filter, limit, window)

    def httpMetricsGroupedByStatus(self, _: Any, **query: Any) -> list[dict[str, Any]]:
        """Request counts by status."""
        return railway_metrics.by_status(self._see(environmentId=query["environmentId"]), query)

    def httpDurationMetrics(self, _: Any, **query: Any) -> dict[str, Any]:
        """Request durations."""
        return railway_metrics.durations(self._see(environmentId=query["environmentId"]), query)

    def metrics(self, _: Any, **query: Any) -> list[dict[str, Any]]:
        """CPU and memory."""
        world = self._see(environmentId=query.get("environmentId"), projectId=query.get("projectId"))
        return railway_metrics.usage(world, query)

    def auditLogs(
        self,
        _: Any,
        workspaceId: str,
        filter: dict[str, Any] | None = None,
        first: int | None = None,
        after: str | None = None,
        **__: Any,
    ) -> dict[str, Any]:
        """Who changed what; an account's right."""
        if self._caller.kind != "account" or workspaceId != WORKSPACE_ID:
            raise not_authorized()
        window = filter or {}
        since, until = parse_time(window.get("startDate")), parse_time(window.get("endDate"))
        return railway_answers.connection(railway_answers.audit_logs(self._world, since, until), first, after)

    def notificationRules(self, _: Any, workspaceId: str, projectId: str | None = None) -> list[dict[str, Any]]:
        """Who is told of what; an account's right."""
        if self._caller.kind != "account" or workspaceId != WORKSPACE_ID:
            raise not_authorized()
        return railway_answers.notification_rules(self._see(projectId=projectId))

    def deploymentRollback(self, _: Any, id: str) -> bool:
        """Deploy an older image again with its variables; only where `canRollback`."""
        old = find_deployment(self._see(), id)
        if not railway_answers.deployment(self._world, old)["canRollback"]:
            raise GraphQLError("Cannot rollback to this deployment")
        self._deploy_again(old, restore_variables=True)
        return True

    def deploymentRedeploy(self, _: Any, id: str, **__: Any) -> dict[str, Any]:
        """Deploy the same again with the variables of now."""
        return railway_answers.deployment(self._world, self._deploy_again(find_deployment(self._see(), id)))

    def deploymentRestart(self, _: Any, id: str) -> bool:
        """Restart what runs."""
        find_deployment(self._see(), id)
        return True

    def deploymentStop(self, _: Any, id: str) -> bool:
        """Stop what runs."""
        find_deployment(self._see(), id).state = "REMOVED"
        return True

    def deploymentCancel(self, _: Any, id: str) -> bool:
        """Stop a build that has not ended."""
        one = find_deployment(self._see(), id)
        if one.state not in ("QUEUED", "INITIALIZING", "BUILDING", "DEPLOYING"):
            raise GraphQLError("Deployment cannot be cancelled")
        one.state = "REMOVED"
        return True

    def _deploy_again(self, old: Deployment, *, restore_variables: bool = False) -> Deployment:
        world = self._world
        own = [v for v in world.variables if (v.platform, v.part) == ("railway", old.part)]
        if restore_variables:
            for variable in own:
                if variable.key in old.variables and variable.value != old.variables[variable.key]:
                    variable.value, variable.updated_at = old.variables[variable.key], world.now()
        snapshot = {v.key: v.value for v in own}
        new = replace(
            old, id=str(uuid.uuid4()), created_at=world.now(), state="SUCCESS", variables=snapshot, error=None
        )
        world.deployments.append(new)
        return new


def _status_sets(status: dict[str, Any]) -> tuple[set[str] | None, set[str]]:
    wanted = set(status["in"]) if status.get("in") is not None else None
    return wanted, set(status.get("notIn") or ())


def _is_wanted(status: str, wanted: set[str] | None, unwanted: set[str]) -> bool:
    return (wanted is None or status in wanted) and status not in unwanted
