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
    """One entry of a status page that goes on, and touches everything there."""

    id: str
    name: str
    impact: Indicator
    created_at: datetime


@dataclass
class StatusPages:
    """What every vendor's page says now: its open incidents."""

    incidents: dict[str, list[Incident]] = field(default_factory=dict)

    def of(self, vendor: str) -> list[Incident]:
        """The incidents on a vendor's page, oldest first."""
        return self.incidents.get(vendor, [])

    def indicator(self, vendor: str) -> Indicator:
        """The worst impact among the vendor's incidents; `none` without any."""
        order: tuple[Indicator, ...] = ("none", "maintenance", "minor", "major", "critical")
        return max((incident.impact for incident in self.of(vendor)), key=order.index, default="none")


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
        incidents = [_incident(incident) for incident in self.pages.of(vendor)]
        if document in ("summary", "status"):
            body["status"] = {"indicator": indicator, "description": _DESCRIPTIONS[indicator]}
        if document in ("summary", "components"):
            body["components"] = self._components(vendor)
        if document == "summary" and vendor != "openai":  # its host leaves them out of the summary
            body["incidents"] = incidents
            body["scheduled_maintenances"] = []
        if document == "incidents":
            body["incidents"] = incidents[::-1]
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
                    "ends_at": None,
                    "aggregate_state": states.get(incident.impact, "downtime"),
                },
            }
            for incident in self.pages.of("together")
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
                "status": "INVESTIGATING",
                "impact": "MAJOROUTAGE" if incident.impact in ("major", "critical") else "DEGRADEDPERFORMANCE",
            }
            for incident in self.pages.of("railway")
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
        incidents, status = self.pages.of(vendor), _COMPONENT_STATES[self.pages.indicator(vendor)]
        updated_at = _iso(incidents[-1].created_at) if incidents else self._now()
        return [
            {"id": f"{vendor}-{nth}", "name": name, "status": status, "updated_at": updated_at}
            for nth, name in enumerate(STATUSPAGE_VENDORS[vendor])
        ]

    def _now(self) -> str:
        return _iso(self.world.now())


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "name": incident.name,
        "status": "investigating",
        "impact": incident.impact,
        "shortlink": "",
        "created_at": _iso(incident.created_at),
        "updated_at": _iso(incident.created_at),
        "resolved_at": None,
        "components": [],
        "incident_updates": [
            {"status": "investigating", "body": "We are looking into it.", "created_at": _iso(incident.created_at)}
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
