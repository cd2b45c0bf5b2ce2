"""Vercel's logs: the request log that its own CLI reads from the second host, the live stream, and captured traces."""

from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams

from runbook_lib.sandbox.facades.vercel.state import VercelState, find_deployment, rows_of, target_of
from runbook_lib.sandbox.world import LogLine, RequestRow, World

_LEVELS = {"warn": "warning", "warning": "warning", "error": "error", "critical": "fatal", "fatal": "fatal"}
_MESSAGE_LIMIT = 4_096
# what the platform answers itself, before a function runs
_EDGE_ERRORS = ("FIREWALL", "FORBIDDEN", "DEPLOYMENT_PROTECTED", "DEPLOYMENT_NOT_FOUND", "DNS_", "ROUTER_")


def request_log_page(world: World, part: str, query: QueryParams) -> dict[str, Any]:
    """One page of the request log, newest first: `rows` and `hasMoreRows`.

    Rows younger than the ingestion delay or older than the plan keeps are not there. Raises ValueError for a bad number.
    """
    state = world.state(VercelState)
    oldest = world.now() - timedelta(hours=state.retention_h)
    newest = world.now() - timedelta(seconds=state.delay_s)
    since = max(oldest, _at(query["startDate"]))
    until = min(newest, _at(query["endDate"]))
    rows = [row for row in rows_of(world, part) if since <= row.at <= until]
    if wanted := query.get("requestId"):
        rows = [row for row in rows if row.request_id == wanted]
    rows = [row for row in rows if _matches(world, row, query)]
    lines = _lines_by_request(world, {row.request_id for row in rows})
    if levels := _listed(query, "level"):
        rows = [row for row in rows if levels & {entry["level"] for entry in _logs(row, lines)}]
    if text := query.get("search"):
        rows = [row for row in rows if _contains(row, lines, text)]
    page = int(query.get("page", "0"))
    start, end = page * state.page_rows, (page + 1) * state.page_rows
    return {"rows": [_row(world, row, lines) for row in rows[start:end]], "hasMoreRows": end < len(rows)}


def _matches(world: World, row: RequestRow, query: QueryParams) -> bool:
    if (wanted := query.get("deploymentId")) and row.deployment_id != wanted:
        return False
    deployment = find_deployment(world, row.deployment_id)
    if (environment := query.get("environment")) and environment != _environment(world, row):
        return False
    if (branch := query.get("branch")) and (deployment is None or deployment.branch != branch):
        return False
    if (sources := _listed(query, "source")) and not sources & {event["source"] for event in _events(row)}:
        return False
    codes = _listed(query, "statusCode")
    return not codes or any(_is_code(row.status, code) for code in codes)


def _is_code(status: int, code: str) -> bool:
    return str(status) == code or (code.lower().endswith("xx") and str(status)[:1] == code[:1])


def _listed(query: QueryParams, name: str) -> set[str]:
    return {item.strip() for item in query.get(name, "").split(",") if item.strip()}


def _at(epoch_ms: str) -> datetime:
    return datetime.fromtimestamp(int(epoch_ms) / 1000, UTC)


def _lines_by_request(world: World, request_ids: set[str]) -> dict[str, list[LogLine]]:
    found: dict[str, list[LogLine]] = {}
    for line in world.logs:
        if line.platform == "vercel" and line.request_id in request_ids and line.request_id is not None:
            found.setdefault(line.request_id, []).append(line)
    return found


def _contains(row: RequestRow, lines: dict[str, list[LogLine]], text: str) -> bool:
    haystack = [row.path, row.request_id, *(entry["message"] for entry in _logs(row, lines))]
    return any(text.lower() in part.lower() for part in haystack)


def _logs(row: RequestRow, lines: dict[str, list[LogLine]]) -> list[dict[str, Any]]:
    entries = [_entry(line.level, line.message) for line in lines.get(row.request_id, [])]
    if row.error and not any(row.error in entry["message"] for entry in entries):
        entries.append(_entry("error", row.error))
    return entries


def _entry(level: str, message: str) -> dict[str, Any]:
    return {
        "level": _LEVELS.get(level.lower(), "info"),
        "message": message[:_MESSAGE_LIMIT],
        "messageTruncated": len(message) > _MESSAGE_LIMIT,
    }


def _events(row: RequestRow) -> list[dict[str, str]]:
    if row.error and row.error.startswith(_EDGE_ERRORS):
        return []
    return [{"source": "serverless"}]


def _environment(world: World, row: RequestRow) -> str:
    deployment = find_deployment(world, row.deployment_id)
    return "production" if deployment is None or target_of(deployment) else "preview"


def _row(world: World, row: RequestRow, lines: dict[str, list[LogLine]]) -> dict[str, Any]:
    deployment = find_deployment(world, row.deployment_id)
    shown: dict[str, Any] = {
        "requestId": row.request_id,
        "timestamp": row.at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{row.at.microsecond // 1000:03d}Z",
        "deploymentId": row.deployment_id,
        "requestMethod": row.method,
        "requestPath": row.path,
        "statusCode": row.status,
        "environment": _environment(world, row),
        "branch": deployment.branch if deployment else "",
        "domain": row.host,
        "cache": "MISS",
        "logs": _logs(row, lines),
        "events": _events(row),
    }
    return {**shown, "traceId": row.trace_id} if row.trace_id else shown
