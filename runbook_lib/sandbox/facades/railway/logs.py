"""Railway's logs: what services wrote, what builds wrote, and what its edge saw; filtered in Railway's own language."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from graphql import GraphQLError

from runbook_lib.sandbox.facades.railway.filter import Line, compile_filter
from runbook_lib.sandbox.facades.railway.state import RailwayState, parse_time, rfc3339, service_id
from runbook_lib.sandbox.world import Deployment, LogLine, RequestRow, World

MOST_LINES = 5_000
_SEVERITIES = {"warning": "warn", "critical": "error", "fatal": "error"}
T = TypeVar("T", LogLine, RequestRow)


def service_lines(world: World) -> list[LogLine]:
    """Every line of every service that is old enough to be ingested and young enough to be kept, oldest first."""
    return _kept(world, (line for line in world.logs if line.platform == "railway"))


def edge_rows(world: World) -> list[RequestRow]:
    """Every request the edge saw that is ingested and kept, oldest first."""
    return _kept(world, (row for row in world.requests if row.platform == "railway"))


def _kept(world: World, items: Iterable[T]) -> list[T]:
    state = world.state(RailwayState)
    oldest = world.now() - timedelta(hours=state.retention_h)
    newest = world.now() - timedelta(seconds=state.delay_s)
    return sorted((item for item in items if oldest <= item.at <= newest), key=lambda item: item.at)


def deployment_logs(
    world: World, deployment: Deployment, filter_: str | None, start: str | None, end: str | None, limit: int | None
) -> list[dict[str, Any]]:
    """The newest `limit` lines (100 without) of one deployment in a window, oldest first."""
    test = compile_filter(filter_)
    since, until = parse_time(start), parse_time(end)
    found = [
        line
        for line in service_lines(world)
        if line.deployment_id == deployment.id
        and (since is None or line.at >= since)
        and (until is None or line.at <= until)
        and test(_as_line(world, line))
    ]
    return [_log(world, line) for line in found[-_limit(limit) :]]


def build_logs(world: World, deployment: Deployment, filter_: str | None, limit: int | None) -> list[dict[str, Any]]:
    """What the build wrote: the lines set by hand, else those of a usual Docker build that ends as this one did."""
    lines = deployment.build_log or world.state(RailwayState).build_logs.get(deployment.id)
    if lines is None:
        end = [f"ERROR: {deployment.error}"] if deployment.error else ["exporting to docker image format", "image push"]
        lines = ["using build driver dockerfile", "[1/5] FROM docker.io/library/python:3.11-slim", *end]
    test = compile_filter(filter_)
    rows = []
    for nth, message in enumerate(lines):
        level = "error" if message.startswith("ERROR") else "info"
        line = LogLine("railway", deployment.part, deployment.created_at + timedelta(seconds=nth), level, message)
        line.deployment_id = deployment.id
        if test(_as_line(world, line)):
            rows.append(_log(world, line))
    return rows[-_limit(limit) :]


def environment_logs(world: World, filter_: str | None, window: dict[str, Any]) -> list[dict[str, Any]]:
    """Lines of all services around an anchor, oldest first."""
    test = compile_filter(filter_)
    found = [line for line in service_lines(world) if test(_as_line(world, line))]
    return [_log(world, line) for line in _around(world, found, window, lambda line: line.at)]


def http_logs(
    world: World, deployment: Deployment, filter_: str | None, limit: int | None, window: dict[str, Any]
) -> list[dict[str, Any]]:
    """What the edge saw of one deployment around an anchor, oldest first."""
    test = compile_filter(filter_)
    found = [row for row in edge_rows(world) if row.deployment_id == deployment.id and test(_as_http_line(row))]
    around = _around(world, found, {"beforeLimit": limit, **window}, lambda row: row.at)
    return [_http_log(row) for row in around]


def _around(world: World, items: list[T], window: dict[str, Any], at: Callable[[T], datetime]) -> list[T]:
    """Before the anchor (now without one) and after it: each side with its own limit and its own farthest date."""
    anchor = parse_time(window.get("anchorDate")) or world.now()
    oldest, latest = parse_time(window.get("beforeDate")), parse_time(window.get("afterDate"))
    before = [item for item in items if at(item) <= anchor and (oldest is None or at(item) >= oldest)]
    after = [item for item in items if at(item) > anchor and (latest is None or at(item) <= latest)]
    take_after = _limit(window.get("afterLimit")) if window.get("afterLimit") or latest else 0
    take_before = _limit(window.get("beforeLimit")) if window.get("beforeLimit") != 0 else 0
    return (before[-take_before:] if take_before else []) + after[:take_after]


def _limit(limit: int | None) -> int:
    if limit is not None and not 0 < limit <= MOST_LINES:
        raise GraphQLError(f"limit must be between 1 and {MOST_LINES}")
    return limit or 100


def _severity(level: str) -> str:
    return _SEVERITIES.get(level.lower(), level.lower())


def _attributes(line: LogLine) -> dict[str, Any]:
    """A structured line's attributes; `level` is always there."""
    own = {"trace_id": line.trace_id} if line.trace_id else {}
    return {"level": _severity(line.level), **own, **line.attributes}


def _as_line(world: World, line: LogLine) -> Line:
    attributes = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in _attributes(line).items()
    }
    known = {"service": service_id(world, line.part), "deployment": line.deployment_id, "replica": line.instance}
    if line.request_id:
        known["requestId"] = line.request_id
    return Line(line.message, {**known, **attributes})


def _as_http_line(row: RequestRow) -> Line:
    shown = _http_log(row)
    return Line(f"{row.method} {row.path}", {key: str(value) for key, value in shown.items()})


def _log(world: World, line: LogLine) -> dict[str, Any]:
    """A line; attribute values are JSON text, quotes included."""
    return {
        "timestamp": _nanoseconds(line.at),
        "message": line.message,
        "severity": _severity(line.level),
        "attributes": [{"key": key, "value": json.dumps(value)} for key, value in _attributes(line).items()],
        "tags": {
            "deploymentId": line.deployment_id or None,
            "deploymentInstanceId": line.instance or None,
            "environmentId": world.ids.railway_environment,
            "projectId": world.ids.railway_project,
            "serviceId": service_id(world, line.part),
        },
    }


def _http_log(row: RequestRow) -> dict[str, Any]:
    errors = [{"deploymentInstanceID": "", "duration": round(row.duration_ms), "error": row.error}] if row.error else []
    return {
        "timestamp": _nanoseconds(row.at),
        "requestId": row.request_id,
        "method": row.method,
        "path": row.path,
        "host": row.host,
        "httpStatus": 502 if row.status < 0 else row.status,
        "totalDuration": round(row.duration_ms),
        "upstreamRqDuration": round(row.duration_ms),
        "upstreamErrors": json.dumps(errors) if errors else "",
        "responseDetails": row.error or "",
        "deploymentId": row.deployment_id,
        "deploymentInstanceId": "",
        "clientUa": row.user_agent,
        "srcIp": "127.0.0.1",
        "edgeRegion": row.region,
        "txBytes": 0,
        "rxBytes": 0,
        "upstreamAddress": "",
        "upstreamProto": "HTTP/1.1",
        "downstreamProto": "HTTP/1.1",
    }


def _nanoseconds(at: datetime) -> str:
    return rfc3339(at)[:-1][:-3] + f"{at.microsecond:06d}000Z"
