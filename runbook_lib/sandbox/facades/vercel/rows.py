"""Vercel's JSON: deployments, projects, users and teams as its API spells them.

Shapes: Vercel's OpenAPI document of 2025-10-27 and the published SDK 1.28 (tests/specs/vercel).
"""

from datetime import timedelta
from typing import Any

from runbook_lib.sandbox.facades.vercel.state import (
    PROJECT_NAMES,
    TEAM_SLUG,
    VercelState,
    deployments_of,
    host_of,
    ms,
    production_of,
    project_id,
    target_of,
)
from runbook_lib.sandbox.world import Deployment, World

USER_ID = "Jq3mT7vB1nXs9LdKcWfRg2Hy"
_ENDED = ("READY", "ERROR", "CANCELED")


def overlay(row: dict[str, Any], extras: dict[str, Any]) -> dict[str, Any]:
    """The row with the extras laid over it; an extra of None takes the field away."""
    merged = {**row, **extras}
    return {key: value for key, value in merged.items() if not (key in extras and value is None)}


def user() -> dict[str, Any]:
    """The account that the token belongs to."""
    return {
        "id": USER_ID,
        "email": "oncall@nexuscore.example",
        "name": "On call",
        "username": "nexuscore-oncall",
        "avatar": None,
        "defaultTeamId": None,
        "createdAt": 1735689600000,
        "softBlock": None,
        "billing": None,
        "resourceConfig": {},
        "stagingPrefix": "nexuscore-oncall",
        "hasTrialAvailable": False,
    }


def team(world: World) -> dict[str, Any]:
    """The team that owns both projects."""
    return {
        "id": world.ids.vercel_team,
        "slug": TEAM_SLUG,
        "name": "NexusCore",
        "avatar": None,
        "creatorId": USER_ID,
        "createdAt": 1735689600000,
        "updatedAt": 1735689600000,
        "description": None,
        "stagingPrefix": TEAM_SLUG,
        "membership": {"confirmed": True, "role": "MEMBER", "created": 1735689600000, "createdAt": 1735689600000},
    }


def _times(world: World, deployment: Deployment) -> dict[str, Any]:
    built_at = min(world.now(), deployment.created_at + timedelta(seconds=2))
    times: dict[str, Any] = {"createdAt": ms(deployment.created_at), "buildingAt": ms(built_at)}
    if deployment.state == "READY":
        times["ready"] = ms(min(world.now(), built_at + timedelta(seconds=38)))
    return times


def _states(world: World, deployment: Deployment) -> dict[str, Any]:
    states: dict[str, Any] = {"readyState": deployment.state, "aliasError": None}
    if deployment.state == "READY" and target_of(deployment):
        states["readySubstate"] = "PROMOTED"
    if deployment.state in _ENDED:
        states |= {"checksState": "completed", "checksConclusion": "succeeded"}
    if deployment.error:
        states |= {"errorCode": "BUILD_FAILED", "errorMessage": deployment.error}
    current = production_of(world, deployment.part)
    states["aliasAssigned"] = current is not None and current.id == deployment.id
    return states


def _meta(deployment: Deployment) -> dict[str, str]:
    return {
        "githubCommitSha": deployment.commit_sha,
        "githubCommitRef": deployment.branch,
        "githubCommitMessage": deployment.message,
        "githubRepo": "nexuscore",
        "githubOrg": "nexuscore",
        "githubDeployment": "1",
    }


def listed_deployment(world: World, deployment: Deployment) -> dict[str, Any]:
    """One deployment of the list routes."""
    name = PROJECT_NAMES[deployment.part]
    current = production_of(world, deployment.part)
    is_target = target_of(deployment) is not None
    can_roll_back = deployment.state == "READY" and is_target and current is not None and current.id != deployment.id
    row = {
        "uid": deployment.id,
        "name": name,
        "projectId": project_id(world, deployment.part),
        "url": host_of(deployment),
        "created": ms(deployment.created_at),
        "type": "LAMBDAS",
        "state": deployment.state,
        "source": "git",
        "target": target_of(deployment),
        "creator": {"uid": USER_ID, "username": "nexuscore-oncall"},
        "inspectorUrl": f"https://vercel.com/{TEAM_SLUG}/{name}/{deployment.id.removeprefix('dpl_')}",
        "meta": _meta(deployment),
        "isRollbackCandidate": can_roll_back,
        **_times(world, deployment),
        **_states(world, deployment),
    }
    if row["target"] is None:
        del row["target"]
    return overlay(row, world.state(VercelState).deployment_extras.get(deployment.id, {}))


