"""Vercel's variables, and its record of who changed what."""

import base64
import hashlib
from datetime import datetime
from typing import Any

from runbook_lib.sandbox.facades.vercel.rows import USER_ID
from runbook_lib.sandbox.facades.vercel.state import PROJECT_NAMES, VercelState, deployments_of, ms, project_id
from runbook_lib.sandbox.world import Variable, World


def variable_id(variable: Variable) -> str:
    """The id of a variable: the same as long as its part, key and targets are."""
    text = f"{variable.part}/{variable.key}/{'+'.join(variable.targets)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def variable(variable: Variable, *, alone: bool) -> dict[str, Any]:
    """A variable. Its value is plain only for type `plain`, or read alone; a sensitive one never comes back."""
    row: dict[str, Any] = {
        "id": variable_id(variable),
        "key": variable.key,
        "type": variable.kind,
        "target": list(variable.targets),
        "createdAt": ms(variable.updated_at),
        "updatedAt": ms(variable.updated_at),
        "createdBy": USER_ID,
        "updatedBy": USER_ID,
    }
    if variable.kind == "sensitive":
        return {**row, "decrypted": False} if alone else {**row, "value": ""}
    if alone:
        return {**row, "decrypted": True, "value": variable.value}
    return {**row, "value": variable.value if variable.kind == "plain" else _sealed(variable)}


def _sealed(variable: Variable) -> str:
    """An encrypted value as the list shows it: nobody can read it, and it differs when the value does."""
    digest = hashlib.blake2b(variable.value.encode(), key=variable_id(variable).encode(), digest_size=24).digest()
    return base64.b64encode(b'{"v":"v2","c":"' + base64.b64encode(digest) + b'"}').decode()


def audit_events(world: World, part: str) -> list[dict[str, Any]]:
    """Who changed what: deployments made and variables edited, newest first."""
    name = PROJECT_NAMES[part]
    rows = [
        _event("deployment", f"deployed {name} to {d.url}", d.created_at, d.id) for d in deployments_of(world, part)
    ]
    rows += [
        _event("env-variable-edit", f"edited environment variable {v.key} of {name}", v.updated_at, variable_id(v))
        for v in world.variables
        if (v.platform, v.part) == ("vercel", part)
    ]
    return sorted(rows, key=lambda row: int(row["createdAt"]), reverse=True)


def _event(kind: str, what: str, at: datetime, of: str) -> dict[str, Any]:
    who = "nexuscore-oncall"
    return {
        "id": f"uev_{hashlib.sha256(f'{kind}{of}{ms(at)}'.encode()).hexdigest()[:24]}",
        "type": kind,
        "text": f"{who} {what}",
        "entities": [{"type": "author", "start": 0, "end": len(who)}],
        "createdAt": ms(at),
        "userId": USER_ID,
        "principalId": USER_ID,
        "user": {"uid": USER_ID, "username": who, "email": "oncall@nexuscore.example", "avatar": ""},
    }


def alert_rules(world: World) -> list[dict[str, Any]]:
    """The alert rules of both projects, as the official command line lists them."""
    state = world.state(VercelState)
    return [
        {
            "id": f"ar_{part}",
            "name": f"nexuscore-{part} anomalies",
            "projectId": project_id(world, part),
            "alertTypes": [{"type": each} for each in state.alert_types],
            "notifications": [{name: channels} for name, channels in state.alert_channels.items() if channels],
            "isDefault": False,
        }
        for part in ("web", "api")
        if state.alert_types
    ]
