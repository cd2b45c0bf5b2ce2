"""Fly.io: what the gateway logged, how its machines are, which releases were made.

Routes: the Machines API's published document, and superfly/docs and flyctl for logs and releases, which the vendor calls
unsupported. A release has the shape of a deployment.
"""

import json
from typing import Any, Never

from runbook_lib.core.clock import Window, from_iso, to_epoch_ns, to_iso
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.deployments import FlyRelease
from runbook_lib.core.records.hosting import FlyAccess
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.machines import MachineWithEvents
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.fly.api import FlyApi
from runbook_lib.sources.kit.asking import (
    answer_with_rows,
    beyond_retention,
    is_within,
    iso_of_ms,
    iso_of_text,
    judge_absence,
    number_of,
    read_pages,
    rows_in,
    text_of,
    window_arguments,
)

_RETENTION_H = 7 * 24.0
_MOST_SCANNED = 20_000


def logs(window: Window, text: str | None = None, *, limit: int = 500) -> Look[list[LogLine]]:
    """The gateway's log lines in a window, oldest first, of the app and of Fly's proxy; with a text (a trace id, a request id)
    only those whose message or attributes hold it. Fly filters nothing itself: more lines than are read make it partial."""

    def fetch(door: Door) -> Answer[list[LogLine]]:
        fly = FlyApi(door)
        if text is not None and not text.strip():
            return Answer(Status.empty, None, "nothing to look for: the text is empty")

        def page(token: str) -> tuple[list[LogLine], str | None]:
            reply = fly.get(f"{fly.api_url}/api/v1/apps/{fly.app}/logs", next_token=token)
            lines = reply.parsed(lambda document: [_line(row) for row in rows_in(document, "data")])
            last = reply.parsed(lambda document: text_of(document.get("meta") or {}, "next_token"))
            is_past = bool(lines) and from_iso(str(lines[-1]["at"])) > window.until
            return lines, None if is_past or not lines or last == token else last

        lines, unread = read_pages(page, str(to_epoch_ns(window.since)), _MOST_SCANNED)
        kept = [line for line in lines if is_within(line["at"], window) and (text is None or _holds(line, text))]
        lost = beyond_retention(door, window, _RETENTION_H)
        return answer_with_rows(
            kept[-limit:], unread or len(kept) > limit, "log lines", lambda: _none(door, window), lost
        )

    arguments = {**window_arguments(window), "limit": limit, **({} if text is None else {"text": text})}
    return Look("fly", "logs", arguments, fetch, deadline_s=20)


def machines() -> Look[list[MachineWithEvents]]:
    """The gateway's machines. While a host cannot be reached Fly leaves the configuration out."""

    def fetch(door: Door) -> Answer[list[MachineWithEvents]]:
        fly = FlyApi(door)
        reply = fly.get(f"{fly.machines_url}/v1/apps/{fly.app}/machines")
        return Answer.of(reply.parsed(lambda document: [_machine(row) for row in rows_in(document)]))

    return Look("fly", "machines", {}, fetch)


def releases(window: Window | None = None) -> Look[list[FlyRelease]]:
    """The gateway's releases, newest first, of the window or the newest 25."""

    def fetch(door: Door) -> Answer[list[FlyRelease]]:
        fly = FlyApi(door)
        reply = fly.get(f"{fly.api_url}/api/v1/apps/{fly.app}/releases", limit=25)
        rows = reply.parsed(lambda document: [_release(row) for row in rows_in(document, "releases")])
        rows.sort(key=lambda row: row["at"], reverse=True)
        kept = [row for row in rows if window is None or to_iso(window.since) <= row["at"] <= to_iso(window.until)]
        cut = window is not None and len(rows) >= 25 and len(kept) == len(rows)
        return answer_with_rows(kept, cut, "releases", lambda: Answer(Status.empty, None, "no release in the window"))

    return Look("fly", "releases", window_arguments(window), fetch)


