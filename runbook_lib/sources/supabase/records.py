"""Supabase: whether REST and Auth answer, how the project is, what its logs say, and an organization's plan and usage."""

from datetime import UTC, datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.io.http import Reply, status_of
from runbook_lib.io.observe import Door, Look
from runbook_lib.settings import reveal
from runbook_lib.sources.kit.asking import (
    forgotten,
    iso_of_text,
    many,
    need,
    nothing,
    number_of,
    rows_in,
    span_of,
    text_of,
)
from runbook_lib.sources.supabase.api import ManagementApi, ProjectApi, key_facts

_ANON_HELP = "SUPABASE_ANON_KEY must be the anon or a publishable key of this project"
_LONGEST_LOG = timedelta(hours=24)
_LOG_RETENTION_H = 24.0  # of the free plan; Pro keeps 7 days, Team 28
_MOST_LINES = 500
_PAGE = 1000
_MOST_RECORDS = 100_000
_SERVICES = ("auth", "db", "rest", "pooler")
_POSTGRES_LOG = (
    "select id, timestamp, event_message, metadata from postgres_logs cross join unnest(metadata) as m "
    "cross join unnest(m.parsed) as parsed where parsed.error_severity != 'LOG' order by timestamp desc limit 500"
)
_EDGE_LOG = "select id, timestamp, event_message, metadata from edge_logs order by timestamp desc limit 500"


def rest_health() -> Look:
    """One anonymous read of `organizations` through PostgREST: {"status_code", "ms", "code", "message", "request_id"}.

    A 5xx of PostgREST's own is data: `code` says which (PGRST000-003 no database, 42P17 a policy that recurses). Only 401 and 403
    of the key, 429, no connection and no PostgREST are the look's own statuses.
    """

    def fetch(door: Door) -> Answer:
        return _probe(door, "/rest/v1/organizations", {"select": "id", "limit": "1"})

    return Look("supabase", "rest_health", {}, fetch, deadline_s=8)


def auth_health() -> Look:
    """Auth's own health route: {"status_code", "ms", "code", "message", "request_id", "version"}; a 5xx is data."""

    def fetch(door: Door) -> Answer:
        return _probe(door, "/auth/v1/health", {})

    return Look("supabase", "auth_health", {}, fetch, deadline_s=8)


def project_health() -> Look:
    """The project as Supabase sees it: {"name", "status" (INACTIVE: paused), "region", "version", "services": [{"name", "status",
    "error"}]}."""

    def fetch(door: Door) -> Answer:
        api = ManagementApi(door)
        project = api.get("").parsed(_project)
        if project["status"] == "INACTIVE":
            return Answer(Status.ok, {**project, "services": []})
        params = [("services", name) for name in _SERVICES]
        services = api.get("/health", params).parsed(lambda document: [_service(row) for row in rows_in(document)])
        return Answer(Status.ok, {**project, "services": services})

    return Look("supabase", "project_health", {}, fetch, deadline_s=15)


def postgres_logs(window: Window) -> Look:
    """What Postgres complained about, newest first, ordinary LOG lines left out: log lines as `railway` has them, with
    attributes error_severity, sql_state_code, user_name, detail, hint, query."""

    def fetch(door: Door) -> Answer:
        return _log(door, _POSTGRES_LOG, window, _postgres_line, "line in Postgres's log")

    return Look("supabase", "postgres_logs", span_of(window), fetch, deadline_s=20)


def edge_logs(window: Window) -> Look:
    """The requests that came to the project's API gateway, newest first: request rows as `vercel` has them, without traces."""

    def fetch(door: Door) -> Answer:
        return _log(door, _EDGE_LOG, window, _edge_row, "request in the gateway's log")

    return Look("supabase", "edge_logs", span_of(window), fetch, deadline_s=20)