def one_deployment(world: World, deployment: Deployment) -> dict[str, Any]:
    """One deployment of the single route, with its project, aliases and why it is in its state."""
    name = PROJECT_NAMES[deployment.part]
    current = production_of(world, deployment.part)
    is_current = current is not None and current.id == deployment.id
    row = {
        "id": deployment.id,
        "name": name,
        "url": host_of(deployment),
        "type": "LAMBDAS",
        "version": 2,
        "plan": "pro",
        "public": False,
        "regions": ["iad1"],
        "source": "git",
        "status": deployment.state,
        "bootedAt": ms(deployment.created_at),
        "buildSkipped": False,
        "createdIn": "iad1",
        "ownerId": world.ids.vercel_team,
        "projectId": project_id(world, deployment.part),
        "project": {"id": project_id(world, deployment.part), "name": name, "framework": "nextjs"},
        "team": {"id": world.ids.vercel_team, "name": "NexusCore", "slug": TEAM_SLUG},
        "target": target_of(deployment),
        "alias": aliases(deployment.part) if is_current else [],
        "creator": {"uid": USER_ID, "username": "nexuscore-oncall"},
        "inspectorUrl": f"https://vercel.com/{TEAM_SLUG}/{name}/{deployment.id.removeprefix('dpl_')}",
        "env": sorted(deployment.variables),
        "build": {"env": sorted(deployment.variables)},
        "projectSettings": {"framework": "nextjs"},
        "isInConcurrentBuildsQueue": False,
        "isInSystemBuildsQueue": False,
        "routes": None,
        "meta": _meta(deployment),
        **_times(world, deployment),
        **_states(world, deployment),
    }
    if deployment.error:
        row |= {"readyStateReason": deployment.error, "errorStep": deployment.failed_step or "buildStep"}
    return overlay(row, world.state(VercelState).deployment_extras.get(deployment.id, {}))


def aliases(part: str) -> list[str]:
    """The production host names of a part."""
    name = PROJECT_NAMES[part]
    return [f"{name}.vercel.app", {"web": "app.nexuscore.example", "api": "api.nexuscore.example"}[part]]


def project(world: World, part: str) -> dict[str, Any]:
    """A part's project, with its link to the repository, its production target and the last alias job."""
    state = world.state(VercelState)
    current = production_of(world, part)
    pointer = state.pointers.get(part)
    row: dict[str, Any] = {
        "id": project_id(world, part),
        "name": PROJECT_NAMES[part],
        "accountId": world.ids.vercel_team,
        "framework": "nextjs",
        "nodeVersion": "22.x",
        "directoryListing": False,
        "rootDirectory": f"apps/{part}",
        "live": True,
        "paused": False,
        "autoAssignCustomDomains": not (pointer and pointer.is_pinned),
        "resourceConfig": {"functionDefaultRegions": ["iad1"]},
        "defaultResourceConfig": {"functionDefaultRegions": ["iad1"]},
        "ssoProtection": {"deploymentType": "preview"},
        "createdAt": 1735689600000,
        "updatedAt": ms(current.created_at) if current else 1735689600000,
        "link": {
            "type": "github",
            "org": "nexuscore",
            "repo": "nexuscore",
            "repoId": 712345678,
            "productionBranch": "main",
            "createdAt": 1735689600000,
            "deployHooks": [],
            "gitCredentialId": "cred_nexuscore",
            "sourceless": False,
        },
        "latestDeployments": [_short_deployment(d) for d in deployments_of(world, part)[:5]],
        "targets": {"production": _short_deployment(current) if current else None},
        "lastRollbackTarget": {"id": pointer.deployment_id} if pointer and pointer.is_pinned else None,
        "lastAliasRequest": _alias_request(world, part),
    }
    return overlay(row, state.project_extras.get(part, {}))


def _short_deployment(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "name": PROJECT_NAMES[deployment.part],
        "url": host_of(deployment),
        "alias": aliases(deployment.part) if target_of(deployment) else [],
        "createdAt": ms(deployment.created_at),
        "createdIn": "iad1",
        "creator": {"uid": USER_ID, "username": "nexuscore-oncall", "email": "oncall@nexuscore.example"},
        "deploymentHostname": host_of(deployment).partition(".")[0],
        "forced": False,
        "meta": _meta(deployment),
        "plan": "pro",
        "private": True,
        "readyState": deployment.state,
        "target": target_of(deployment),
        "teamId": None,
        "type": "LAMBDAS",
        "userId": USER_ID,
    }


def _alias_request(world: World, part: str) -> dict[str, Any] | None:
    state = world.state(VercelState)
    job = state.alias_jobs.get(part)
    if job is None:
        return None
    age_s = (world.now() - job.requested_at).total_seconds()
    ended = "failed" if state.alias_job_fails else "succeeded"
    status = ended if age_s >= state.alias_job_s else ("in-progress" if age_s > state.alias_job_s / 2 else "pending")
    return {
        "fromDeploymentId": job.from_id,
        "toDeploymentId": job.to_id,
        "jobStatus": status,
        "requestedAt": ms(job.requested_at),
        "type": job.kind,
    }
