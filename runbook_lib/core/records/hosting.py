"""What the platforms' accounts hold: which projects and services serve, what a token sees, who is told of trouble."""

from collections.abc import Mapping

from typing_extensions import TypedDict


class VercelServing(TypedDict):
    """The deployment that production traffic gets. It keeps the variables of the moment at which it was made.

    `part`: empty where it was not asked for a part. `url`: a host.
    """

    id: str
    at: str | None
    state: str | None
    url: str | None
    part: str
    platform: str
    aliases: list[str]


class VercelProjectSeen(TypedDict):
    """A project that the token sees; `serving`: None where nothing is in production."""

    id: str
    name: str
    serving: VercelServing | None


class RailwayServing(TypedDict):
    """The newest deployment of a service that runs."""

    id: str
    at: str | None
    state: str
    url: str | None


class RailwayServiceSeen(TypedDict):
    """A service of the environment; `serving`: None where nothing of it runs."""

    id: str
    name: str
    serving: RailwayServing | None


class VercelAccess(TypedDict):
    """Who Vercel's token is and what it sees. `projects`: names by part. `expires_at`: None where it does not, or is not told."""

    user: str | None
    team: str | None
    projects: Mapping[str, str | None]
    expires_at: str | None


class RailwayAccess(TypedDict):
    """What Railway's token is. `token`: project or account. `name`: the project token's, or the account's."""

    token: str
    name: str | None
    project_id: str | None
    environment_id: str | None


class FlyAccess(TypedDict):
    """The app that Fly.io's token sees, and how many machines it has."""

    app: str
    status: str | None
    machines: int


class VercelAlertRule(TypedDict):
    """A rule by which Vercel tells a project's team. `channels`: slack, webhook, email …; where they lead stays inside."""

    id: str
    name: str | None
    types: list[str]
    channels: list[str]


class RailwayAlertRule(TypedDict):
    """A rule by which Railway tells somebody. `types`: of events. `channels`: webhook, email, slack, discord, inapp, or unknown."""

    id: str | None
    types: list[str]
    severities: list[str]
    channels: list[str]
