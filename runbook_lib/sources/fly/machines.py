"""Fly.io: the gateway's machines with what is needed to judge a deployment by them: services, exits, regions; its secrets' names.

Routes: the Machines API's published document. An exit's code and whether memory ran out stand in the event's request, whose
shape the document leaves open (flyctl reads `exit_event.exit_code`, `oom_killed`, `requested_stop`).
"""

from urllib.parse import quote

from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.machines import MachineCheck, MachineExit, MachineState
from runbook_lib.core.records.variables import FlySecretName
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.fly.api import FlyApi
from runbook_lib.sources.kit.asking import iso_of_ms, iso_of_text, number_of, rows_in, text_of

_MOST_ASKED = 4  # machines whose longer history is asked for: the API takes one such request a second and machine


def machines() -> Look[list[MachineState]]:
    """The gateway's machines with what a deployment is judged by."""

    def fetch(door: Door) -> Answer[list[MachineState]]:
        fly = FlyApi(door)
        root = f"{fly.machines_url}/v1/apps/{fly.app}/machines"
        reply = fly.get(root)
        reply.json()  # what is no JSON may be quoted; what a configuration holds may not
        rows = reply.in_confidence().parsed(lambda document: [_machine(row) for row in rows_in(document)])
        for row in [row for row in rows if row["exits"]][:_MOST_ASKED]:
            events = fly.get(f"{root}/{quote(row['id'], safe='')}/events")
            row["exits"] = events.parsed(lambda document: _exits(rows_in(document)))
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, None, "the app has no machine")

    return Look("fly", "machine_states", {}, fetch)


def secret_names() -> Look[list[FlySecretName]]:
    """The names of the app's secrets, last changed first."""

    def fetch(door: Door) -> Answer[list[FlySecretName]]:
        fly = FlyApi(door)
        reply = fly.get(f"{fly.machines_url}/v1/apps/{fly.app}/secrets")
        rows = reply.parsed(lambda document: [_secret(row) for row in rows_in(document, "secrets", may_lack=True)])
        rows.sort(key=lambda row: (row["updated_at"] or "", row["name"]), reverse=True)
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, None, "the app has no secret")

    return Look("fly", "secret_names", {"part": "gateway"}, fetch)


def _secret(row: dict[str, Json]) -> FlySecretName:
    return {
        "name": str(row["name"]),
        "updated_at": iso_of_text(row.get("updated_at") or row.get("created_at")),
        "targets": None,
        "part": "gateway",
        "platform": "fly",
    }


def _machine(row: dict[str, Json]) -> MachineState:
    image, config = row.get("image_ref") or {}, row.get("config") or row.get("incomplete_config") or {}
    services = rows_in(config, "services", may_lack=True)
    env = config.get("env") or {}
    return {
        "id": str(row["id"]),
        "name": text_of(row, "name"),
        "state": str(row["state"]),
        "region": text_of(row, "region"),
        "image": ":".join(filter(None, (text_of(image, "repository"), text_of(image, "tag")))) or None,
        "host_status": text_of(row, "host_status"),
        "checks": [
            MachineCheck(
                name=text_of(check, "name"),
                status=text_of(check, "status"),
                output=text_of(check, "output"),
                changed_at=iso_of_text(check.get("updated_at")),
            )
            for check in rows_in(row, "checks", may_lack=True)
        ],
        "exits": _exits(rows_in(row, "events", may_lack=True)),
        "ports": sorted({int(port) for each in services if (port := number_of(each.get("internal_port"))) is not None}),
        "autostop": _autostop([each.get("autostop") for each in services]),
        "autostart": all(each.get("autostart") is not False for each in services) if services else None,
        "min_running": max((number_of(each.get("min_machines_running")) or 0 for each in services), default=0),
        "memory_mb": number_of((config.get("guest") or {}).get("memory_mb")),
        "primary_region": text_of(env, "PRIMARY_REGION"),
        "env": sorted(str(name) for name in env),
        "config_complete": "incomplete_config" not in row,
        "updated_at": iso_of_text(row.get("updated_at")),
        "part": "gateway",
        "platform": "fly",
    }


def _autostop(values: list[Json]) -> str | None:
    """off, stop or suspend; older answers say false and true; None where no service says."""
    told = {
        "stop" if value is True else "off" if value is False else str(value) for value in values if value is not None
    }
    return next((word for word in ("suspend", "stop", "off") if word in told), None)


def _exits(events: list[dict[str, Json]]) -> list[MachineExit]:
    found: list[MachineExit] = []
    for event in events:
        if event.get("type") != "exit":
            continue
        held = (event.get("request") or {}).get("exit_event") or {}
        found.append(
            {
                "at": iso_of_ms(event.get("timestamp")),
                "code": number_of(held.get("exit_code")),
                "out_of_memory": held.get("oom_killed") is True,
                "requested": held.get("requested_stop") is True,
            }
        )
    return sorted(found, key=lambda each: str(each["at"]), reverse=True)
