"""Deployments as the platforms list them and as they tell one whole, how a part is set up to be deployed, what a build wrote."""

from typing import Literal

from typing_extensions import TypedDict


class DeploymentRow(TypedDict):
    """One deployment of a platform's list. `at`: when it was made; `ready_at`: None while it is not ready, or not told.

    `state`: in the platform's own word. `url`: a host, without a scheme. `target`: production, or None for a preview; Railway
    and Fly.io have production alone. `error`: what the platform says went wrong.
    """

    id: str
    at: str
    state: str
    commit: str | None
    branch: str | None
    message: str | None
    url: str | None
    target: str | None
    part: str
    platform: str
    error: str | None
    ready_at: str | None


class VercelDeployment(DeploymentRow):
    """A deployment on Vercel. `can_roll_back`: whether Vercel takes it for a rollback."""

    inspect_url: str | None
    can_roll_back: bool


class RailwayDeployment(DeploymentRow):
    """A deployment on Railway. `image`: None where it was built from a repository."""

    image: str | None
    can_roll_back: bool


class FlyRelease(DeploymentRow):
    """A release on Fly.io, which knows no commit. `image`: its reference in Fly's registry."""

    image: str | None
    version: float | None


class VercelDeploymentDetail(VercelDeployment):
    """One deployment on Vercel, whole.

    `substate`: STAGED of one that never had production. `aliases`: hosts that lead to it. `out_of_memory`: what the platform
    reports of the build's memory. `project`: the project's id.
    """

    reason: str | None
    error_code: str | None
    error_step: str | None
    aliases: list[str]
    alias_error: str | None
    substate: str | None
    checks_state: str | None
    checks_conclusion: str | None
    out_of_memory: str | None
    project: str | None


class DeploymentStep(TypedDict):
    """One step of a deployment on Railway; `ended_at` None while it runs. The attempts: None where it has one only."""

    step: str
    at: str | None
    ended_at: str | None
    error: str | None
    attempt: float | None
    most_attempts: float | None


class RailwayDeploymentDetail(TypedDict):
    """One deployment on Railway, whole. `diagnosis`: the platform's words. `instances`: the state of each. `events`: in order."""

    id: str
    at: str
    state: str
    stopped: bool
    diagnosis: str | None
    instances: list[str]
    can_roll_back: bool
    commit: str | None
    branch: str | None
    image: str | None
    part: str
    platform: str
    events: list[DeploymentStep]


# `from` is no name in Python
AliasJob = TypedDict(
    "AliasJob",
    {"from": str | None, "to": str | None, "status": str | None, "type": str | None, "at": str | None},
)
AliasJob.__doc__ = (
    "The last move of Vercel's production domain: between which deployments, promote or rollback, and how it ended."
)


class VercelProject(TypedDict):
    """How a part is set up on Vercel.

    `team`: the id that the runbook asks with. `repository`: owner/name, None where it is connected to none. `branch`:
    production's. `root`: the part's folder in the repository. `serving`: id of the production deployment; `aliases`: its hosts.
    `assigns_domains`: whether a new deployment takes production by itself. `alias_job`: None where the domain never moved.
    `protection`, `password`, `trusted_ips`: which deployments ask for a login (all, preview, …); of a password that covers
    nobody knows what, True. `previews_disabled`: None where Vercel does not tell. `skips`: what may keep a push from being built.
    """

    id: str
    name: str
    team: str | None
    repository: str | None
    branch: str | None
    root: str | None
    serving: str | None
    aliases: list[str]
    alias_error: str | None
    assigns_domains: bool
    rolled_back_to: str | None
    alias_job: AliasJob | None
    protection: str | None
    password: str | bool
    trusted_ips: str | None
    previews_disabled: bool | None
    skips: str | None
    paused: bool
    part: str
    platform: str


class RailwayDomain(TypedDict):
    """A host that leads to a service; `target_port` None where Railway chooses the port."""

    domain: str
    target_port: float | None


class DeploymentState(TypedDict):
    """A deployment by its id, and how it is."""

    id: str
    state: str


class ServingRailwayDeployment(DeploymentState):
    """A deployment that serves on Railway, with the state of each of its instances."""

    stopped: bool
    instances: list[str]


class RailwayService(TypedDict):
    """How a part is set up on Railway; a setting that is left to Railway is None.

    `image`: of a service that runs a ready one. `port`: the variable PORT; None where it is not set, "" where it is no number.
    `newest`: None where nothing was deployed.
    """

    id: str
    name: str | None
    repository: str | None
    image: str | None
    root: str | None
    dockerfile: str | None
    start_command: str | None
    health_path: str | None
    health_timeout_s: float | None
    replicas: float | None
    region: str | None
    sleeps: bool
    restart_policy: str | None
    restarts_most: float | None
    domains: list[RailwayDomain]
    port: int | Literal[""] | None
    newest: DeploymentState | None
    serving: list[ServingRailwayDeployment]
    part: str
    platform: str


class BuildError(TypedDict):
    """A line of a build's log that complains; `line`: counted from 1 among those that are not empty."""

    at: str | None
    text: str
    line: int


class BuildLog(TypedDict):
    """What a build wrote, cut down: how many lines there are, the first 25 that complain, the last 12."""

    lines: int
    errors: list[BuildError]
    last: list[str]
