"""How a variable's value is read where a platform gives it back; it is judged at once and goes no further than the look.

Where: {"platform": "local", "place"} · {"platform": "vercel", "part", "id"} · {"platform": "railway", "part"}. Answers that hold
values are confidential: nothing of them is ever quoted.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Json, Status
from runbook_lib.io.observe import Door
from runbook_lib.sources.kit.asking import require_list, rows_in
from runbook_lib.sources.railway.api import RailwayApi, service_of
from runbook_lib.sources.vercel.api import HELP, VercelApi, project_of


def read_value(door: Door, where: Mapping[str, Json], name: str) -> str:
    """The value of a variable at one place. Raises LookError: not_found where it is not there, or is not given back."""
    value = _READERS[str(where["platform"])](door, where, name)
    if value is None:
        raise LookError(Status.not_found, f"{name} is no longer there, or its value is not given back")
    return value


def read_key(door: Door, where: Mapping[str, Json], name: str) -> str:
    """A key as it may be sent in a header. Raises LookError: malformed for what no header can hold, and as `read_value`."""
    key = read_value(door, where, name).strip()
    if not key.isascii() or not key.isprintable():
        raise LookError(Status.malformed, f"{name} holds characters that no key has", do_next="copy the key again")
    return key


def read_address(door: Door, where: Mapping[str, Json], name: str) -> str:
    """An address that a key may be sent to. Raises LookError: malformed for plain HTTP to elsewhere, and as `read_value`."""
    address = read_value(door, where, name).strip().rstrip("/")
    host = urlsplit(address).hostname or ""
    if address.startswith("http://") and host not in ("localhost", "::1") and not host.startswith("127."):
        raise LookError(
            Status.malformed, f"{name} is plain HTTP: no key is sent there", do_next=f"give {name} its https:// address"
        )
    return address


def vercel_value(vercel: VercelApi, project: str, variable_id: str) -> str | None:
    """One variable's value; None where Vercel keeps it (type sensitive). Raises LookError: denied where the role may not read."""
    path = f"/v1/projects/{quote(project, safe='')}/env/{quote(variable_id, safe='')}"
    reply = require_list(vercel.get(path).in_confidence(), HELP)
    return reply.parsed(lambda document: _text(document["value"]) if document.get("decrypted", True) else None)


def railway_values(api: RailwayApi, service_id: str) -> dict[str, str]:
    """A service's variables as its process gets them, rendered; sealed ones are left out by Railway."""
    scope = api.scope()
    reply, _ = api.ask(
        "values",
        confidential=True,
        projectId=scope.project_id,
        environmentId=scope.environment_id,
        serviceId=service_id,
    )
    return reply.parsed(lambda document: {str(k): _text(v) for k, v in dict(document["data"]["variables"]).items()})


def _local(door: Door, where: Mapping[str, Json], name: str) -> str | None:
    return door.settings.places.get(str(where["place"]), {}).get(name)


def _vercel(door: Door, where: Mapping[str, Json], _: str) -> str | None:
    """One by one, or, where the role may not read single values, from the list, which shows plain ones."""
    vercel, project, id_ = VercelApi(door), project_of(door, str(where["part"])), str(where["id"])
    try:
        return vercel_value(vercel, project, id_)
    except LookError as error:
        if error.status != Status.denied:
            raise
        reply = require_list(vercel.get(f"/v10/projects/{quote(project, safe='')}/env").in_confidence(), HELP)
        rows = reply.parsed(lambda document: rows_in(document, "envs"))
        plain = next((row for row in rows if row.get("id") == id_ and row.get("type") == "plain"), None)
        if plain is None:
            raise
        return reply.parsed(lambda _: _text(plain["value"]))


def _railway(door: Door, where: Mapping[str, Json], name: str) -> str | None:
    return railway_values(RailwayApi(door), service_of(door, str(where["part"]))).get(name)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a value is no text")
    return value


_READERS = {"local": _local, "vercel": _vercel, "railway": _railway}
