"""What Fly knows beside deployments and variables: the gateway's machines, their checks and events, and the limits."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.sandbox.world import Deployment, World

ORG_NAME = "NexusCore"


@dataclass
class Check:
    """A health check's last result; `updated_at` is when it last changed, not when it last ran."""

    name: str
    status: str
    output: str
    updated_at: datetime


@dataclass
class Event:
    """Something that happened to a machine. `exit_code` and `oom_killed` are told for an `exit` alone."""

    type: str
    status: str
    at: datetime
    source: str = "flyd"
    exit_code: int | None = None
    oom_killed: bool = False


@dataclass
class Machine:
    """One machine. `image` None: the image of the deployment that serves. `host_status`: ok, unknown, unreachable. `primary_region`
    "": its own region."""

    id: str
    region: str = "iad"
    state: str = "started"
    host_status: str = "ok"
    image: str | None = None
    memory_mb: int = 512
    autostop: str = "off"
    autostart: bool = True
    primary_region: str = ""
    internal_port: int = 8000
    checks: list[Check] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)


@dataclass
class FlyState:
    """The dials of this façade.

    machines is empty until it is asked for: then there is the one machine of `main_machine`. check_url tells where the main
    machine's health check is really sent now; None leaves the checks as they stand. calls_left None means no rate limit.
    """

    retention_h: float = 7 * 24.0
    delay_s: float = 0.0
    page_lines: int = 100
    calls_left: int | None = None
    check_url: Callable[[], str] | None = None
    machines: list[Machine] = field(default_factory=list)


def machines(world: World) -> list[Machine]:
    """The gateway's machines; the one that it usually has, unless told otherwise."""
    state = world.state(FlyState)
    if not state.machines:
        state.machines.append(_first_machine(world))
    return state.machines


def main_machine(world: World) -> Machine:
    """The machine that the sandbox's gateway process stands for."""
    return machines(world)[0]


def _first_machine(world: World) -> Machine:
    id_ = hashlib.sha256(world.ids.fly_gateway_app.encode()).hexdigest()[:14]
    began = min((d.created_at for d in releases(world)), default=world.now())
    check = Check("servicecheck-00-http-8000", "passing", "GET /: 200 OK", began)
    return Machine(
        id_, checks=[check], events=[Event("launch", "created", began, "user"), Event("start", "started", began)]
    )


def releases(world: World) -> list[Deployment]:
    """Fly's deployments of the gateway, oldest first; a release's version is its place in this list, from 1."""
    found = [d for d in world.deployments if d.platform == "fly"]
    return sorted(found, key=lambda d: d.created_at)


def image_of(world: World, machine: Machine) -> str:
    """The image a machine runs: its own where it was set, else the serving deployment's; "" before the first."""
    if machine.image is not None:
        return machine.image
    current = world.current_deployment("fly", "gateway")
    return image_ref(world, current) if current else ""


def image_ref(world: World, deployment: Deployment) -> str:
    """A deployment's image as a registry reference."""
    if "/" in deployment.id:
        return deployment.id
    return f"registry.fly.io/{world.ids.fly_gateway_app}:deployment-{deployment.id}"


def set_check(world: World, machine: Machine, *, is_passing: bool, output: str) -> None:
    """Write down what the health check found; its time moves only when its status does."""
    status = "passing" if is_passing else "critical"
    for check in machine.checks:
        if check.status != status:
            check.updated_at = world.now()
        check.status, check.output = status, output