def health() -> Look[FlyAccess]:
    """Whether the token sees the app."""

    def fetch(door: Door) -> Answer[FlyAccess]:
        fly = FlyApi(door)
        app = fly.get(f"{fly.machines_url}/v1/apps/{fly.app}")
        name, status = app.parsed(lambda document: (str(document["name"]), text_of(document, "status")))
        machines = fly.get(f"{fly.machines_url}/v1/apps/{fly.app}/machines").parsed(rows_in)
        return Answer(Status.ok, FlyAccess(app=name, status=status, machines=len(machines)))

    return Look("fly", "health", {}, fetch)


def _none(door: Door, window: Window) -> Answer[Never]:
    return judge_absence(
        door,
        "log line",
        delay_s=door.settings.log_delay_s,
        retention_h=_RETENTION_H,
        window=window,
        delay_setting="RUNBOOK_LOG_DELAY_S",
    )


def _holds(line: LogLine, text: str) -> bool:
    low = text.lower()
    return low in line["message"].lower() or any(low in str(value).lower() for value in line["attributes"].values())


def _line(row: dict[str, Json]) -> LogLine:
    entry = row["attributes"]
    meta = entry.get("meta") or {}
    logged = _logged_object(str(entry["message"]))
    message = text_of(logged, "message", "msg") or str(entry["message"])
    attributes = {**dict(_flat(meta)), **{key: value for key, value in logged.items() if key not in ("message", "msg")}}
    at = iso_of_text(entry["timestamp"])
    if at is None:
        raise KeyError("timestamp")
    return {
        "at": at,
        "level": text_of(logged, "level", "severity") or str(entry.get("level") or "info"),
        "message": message,
        "trace_id": text_of(attributes, "trace_id", "traceId", "otelTraceID"),
        "request_id": text_of(attributes, "http.request.id", "request_id"),
        "attributes": attributes,
        "part": "gateway",
        "platform": "fly",
        "deployment_id": None,
        "instance": text_of(entry, "instance") or text_of(meta, "instance"),
    }


def _flat(tree: dict[str, Json], prefix: str = "") -> list[tuple[str, Json]]:
    """A nested object as dotted names and values."""
    found: list[tuple[str, Json]] = []
    for key, value in tree.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(f"{prefix}{key}", value)]
    return found


def _logged_object(message: str) -> dict[str, Any]:
    """What a line says when the app logs JSON; nothing otherwise."""
    if not message.startswith("{"):
        return {}
    try:
        found = json.loads(message)
    except ValueError:
        return {}
    return dict(_flat(found)) if isinstance(found, dict) else {}


def _machine(row: dict[str, Json]) -> MachineWithEvents:
    image = row.get("image_ref") or {}
    return {
        "id": str(row["id"]),
        "name": text_of(row, "name"),
        "state": str(row["state"]),
        "region": text_of(row, "region"),
        "image": ":".join(filter(None, (text_of(image, "repository"), text_of(image, "tag")))) or None,
        "host_status": text_of(row, "host_status"),
        "checks": [
            {
                "name": text_of(check, "name"),
                "status": text_of(check, "status"),
                "output": text_of(check, "output"),
                "changed_at": iso_of_text(check.get("updated_at")),
            }
            for check in rows_in(row, "checks", may_lack=True)
        ],
        "events": [
            {
                "at": iso_of_ms(event.get("timestamp")),
                "type": text_of(event, "type"),
                "status": text_of(event, "status"),
                "source": text_of(event, "source"),
            }
            for event in rows_in(row, "events", may_lack=True)
        ],
        "updated_at": iso_of_text(row.get("updated_at")),
        "config_complete": "incomplete_config" not in row,
    }


def _release(row: dict[str, Json]) -> FlyRelease:
    at = iso_of_text(row["created_at"])
    if at is None:
        raise KeyError("created_at")
    status = str(row.get("status") or ("running" if row.get("in_progress") else "unknown"))
    return {
        "id": str(row["id"]),
        "at": at,
        "state": status,
        "commit": None,
        "branch": None,
        "message": text_of(row, "description"),
        "url": None,
        "target": "production",
        "part": "gateway",
        "platform": "fly",
        "error": status if status in ("failed", "interrupted") else None,
        "ready_at": None,
        "image": text_of(row, "image_ref"),
        "version": number_of(row.get("version")),
    }
