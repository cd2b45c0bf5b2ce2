"""The gateway's machines on Fly.io."""

from typing_extensions import TypedDict


class MachineCheck(TypedDict):
    """A health check of a machine. `status`: passing, warning or critical."""

    name: str | None
    status: str | None
    output: str | None
    changed_at: str | None


class MachineEvent(TypedDict):
    """Something that befell a machine, in Fly's own words."""

    at: str | None
    type: str | None
    status: str | None
    source: str | None


class MachineExit(TypedDict):
    """An end of a machine's process. `code`: None where Fly does not tell it. `requested`: somebody asked for it."""

    at: str | None
    code: float | None
    out_of_memory: bool
    requested: bool


class Machine(TypedDict):
    """One machine. `host_status` unreachable: what is told is old, and its configuration may lack (`config_complete`)."""

    id: str
    name: str | None
    state: str
    region: str | None
    image: str | None
    host_status: str | None
    checks: list[MachineCheck]
    updated_at: str | None
    config_complete: bool


class MachineWithEvents(Machine):
    """A machine and its last events."""

    events: list[MachineEvent]


class MachineState(Machine):
    """A machine with what a deployment is judged by.

    `exits`: newest first. `ports`: those inside to which requests go. `autostop`: off, stop or suspend; None where no service
    says. `autostart`: None where it has no service. `env`: names of what fly.toml sets.
    """

    exits: list[MachineExit]
    ports: list[int]
    autostop: str | None
    autostart: bool | None
    min_running: float
    memory_mb: float | None
    primary_region: str | None
    env: list[str]
    part: str
    platform: str
