"""Alertmanager's API v2, and what it does: alerts are routed, silenced or inhibited, and really sent to their receivers.

Shapes: the vendor's own api/v2/openapi.yaml; counters on /metrics. Alerts come from whoever posts them, and from the sandbox's
Prometheus while its rules fire. A notification that is refused is tried again; what it came to is counted.
"""

import asyncio
import contextlib
import re
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
from runbook_lib.sandbox.facades.alertmanager.notify import Notice, body_of
from runbook_lib.sandbox.facades.alertmanager.routes import Way, are_met, is_muted, matcher, ways_of
from runbook_lib.sandbox.facades.alertmanager.state import (
    AlertmanagerState,
    PostedAlert,
    check_silence,
    fingerprint,
    is_silenced_by,
    new_silence,
    state_of,
)
from runbook_lib.sandbox.facades.prometheus.app import span_metrics
from runbook_lib.sandbox.store.spans import Store
from runbook_lib.sandbox.world import World

_RESOLVE_AFTER = timedelta(minutes=5)
_RETRY_S = 0.2


@dataclass
class Group:
    """The alerts that one route tells of together; told_at: when it did last, in epoch seconds."""

    alerts: dict[str, PostedAlert] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)
    told_at: float | None = None
    is_waiting: bool = False


@dataclass
class Wire:
    """What is under way: the tasks, and the groups by the route's path and the labels that group them."""

    tasks: set[asyncio.Task[None]] = field(default_factory=set)
    groups: dict[str, Group] = field(default_factory=dict)


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

    def alert_row(self, alert: PostedAlert, key: str) -> dict[str, Any]:
        """A gettableAlert. That a time interval mutes its way is not said here: it is active, as the vendor has it."""
        silenced, inhibited = self._silenced(alert.labels), self._inhibited(alert.labels)
        return {
            "labels": alert.labels,
            "annotations": alert.annotations,
            "receivers": [{"name": way.receiver} for way in ways_of(self.state.config["route"], alert.labels)],
            "fingerprint": key,
            "startsAt": _rfc3339(alert.starts_at),
            "updatedAt": _rfc3339(alert.updated_at),
            "endsAt": _rfc3339(alert.ends_at),
            "status": {
                "state": "suppressed" if silenced or inhibited else "active",
                "silencedBy": silenced,
                "inhibitedBy": inhibited,
                "mutedBy": [],
            },
        }

    def post(self, posted: list[dict[str, Any]]) -> None:
        """Take alerts in; a new one is on its way to its receivers. Raises ValueError for what is none."""
        if not isinstance(posted, list):
            raise ValueError("parsing alerts body failed: cannot unmarshal into models.PostableAlerts")
        now = self.world.now()
        for each in posted:
            labels = {name: value for name, value in each["labels"].items() if value}
            if not labels:
                raise ValueError("at least one label pair required")
            if wrong := [name for name in labels if not re.fullmatch(r"[a-zA-Z_]\w*", name)]:
                raise ValueError(f'invalid label set: invalid name "{wrong[0]}"')
            starts = datetime.fromisoformat(each["startsAt"]) if each.get("startsAt") else now
            ends = datetime.fromisoformat(each["endsAt"]) if each.get("endsAt") else now + _RESOLVE_AFTER
            if ends < starts:
                raise ValueError("start time must be before end time")
            key = fingerprint(labels)
            alert = PostedAlert(labels, dict(each.get("annotations") or {}), starts, ends, now)
            self.state.alerts[key] = alert
            for way in ways_of(self.state.config["route"], labels):
                self._join(way, key, alert)

    def _join(self, way: Way, key: str, alert: PostedAlert) -> None:
        """Put an alert into its group, and have the receiver told: after the group's wait, or with its next interval."""
        labels, now = way.group_of(alert.labels), self.world.now()
        group = self.world.state(Wire).groups.setdefault(f"{way.path}:{sorted(labels.items())}", Group())
        group.alerts[key] = alert
        if alert.ends_at <= now:
            group.told.discard(key)
        elif not group.is_waiting and key not in group.told:
            group.is_waiting = True
            self._start(self._tell(way, labels, group, self._wait_s(way, group, now.timestamp())))

    @staticmethod
    def _wait_s(way: Way, group: Group, now_s: float) -> float:
        """A group of which nothing fires ends with its interval; one that goes on is told of at whole intervals."""
        others = [each for each in group.alerts.values() if each.ends_at.timestamp() > now_s]
        if group.told_at is None or (len(others) < 2 and now_s > group.told_at + way.group_interval_s):
            return way.group_wait_s
        return way.group_interval_s - (now_s - group.told_at) % way.group_interval_s

    def _silenced(self, labels: dict[str, str]) -> list[str]:
        now = self.world.now()
        return [str(each["id"]) for each in self.state.silences if is_silenced_by(each, labels, now)]

    def _inhibited(self, labels: dict[str, str]) -> list[str]:
        found = []
        for rule in self.state.config.get("inhibit_rules") or ():
            if not are_met(rule.get("target_matchers") or (), labels):
                continue
            for other, key in self.alerts():
                same = all(other.labels.get(name) == labels.get(name) for name in rule.get("equal") or ())
                if other.labels != labels and same and are_met(rule.get("source_matchers") or (), other.labels):
                    found.append(key)
        return found

    def _start(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        tasks = self.world.state(Wire).tasks
        task = asyncio.get_running_loop().create_task(run())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async def _tell(self, way: Way, labels: dict[str, str], group: Group, wait_s: float) -> None:
        """Tell a receiver of a group, of all in it that fires and is neither suppressed nor muted by then."""
        await asyncio.sleep(wait_s)
        now, group.is_waiting = self.world.now(), False
        group.told_at = now.timestamp()
        group.alerts = {key: each for key, each in group.alerts.items() if each.ends_at > now}
        heard = {
            key: each
            for key, each in group.alerts.items()
            if not self._silenced(each.labels) and not self._inhibited(each.labels)
        }
        if not heard.keys() - group.told or is_muted(self.state.config, way, now):
            return
        group.told |= heard.keys()
        url = self.world.endpoints.get("alertmanager", "http://alertmanager")
        notice = Notice(way.receiver, way.path, labels, tuple(heard.values()), url)
        for kind, settings in list(self.state.integrations(way.receiver)):
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
                "config": {"original": manager.state.masked_config()},
                "uptime": "2026-01-01T00:00:00Z",
            }
        )

    async def receivers(_request: Request) -> Response:
        return JSONResponse([{"name": name} for name in manager.state.receivers()])

    async def get_alerts(request: Request) -> Response:
        wanted = request.query_params.getlist("filter")
        try:
            filters = [matcher(text) for text in wanted]
        except ValueError as bad:
            return JSONResponse(str(bad), 400)
        found = [(alert, key) for alert, key in manager.alerts() if all(each.holds(alert.labels) for each in filters)]
        return JSONResponse([manager.alert_row(alert, key) for alert, key in found])

    async def post_alerts(request: Request) -> Response:
        try:
            posted = await request.json()
            manager.post(posted)
        except (ValueError, TypeError, AttributeError, KeyError) as bad:
            return JSONResponse(str(bad), 400)
        return Response(status_code=200)

    async def get_silences(_request: Request) -> Response:
        now = world.now()
        return JSONResponse([{**each, "status": {"state": state_of(each, now)}} for each in manager.state.silences])

    async def post_silence(request: Request) -> Response:
        try:
            asked = await request.json()
        except ValueError as bad:
            return JSONResponse({"code": 400, "message": f"parsing silence body failed, because {bad}"}, 400)
        if lacking := [
            name for name in ("comment", "createdBy", "endsAt", "matchers", "startsAt") if name not in asked
        ]:
            return JSONResponse({"code": 602, "message": f"{lacking[0]} in body is required"}, 422)
        if not asked["matchers"]:
            return JSONResponse({"code": 612, "message": "matchers in body should have at least 1 items"}, 422)
        now = world.now()
        try:
            starts, ends = (datetime.fromisoformat(asked[name]) for name in ("startsAt", "endsAt"))
            check_silence(asked["matchers"], starts, ends, now)
        except ValueError as bad:
            return JSONResponse(str(bad), 400)
        made = new_silence(asked["matchers"], max(starts, now), ends, asked["createdBy"], asked["comment"], now)
        manager.state.silences.append(made)
        return JSONResponse({"silenceID": made["id"]})

    async def delete_silence(request: Request) -> Response:
        id_ = request.path_params["id"]
        if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id_):
            message = f'silenceID in path must be of type uuid: "{id_}"'
            return JSONResponse({"code": 601, "message": message}, 422)
        for each in manager.state.silences:
            if each["id"] == id_:
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