def migrations() -> Look:
    """The migrations that were applied, newest first: {"version", "name", "at" (from the version, where it is a time), "what",
    "platform"}."""

    def fetch(door: Door) -> Answer:
        reply = ManagementApi(door).get("/database/migrations")
        rows = reply.parsed(lambda document: [_migration(row) for row in rows_in(document)])
        rows.sort(key=lambda row: row["version"], reverse=True)
        return Answer.of(rows)

    return Look("supabase", "migrations", {}, fetch)


def usage(org_id: str, window: Window) -> Look:
    """What an organization used in a window, by the application's own records: {"tokens", "requests", "records",
    "without_tokens", "without_requests", "first_at", "last_at"}. Nothing recorded: ok, zeros; partial above 100,000 records."""

    def fetch(door: Door) -> Answer:
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

    return Look("supabase", "usage", {"org_id": org_id, **span_of(window)}, fetch, deadline_s=20)


def billing_customer(org_id: str) -> Look:
    """An organization's billing record: {"org_id", "stripe_customer_id", "plan", "status", "current_period_end"}."""

    def fetch(door: Door) -> Answer:
        columns = "org_id,stripe_customer_id,plan,status,current_period_end"
        rows = ProjectApi(door).rows(
            lambda client: client.table("billing_customers").select(columns).eq("org_id", org_id).limit(1)
        )
        if not rows:
            return Answer(Status.not_found, None, "the organization has no billing record")
        return Answer(Status.ok, {name: rows[0].get(name) for name in columns.split(",")})

    return Look("supabase", "billing_customer", {"org_id": org_id}, fetch)


def health() -> Look:
    """What the keys are and whether they are taken: {"rest": HTTP status, "auth": HTTP status, "anon_key", "service_role_key"};
    each key {"kind", "role", "ref", "expires_at"} or None."""

    def fetch(door: Door) -> Answer:
        keys = {
            "anon_key": key_facts(reveal(door.settings.supabase_anon_key)),
            "service_role_key": key_facts(reveal(door.settings.supabase_service_role_key)),
        }
        seen = {
            "rest": _probe(door, "/rest/v1/organizations", {"select": "id", "limit": "1"}),
            "auth": _probe(door, "/auth/v1/health", {}),
        }
        value = {**{name: answer.value["status_code"] for name, answer in seen.items()}, **keys}
        refused = next((answer for answer in seen.values() if answer.status != Status.ok), None)
        return Answer(refused.status, value, refused.why, refused.help) if refused else Answer(Status.ok, value)

    return Look("supabase", "health", {}, fetch)


def management_health() -> Look:
    """Whether the access token sees the project: {"name", "status", "region"}."""

    def fetch(door: Door) -> Answer:
        return Answer(Status.ok, ManagementApi(door).get("").parsed(_project))

    return Look("supabase", "management_health", {}, fetch)


def _probe(door: Door, path: str, params: dict[str, str]) -> Answer:
    """One read of the project's API with the anon key; the answer's status with the HTTP status as data beside it."""
    url, key = need(door, "supabase_url"), need(door, "supabase_anon_key")
    headers = {"apikey": key} if key.startswith("sb_") else {"apikey": key, "Authorization": f"Bearer {key}"}
    reply = door.http.get(url + path, params=params, headers=headers, retry=False)
    said = _said(reply)
    if 200 <= reply.status_code < 300:
        return Answer(Status.ok, said)
    status = status_of(reply.status_code)
    if status in (Status.denied, Status.rate_limited):
        return Answer(status, said, reply.complaint(), _ANON_HELP)
    return Answer(Status.ok, said)


def _said(reply: Reply) -> dict[str, Json]:
    """What was answered. A 2xx must be JSON; an error may be a proxy's page."""
    document = reply.json() if reply.status_code < 300 or reply.body.lstrip()[:1] in (b"{", b"[") else None
    if reply.status_code < 300 and not isinstance(document, list | dict):
        raise reply.malformed("unexpected shape")
    found = document if isinstance(document, dict) else {}
    return {
        "status_code": reply.status_code,
        "ms": round(reply.elapsed_ms, 1),
        "code": text_of(found, "code", "error_code"),
        "message": text_of(found, "message", "msg", "error")
        or (reply.first_bytes() if reply.status_code >= 400 else None),
        "request_id": reply.request_id or None,
        "version": text_of(found, "version"),
    }


