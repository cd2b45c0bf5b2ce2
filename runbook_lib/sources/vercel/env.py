"""Vercel: which variables a project has for which environment, which deployment serves production, what the token is.

Values are read one by one (the list shows none), judged, and dropped; a sensitive one never comes back. Variables that the team
shares between projects stand in a list of their own. Routes: Vercel's OpenAPI document of 2025-10-27.
"""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

from runbook_lib.core.errors import LookError
from runbook_lib.core.keys import is_nexuscores
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.hosting import VercelProjectSeen, VercelServing
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.core.records.variables import PlatformVariable
from runbook_lib.io.http import Reply
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_ms, require_list, require_reply, rows_in, text_of
from runbook_lib.sources.kit.hosting import VERCEL_PROJECTS
from runbook_lib.sources.kit.judging import AskedKey, Refusal, key_arguments
from runbook_lib.sources.this_machine.variable_facts import facts_of
from runbook_lib.sources.this_machine.variable_values import vercel_value
from runbook_lib.sources.vercel.api import HELP, VercelApi, project_of

_AT_ONCE = 8
ENVIRONMENTS = ("production", "preview", "development")
_KEPT = {"sensitive": "sensitive: Vercel never gives it back", "system": "set by Vercel itself"}
_SHARED_HELP = "the token's role must see the team's shared variables, or link none to the project"


def variables(part: str) -> Look[list[PlatformVariable]]:
    """The variables of `web` or `api` by environment, never their values.

    partial: the variables that the team shares between projects could not be listed, so that a name that is not here may still
    be set.
    """

    def fetch(door: Door) -> Answer[list[PlatformVariable]]:
        vercel, project = VercelApi(door), project_of(door, part)
        reply = require_list(vercel.get(f"/v10/projects/{quote(project, safe='')}/env").in_confidence(), HELP)
        rows = reply.parsed(lambda document: [_row(door, row, part, shared=False) for row in rows_in(document, "envs")])
        unseen = ""
        try:
            shared = require_list(vercel.get("/v1/env", projectId=project).in_confidence(), HELP)
            rows += shared.parsed(
                lambda document: [_row(door, row, part, shared=True) for row in rows_in(document, "data")]
            )
        except LookError as error:
            if error.status != Status.denied:
                raise
            unseen = f"variables that the team shares could not be listed: {error.tried}"
        _judge(door, vercel, project, rows)
        rows.sort(key=lambda row: (row["name"], row["environments"], row["branch"] or ""))
        return Answer(Status.partial, rows, unseen, _SHARED_HELP) if unseen else Answer.of(rows)

    return Look("vercel", "variables", {"part": part}, fetch, deadline_s=20)


def serving(part: str) -> Look[VercelServing]:
    """The deployment that production traffic of `web` or `api` gets. empty: none serves."""

    def fetch(door: Door) -> Answer[VercelServing]:
        vercel, project = VercelApi(door), project_of(door, part)
        reply = require_list(vercel.get(f"/v9/projects/{quote(project, safe='')}"), HELP)
        found = reply.parsed(lambda document: _serving(document, part))
        return Answer(Status.ok, found) if found else Answer(Status.empty, None, "no deployment serves production")

    return Look("vercel", "serving", {"part": part}, fetch)


def projects() -> Look[list[VercelProjectSeen]]:
    """Every project that the token sees in the team."""

    def fetch(door: Door) -> Answer[list[VercelProjectSeen]]:
        reply = require_list(VercelApi(door).get("/v10/projects", limit=100), HELP)
        return Answer.of(
            reply.parsed(
                lambda document: [
                    VercelProjectSeen(id=str(row["id"]), name=str(row["name"]), serving=_serving(row, ""))
                    for row in rows_in(document, "projects")
                ]
            )
        )

    return Look("vercel", "projects", {}, fetch)


