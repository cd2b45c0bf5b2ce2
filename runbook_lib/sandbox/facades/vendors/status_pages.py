"""The vendors' public status pages, each in the format of the company that hosts it.

One app for all: `/{vendor}/…`, with the path that the vendor's page has (`/openai/api/v2/summary.json`,
`/together/index.json`, `/railway/summary.json`, `/stripe/current`). What a page says is set by hand: a status page
is written by people, and it may be wrong about what really happens.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox.world import World

Indicator = Literal["none", "minor", "major", "critical", "maintenance"]

STATUSPAGE_VENDORS: dict[str, tuple[str, ...]] = {
    "openai": ("Chat Completions", "Responses", "Embeddings", "Login"),
    "anthropic": ("claude.ai", "Claude Console", "Claude API (api.anthropic.com)"),
    "vercel": ("Edge Network", "Functions", "Builds", "API", "Logs"),
    "supabase": ("Database", "Auth", "API Gateway", "Management API"),
    "fly": ("Machines API", "Deployments", "Logs", "Proxy"),
}
_VENDORS: tuple[str, ...] = (*STATUSPAGE_VENDORS, "together", "railway", "stripe")
_DESCRIPTIONS: dict[Indicator, str] = {
    "none": "All Systems Operational",
    "minor": "Minor Service Outage",
    "major": "Partial System Outage",
    "critical": "Major Service Outage",
    "maintenance": "Service Under Maintenance",
}
_COMPONENT_STATES: dict[Indicator, str] = {
    "none": "operational",
    "minor": "degraded_performance",
    "major": "partial_outage",
    "critical": "major_outage",
    "maintenance": "under_maintenance",
}


@dataclass
class Incident:
    """One entry of a status page; `resolved_at` None while it lasts. `components` names what it touches; empty: everything."""

    id: str
    name: str
    impact: Indicator
    created_at: datetime
    status: str = "investigating"
    resolved_at: datetime | None = None
    body: str = "We are looking into it."
    components: tuple[str, ...] = ()


@dataclass
class StatusPages:
    """What every vendor's page says now: its incidents, open and past."""

    incidents: dict[str, list[Incident]] = field(default_factory=dict)

    def open_incidents(self, vendor: str) -> list[Incident]:
        """The incidents that the vendor has not called resolved."""
        return [incident for incident in self.incidents.get(vendor, []) if incident.resolved_at is None]

    def indicator(self, vendor: str) -> Indicator:
        """The worst impact among the open incidents; `none` without any."""
        return _worst(self.open_incidents(vendor))


def report_incident(
    world: World, vendor: str, name: str, impact: Indicator, components: tuple[str, ...] = ()
) -> Incident:
    """Put an incident on a vendor's page, beginning now. Raises KeyError for a vendor without a page."""
    if vendor not in _VENDORS:
        raise KeyError(vendor)
    pages = world.state(StatusPages)
    listed = pages.incidents.setdefault(vendor, [])
    incident = Incident(f"inc{vendor}{len(listed) + 1:04d}", name, impact, world.now(), components=components)
    listed.append(incident)
    return incident


def resolve_incidents(world: World, vendor: str) -> None:
    """Call every open incident of a vendor resolved, now."""
    for incident in world.state(StatusPages).open_incidents(vendor):
        incident.status, incident.resolved_at = "resolved", world.now()


