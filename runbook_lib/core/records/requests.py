"""Requests as the platforms' logs tell them, and the lines that were written while they ran."""

from typing_extensions import TypedDict


class RequestLogLine(TypedDict):
    """One line that a request left behind, in its own row."""

    at: str | None
    level: str
    message: str


class RequestRow(TypedDict):
    """One request by a platform's log; what the platform does not tell is None.

    `status` -1, 0 or None: no reply was sent, whatever the proxy told the client. `error`: what the platform or the function
    says went wrong. `logs`: empty where the platform keeps the lines elsewhere. `platform`: vercel or railway.
    """

    request_id: str
    at: str | None
    method: str | None
    path: str | None
    host: str | None
    status: int | None
    duration_ms: float | None
    trace_id: str | None
    deployment_id: str | None
    error: str | None
    region: str | None
    part: str
    platform: str
    logs: list[RequestLogLine]


class VercelRequest(RequestRow):
    """A request of Vercel's log. `source`: what answered, such as lambda, static or firewall."""

    environment: str | None
    branch: str | None
    source: str | None


class RailwayRequest(RequestRow):
    """A request of Railway's edge. `upstream_errors`: what the edge says of its way to the service."""

    instance: str | None
    upstream_errors: str | None
