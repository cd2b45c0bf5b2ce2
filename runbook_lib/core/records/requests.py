"""Requests as the platforms' logs tell them, and the lines that were written while they ran."""

from typing_extensions import TypedDict


class LogLine(TypedDict):
    """One line that a request left behind."""

    at: str | None
    level: str
    message: str


class RequestRow(TypedDict):
    """One request by a platform's log. `status` -1, 0 or None: no reply was sent, whatever the proxy told the client."""

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
    logs: list[LogLine]
    environment: str | None
    branch: str | None
    source: str | None