def token() -> Look[KeyJudgement]:
    """Whether Vercel takes RUNBOOK_VERCEL_TOKEN, for these projects, and until when."""

    def fetch(door: Door) -> Answer[KeyJudgement]:
        vercel = VercelApi(door)
        wanted = AskedKey("RUNBOOK_VERCEL_TOKEN", "GET /v2/user and the projects: a team member, Viewer is enough")
        user = vercel.get_own("/v2/user")
        if user.status_code in (401, 403):
            return wanted.refused(Refusal.rejected, user)
        require_reply(user, HELP).parsed(lambda document: str(document["user"]))
        for field in VERCEL_PROJECTS.values():
            project = getattr(door.settings, field)
            if not project:
                continue
            reply = vercel.get(f"/v9/projects/{quote(project, safe='')}")
            if reply.status_code in (403, 404):  # a project that the token may not see is a 404
                return wanted.refused(Refusal.scope, reply, lacks="access to the team's projects")
            reply.raise_for_status(HELP)
        return wanted.accepted(expires_at=_expiry(vercel.get_own("/v5/user/tokens/current")))

    return Look("vercel", "token", key_arguments("RUNBOOK_VERCEL_TOKEN"), fetch)


def _judge(door: Door, vercel: VercelApi, project: str, rows: list[PlatformVariable]) -> None:
    """Fill in the facts of the variables that are NexusCore's and not plain, as far as Vercel gives values back."""
    asked = [row for row in rows if row["facts"] is None and not row["hidden"]]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        values = pool.map(lambda row: _value(vercel, project, row["id"]), asked)
        for row, (value, hidden) in zip(asked, values, strict=True):
            row["hidden"] = hidden
            row["facts"] = None if value is None else facts_of(door, row["name"], value)


def _value(vercel: VercelApi, project: str, variable_id: str) -> tuple[str | None, str]:
    """The value, or why it is not given back."""
    try:
        value = vercel_value(vercel, project, variable_id)
    except LookError as error:
        if error.status in (Status.denied, Status.not_found):
            return None, "the token may not read values"
        raise
    return value, "" if value is not None else _KEPT["sensitive"]


def _row(door: Door, row: dict[str, Json], part: str, *, shared: bool) -> PlatformVariable:
    target = row.get("target") or []
    kind, name = text_of(row, "type") or "encrypted", text_of(row, "key") or _missing("key")
    is_judged = is_nexuscores(name)
    held = row.get("value") if kind == "plain" and is_judged else None
    return {
        "name": name,
        "id": text_of(row, "id") or _missing("id"),
        "part": part,
        "platform": "vercel",
        "environments": sorted(map(str, target)) if isinstance(target, list) else [str(target)],
        "branch": text_of(row, "gitBranch"),
        "type": kind,
        "shared": shared,
        "updated_at": iso_of_ms(row.get("updatedAt")),
        "created_at": iso_of_ms(row.get("createdAt")),
        "facts": facts_of(door, name, held) if isinstance(held, str) else None,
        "hidden": _hidden(kind, shared) if is_judged else "not NexusCore's: not read",
    }


def _hidden(kind: str, shared: bool) -> str:
    """Why a value is not given back; empty where it is."""
    if kind in _KEPT:
        return _KEPT[kind]
    return "shared by the team: its value is given to projects alone" if shared and kind != "plain" else ""


def _serving(document: dict[str, Json], part: str) -> VercelServing | None:
    found = (document.get("targets") or {}).get("production")
    if not found:
        return None
    aliases = found.get("alias") or []
    return {
        "id": str(found["id"]),
        "at": iso_of_ms(found.get("createdAt")),
        "state": text_of(found, "readyState"),
        "url": text_of(found, "url"),
        "part": part,
        "platform": "vercel",
        "aliases": [str(alias) for alias in aliases] if isinstance(aliases, list) else [],
    }


def _expiry(reply: Reply) -> str | None:
    """When the token expires; None for never, and where Vercel does not tell."""
    if reply.status_code != 200:
        return None
    return reply.parsed(lambda document: iso_of_ms(document["token"].get("expiresAt")))


def _missing(key: str) -> str:
    raise KeyError(key)
