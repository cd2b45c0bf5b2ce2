"""Fly.io: which variables the gateway's app has, and what the token is.

Secrets come back as names and times, never as values; what fly.toml sets in the open stands in the machines' configuration.
Routes: the Machines API's published document.
"""

from runbook_lib.core.clock import from_iso
from runbook_lib.core.keys import is_nexuscores
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.core.records.variables import PlatformVariable, VariableFacts
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.fly.api import HELP, FlyApi
from runbook_lib.sources.fly.token import expiry_of
from runbook_lib.sources.kit.asking import iso_of_text, rows_in, text_of
from runbook_lib.sources.kit.judging import AskedKey, Refusal, key_arguments
from runbook_lib.sources.this_machine.variable_facts import facts_of

_SECRET = "a secret of Fly's: it never comes back"  # noqa: S105 - a sentence, not a secret


def variables() -> Look[list[PlatformVariable]]:
    """The variables of the gateway's app, secrets (type secret) and those of fly.toml (env), never their values.

    partial: a machine's configuration is not to be had, so that a name that is not here may still be set in fly.toml.
    """

    def fetch(door: Door) -> Answer[list[PlatformVariable]]:
        fly = FlyApi(door)
        secrets = fly.get(f"{fly.machines_url}/v1/apps/{fly.app}/secrets")
        rows = secrets.parsed(lambda document: [_secret(row) for row in rows_in(document, "secrets", may_lack=True)])
        machines = fly.get(f"{fly.machines_url}/v1/apps/{fly.app}/machines").in_confidence()
        plain, complete = machines.parsed(lambda document: _plain(door, rows_in(document)))
        secret_names = {row["name"] for row in rows}
        rows += [row for row in plain if row["name"] not in secret_names]  # a secret of the same name wins
        rows.sort(key=lambda row: row["name"])
        if not complete:
            why = "a machine's configuration is not to be had while its host does not answer"
            return Answer(Status.partial, rows, why, "look again when the host answers")
        return Answer(Status.ok, rows) if rows else Answer(Status.empty, None, "the app has no variable")

    return Look("fly", "variables", {"part": "gateway"}, fetch)


def token() -> Look[KeyJudgement]:
    """Whether Fly takes RUNBOOK_FLY_TOKEN, for this app, and until when."""

    def fetch(door: Door) -> Answer[KeyJudgement]:
        fly = FlyApi(door)
        wanted = AskedKey("RUNBOOK_FLY_TOKEN", "GET /v1/apps/{app}: fly tokens create readonly is enough")
        reply = fly.http.get(f"{fly.machines_url}/v1/apps/{fly.app}", headers=fly.headers)
        expires_at = expiry_of(fly.headers["Authorization"].removeprefix("Bearer "))
        if reply.status_code == 401:
            is_past = expires_at is not None and from_iso(expires_at) <= door.clock()
            return wanted.refused(Refusal.expired if is_past else Refusal.rejected, reply)
        if reply.status_code in (403, 404):
            return wanted.refused(Refusal.scope, reply, lacks="access to this app")
        reply.raise_for_status(HELP).parsed(lambda document: str(document["name"]))
        return wanted.accepted(expires_at=expires_at)

    return Look("fly", "token", key_arguments("RUNBOOK_FLY_TOKEN"), fetch)


def _secret(row: dict[str, Json]) -> PlatformVariable:
    name = text_of(row, "name")
    if name is None:
        raise KeyError("name")
    times = iso_of_text(row.get("updated_at")), iso_of_text(row.get("created_at"))
    return _variable(name, "secret", None, _SECRET, times)


def _plain(door: Door, machines: list[dict[str, Json]]) -> tuple[list[PlatformVariable], bool]:
    """What fly.toml sets, from the machines' configuration, and whether every machine showed its own."""
    rows: dict[str, PlatformVariable] = {}
    complete = True
    for machine in machines:
        if "config" not in machine:
            complete = False
            continue
        for name, value in dict((machine["config"] or {}).get("env") or {}).items():
            if not isinstance(value, str):
                raise TypeError("a value is no text")
            is_judged = is_nexuscores(str(name))
            facts = facts_of(door, str(name), value) if is_judged else None
            rows[str(name)] = _variable(str(name), "env", facts, "" if is_judged else "not NexusCore's: not read")
    return list(rows.values()), complete


def _variable(
    name: str,
    kind: str,
    facts: VariableFacts | None,
    hidden: str,
    times: tuple[str | None, str | None] = (None, None),
) -> PlatformVariable:
    updated_at, created_at = times
    return {
        "name": name,
        "id": name,
        "part": "gateway",
        "platform": "fly",
        "environments": ["production"],
        "branch": None,
        "type": kind,
        "shared": False,
        "updated_at": updated_at,
        "created_at": created_at,
        "facts": facts,
        "hidden": hidden,
    }
