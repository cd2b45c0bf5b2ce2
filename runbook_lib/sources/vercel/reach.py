"""What Vercel tells of RUNBOOK_VERCEL_TOKEN: the accounts and teams it is for, until when, and its user's role in the team.

Routes and roles: Vercel's OpenAPI document of 2025-10-27 (`/v5/user/tokens/current`, `/v2/teams/{teamId}`).
"""

from collections.abc import Iterator
from urllib.parse import quote

from runbook_lib.core.model import Answer, Json
from runbook_lib.core.records.keys import KeyReach
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_ms, require_reply, text_of
from runbook_lib.sources.vercel.api import HELP, VercelApi

_ONLY_READ = frozenset({"VIEWER", "VIEWER_FOR_PLUS"})


def reach() -> Look[KeyReach]:
    """What the token is for. `can_write` is False of a Viewer's token for this team alone, None where the role is not told."""

    def fetch(door: Door) -> Answer[KeyReach]:
        vercel = VercelApi(door)
        reply = require_reply(vercel.get_own("/v5/user/tokens/current"), HELP)
        token = reply.parsed(lambda document: dict(document["token"]))
        scopes = [scope for scope in token.get("scopes") or [] if isinstance(scope, dict)]
        role = _role(vercel)
        is_one_team = bool(vercel.team) and {scope.get("teamId") for scope in scopes} == {vercel.team}
        can_write = (
            None if role is None else False if role in _ONLY_READ and is_one_team else role not in _ONLY_READ or None
        )
        opens = ", ".join(sorted(set(_places(scopes))))
        return Answer.of(
            KeyReach(
                name="RUNBOOK_VERCEL_TOKEN",
                can_write=can_write,
                opens=f"{opens}; in the team its user is {role}" if role and opens else opens,
                expires_at=iso_of_ms(token.get("expiresAt")),
            )
        )

    return Look("vercel", "reach", {"name": "RUNBOOK_VERCEL_TOKEN"}, fetch)


def _role(vercel: VercelApi) -> str | None:
    """The role of the token's user in the team; None without a team, and where Vercel does not tell."""
    if not vercel.team:
        return None
    reply = vercel.get_own(f"/v2/teams/{quote(vercel.team, safe='')}")
    if reply.status_code != 200:
        return None
    return reply.parsed(lambda document: text_of(document.get("membership") or {}, "role"))


def _places(scopes: list[dict[str, Json]]) -> Iterator[str]:
    for scope in scopes:
        team, project = text_of(scope, "teamId"), text_of(scope, "projectId")
        yield f"project {project}" if project else f"team {team}" if team else "the whole account of its user"
