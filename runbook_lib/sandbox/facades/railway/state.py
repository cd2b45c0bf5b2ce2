"""What Railway knows beside deployments and variables: services' settings, instances, incidents, limits; and who may see it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from graphql import GraphQLError

from runbook_lib.sandbox.world import Deployment, World

SERVICE_NAMES = {"api": "nexuscore-api", "gateway": "nexuscore-gateway"}
WORKSPACE_ID = "7c0e3a64-6a7b-4c1e-9a55-0f4a1b2c3d4e"


@dataclass
class PlatformIncident:
    """What `platformStatus` says is wrong with Railway itself. `status`: IDENTIFIED, INVESTIGATING, MONITORING, RESOLVED."""

    message: str
    status: str = "INVESTIGATING"
    created_at: datetime | None = None


@dataclass
class RailwayState:
    """The dials of this façade.

    service_extras lies over a service instance's fields by part; instances gives a deployment's instance states where one
    running instance would not do; failed_steps says at which step a failed deployment stopped. memory_gb and cpu are what
    `metrics` reports by part. calls_left None means no rate limit. notification_channels: who the project's one notification
    rule tells (webhook, email), notification_events of what; without events there is no rule.
    """

    retention_h: float = 30 * 24.0
    delay_s: float = 0.0
    calls_left: int | None = None
    calls_limit: int = 10_000
    service_extras: dict[str, dict[str, Any]] = field(default_factory=dict)
    instances: dict[str, list[str]] = field(default_factory=dict)
    failed_steps: dict[str, str] = field(default_factory=dict)
    build_logs: dict[str, list[str]] = field(default_factory=dict)
    memory_gb: dict[str, float] = field(default_factory=lambda: {"api": 0.21, "gateway": 0.18})
    memory_limit_gb: float = 8.0
    cpu: dict[str, float] = field(default_factory=lambda: {"api": 0.03, "gateway": 0.02})
    incident: PlatformIncident | None = None
    notification_channels: list[str] = field(default_factory=lambda: ["webhook"])
    notification_events: list[str] = field(
        default_factory=lambda: ["Deployment.failed", "Deployment.crashed", "Deployment.oom_killed"]
    )


@dataclass(frozen=True)
class Caller:
    """Who asks. An account sees everything of this sandbox, a project token its one environment, nobody nothing."""

    kind: str  # account, project, nobody

    def require_sight(self, world: World, *, environment_id: str | None = None, project_id: str | None = None) -> None:
        """Raise "Not Authorized" unless the caller may see that environment or project."""
        if self.kind == "nobody":
            raise not_authorized()
        if environment_id not in (None, world.ids.railway_environment) or project_id not in (
            None,
            world.ids.railway_project,
        ):
            raise not_authorized()


def not_authorized() -> GraphQLError:
    """Railway's one answer to a bad token and to a thing that is not yours."""
    return GraphQLError("Not Authorized")


def service_id(world: World, part: str) -> str:
    """The id of a part's service."""
    return {"api": world.ids.railway_api_service, "gateway": world.ids.railway_gateway_service}[part]


def part_of_service(world: World, id_: str) -> str:
    """The part whose service has this id. Raises GraphQLError for any other."""
    for part in SERVICE_NAMES:
        if service_id(world, part) == id_:
            return part
    raise GraphQLError("Service not found")


def deployments_of(world: World, part: str | None = None) -> list[Deployment]:
    """Railway's deployments, of one part or of all, newest first."""
    found = [d for d in world.deployments if d.platform == "railway" and part in (None, d.part)]
    return sorted(found, key=lambda d: d.created_at, reverse=True)


def find_deployment(world: World, id_: str) -> Deployment:
    """The deployment with this id. Raises GraphQLError when there is none."""
    found = next((d for d in deployments_of(world) if d.id == id_), None)
    if found is None:
        raise GraphQLError("Deployment not found")
    return found


def active_of(world: World, part: str) -> Deployment | None:
    """The deployment that serves: the newest that ever came up, or None."""
    up = {"SUCCESS", "CRASHED", "SLEEPING"}
    return next((d for d in deployments_of(world, part) if d.state in up), None)


def status_of(world: World, deployment: Deployment) -> str:
    """A deployment's status now: one that succeeded is REMOVED once a newer one serves."""
    active = active_of(world, deployment.part)
    if deployment.state == "SUCCESS" and active is not None and active.id != deployment.id:
        return "REMOVED"
    return deployment.state


def rfc3339(at: datetime) -> str:
    """A time as Railway writes it: RFC 3339 with milliseconds, UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def parse_time(text: str | None) -> datetime | None:
    """A time that a caller sent; None stays None. Raises GraphQLError for what is no time."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as bad:
        raise GraphQLError(f"Invalid DateTime: {text}") from bad
    if at.tzinfo is None:
        raise GraphQLError(f"Invalid DateTime: {text}")
    return at