class _Pages:
    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def pages(self) -> StatusPages:
        return self.world.state(StatusPages)

    async def statuspage(self, request: Request) -> Response:
        """Statuspage's `summary.json`, `status.json`, `components.json`, `incidents.json`."""
        vendor, document = request.path_params["vendor"], request.path_params["document"]
        if vendor not in STATUSPAGE_VENDORS:
            return await self.page(request)
        indicator = self.pages.indicator(vendor)
        body: dict[str, Any] = {
            "page": {"id": f"{vendor}-page", "name": vendor.capitalize(), "url": "", "updated_at": self._now()}
        }
        incidents = self.pages.incidents.get(vendor, [])
        if document in ("summary", "status"):
            body["status"] = {"indicator": indicator, "description": _DESCRIPTIONS[indicator]}
        if document in ("summary", "components"):
            body["components"] = self._components(vendor)
        if document == "summary" and vendor != "openai":  # its host leaves them out of the summary
            body["incidents"] = [_incident(incident) for incident in self.pages.open_incidents(vendor)]
            body["scheduled_maintenances"] = []
        if document == "incidents":
            body["incidents"] = [_incident(incident) for incident in reversed(incidents)]
        return JSONResponse(body) if len(body) > 1 else await self.page(request)

    async def together(self, _: Request) -> Response:
        """Better Stack's `index.json`, a JSON:API document."""
        states: dict[Indicator, str] = {"none": "operational", "minor": "degraded", "maintenance": "maintenance"}
        state = states.get(self.pages.indicator("together"), "downtime")
        reports = [
            {
                "id": incident.id,
                "type": "status_report",
                "attributes": {
                    "title": incident.name,
                    "report_type": "maintenance" if incident.impact == "maintenance" else "manual",
                    "starts_at": _iso(incident.created_at),
                    "ends_at": _iso(incident.resolved_at) if incident.resolved_at else None,
                    "aggregate_state": states.get(incident.impact, "downtime"),
                },
            }
            for incident in self.pages.incidents.get("together", [])
        ]
        attributes = {"company_name": "Together AI", "aggregate_state": state, "updated_at": self._now()}
        return JSONResponse({"data": {"id": "1", "type": "status_page", "attributes": attributes}, "included": reports})

    async def railway(self, _: Request) -> Response:
        """Instatus's `summary.json`."""
        indicator = self.pages.indicator("railway")
        status = {"none": "UP", "maintenance": "UNDERMAINTENANCE"}.get(indicator, "HASISSUES")
        active = [
            {
                "id": incident.id,
                "name": incident.name,
                "started": _iso(incident.created_at),
                "status": incident.status.upper(),
                "impact": "MAJOROUTAGE" if incident.impact in ("major", "critical") else "DEGRADEDPERFORMANCE",
            }
            for incident in self.pages.open_incidents("railway")
        ]
        page = {"name": "Railway", "url": "", "status": status}
        return JSONResponse({"page": page, **({"activeIncidents": active} if active else {})})

    async def stripe(self, _: Request) -> Response:
        """Stripe's own `current`: `largestatus` and `statuses` by system."""
        words = {"none": "up", "maintenance": "maintenance", "minor": "degraded"}
        word = words.get(self.pages.indicator("stripe"), "down")
        message = _DESCRIPTIONS[self.pages.indicator("stripe")]
        return JSONResponse(
            {
                "largestatus": word,
                "message": message,
                "statuses": dict.fromkeys(("api", "dashboard", "webhooks", "checkoutjs"), word),
                "time": self._now(),
            }
        )

    async def page(self, request: Request) -> Response:
        """Whatever else is asked for: the page that people read, with 200 where the host does not know 404."""
        vendor = str(request.path_params.get("vendor", ""))
        status = 200 if vendor == "together" else 404
        return HTMLResponse(f"<!doctype html><title>{vendor.capitalize()} status</title><h1>Status</h1>", status)

    def _components(self, vendor: str) -> list[dict[str, Any]]:
        rows = []
        for nth, name in enumerate(STATUSPAGE_VENDORS[vendor]):
            touching = [i for i in self.pages.open_incidents(vendor) if not i.components or name in i.components]
            worst = _worst(touching)
            rows.append(
                {
                    "id": f"{vendor}-{nth}",
                    "name": name,
                    "status": _COMPONENT_STATES[worst],
                    "updated_at": _iso(touching[-1].created_at) if touching else self._now(),
                }
            )
        return rows

    def _now(self) -> str:
        return _iso(self.world.now())


def _worst(incidents: list[Incident]) -> Indicator:
    order: tuple[Indicator, ...] = ("none", "maintenance", "minor", "major", "critical")
    return max((incident.impact for incident in incidents), key=order.index, default="none")


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "name": incident.name,
        "status": incident.status,
        "impact": incident.impact,
        "shortlink": "",
        "created_at": _iso(incident.created_at),
        "updated_at": _iso(incident.resolved_at or incident.created_at),
        "resolved_at": _iso(incident.resolved_at) if incident.resolved_at else None,
        "components": [{"name": name} for name in incident.components],
        "incident_updates": [
            {"status": incident.status, "body": incident.body, "created_at": _iso(incident.created_at)}
        ],
    }


def create_app(world: World) -> Starlette:
    """Every vendor's status page under its name."""
    pages = _Pages(world)
    return Starlette(
        routes=[
            Route("/together/index.json", pages.together),
            Route("/railway/summary.json", pages.railway),
            Route("/stripe/current", pages.stripe),
            Route("/{vendor}/api/v2/{document}.json", pages.statuspage),
            Route("/{vendor}/{rest:path}", pages.page),
        ]
    )
