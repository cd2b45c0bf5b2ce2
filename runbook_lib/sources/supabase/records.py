"""Supabase: whether REST and Auth answer, how the project is, and an organization's plan and usage."""

from datetime import UTC, datetime
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.project import (
    BillingCustomer,
    Migration,
    ProjectAnswers,
    ProjectHealth,
    ProjectService,
    RecordedUsage,
)
from runbook_lib.io.http import status_of
from runbook_lib.io.observe import Door, Look
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import (
    iso_of_text,
    require_setting,
    rows_in,
    text_of,
    window_arguments,
)
from runbook_lib.sources.supabase.api import ManagementApi, ProjectApi, key_facts

_ANON_HELP = "SUPABASE_ANON_KEY must be the anon or a publishable key of this project"
_PAGE = 1000
_MOST_RECORDS = 100_000
_SERVICES = ("auth", "db", "rest", "pooler")


def project_health() -> Look[ProjectHealth]:
    """The project as Supabase sees it."""

    def fetch(door: Door) -> Answer[ProjectHealth]:
        api = ManagementApi(door)
        project = api.get("").parsed(_project)
        if project["status"] == "INACTIVE":
            return Answer(Status.ok, project)
        params = [("services", name) for name in _SERVICES]
        project["services"] = api.get("/health", params).parsed(
            lambda document: [_service(row) for row in rows_in(document)]
        )
        return Answer(Status.ok, project)

    return Look("supabase", "project_health", {}, fetch, deadline_s=15)


def migrations() -> Look[list[Migration]]:
    """The migrations that were applied, newest first."""

    def fetch(door: Door) -> Answer[list[Migration]]:
        reply = ManagementApi(door).get("/database/migrations")
        rows = reply.parsed(lambda document: [_migration(row) for row in rows_in(document)])
        rows.sort(key=lambda row: row["version"], reverse=True)
        return Answer.of(rows)

    return Look("supabase", "migrations", {}, fetch)


def usage(org_id: str, window: Window) -> Look[RecordedUsage]:
    """What an organization used in a window, by the application's own records. Nothing recorded: ok, zeros; partial above
    100,000 records."""

    def fetch(door: Door) -> Answer[RecordedUsage]:
        api = ProjectApi(door)
        rows: list[dict[str, Any]] = []
        page = _usage_page(api, org_id, window, 0)
        while (
            page and len(rows) < _MOST_RECORDS
        ):  # up to an empty page: the project may cap pages below what is asked for
            rows += page
            page = _usage_page(api, org_id, window, len(rows))
        try:
            summed = _summed(rows)
        except (KeyError, TypeError, ValueError) as error:
            raise api.malformed(f"unexpected types: {error}") from error
        if page:
            return Answer(Status.partial, summed, f"more than {len(rows)} records", "take a shorter window")
        return Answer(Status.ok, summed)

    return Look("supabase", "usage", {"org_id": org_id, **window_arguments(window)}, fetch, deadline_s=20)


def billing_customer(org_id: str) -> Look[BillingCustomer]:
    """An organization's billing record; not_found without one."""

    def fetch(door: Door) -> Answer[BillingCustomer]:
        columns = "org_id,stripe_customer_id,plan,status,current_period_end"
        rows = ProjectApi(door).rows(
            lambda client: client.table("billing_customers").select(columns).eq("org_id", org_id).limit(1)
        )
        if not rows:
            return Answer(Status.not_found, None, "the organization has no billing record")
        row = rows[0]
        return Answer(
            Status.ok,
            BillingCustomer(
                org_id=org_id,
                stripe_customer_id=row.get("stripe_customer_id"),
                plan=row.get("plan"),
                status=row.get("status"),
                current_period_end=row.get("current_period_end"),
            ),
        )

    return Look("supabase", "billing_customer", {"org_id": org_id}, fetch)


def health() -> Look[ProjectAnswers]:
    """What the keys are and whether they are taken."""

    def fetch(door: Door) -> Answer[ProjectAnswers]:
        rest = _probe(door, "/rest/v1/organizations", {"select": "id", "limit": "1"})
        auth = _probe(door, "/auth/v1/health", {})
        value = ProjectAnswers(
            rest=rest.value,
            auth=auth.value,
            anon_key=key_facts(reveal(door.settings.supabase_anon_key)),
            service_role_key=key_facts(reveal(door.settings.supabase_service_role_key)),
        )
        refused = next((answer for answer in (rest, auth) if answer.status != Status.ok), None)
        return Answer(refused.status, value, refused.why, refused.help) if refused else Answer(Status.ok, value)

    return Look("supabase", "health", {}, fetch)


def _probe(door: Door, path: str, params: dict[str, str]) -> Answer[int]:
    """The HTTP status of one read of the project's API with the anon key; one that says nothing of the key is an answer as well."""
    url, key = require_setting(door, "supabase_url"), require_setting(door, "supabase_anon_key")
    headers = {"apikey": key} if key.startswith("sb_") else {"apikey": key, "Authorization": f"Bearer {key}"}
    reply = door.http.get(url + path, params=params, headers=headers, retry=False)
    if reply.status_code < 300 and not isinstance(reply.json(), list | dict):
        raise reply.malformed("unexpected shape")
    if 300 <= reply.status_code < 400:
        raise reply.malformed("it sends elsewhere, and the project's own API never does")
    status = status_of(reply.status_code)
    if status in (Status.denied, Status.rate_limited):
        return Answer(status, reply.status_code, reply.complaint(), _ANON_HELP)
    return Answer(Status.ok, reply.status_code)


def _project(document: Json) -> ProjectHealth:
    """The project without its services."""
    return {
        "name": text_of(document, "name"),
        "status": str(document["status"]),
        "region": text_of(document, "region"),
        "version": text_of(document.get("database") or {}, "version"),
        "services": [],
    }


def _service(row: dict[str, Json]) -> ProjectService:
    return {"name": str(row["name"]), "status": str(row["status"]), "error": text_of(row, "error")}


def _migration(row: dict[str, Json]) -> Migration:
    version = str(row["version"])
    try:
        at = to_iso(datetime.strptime(version, "%Y%m%d%H%M%S").replace(tzinfo=UTC))
    except ValueError:
        at = None
    name = text_of(row, "name")
    return {"version": version, "name": name, "at": at, "what": f"migration {name or version}", "platform": "supabase"}


def _usage_page(api: ProjectApi, org_id: str, window: Window, start: int) -> list[dict[str, Any]]:
    return api.rows(
        lambda client: (
            client.table("usage_records")
            .select("tokens,requests,at")
            .eq("org_id", org_id)
            .gte("at", to_iso(window.since))
            .lt("at", to_iso(window.until))
            .order("at")
            .order("id")
            .range(start, start + _PAGE - 1)
        )
    )


def _summed(rows: list[dict[str, Any]]) -> RecordedUsage:
    tokens = [row["tokens"] for row in rows if row.get("tokens") is not None]
    requests = [row["requests"] for row in rows if row.get("requests") is not None]
    return {
        "tokens": sum(tokens),
        "requests": sum(requests),
        "records": len(rows),
        "without_tokens": len(rows) - len(tokens),
        "without_requests": len(rows) - len(requests),
        "first_at": iso_of_text(rows[0]["at"]) if rows else None,
        "last_at": iso_of_text(rows[-1]["at"]) if rows else None,
    }
