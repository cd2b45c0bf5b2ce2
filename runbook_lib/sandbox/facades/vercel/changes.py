"""Vercel's variables, and its record of who changed what."""

import base64
import hashlib
from typing import Any

from runbook_lib.sandbox.facades.vercel.rows import USER_ID
from runbook_lib.sandbox.facades.vercel.state import VercelState, ms, project_id
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
