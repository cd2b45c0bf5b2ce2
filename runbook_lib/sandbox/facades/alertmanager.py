"""Alertmanager's API v2, and what it does: alerts are routed, silenced or inhibited, and really sent to their receivers.

Shapes: the vendor's own api/v2/openapi.yaml; counters on /metrics. Alerts come from whoever posts them, and from the sandbox's
Prometheus while its rules fire. A notification that is refused is tried again; what it came to is counted.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from runbook_lib.sandbox import plain_http
from runbook_lib.sandbox.facades.alertmanager_notify import Notice, body_of
from runbook_lib.sandbox.facades.alertmanager_state import (
    AlertmanagerState,
    PostedAlert,
    fingerprint,
    group_wait_s,
    is_match,
    is_silenced_by,
    muted_by,
    new_silence,
    receivers_of,
    state_of,
)
from runbook_lib.sandbox.facades.prometheus import span_metrics
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.world import World

_RESOLVE_AFTER = timedelta(minutes=5)
_RETRY_S = 0.2


@dataclass
class Wire:
    """The notifications that are under way."""

    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Alertmanager:
    """One Alertmanager over one world."""

    def __init__(self, world: World, store: Store) -> None:
        self.world, self.metrics = world, span_metrics(world, store)

    @property
    def state(self) -> AlertmanagerState:
        """The dials."""
        return self.world.state(AlertmanagerState)

    def alerts(self) -> list[tuple[PostedAlert, str]]:
        """Every alert that is not resolved, with its fingerprint."""
        now = self.world.now()
        held = {key: alert for key, alert in self.state.alerts.items() if alert.ends_at > now}
        if self.metrics.state.has_alertmanager:
            for each in self.metrics.alerts_now():
                if each["state"] == "firing":
                    since = datetime.fromisoformat(each["activeAt"])
                    alert = PostedAlert(each["labels"], each["annotations"], since, now + _RESOLVE_AFTER, now)
                    held.setdefault(fingerprint(each["labels"]), alert)
        return [(alert, key) for key, alert in held.items()]

    def shown(self, alert: PostedAlert, key: str) -> dict[str, Any]:
        """A gettableAlert."""
        silenced, inhibited = self._silenced(alert.labels), self._inhibited(alert.labels)
        muted = muted_by(self.state.config, alert.labels, self.world.now())
        return {
            "labels": alert.labels,
            "annotations": alert.annotations,
            "receivers": [{"name": name} for name in receivers_of(self.state.config["route"], alert.labels)],
            "fingerprint": key,
            "startsAt": _rfc3339(alert.starts_at),
            "updatedAt": _rfc3339(alert.updated_at),
            "endsAt": _rfc3339(alert.ends_at),
            "status": {
                "state": "suppressed" if silenced or inhibited or muted else "active",
                "silencedBy": silenced,
                "inhibitedBy": inhibited,
                "mutedBy": muted,
            },
        }

    def post(self, posted: list[dict[str, Any]]) -> None:
        """Take alerts in; a new one is on its way to its receivers. Raises ValueError for what is none."""
        now = self.world.now()
        for each in posted:
            labels = each.get("labels")
            if not isinstance(labels, dict) or not labels:
                raise ValueError("at least one label pair required")
            key = fingerprint(labels)
            starts = datetime.fromisoformat(each["startsAt"]) if each.get("startsAt") else now
            ends = datetime.fromisoformat(each["endsAt"]) if each.get("endsAt") else now + _RESOLVE_AFTER
            is_new = key not in self.state.alerts or self.state.alerts[key].ends_at <= now
            alert = PostedAlert(labels, dict(each.get("annotations") or {}), starts, ends, now)
            self.state.alerts[key] = alert
            if ends > now and is_new:
                self._start(self._notify(alert, key))

    def _silenced(self, labels: dict[str, str]) -> list[str]:
        now = self.world.now()
        return [str(each["id"]) for each in self.state.silences if is_silenced_by(each, labels, now)]

    def _inhibited(self, labels: dict[str, str]) -> list[str]:
        found = []
        for rule in self.state.config.get("inhibit_rules") or ():
            if not all(is_match(text, labels) for text in rule.get("target_matchers") or ()):
                continue
            for other, key in self.alerts():
                same = all(other.labels.get(name) == labels.get(name) for name in rule.get("equal") or ())
                if (
                    other.labels != labels
                    and same
                    and all(is_match(t, other.labels) for t in rule.get("source_matchers") or ())
                ):
                    found.append(key)
        return found

    def _start(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        tasks = self.world.state(Wire).tasks
        task = asyncio.get_running_loop().create_task(run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _notify(self, alert: PostedAlert, key: str) -> None:
        """Send an alert to each integration of its receivers, unless it is suppressed by then."""
        route = self.state.config["route"]
        await asyncio.sleep(group_wait_s(route))
        muted = muted_by(self.state.config, alert.labels, self.world.now())
        if muted or self._silenced(alert.labels) or self._inhibited(alert.labels):
            return
        for receiver in receivers_of(route, alert.labels):
            notice = Notice(receiver, alert, key, self.world.endpoints.get("alertmanager", "http://alertmanager"))
            for kind, settings in list(self.state.integrations(receiver)):
                await self._send(kind, settings, notice)

    async def _send(self, kind: str, settings: dict[str, Any], notice: Notice) -> None:
        """Until it is taken, refused for good, or tried often enough."""
        state, reason = self.state, "other"
        state.sent[(kind, notice.receiver)] += 1
        for attempt in range(state.resend):
            try:
                async with plain_http.async_client(timeout=3) as client:
                    answer = await client.post(
                        settings.get("url") or settings["api_url"], json=body_of(kind, settings, notice)
                    )
            except httpx.HTTPError:
                status = 0
            else:
                status = answer.status_code
            state.asked[(kind, notice.receiver)] += 1
            if 200 <= status < 300:
                return
            state.refused[(kind, notice.receiver)] += 1
            reason = "other" if not status else "clientError" if status < 500 else "serverError"
            if 400 <= status < 500 and status != 429:
                break
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(_RETRY_S * attempt)
        state.failed[(kind, notice.receiver, reason)] += 1

    def counters(self) -> str:
        """/metrics, as far as notifications go."""
        state = self.state
        kinds = {(kind, name) for name in state.receivers() for kind, _ in state.integrations(name)}

        def labels(kind: str, receiver: str, **more: str) -> str:
            named = {"integration": kind, **({"receiver_name": receiver} if state.receiver_in_metrics else {}), **more}
            return ",".join(f'{key}="{value}"' for key, value in named.items())

        rows: dict[str, int] = {}
        for kind, name in sorted(kinds):
            row = f"alertmanager_notifications_total{{{labels(kind, name)}}}"
            rows[row] = rows.get(row, 0) + state.sent[(kind, name)]
            for counter, held in (("", state.asked), ("_failed", state.refused)):
                row = f"alertmanager_notification_requests{counter}_total{{{labels(kind, name)}}}"
                rows[row] = rows.get(row, 0) + held[(kind, name)]
            for reason in ("clientError", "contextCanceled", "contextDeadlineExceeded", "other", "serverError"):
                row = f"alertmanager_notifications_failed_total{{{labels(kind, name, reason=reason)}}}"
                rows[row] = rows.get(row, 0) + state.failed[(kind, name, reason)]
        heads = (
            "# HELP alertmanager_notifications_total The total number of attempted notifications.\n"
            "# TYPE alertmanager_notifications_total counter\n"
            "# HELP alertmanager_notifications_failed_total The total number of failed notifications.\n"
            "# TYPE alertmanager_notifications_failed_total counter\n"
            "# TYPE alertmanager_notification_requests_total counter\n"
            "# TYPE alertmanager_notification_requests_failed_total counter\n"
        )
        return heads + "".join(f"{row} {value}\n" for row, value in rows.items())


def create_app(world: World, store: Store) -> Starlette:
    """Alertmanager's HTTP API."""
    manager = Alertmanager(world, store)

    async def status(_request: Request) -> Response:
        version = {
            "version": "0.28.1",
            "revision": "",
            "branch": "HEAD",
            "buildUser": "",
            "buildDate": "",
            "goVersion": "",
        }
        return JSONResponse(
            {
                "cluster": {"status": "ready", "name": "01SANDBOX", "peers": []},
                "versionInfo": version,
                "config": {"original": manager.state.masked()},
                "uptime": "2026-01-01T00:00:00Z",
            }
        )

    async def receivers(_request: Request) -> Response:
        return JSONResponse([{"name": name} for name in manager.state.receivers()])

    async def get_alerts(request: Request) -> Response:
        wanted = request.query_params.getlist("filter")
        try:
            found = [
                (alert, key) for alert, key in manager.alerts() if all(is_match(text, alert.labels) for text in wanted)
            ]
        except ValueError as bad:
            return JSONResponse(str(bad), 400)
        return JSONResponse([manager.shown(alert, key) for alert, key in found])

    async def post_alerts(request: Request) -> Response:
        try:
            posted = await request.json()
            manager.post(posted)
        except (ValueError, TypeError, AttributeError, KeyError) as bad:
            return JSONResponse(f"bad request: {bad}", 400)
        return Response(status_code=200)

    async def get_silences(_request: Request) -> Response:
        now = world.now()
        return JSONResponse([{**each, "status": {"state": state_of(each, now)}} for each in manager.state.silences])

    async def post_silence(request: Request) -> Response:
        try:
            asked = await request.json()
            starts, ends = (datetime.fromisoformat(asked[name]) for name in ("startsAt", "endsAt"))
            made = new_silence(asked["matchers"], starts, ends, asked["createdBy"], asked["comment"], world.now())
        except (ValueError, TypeError, KeyError) as bad:
            return JSONResponse(f"bad request: {bad}", 400)
        manager.state.silences.append(made)
        return JSONResponse({"silenceID": made["id"]})

    async def delete_silence(request: Request) -> Response:
        for each in manager.state.silences:
            if each["id"] == request.path_params["id"]:
                each["endsAt"] = world.now().isoformat()
                return Response(status_code=200)
        return Response(status_code=404)

    async def counters(_request: Request) -> Response:
        return PlainTextResponse(manager.counters())

    routes: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
        ("GET", "/api/v2/status", status),
        ("GET", "/api/v2/receivers", receivers),
        ("GET", "/api/v2/alerts", get_alerts),
        ("POST", "/api/v2/alerts", post_alerts),
        ("GET", "/api/v2/silences", get_silences),
        ("POST", "/api/v2/silences", post_silence),
        ("DELETE", "/api/v2/silence/{id}", delete_silence),
        ("GET", "/metrics", counters),
    ]
    return Starlette(routes=[Route(path, endpoint, methods=[method]) for method, path, endpoint in routes])


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
