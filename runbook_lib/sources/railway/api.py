"""Railway's GraphQL API: the queries, and what its answers mean. Failures come as HTTP 200 with `errors[]`.

Every query here is valid against Railway's own schema (a test keeps it so). Facts: railwayapp/cli, src/gql and src/errors.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Json, Status
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import require_reply, require_setting
from runbook_lib.sources.kit.hosting import RAILWAY_SERVICES

HELP = "RUNBOOK_RAILWAY_PROJECT_TOKEN of this environment is enough (or RUNBOOK_RAILWAY_TOKEN of a member with the Viewer role)"
_DENIED = re.compile(r"not authorized|project token not found|invalid token|unauthorized", re.IGNORECASE)
_ABSENT = re.compile(r"not found", re.IGNORECASE)
_LIMITED = re.compile(r"rate limit|too many requests", re.IGNORECASE)
_SAFE_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/-]*", re.ASCII)

QUERIES = {
    "token": "query Token { projectToken { name projectId environmentId } }",
    "me": "query Me { me { name email } }",
    "environment_logs": """
query EnvironmentLogs($environmentId: String!, $filter: String, $anchorDate: String, $beforeDate: String, $beforeLimit: Int) {
  environmentLogs(environmentId: $environmentId, filter: $filter, anchorDate: $anchorDate, beforeDate: $beforeDate,
                  beforeLimit: $beforeLimit) {
    timestamp message severity attributes { key value } tags { serviceId deploymentId deploymentInstanceId }
  }
}""",
    "http_logs": """
query HttpLogs($deploymentId: String!, $filter: String, $anchorDate: String, $beforeDate: String, $beforeLimit: Int) {
  httpLogs(deploymentId: $deploymentId, filter: $filter, anchorDate: $anchorDate, beforeDate: $beforeDate,
           beforeLimit: $beforeLimit) {
    timestamp requestId method path host httpStatus totalDuration upstreamErrors responseDetails edgeRegion deploymentId
    deploymentInstanceId
  }
}""",
    "deployments": """
query Deployments($input: DeploymentListInput!, $first: Int, $after: String) {
  deployments(input: $input, first: $first, after: $after) {
    edges { node { id createdAt status statusUpdatedAt canRollback url staticUrl meta diagnosis } }
    pageInfo { hasNextPage endCursor }
  }
}""",
    "variables": """
query VariableNames($id: String!, $projectId: String, $first: Int, $after: String) {
  environment(id: $id, projectId: $projectId) {
    variables(first: $first, after: $after) {
      edges { node { name serviceId updatedAt createdAt isSealed } }
      pageInfo { hasNextPage endCursor }
    }
  }
}""",
    "service_instance": """
query ServiceInstance($environmentId: String!, $serviceId: String!) {
  serviceInstance(environmentId: $environmentId, serviceId: $serviceId) {
    serviceId serviceName rootDirectory dockerfilePath startCommand healthcheckPath healthcheckTimeout numReplicas region
    sleepApplication restartPolicyType restartPolicyMaxRetries
    source { repo image }
    domains { serviceDomains { domain targetPort } customDomains { domain targetPort } }
    latestDeployment { id status }
    activeDeployments { id status deploymentStopped instances { id status } }
  }
}""",
    "values": """
query Values($projectId: String!, $environmentId: String!, $serviceId: String) {
  variables(projectId: $projectId, environmentId: $environmentId, serviceId: $serviceId)
}""",
    "deployment": """
query Deployment($id: String!) {
  deployment(id: $id) { id createdAt status deploymentStopped diagnosis canRollback meta instances { id status } }
}""",
    "deployment_events": """
query DeploymentEvents($id: String!, $first: Int) {
  deploymentEvents(id: $id, first: $first) {
    edges { node { step createdAt completedAt payload { error attempt maxAttempts } } }
  }
}""",
    "build_logs": """
query BuildLogs($deploymentId: String!, $limit: Int) {
  buildLogs(deploymentId: $deploymentId, limit: $limit) { timestamp message severity }
}""",
    "requests_by_status": """
query RequestsByStatus($environmentId: String!, $serviceId: String!, $startDate: DateTime!, $endDate: DateTime!, $step: Int) {
  httpMetricsGroupedByStatus(environmentId: $environmentId, serviceId: $serviceId, startDate: $startDate, endDate: $endDate,
                             stepSeconds: $step) {
    statusCode samples { ts value }
  }
}""",
    "request_durations": """
query RequestDurations($environmentId: String!, $serviceId: String!, $startDate: DateTime!, $endDate: DateTime!, $step: Int) {
  httpDurationMetrics(environmentId: $environmentId, serviceId: $serviceId, startDate: $startDate, endDate: $endDate,
                      stepSeconds: $step) {
    samples { ts p50 p90 p95 p99 }
  }
}""",
    "services": """
