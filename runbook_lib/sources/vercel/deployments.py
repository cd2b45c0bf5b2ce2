"""Vercel: how a project is set up to be deployed, one deployment whole, what its build wrote.

Routes and shapes: Vercel's OpenAPI document of 2025-10-27. `previewDeploymentsDisabled` is what a project is updated with;
whether a project's answer tells it is not documented, so its absence says nothing.
"""

from urllib.parse import quote

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.deployments import (
    AliasJob,
    BuildLog,
    VercelDeployment,
    VercelDeploymentDetail,
    VercelProject,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_ms, require_list, rows_in, text_of
from runbook_lib.sources.this_machine.build_log import digest
from runbook_lib.sources.vercel.api import HELP, VercelApi, deployment_row, project_of


def project(part: str) -> Look[VercelProject]:
    """The project of `web` or `api`."""

    def fetch(door: Door) -> Answer[VercelProject]:
        vercel, id_ = VercelApi(door), project_of(door, part)
        reply = require_list(vercel.get(f"/v9/projects/{quote(id_, safe='')}"), HELP)
        return Answer(Status.ok, reply.parsed(lambda document: _project(document, part, vercel.team)))

    return Look("vercel", "project", {"part": part}, fetch)


def recent(part: str, target: str = "production", limit: int = 30) -> Look[list[VercelDeployment]]:
    """The newest deployments of `web` or `api` for a target, newest first, however old."""

    def fetch(door: Door) -> Answer[list[VercelDeployment]]:
        vercel, id_ = VercelApi(door), project_of(door, part)
        reply = vercel.get("/v7/deployments", projectId=id_, target=target, limit=limit)
        if reply.status_code == 404:
            reply = vercel.get("/v6/deployments", projectId=id_, target=target, limit=limit)
        rows = require_list(reply, HELP).parsed(
            lambda document: [deployment_row(row, part) for row in rows_in(document, "deployments")]
        )
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, None, f"no {target} deployment")

    return Look("vercel", "recent", {"part": part, "target": target, "limit": limit}, fetch)


def detail(id: str, part: str) -> Look[VercelDeploymentDetail]:
    """One deployment by its id or address, whole."""

    def fetch(door: Door) -> Answer[VercelDeploymentDetail]:
        reply = VercelApi(door).get(f"/v13/deployments/{quote(id, safe='')}").raise_for_status(HELP)
        return Answer(Status.ok, reply.parsed(lambda document: _detail(document, part)))

    return Look("vercel", "detail", {"part": part, "id": id}, fetch)


def build_log(id: str, part: str) -> Look[BuildLog]:
    """What a deployment's build wrote, cut down."""

    def fetch(door: Door) -> Answer[BuildLog]:
        reply = VercelApi(door).get(f"/v3/deployments/{quote(id, safe='')}/events", follow=0, limit=-1, builds=1)
        lines = reply.raise_for_status(HELP).parsed(lambda document: [_line(row) for row in rows_in(document)])
        if not lines:
            return Answer(Status.empty, None, "the build wrote nothing")
        return Answer(Status.ok, digest([line for line in lines if line[1]]))

    return Look("vercel", "build_log", {"part": part, "id": id}, fetch, deadline_s=20)


def _line(row: dict[str, Json]) -> tuple[str | None, str]:
    payload, _ = row.get("payload") or {}, row["type"]
    return iso_of_ms(payload.get("date") or row.get("created")), text_of(payload, "text") or text_of(row, "text") or ""


def _project(row: dict[str, Json], part: str, team: str | None) -> VercelProject:
    link, job = row.get("link") or {}, row.get("lastAliasRequest")
    serving = (row.get("targets") or {}).get("production") or {}
    owner = text_of(link, "org", "projectNamespace", "owner")
    name = text_of(link, "repo", "projectName", "slug")
    rolled_back = row.get("lastRollbackTarget") or {}
    previews = row.get("previewDeploymentsDisabled")
    skips = text_of(row, "commandForIgnoringBuildStep")
    if skips is None and row.get("enableAffectedProjectsDeployments"):
        skips = "only projects that a commit affects are built"
    return {
        "id": str(row["id"]),
        "name": str(row["name"]),
        "team": team,
        "repository": f"{owner}/{name}" if owner and name else name,
        "branch": text_of(link, "productionBranch"),
        "root": text_of(row, "rootDirectory"),
        "serving": text_of(serving, "id"),
        "aliases": [str(alias) for alias in serving.get("alias") or ()],
        "alias_error": text_of(serving.get("aliasError") or {}, "message", "code"),
        "assigns_domains": row.get("autoAssignCustomDomains") is not False,
        "rolled_back_to": text_of(rolled_back, "id", "deploymentId"),
        "alias_job": _job(job) if job else None,
        "protection": text_of(row.get("ssoProtection") or {}, "deploymentType"),
        "password": text_of(row.get("passwordProtection") or {}, "deploymentType")
        or bool(row.get("passwordProtection")),
        "trusted_ips": text_of(row.get("trustedIps") or {}, "deploymentType"),
        "previews_disabled": previews if isinstance(previews, bool) else None,
        "skips": skips,
        "paused": row.get("paused") is True,
        "part": part,
        "platform": "vercel",
    }


def _job(row: dict[str, Json]) -> AliasJob:
    return {
        "from": text_of(row, "fromDeploymentId"),
        "to": text_of(row, "toDeploymentId"),
        "status": text_of(row, "jobStatus"),
        "type": text_of(row, "type"),
        "at": iso_of_ms(row.get("requestedAt")),
    }


def _detail(row: dict[str, Json], part: str) -> VercelDeploymentDetail:
    alias_error, memory = row.get("aliasError") or {}, row.get("oomReport")
    return {
        **deployment_row(row, part),
        "reason": text_of(row, "readyStateReason"),
        "error_code": text_of(row, "errorCode"),
        "error_step": text_of(row, "errorStep"),
        "aliases": [str(alias) for alias in row.get("alias") or ()],
        "alias_error": text_of(alias_error, "message", "code"),
        "substate": text_of(row, "readySubstate"),
        "checks_state": text_of(row, "checksState"),
        "checks_conclusion": text_of(row, "checksConclusion"),
        "out_of_memory": memory if isinstance(memory, str) else None,
        "project": text_of(row.get("project") or {}, "id") or text_of(row, "projectId"),
    }
