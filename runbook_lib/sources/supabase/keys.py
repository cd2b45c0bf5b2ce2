"""Whether Supabase takes a key: the project's own API for anon and service role, the Management API for the access token.

The key is shown to the project that its own place names. anon: Auth's settings, which every key may read. service role: one id
from `organizations` through PostgREST, which it reads past RLS; the row stays in the look.
"""

import re
from collections.abc import Mapping

from runbook_lib.core.errors import LookError
from runbook_lib.core.keys import shown_to
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_reply, require_setting
from runbook_lib.sources.kit.judging import AskedKey, Refusal, key_arguments
from runbook_lib.sources.this_machine.variable_facts import jwt_claims
from runbook_lib.sources.this_machine.variable_values import read_address, read_key

NAMES = shown_to("supabase")
_REF = re.compile(r"[a-z]{20}", re.ASCII)
_MANAGEMENT_HELP = "RUNBOOK_SUPABASE_ACCESS_TOKEN needs the read scope of projects for this project"


def check(
    name: str, where: Mapping[str, Json], label: str, address: tuple[str, Mapping[str, Json]] | None = None
) -> Look[KeyJudgement]:
    """Whether the project takes the key that stands under this name at this place.

    Args:
        address: the name under which, and the place at which the project's address stands; None: the one that the key names.
    """
    is_service = name == "SUPABASE_SERVICE_ROLE_KEY"
    path = "/rest/v1/organizations?select=id&limit=1" if is_service else "/auth/v1/settings"
    needs = "one id of organizations through PostgREST: the service role" if is_service else "Auth's settings: any key"

    def fetch(door: Door) -> Answer[KeyJudgement]:
        key = read_key(door, where, name)
        wanted = AskedKey(name, needs)
        headers = {"apikey": key} if key.startswith("sb_") else {"apikey": key, "Authorization": f"Bearer {key}"}
        reply = door.http.get(_address(door, key, address) + path, headers=headers, retry=False).in_confidence()
        if reply.status_code == 401:
            return wanted.refused(Refusal.rejected, reply)
        if reply.status_code == 403:
            return wanted.refused(Refusal.scope, reply, lacks="a grant on organizations")
        if reply.status_code == 404 and is_service:
            return wanted.accepted(note="the table organizations is not there, so that reading past RLS was not shown")
        require_reply(reply, f"{name} must be a key of this project").json()
        return wanted.accepted()

    asked = {**key_arguments(name, label), **where, "address": address[0] if address else None}
    return Look("supabase", "key", asked, fetch, deadline_s=15)  # key and address may each take two questions at Vercel


def access_token() -> Look[KeyJudgement]:
    """Whether the Management API takes RUNBOOK_SUPABASE_ACCESS_TOKEN, for this project."""

    def fetch(door: Door) -> Answer[KeyJudgement]:
        url, token = require_setting(door, "supabase_api_url"), require_setting(door, "supabase_access_token")
        ref = door.settings.supabase_project_ref
        if not ref:
            why = "the project's ref is not known: its address does not hold it"
            raise LookError(Status.not_configured, why, do_next="set RUNBOOK_SUPABASE_PROJECT_REF")
        wanted = AskedKey("RUNBOOK_SUPABASE_ACCESS_TOKEN", "GET /v1/projects/{ref}: Projects: read")
        headers = {"Authorization": f"Bearer {token}"}
        reply = door.http.get(f"{url}/v1/projects/{ref}", headers=headers).in_confidence()
        if reply.status_code == 401:
            return wanted.refused(Refusal.rejected, reply)
        if reply.status_code in (403, 404):
            return wanted.refused(Refusal.scope, reply, lacks="Projects: read for this project")
        reply.raise_for_status(_MANAGEMENT_HELP).parsed(lambda document: str(document["name"]))
        return wanted.accepted()

    return Look("supabase", "access_token", key_arguments("RUNBOOK_SUPABASE_ACCESS_TOKEN"), fetch)


def _address(door: Door, key: str, address: tuple[str, Mapping[str, Json]] | None) -> str:
    if address is not None:
        return read_address(door, address[1], address[0])
    ref = str(jwt_claims(key).get("ref", ""))
    if not _REF.fullmatch(ref):
        raise LookError(
            Status.not_configured,
            "nobody tells which project the key belongs to",
            do_next="set NEXT_PUBLIC_SUPABASE_URL beside it",
        )
    return f"https://{ref}.supabase.co"
