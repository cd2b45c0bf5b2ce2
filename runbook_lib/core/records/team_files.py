"""The team's own files: what plans allow, what is promised and who must be told."""

from typing_extensions import TypedDict


class Objective(TypedDict):
    """One promise. `kind`: availability, latency or webhooks; what a kind does not have is None, or an empty list.

    `target`: a share between 0 and 1. `within_ms`: of latency. `events`: of webhooks. `alerts`: names of the rules that must fire.
    """

    name: str
    kind: str
    service: str | None
    target: float
    within_ms: float | None
    events: list[str]
    min_requests: float
    alerts: list[str]


# `from` is no name in Python
Route = TypedDict("Route", {"from": str, "severity": str | None, "to": str})
Route.__doc__ = (
    "Whom an alert must reach. `from`: traces, vercel or railway; `severity`: page or ticket, of traces alone."
)


class ServiceLevels(TypedDict):
    """What the team promises, over how many days, and who must be told. `file`: where it stands."""

    file: str
    period_days: float
    min_requests: float
    objectives: list[Objective]
    routes: list[Route]
