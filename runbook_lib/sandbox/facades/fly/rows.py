"""Fly's JSON: machines, events, releases, secrets and log lines as its APIs spell them."""

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from starlette.datastructures import QueryParams

from runbook_lib.sandbox.facades.fly import state as fly_state
from runbook_lib.sandbox.facades.fly.state import ORG_NAME, Event, FlyState, Machine
from runbook_lib.sandbox.world import LogLine, RequestRow, World


def rfc3339(at: datetime) -> str:
    """A time as Fly writes it: RFC 3339 with microseconds, UTC."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def app(world: World) -> dict[str, Any]:
    """The gateway's app."""
    found = fly_state.machines(world)
    is_up = any(m.state == "started" for m in found)
    return {
        "id": f"app_{world.ids.fly_gateway_app}",
        "name": world.ids.fly_gateway_app,
        "status": "deployed" if is_up else "suspended",
        "machine_count": len(found),
        "volume_count": 0,
        "network": "default",
        "organization": {"name": ORG_NAME, "slug": world.ids.fly_org},
    }


def machine(world: World, one: Machine) -> dict[str, Any]:
    """One machine. Where its host does not answer, `config` is missing and `incomplete_config` stands in."""
    image = fly_state.image_of(world, one)
    repository, _, tag = image.removeprefix("registry.fly.io/").partition(":")
    changed_at = max((event.at for event in one.events), default=world.now())
    row: dict[str, Any] = {
        "id": one.id,
        "name": f"gateway-{one.id[:4]}",
        "state": one.state,
        "region": one.region,
        "instance_id": "01" + hashlib.sha256(f"{one.id}{image}".encode()).hexdigest()[:24].upper(),
        "private_ip": "fdaa:0:1:a7b:1:0:1:2",
        "host_status": one.host_status,
        "created_at": rfc3339(one.events[0].at if one.events else changed_at),
        "updated_at": rfc3339(changed_at),
        "image_ref": {
            "registry": "registry.fly.io",
            "repository": repository,
            "tag": tag,
            "digest": "sha256:" + hashlib.sha256(image.encode()).hexdigest(),
            "labels": {},
        },
        "checks": [
            {"name": c.name, "status": c.status, "output": c.output, "updated_at": rfc3339(c.updated_at)}
            for c in one.checks
        ],
        "events": events(one)[:5],
    }
    config = _config(world, one, image)
    return {**row, "config": config} if one.host_status == "ok" else {**row, "incomplete_config": config}


def _config(world: World, one: Machine, image: str) -> dict[str, Any]:
    version = next((n for n, d in enumerate(fly_state.releases(world), 1) if fly_state.image_ref(world, d) == image), 0)
    check = {"type": "http", "method": "GET", "path": "/", "interval": "15s", "timeout": "2s", "grace_period": "10s"}
    return {
        "image": image,
        "env": {"PRIMARY_REGION": one.primary_region or one.region, "PORT": str(one.internal_port), **_plain(world)},
        "guest": {"cpu_kind": "shared", "cpus": 1, "memory_mb": one.memory_mb},
        "restart": {"policy": "on-failure", "max_retries": 10},
        "metadata": {"fly_platform_version": "v2", "fly_process_group": "app", "fly_release_version": str(version)},
        "services": [
            {
                "protocol": "tcp",
                "internal_port": one.internal_port,
                "autostop": one.autostop,
                "autostart": one.autostart,
                "min_machines_running": 1,
                "ports": [{"port": 443, "handlers": ["tls", "http"]}],
                "checks": [check],
            }
        ],
    }


def events(one: Machine) -> list[dict[str, Any]]:
    """What happened to a machine, newest first; an exit tells its code and whether memory ran out."""
    return [_event(one, nth, event) for nth, event in reversed(list(enumerate(one.events)))]


def _event(one: Machine, nth: int, event: Event) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": "01" + hashlib.sha256(f"{one.id}{nth}".encode()).hexdigest()[:24].upper(),
        "type": event.type,
        "status": event.status,
        "source": event.source,
        "timestamp": int(event.at.timestamp() * 1000),
    }
    if event.exit_code is not None:
        exited = {"exit_code": event.exit_code, "oom_killed": event.oom_killed, "requested_stop": False}
        row["request"] = {"exit_event": {**exited, "exited_at": rfc3339(event.at)}, "restart_count": nth}
    return row