def _log(door: Door, sql: str, window: Window, line: Any, what: str) -> Answer:
    """A table of the project's log; the last 24 hours of a longer window, which is then partial."""
    api = ManagementApi(door)
    cut = window.until - window.since > _LONGEST_LOG
    asked = Window(window.until - _LONGEST_LOG, window.until) if cut else window
    rows = api.log_rows(sql, asked)
    try:
        lines = [line(row) for row in rows]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, OSError) as error:
        return Answer(Status.malformed, None, f"unexpected shape of a log row: {type(error).__name__} {error}"[:300])
    if cut:
        return Answer(
            Status.partial, lines, "the log is read 24 h at once: only the last 24 h were", "narrow the window"
        )
    return many(
        lines,
        len(lines) >= _MOST_LINES,
        "log lines",
        lambda: nothing(
            door, what, delay_s=door.settings.log_delay_s, retention_h=_LOG_RETENTION_H, window=window,
            delay_setting="RUNBOOK_LOG_DELAY_S",
        ),
        forgotten(door, window, _LOG_RETENTION_H),
    )  # fmt: skip


def _moment(value: Json) -> str:
    """A log row's time: microseconds since the epoch, or text without a zone that means UTC."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return to_iso(datetime.fromtimestamp(value / 1_000_000, UTC))
    found = iso_of_text(value)
    if found is None:
        raise KeyError("timestamp")
    return found


def _inner(row: dict[str, Json], name: str) -> dict[str, Json]:
    """The object under `metadata[0].<name>[0]`, where the log keeps what it parsed; empty where there is none."""
    outer = (row.get("metadata") or [{}])[0]
    found = outer.get(name) or [{}]
    inner = found[0] if isinstance(found, list) else found
    return inner if isinstance(inner, dict) else {}


def _postgres_line(row: dict[str, Json]) -> dict[str, Json]:
    parsed = _inner(row, "parsed")
    names = (
        "error_severity",
        "sql_state_code",
        "user_name",
        "detail",
        "hint",
        "query",
        "application_name",
        "backend_type",
    )
    return {
        "at": _moment(row["timestamp"]),
        "level": str(parsed.get("error_severity") or "LOG").lower(),
        "message": str(row["event_message"]),
        "trace_id": None,
        "request_id": None,
        "attributes": {name: parsed[name] for name in names if parsed.get(name) is not None},
        "part": "postgres",
        "platform": "supabase",
        "deployment_id": None,
        "instance": None,
    }


def _edge_row(row: dict[str, Json]) -> dict[str, Json]:
    request, response = _inner(row, "request"), _inner(row, "response")
    headers = (response.get("headers") or [{}])[0]
    status = response.get("status_code")
    return {
        "request_id": text_of(headers, "sb_request_id", "cf_ray") or str(row.get("id", "")),
        "at": _moment(row["timestamp"]),
        "method": text_of(request, "method"),
        "path": text_of(request, "path"),
        "host": text_of(request, "host"),
        "status": int(status) if status is not None else None,
        "duration_ms": number_of(response.get("origin_time")),
        "trace_id": None,
        "deployment_id": None,
        "error": None,
        "region": None,
        "part": "supabase",
        "platform": "supabase",
        "logs": [],
    }


def _project(document: Json) -> dict[str, Json]:
    return {
        "name": text_of(document, "name"),
        "status": str(document["status"]),
        "region": text_of(document, "region"),
        "version": text_of(document.get("database") or {}, "version"),
    }


def _service(row: dict[str, Json]) -> dict[str, Json]:
    return {"name": str(row["name"]), "status": str(row["status"]), "error": text_of(row, "error")}


def _migration(row: dict[str, Json]) -> dict[str, Json]:
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


def _summed(rows: list[dict[str, Any]]) -> dict[str, Json]:
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
