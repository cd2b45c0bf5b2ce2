"""Railway: what API and gateway logged, which requests its edge saw, what was deployed, which variables changed.

Lines above 500 a second are dropped by Railway, which says so in a line of its own; such a look is partial.
"""

from typing import Any, Never

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.deployments import RailwayDeployment
from runbook_lib.core.records.hosting import RailwayAccess
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.providers import RailwayIncident, RailwayStatus
from runbook_lib.core.records.requests import RailwayRequest
from runbook_lib.core.records.variables import RailwayVariableName
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import (
    answer_with_rows,
    beyond_retention,
    iso_of_text,
    judge_absence,
    number_of,
    read_pages,
    rows_in,
    text_of,
    whole_number_of,
    window_arguments,
)
from runbook_lib.sources.railway.api import RailwayApi, attribute, attribute_value, phrase, service_of

_RETENTION_H = 7 * 24.0  # of the Hobby plan; Pro keeps 30 days
_MOST_LINES = 5000
_SERVED = ("SUCCESS", "CRASHED", "SLEEPING", "REMOVING", "REMOVED")
_TRACE_KEYS = ("trace_id", "traceId", "otelTraceID", "traceID")
_REQUEST_KEYS = ("request_id", "requestId", "x-railway-request-id")


def logs(
    part: str,
    window: Window,
    *,
    trace_id: str | None = None,
    request_id: str | None = None,
    text: str | None = None,
    limit: int = 500,
) -> Look[list[LogLine]]:
    """Log lines of `api` or `gateway` in a window, oldest first: all of them, those of a trace or a request (of either, where
    both are given), those with a text. A line is of a trace or request when its attributes or its message hold the id."""

    def fetch(door: Door) -> Answer[list[LogLine]]:
        ids = [each for each in (trace_id, request_id) if each is not None]
        if any(not each.strip() for each in (*ids, *([] if text is None else [text]))):
            return Answer(Status.empty, None, "nothing to look for: the text is empty")
        api, service = RailwayApi(door), attribute("service", service_of(door, part))
        environment_id = api.scope().environment_id
        lines: dict[str, LogLine] = {}
        more = False
        for way in _ways(trace_id, request_id, text):
            reply, _ = api.ask(
                "environment_logs",
                environmentId=environment_id,
                filter=f"{service} AND {way}" if way else service,
                anchorDate=to_iso(window.until),
                beforeDate=to_iso(window.since),
                beforeLimit=min(limit, _MOST_LINES),
            )
            rows = reply.parsed(lambda document: rows_in(document["data"], "environmentLogs"))
            lines |= {repr(row): line for row, line in zip(rows, reply.parsed(_lines), strict=True)}
            more = more or len(rows) >= limit
        kept = [line for line in lines.values() if not ids or any(_holds(line, each) for each in ids)]
        kept = [line for line in kept if text is None or _holds(line, text)]
        kept.sort(key=lambda line: str(line["at"]))
        if dropped := next((line["message"] for line in lines.values() if _tells_of_loss(line["message"])), None):
            return Answer(Status.partial, kept, f"Railway dropped lines: {dropped}")
        lost = "" if ids else beyond_retention(door, window, _RETENTION_H)  # one request that was found is found
        return answer_with_rows(kept, more, "log lines", lambda: _none(door, window, "log line"), lost)

    def _lines(document: Json) -> list[LogLine]:
        return [_line(row, part) for row in rows_in(document["data"], "environmentLogs")]

    asked = {"trace_id": trace_id, "request_id": request_id, "text": text}
    arguments = {
        "part": part,
        **window_arguments(window),
        "limit": limit,
        **{k: v for k, v in asked.items() if v is not None},
    }
    return Look("railway", "logs", arguments, fetch, deadline_s=20)


def http_log(
    part: str, window: Window, *, request_id: str | None = None, status: str | None = None, limit: int = 500
) -> Look[list[RailwayRequest]]:
    """The requests that Railway's edge passed to `api` or `gateway`, newest first; of one id, or of a status such as 502 or 5xx."""

    def fetch(door: Door) -> Answer[list[RailwayRequest]]:
        if request_id is not None and not request_id.strip():
            return Answer(Status.not_found, None, "the request id is empty")
        api, filters = RailwayApi(door), []
        if request_id is not None:
            filters.append(attribute("requestId", request_id))
        if status is not None:
            low = status.lower()
            filters.append(
                f"@httpStatus:{low[0]}00..{low[0]}99" if low.endswith("xx") else attribute("httpStatus", status)
            )
        served, unlisted = _serving(api, service_of(door, part), window)
        found: list[RailwayRequest] = []
        more = unlisted
        for deployment_id in served:
            reply, _ = api.ask(
                "http_logs",
                deploymentId=deployment_id,
                filter=" AND ".join(filters) or None,
                anchorDate=to_iso(window.until),
                beforeDate=to_iso(window.since),
                beforeLimit=min(limit, _MOST_LINES),
            )
            rows = reply.parsed(lambda document: [_request(row, part) for row in rows_in(document["data"], "httpLogs")])
            more = more or len(rows) >= limit
            found += [row for row in rows if request_id is None or row["request_id"] == request_id]
        found.sort(key=lambda row: str(row["at"]), reverse=True)
        none = "request of this id" if request_id else "request"
        return answer_with_rows(
            found[:limit],
            more or len(found) > limit,
            "requests",
            lambda: _none(door, window, none, one=request_id is not None),
            "" if request_id is not None else beyond_retention(door, window, _RETENTION_H),
        )

    asked = {"request_id": request_id, "status": status}
    arguments = {
        "part": part,
        **window_arguments(window),
        "limit": limit,
        **{k: v for k, v in asked.items() if v is not None},
    }
    return Look("railway", "http_log", arguments, fetch, deadline_s=20)


