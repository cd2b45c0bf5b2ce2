"""What Vercel knows beside deployments and variables: which deployment serves production, its projects' settings, its limits."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from runbook_lib.sandbox.world import Deployment, RequestRow, World

TEAM_SLUG = "nexuscore"
PROJECT_NAMES = {"web": "nexuscore-web", "api": "nexuscore-api"}


@dataclass
class Pointer:
    """A production alias set by hand: a rollback pins it, a promotion lets newer deployments take over again."""

    deployment_id: str
    set_at: datetime
    is_pinned: bool


@dataclass
class AliasJob:
    """The last promotion or rollback of a project, as its `lastAliasRequest` tells it."""

    from_id: str
    to_id: str
    kind: Literal["promote", "rollback"]
    requested_at: datetime


@dataclass
class VercelState:
    """The dials of this façade.

    deployment_extras and project_extras lie over what is sent, by deployment id and by part; a None takes the field away.
    build_logs holds a deployment's build lines where the standard ones would not do. calls_left None means no rate limit.
    captured names the requests whose infrastructure trace was captured. alert_channels says who is told by the projects' alert
    rules (slack, webhooks), alert_types of what; without types there is no rule. undeployed names parts that were never deployed.
    """

    retention_h: float = 24.0
    delay_s: float = 0.0
    page_rows: int = 100
    calls_left: int | None = None
    calls_limit: int = 2_000
    alias_job_s: float = 0.5
    alias_job_fails: bool = False
    token_expires_at: datetime | None = None
    pointers: dict[str, Pointer] = field(default_factory=dict)
    alias_jobs: dict[str, AliasJob] = field(default_factory=dict)
    deployment_extras: dict[str, dict[str, Any]] = field(default_factory=dict)
    project_extras: dict[str, dict[str, Any]] = field(default_factory=dict)
    build_logs: dict[str, list[str]] = field(default_factory=dict)
    alert_channels: dict[str, list[str]] = field(default_factory=lambda: {"slack": ["C0NEXUS"]})
    alert_types: list[str] = field(default_factory=lambda: ["error_anomaly", "usage_anomaly"])
    undeployed: list[str] = field(default_factory=list)


def project_id(world: World, part: str) -> str:
    """The id of a part's project."""
    return {"web": world.ids.vercel_web_project, "api": world.ids.vercel_api_project}[part]


def part_of_project(world: World, id_or_name: str) -> str | None:
    """The part whose project has this id or name, or None."""
    for part, name in PROJECT_NAMES.items():
        if id_or_name in (name, project_id(world, part)):
            return part
    return None


def deployments_of(world: World, part: str) -> list[Deployment]:
    """A part's deployments on Vercel, newest first."""
    if part in world.state(VercelState).undeployed:
        return []
    found = [d for d in world.deployments if d.platform == "vercel" and d.part == part]
    return sorted(found, key=lambda d: d.created_at, reverse=True)


def find_deployment(world: World, id_or_url: str) -> Deployment | None:
    """The deployment with this id or host name; scheme and path are ignored."""
    wanted = id_or_url.removeprefix("https://").partition("/")[0]
    for deployment in world.deployments:
        if deployment.platform == "vercel" and wanted in (deployment.id, host_of(deployment)):
            return deployment
    return None


def host_of(deployment: Deployment) -> str:
    """The deployment's own host name."""
    return deployment.url.removeprefix("https://").removeprefix("http://").partition("/")[0]


def target_of(deployment: Deployment) -> str | None:
    """`production` for the main branch, None for a preview."""
    return "production" if deployment.branch == "main" else None


def production_of(world: World, part: str) -> Deployment | None:
    """The deployment that production traffic of this part gets, or None before the first."""
    state = world.state(VercelState)
    ready = [
        d
        for d in deployments_of(world, part)
        if d.state == "READY" and target_of(d) and substate(state, d.id) != "STAGED"
    ]
    pointer = state.pointers.get(part)
    if pointer is None:
        return ready[0] if ready else None
    newer = [] if pointer.is_pinned else [d for d in ready if d.created_at > pointer.set_at]
    return newer[0] if newer else find_deployment(world, pointer.deployment_id)


def substate(state: VercelState, deployment_id: str) -> str | None:
    """A substate set by hand, or None for the usual one."""
    value = state.deployment_extras.get(deployment_id, {}).get("readySubstate")
    return str(value) if value else None


def point_production(world: World, part: str, to: Deployment, kind: Literal["promote", "rollback"]) -> None:
    """Give production traffic to a deployment. A rollback also stops newer deployments from taking over."""
    state = world.state(VercelState)
    before = production_of(world, part)
    now = world.now()
    state.alias_jobs[part] = AliasJob(before.id if before else "", to.id, kind, now)
    if not state.alias_job_fails:
        state.pointers[part] = Pointer(to.id, now, is_pinned=kind == "rollback")


def rows_of(world: World, part: str) -> list[RequestRow]:
    """A part's requests on Vercel, newest first."""
    found = [r for r in world.requests if r.platform == "vercel" and r.part == part]
    return sorted(found, key=lambda r: r.at, reverse=True)


def ms(at: datetime) -> int:
    """Epoch milliseconds, Vercel's only form of time."""
    return int(at.timestamp() * 1000)
