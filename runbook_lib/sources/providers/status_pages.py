"""What vendors say about themselves on their status pages. People write them, late and sometimes wrongly: context, never proof.

Formats (specs of November 2026): Statuspage for most, incident.io's copy of it for OpenAI (its summary may leave incidents out,
so they are read by themselves), Better Stack for Together (only /index.json is data; other paths answer HTML with 200),
Instatus for Railway, one of its own for Stripe.
"""

from collections.abc import Callable

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, need, rows_in, span_of, text_of, there

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
_GOOD = ("none", "operational", "up", "UP")


def incidents(vendor: str, window: Window | None = None) -> Look:
    """What a vendor's page says: {"vendor", "indicator" (the page's own word), "all_good", "description", "incidents": [...],
    "components": [{"name", "status"} of those that are not operational]}.

    An incident: {"id", "name", "status", "impact", "at", "resolved_at" (None while it lasts), "url", "components"}. With a
    window only those that overlap it. A page without a list of incidents (Stripe) tells only of now.
    """

    def fetch(door: Door) -> Answer:
        if vendor not in _PAGES:
            raise LookError(
                Status.not_configured, f"{vendor} has no status page here", do_next=f"ask for {', '.join(_PAGES)}"
            )
        url = need(door, _PAGES[vendor])
        http = door.http

        def get(path: str) -> Reply:
            return there(http.get(url + path, headers={"Accept": "application/json"}))

        said = _READERS.get(vendor, _statuspage)(get)
        said["incidents"] = [each for each in said["incidents"] if window is None or _overlaps(each, window)]
        return Answer(Status.ok, {"vendor": vendor, "all_good": said["indicator"] in _GOOD, **said})

    return Look("status", "incidents", {"vendor": vendor, **span_of(window)}, fetch)


def _overlaps(incident: dict[str, Json], window: Window) -> bool:
    since, until = to_iso(window.since), to_iso(window.until)
    began, ended = incident["at"] or "", incident["resolved_at"]
    return began <= until and (ended is None or ended >= since)


def _statuspage(get: Callable[[str], Reply]) -> dict[str, Json]:
    def summary(document: Json) -> dict[str, Json]:
        status = document["status"]
        troubled = [
            {"name": text_of(each, "name"), "status": text_of(each, "status")}
            for each in rows_in(document, "components", may_lack=True)
            if each.get("status") != "operational"
        ]
        return {
            "indicator": str(status["indicator"]),
            "description": text_of(status, "description"),
            "components": troubled,
        }

    said = get("/api/v2/summary.json").parsed(summary)
    listed = get("/api/v2/incidents.json").parsed(
        lambda document: [_incident(row) for row in rows_in(document, "incidents")]
    )
    return {**said, "incidents": listed}


def _incident(row: dict[str, Json]) -> dict[str, Json]:
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


def _better_stack(get: Callable[[str], Reply]) -> dict[str, Json]:
    def parse(document: Json) -> dict[str, Json]:
        included = rows_in(document, "included", may_lack=True)
        reports = [(row, row["attributes"]) for row in included if row.get("type") == "status_report"]
        resources = [row["attributes"] for row in included if row.get("type") == "status_page_resource"]
        return {
            "indicator": str(document["data"]["attributes"]["aggregate_state"]),
            "description": text_of(document["data"]["attributes"], "announcement"),
            "components": [
                {"name": text_of(each, "public_name"), "status": text_of(each, "status")}
                for each in resources
                if each.get("status") != "operational"
            ],
            "incidents": [
                {
                    "id": str(row["id"]),
                    "name": text_of(said, "title"),
                    "status": "resolved" if said.get("ends_at") else "investigating",
                    "impact": text_of(said, "aggregate_state"),
                    "at": iso_of_text(said["starts_at"]),
                    "resolved_at": iso_of_text(said.get("ends_at")),
                    "url": None,
                    "components": [],
                }
                for row, said in reports
            ],
        }

    return get("/index.json").parsed(parse)


def _instatus(get: Callable[[str], Reply]) -> dict[str, Json]:
    def parse(document: Json) -> dict[str, Json]:
        active = rows_in(document, "activeIncidents", may_lack=True)
        return {
            "indicator": str(document["page"]["status"]),
            "description": None,
            "components": [],
            "incidents": [
                {
                    "id": text_of(row, "id", "url", "name"),
                    "name": text_of(row, "name"),
                    "status": (text_of(row, "status") or "").lower() or None,
                    "impact": text_of(row, "impact"),
                    "at": iso_of_text(row["started"]),
                    "resolved_at": None,
                    "url": text_of(row, "url"),
                    "components": [],
                }
                for row in active
            ],
        }

    return get("/summary.json").parsed(parse)


def _stripes_own(get: Callable[[str], Reply]) -> dict[str, Json]:
    def parse(document: Json) -> dict[str, Json]:
        statuses = dict(document.get("statuses") or {})
        troubled = [{"name": str(name), "status": str(word)} for name, word in statuses.items() if word != "up"]
        said = {"indicator": str(document["largestatus"]), "description": text_of(document, "message")}
        return {**said, "components": troubled, "incidents": []}

    return get("/current").parsed(parse)


_READERS: dict[str, Callable[[Callable[[str], Reply]], dict[str, Json]]] = {
    "together": _better_stack,
    "railway": _instatus,
    "stripe": _stripes_own,
}