def deployments(part: str, window: Window | None = None) -> Look[list[RailwayDeployment]]:
    """The deployments of `api` or `gateway`, newest first: those made in the window, or the newest twenty without one."""

    def fetch(door: Door) -> Answer[list[RailwayDeployment]]:
        api = RailwayApi(door)
        rows, more = _deployments(api, service_of(door, part), part, window, 20 if window is None else 200)
        kept = [row for row in rows if window is None or to_iso(window.since) <= row["at"] <= to_iso(window.until)]
        return answer_with_rows(
            kept,
            more and window is not None,
            "deployments",
            lambda: Answer(Status.empty, None, "no deployment in the window"),
        )

    return Look("railway", "deployments", {"part": part, **window_arguments(window)}, fetch)


def variables_names(part: str) -> Look[list[RailwayVariableName]]:
    """The variables of `api` or `gateway`, last changed first, never their values."""

    def fetch(door: Door) -> Answer[list[RailwayVariableName]]:
        api, service = RailwayApi(door), service_of(door, part)
        scope = api.scope()

        def page(after: str) -> tuple[list[RailwayVariableName], str | None]:
            reply, _ = api.ask(
                "variables", id=scope.environment_id, projectId=scope.project_id, first=100, after=after or None
            )

            def parse(document: Json) -> tuple[list[RailwayVariableName], str | None]:
                nodes, cursor = _connection(document["data"]["environment"]["variables"])
                return [_variable(node, part) for node in nodes if node.get("serviceId") in (service, None)], cursor

            return reply.parsed(parse)

        rows, more = read_pages(page, "", 2000)
        rows.sort(key=lambda row: (row["updated_at"] or "", row["name"]), reverse=True)
        return answer_with_rows(rows, more, "variables", lambda: Answer(Status.empty, None, "no variable"))

    return Look("railway", "variables_names", {"part": part}, fetch)


def incidents() -> Look[RailwayStatus]:
    """What Railway says about itself."""

    def fetch(door: Door) -> Answer[RailwayStatus]:
        reply, _ = RailwayApi(door).ask("platform_status")
        return Answer(Status.ok, reply.parsed(lambda document: _platform(document["data"]["platformStatus"])))

    return Look("railway", "incidents", {}, fetch)


def health() -> Look[RailwayAccess]:
    """What the token is."""

    def fetch(door: Door) -> Answer[RailwayAccess]:
        api = RailwayApi(door)
        if api.is_project_token:
            reply, _ = api.ask("token")
            return Answer(Status.ok, reply.parsed(lambda document: _token(document["data"]["projectToken"])))
        reply, _ = api.ask("me")
        scope = api.scope()
        name = reply.parsed(lambda document: text_of(document["data"]["me"], "name", "email"))
        return Answer(
            Status.ok,
            RailwayAccess(
                token="account",  # noqa: S106 - whose token it is, no secret
                name=name,
                project_id=scope.project_id,
                environment_id=scope.environment_id,
            ),
        )

    return Look("railway", "health", {}, fetch)


def _token(token: dict[str, Json]) -> RailwayAccess:
    return {
        "token": "project",
        "name": text_of(token, "name"),
        "project_id": text_of(token, "projectId"),
        "environment_id": text_of(token, "environmentId"),
    }


def _none(door: Door, window: Window, what: str, *, one: bool = False) -> Answer[Never]:
    return judge_absence(
        door,
        what,
        delay_s=door.settings.log_delay_s,
        retention_h=_RETENTION_H,
        window=window,
        one=one,
        delay_setting="RUNBOOK_LOG_DELAY_S",
    )


def _ways(trace_id: str | None, request_id: str | None, text: str | None) -> list[str]:
    """The filters to ask with, one after the other: brackets and the order of AND and OR are nowhere documented."""
    ways = [attribute("trace_id", trace_id), phrase(trace_id)] if trace_id is not None else []
    if request_id is not None:
        ways += [attribute("requestId", request_id), attribute("request_id", request_id), phrase(request_id)]
    return ways or ["" if text is None else phrase(text)]


def _tells_of_loss(message: str) -> bool:
    low = message.lower()
    return "rate limit" in low and "dropped" in low


def _holds(line: LogLine, text: str) -> bool:
    """Whether a line has the text in its message or in one of its attributes."""
    low = text.lower()
    return low in line["message"].lower() or any(
        low == str(value).lower() for value in (*line["attributes"].values(), line["request_id"], line["trace_id"])
    )


