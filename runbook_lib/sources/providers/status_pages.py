"""What vendors say about themselves on their status pages. People write them, late and sometimes wrongly: context, never proof.

Formats (specs of November 2026): Statuspage for most, incident.io's copy of it for OpenAI (its summary may leave incidents out,
so they are read by themselves), Better Stack for Together (only /index.json is data; other paths answer HTML with 200),
Instatus for Railway, one of its own for Stripe.
"""

from collections.abc import Callable
from typing import NamedTuple

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.providers import Incident, StatusPage, TroubledComponent
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import (
    iso_of_text,
    require_reply,
    require_setting,
    rows_in,
    text_of,
    window_arguments,
)

_PAGES = {
    "openai": "openai_status_url",
    "anthropic": "anthropic_status_url",
    "together": "together_status_url",
    "vercel": "vercel_status_url",
    "railway": "railway_status_url",
    "fly": "fly_status_url",
    "supabase": "supabase_status_url",
    "stripe": "stripe_status_url",
}


class _Page(NamedTuple):
    """What every vendor's page comes to."""

    indicator: str
    description: str | None
    components: list[TroubledComponent]
    incidents: list[Incident]


_GOOD = ("none", "operational", "up", "UP")


def incidents(vendor: str, window: Window | None = None) -> Look[StatusPage]:
    """What a vendor's page says; with a window only the incidents that overlap it. Stripe's page, which lists none, tells only of
    now."""

    def fetch(door: Door) -> Answer[StatusPage]:
        if vendor not in _PAGES:
            raise LookError(
                Status.not_configured, f"{vendor} has no status page here", do_next=f"ask for {', '.join(_PAGES)}"
            )
        url = require_setting(door, _PAGES[vendor])
        http = door.http

        def get(path: str) -> Reply:
            return require_reply(http.get(url + path, headers={"Accept": "application/json"}))

        page = _READERS.get(vendor, _statuspage)(get)
        return Answer(
            Status.ok,
            StatusPage(
                vendor=vendor,
                indicator=page.indicator,
                all_good=page.indicator in _GOOD,
                description=page.description,
                incidents=[each for each in page.incidents if window is None or _overlaps(each, window)],
                components=page.components,
            ),
        )

    return Look("status", "incidents", {"vendor": vendor, **window_arguments(window)}, fetch)


def _overlaps(incident: Incident, window: Window) -> bool:
    since, until = to_iso(window.since), to_iso(window.until)
    began, ended = incident["at"] or "", incident["resolved_at"]
    return began <= until and (ended is None or ended >= since)


def _statuspage(get: Callable[[str], Reply]) -> _Page:
    def summary(document: Json) -> _Page:
        status = document["status"]
        troubled = [
            TroubledComponent(name=text_of(each, "name"), status=text_of(each, "status"))
            for each in rows_in(document, "components", may_lack=True)
            if each.get("status") != "operational"
        ]
        return _Page(str(status["indicator"]), text_of(status, "description"), troubled, [])

    page = get("/api/v2/summary.json").parsed(summary)
    incidents = get("/api/v2/incidents.json").parsed(
        lambda document: [_incident(row) for row in rows_in(document, "incidents")]
    )
    return page._replace(incidents=incidents)


def _incident(row: dict[str, Json]) -> Incident:
    return {
        "id": str(row["id"]),
        "name": text_of(row, "name"),
        "status": text_of(row, "status"),
        "impact": text_of(row, "impact"),
        "at": iso_of_text(row.get("started_at") or row["created_at"]),
        "resolved_at": iso_of_text(row.get("resolved_at")),
        "url": text_of(row, "shortlink"),
        "components": [text_of(each, "name") for each in rows_in(row, "components", may_lack=True)],
    }


def _better_stack(get: Callable[[str], Reply]) -> _Page:
    def parse(document: Json) -> _Page:
        included = rows_in(document, "included", may_lack=True)
        reports = [(row, row["attributes"]) for row in included if row.get("type") == "status_report"]
        resources = [row["attributes"] for row in included if row.get("type") == "status_page_resource"]
        page = document["data"]["attributes"]
        troubled = [
            TroubledComponent(name=text_of(each, "public_name"), status=text_of(each, "status"))
            for each in resources
            if each.get("status") != "operational"
        ]
        incidents = [
            Incident(
                id=str(row["id"]),
                name=text_of(report, "title"),
                status="resolved" if report.get("ends_at") else "investigating",
                impact=text_of(report, "aggregate_state"),
                at=iso_of_text(report["starts_at"]),
                resolved_at=iso_of_text(report.get("ends_at")),
                url=None,
                components=[],
            )
            for row, report in reports
        ]
        return _Page(str(page["aggregate_state"]), text_of(page, "announcement"), troubled, incidents)

    return get("/index.json").parsed(parse)


def _instatus(get: Callable[[str], Reply]) -> _Page:
    def parse(document: Json) -> _Page:
        incidents = [
            Incident(
                id=text_of(row, "id", "url", "name"),
                name=text_of(row, "name"),
                status=(text_of(row, "status") or "").lower() or None,
                impact=text_of(row, "impact"),
                at=iso_of_text(row["started"]),
                resolved_at=None,
                url=text_of(row, "url"),
                components=[],
            )
            for row in rows_in(document, "activeIncidents", may_lack=True)
        ]
        return _Page(str(document["page"]["status"]), None, [], incidents)

    return get("/summary.json").parsed(parse)


def _stripes_own(get: Callable[[str], Reply]) -> _Page:
    def parse(document: Json) -> _Page:
        statuses = dict(document.get("statuses") or {})
        troubled = [
            TroubledComponent(name=str(name), status=str(word)) for name, word in statuses.items() if word != "up"
        ]
        return _Page(str(document["largestatus"]), text_of(document, "message"), troubled, [])

    return get("/current").parsed(parse)


_READERS: dict[str, Callable[[Callable[[str], Reply]], _Page]] = {
    "together": _better_stack,
    "railway": _instatus,
    "stripe": _stripes_own,
}