def secrets(world: World) -> list[dict[str, Any]]:
    """The app's variables as Fly lists them: name and digest."""
    return [
        {
            "name": variable.key,
            "digest": hashlib.sha256(variable.value.encode()).hexdigest()[:16],
            "created_at": rfc3339(variable.updated_at),
            "updated_at": rfc3339(variable.updated_at),
        }
        for variable in world.variables
        if (variable.platform, variable.part) == ("fly", "gateway") and _is_secret(variable.key)
    ]


def _plain(world: World) -> dict[str, str]:
    """What stands in fly.toml's [env]: configuration, no secrets."""
    own = [each for each in world.variables if (each.platform, each.part) == ("fly", "gateway")]
    return {each.key: each.value for each in own if not _is_secret(each.key)}


def _is_secret(name: str) -> bool:
    return any(word in name for word in ("KEY", "SECRET", "TOKEN", "PASSWORD"))


def releases(world: World) -> list[dict[str, Any]]:
    """Releases, newest first."""
    rows = [
        {
            "id": f"rel_{version}",
            "version": version,
            "status": one.state,
            "stable": one.state == "complete",
            "in_progress": one.state in ("pending", "running"),
            "strategy": "rolling",
            "description": one.message,
            "reason": one.error or "Deploy",
            "user": "oncall@nexuscore.example",
            "created_at": rfc3339(one.created_at),
            "image_ref": fly_state.image_ref(world, one),
        }
        for version, one in enumerate(fly_state.releases(world), 1)
    ]
    return rows[::-1]


def log_page(world: World, query: QueryParams) -> dict[str, Any]:
    """Log lines, oldest first, and the token to go on from. Raises ValueError for a token that is no number."""
    state = world.state(FlyState)
    oldest = world.now() - timedelta(hours=state.retention_h)
    newest = world.now() - timedelta(seconds=state.delay_s)
    token = query.get("next_token")
    lines = sorted(
        (
            line
            for line in world.logs
            if line.platform == "fly"
            and oldest <= line.at <= newest
            and query.get("instance") in (None, line.instance)
            and query.get("region") in (None, _region(line))
        ),
        key=lambda line: line.at,
    )
    if token:
        page = [line for line in lines if nanoseconds(line.at) > int(token)][: state.page_lines]
    else:
        page = [line for line in lines if line.at >= world.now() - timedelta(hours=24)][-state.page_lines :]
    last = nanoseconds(page[-1].at) if page else int(token or nanoseconds(world.now()))
    rows = {row.request_id: row for row in world.requests if row.platform == "fly"} if page else {}
    return {
        "data": [_log(line, rows.get(line.request_id or "")) for line in page],
        "meta": {"next_token": str(last)},
    }


def nanoseconds(at: datetime) -> int:
    """Epoch nanoseconds, the form of Fly's log tokens; exact to the microsecond."""
    return int(at.timestamp()) * 1_000_000_000 + at.microsecond * 1000


def _region(line: LogLine) -> str:
    return str(line.attributes.get("region", "iad"))


def _log(line: LogLine, row: RequestRow | None) -> dict[str, Any]:
    """A line. Fly parses nothing: what the app wrote as JSON comes back as JSON text in `message`."""
    provider = str(line.attributes.get("provider", "app"))
    meta: dict[str, Any] = {"instance": line.instance, "region": _region(line), "event": {"provider": provider}}
    if provider == "proxy" and line.request_id:
        status = line.attributes.get("http_status", row.status if row else 0)
        meta["http"] = {"request": {"id": line.request_id}, "response": {"status_code": status}}
        if row is not None:
            meta["http"]["request"] |= {"method": row.method, "version": "HTTP/1.1"}
            meta["url"] = {"full": f"https://{row.host}{row.path}"}
        meta["error"] = {"code": 0, "message": line.message}
    return {
        "id": f"{nanoseconds(line.at)}",
        "type": "log",
        "attributes": {
            "timestamp": rfc3339(line.at),
            "level": line.level,
            "message": line.message if provider == "proxy" else _written(line),
            "instance": line.instance,
            "region": _region(line),
            "meta": meta,
        },
    }


def _written(line: LogLine) -> str:
    """What the app wrote: the JSON text of a structured line, plain text as it is."""
    own = {"request_id": line.request_id, "trace_id": line.trace_id}
    fields = {**{key: value for key, value in own.items() if value}, **line.attributes}
    if not fields:
        return line.message
    return json.dumps({"level": line.level, "message": line.message, **fields})