def _deployments(
    api: RailwayApi, service: str, part: str, window: Window | None, most: int
) -> tuple[list[RailwayDeployment], bool]:
    """Deployments newest first, until one is older than the window, and whether there are more that belong to it."""
    scope = api.scope()
    where: dict[str, Json] = {
        "projectId": scope.project_id,
        "environmentId": scope.environment_id,
        "serviceId": service,
    }

    def page(after: str) -> tuple[list[RailwayDeployment], str | None]:
        reply, _ = api.ask("deployments", input=where, first=20, after=after or None)
        nodes, cursor = reply.parsed(lambda document: _connection(document["data"]["deployments"]))
        rows = reply.parsed(lambda _: [_deployment(node, part) for node in nodes])
        is_past = window is not None and rows and rows[-1]["at"] < to_iso(window.since)
        return rows, None if is_past else cursor

    return read_pages(page, "", most)


def _serving(api: RailwayApi, service: str, window: Window) -> tuple[list[str], bool]:
    """The deployments that can have served requests in the window: made in it, or the newest one made before it."""
    rows, more = _deployments(api, service, "", window, 100)
    served = [row for row in rows if row["state"] in _SERVED and row["at"] <= to_iso(window.until)]
    begins = next((n for n, row in enumerate(served) if row["at"] < to_iso(window.since)), len(served) - 1)
    return [row["id"] for row in served[: begins + 1]], more


def _connection(document: dict[str, Any]) -> tuple[list[dict[str, Any]], str | None]:
    nodes = [edge["node"] for edge in rows_in(document, "edges")]
    if any(not isinstance(node, dict) for node in nodes):
        raise TypeError("a node is no object")
    info = document["pageInfo"]
    return nodes, str(info["endCursor"]) if info["hasNextPage"] else None


def _line(row: dict[str, Json], part: str) -> LogLine:
    attributes = {
        str(pair["key"]): attribute_value(pair["value"]) for pair in rows_in(row, "attributes", may_lack=True)
    }
    tags = row.get("tags") or {}
    return {
        "at": iso_of_text(row["timestamp"]),
        "level": str(row.get("severity") or attributes.get("level") or "info"),
        "message": str(row["message"]),
        "trace_id": text_of(attributes, *_TRACE_KEYS),
        "request_id": text_of(attributes, *_REQUEST_KEYS),
        "attributes": attributes,
        "part": part,
        "platform": "railway",
        "deployment_id": text_of(tags, "deploymentId"),
        "instance": text_of(tags, "deploymentInstanceId"),
    }


def _request(row: dict[str, Json], part: str) -> RailwayRequest:
    return {
        "request_id": str(row["requestId"]),
        "at": iso_of_text(row["timestamp"]),
        "method": text_of(row, "method"),
        "path": text_of(row, "path"),
        "host": text_of(row, "host"),
        "status": whole_number_of(row["httpStatus"]),
        "duration_ms": number_of(row.get("totalDuration")),
        "trace_id": None,
        "deployment_id": text_of(row, "deploymentId"),
        "error": text_of(row, "responseDetails", "upstreamErrors"),
        "region": text_of(row, "edgeRegion"),
        "part": part,
        "platform": "railway",
        "logs": [],
        "instance": text_of(row, "deploymentInstanceId"),
        "upstream_errors": text_of(row, "upstreamErrors"),
    }


def _deployment(node: dict[str, Json], part: str) -> RailwayDeployment:
    meta = node.get("meta") or {}
    at = iso_of_text(node["createdAt"])
    if at is None:
        raise KeyError("createdAt")
    diagnosis = node.get("diagnosis")
    ready = iso_of_text(node.get("statusUpdatedAt")) if node["status"] == "SUCCESS" else None
    return {
        "id": str(node["id"]),
        "at": at,
        "state": str(node["status"]),
        "commit": text_of(meta, "commitHash"),
        "branch": text_of(meta, "branch"),
        "message": text_of(meta, "commitMessage"),
        "url": text_of(node, "url", "staticUrl"),
        "target": "production",
        "part": part,
        "platform": "railway",
        "error": str(diagnosis)[:500] if diagnosis else None,
        "ready_at": ready,
        "image": text_of(meta, "image"),
        "can_roll_back": bool(node.get("canRollback")),
    }


def _variable(node: dict[str, Json], part: str) -> RailwayVariableName:
    return {
        "name": str(node["name"]),
        "updated_at": iso_of_text(node.get("updatedAt")),
        "created_at": iso_of_text(node.get("createdAt")),
        "sealed": bool(node.get("isSealed")),
        "shared": node.get("serviceId") is None,
        "part": part,
        "platform": "railway",
    }


def _platform(status: dict[str, Json]) -> RailwayStatus:
    incident = status["incident"]
    return RailwayStatus(
        stable=bool(status["isStable"]),
        incident=RailwayIncident(
            id=str(incident["id"]),
            message=str(incident["message"]),
            status=str(incident["status"]),
            url=text_of(incident, "url"),
            at=iso_of_text(incident.get("createdAt")),
        )
        if incident
        else None,
    )