query Services($id: String!, $projectId: String) {
  environment(id: $id, projectId: $projectId) {
    serviceInstances { edges { node { serviceId serviceName activeDeployments { id createdAt status url } } } }
  }
}""",
    "workspaces": "query Workspaces { apiToken { workspaces { id } } }",
    "workspace": "query Workspace($id: String!) { project(id: $id) { workspaceId } }",
    "notification_rules": """
query NotificationRules($workspaceId: String!, $projectId: String) {
  notificationRules(workspaceId: $workspaceId, projectId: $projectId) {
    id eventTypes severities projectId environmentId channels { id config }
  }
}""",
    "platform_status": "query PlatformStatus { platformStatus { isStable incident { id message status url createdAt } } }",
}


@dataclass(frozen=True)
class Scope:
    """Which environment of which project."""

    project_id: str
    environment_id: str


def service_of(door: Door, part: str) -> str:
    """The service's id of a part. Raises LookError(not_configured) for a part that does not run on Railway, or has none set."""
    if part not in RAILWAY_SERVICES:
        raise LookError(Status.not_configured, f"{part} does not run on Railway", do_next="ask for api or gateway")
    return require_setting(door, RAILWAY_SERVICES[part])


class RailwayApi:
    """One look's way to Railway: address, token, the look's deadline."""

    def __init__(self, door: Door) -> None:
        self.door, self.http = door, door.http
        self.url = require_setting(door, "railway_url")
        project, account = reveal(door.settings.railway_project_token), reveal(door.settings.railway_token)
        if not (project or account):
            raise LookError(Status.not_configured, "RUNBOOK_RAILWAY_PROJECT_TOKEN is not set", do_next=HELP)
        self.is_project_token = bool(project)
        self.headers = {"Project-Access-Token": project} if project else {"Authorization": f"Bearer {account}"}

    def ask(self, name: str, *, confidential: bool = False, **variables: Json) -> tuple[Reply, dict[str, Any]]:
        """The reply and its `data`. Raises LookError: denied, not_found, rate_limited or malformed by what `errors[]` says.

        Args:
            confidential: the answer holds values of variables; nothing of it is ever quoted.
        """
        body = {"query": QUERIES[name], "variables": variables}
        reply = self.http.read("POST", self.url, json=body, headers=self.headers)
        reply = reply.in_confidence() if confidential else reply
        if reply.status_code != 400:  # a query that was refused comes with 400 and errors[]
            require_reply(reply, HELP)
        document = reply.parsed(_as_object)
        if errors := document.get("errors"):
            raise _refusal(reply, errors)
        reply.raise_for_status(HELP)
        data = document.get("data")
        if not isinstance(data, dict):
            raise reply.malformed("unexpected shape: no data")
        return reply, data

    def scope(self) -> Scope:
        """Project and environment: as set, or those that the project token is bound to."""
        settings = self.door.settings
        if settings.railway_project_id and settings.railway_environment_id:
            return Scope(settings.railway_project_id, settings.railway_environment_id)
        if not self.is_project_token:
            require_setting(self.door, "railway_project_id")
            require_setting(self.door, "railway_environment_id")
        reply, _ = self.ask("token")
        return reply.parsed(lambda document: _scope(document["data"]["projectToken"]))


def phrase(text: str) -> str:
    """A text as a phrase of Railway's filter language. It has no way to write a quote in one, so quotes become spaces:
    the filter then lets through more than was asked for, and the caller compares again."""
    return '"' + " ".join(text.replace('"', " ").split()) + '"'


def attribute(name: str, value: str) -> str:
    """A filter for an attribute that equals a value; the value as a phrase when it holds what the language would read."""
    return f"@{name}:{value}" if _SAFE_VALUE.fullmatch(value) else f"@{name}:{phrase(value)}"


def attribute_value(written: str) -> Json:
    """A log attribute's value; Railway writes it as JSON, quotes included."""
    try:
        return json.loads(written)
    except ValueError:
        return written


def _as_object(document: Json) -> dict[str, Any]:
    if not isinstance(document, dict) or not ("data" in document or "errors" in document):
        raise TypeError("no GraphQL answer")
    return document


def _refusal(reply: Reply, errors: Json) -> LookError:
    rows = errors if isinstance(errors, list) else [errors]
    words = "; ".join(str(row.get("message", row)) if isinstance(row, dict) else str(row) for row in rows)[:300]
    status = Status.malformed
    for pattern, meant in ((_DENIED, Status.denied), (_LIMITED, Status.rate_limited), (_ABSENT, Status.not_found)):
        if pattern.search(words):
            status = meant
            break
    return LookError(status, f"Railway: {words}", where=reply.where, do_next=HELP)


def _scope(token: dict[str, Any]) -> Scope:
    return Scope(str(token["projectId"]), str(token["environmentId"]))
