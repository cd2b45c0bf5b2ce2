"""Row-level security through Supabase's own doors: the Management API's read-only SQL, PostgREST, and the user's token.

PostgREST is asked through the `supabase` package: as the user, and as service_role for counts. A refusal is an answer.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.core.clock import Window, from_epoch_ms, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.rights import (
    AppUser,
    CountedRows,
    NamedOrganization,
    OfferedTable,
    RefusedRequest,
    RestRead,
    RestReadAsUser,
    RestReadPastRls,
    RightsCatalogue,
    TokenJudgement,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_text, require_setting, window_arguments
from runbook_lib.sources.postgres.rls_org import ORGANIZATION, UUID, read_organization
from runbook_lib.sources.postgres.rls_sql import (
    CATALOGUE,
    COLUMNS,
    NO_SUCH_VALUE,
    USER,
    places_of,
    quoted,
    read_catalogue,
    read_user,
    with_places,
)
from runbook_lib.sources.supabase.api import SERVICE_HELP, ManagementApi, ProjectApi, RestAnswer, key_facts
from runbook_lib.sources.supabase.jwt import claims_of, judge_token, subject_of, token_of

_MOST_ROWS = 200
_MOST_LINES = 500
_RESERVE_S = 2.0  # of its time: enough for one more answer
_US = "nexuscore-runbook"
_REFUSED_VALUE = re.compile(rf"ERROR:\s+(?:{'|'.join(NO_SUCH_VALUE)}):\s*([^\n]*)")
_KEYS = {"memberships": "user_id", "billing_customers": "org_id"}  # the others have an id
_WITHOUT_ORG = ("profiles",)
_NO_SUCH_COLUMN = ("42703", "PGRST204")
# what is not PostgREST's refusal but the trouble behind it: no connection, no place, no schema cache, no time
_BEHIND = ("PGRST00", "08", "53", "57")


def token(jwt: str, apikey: str = "") -> Look[TokenJudgement]:
    """What a user's token is; neither it nor its signature leaves the look.

    Args:
        jwt, apikey: references env:NAME or file:PATH; `apikey` is the key that was sent beside the token.
    """

    def fetch(door: Door) -> Answer[TokenJudgement]:
        beside = key_facts(token_of(apikey)) if apikey else None
        return Answer(Status.ok, judge_token(door, token_of(jwt), beside["role"] if beside else None))

    return Look("supabase", "token", {"jwt": jwt, "apikey": apikey}, fetch, deadline_s=12)


def policies() -> Look[RightsCatalogue]:
    """What protects schema public, through the Management API. Empty where it holds no table."""

    def fetch(door: Door) -> Answer[RightsCatalogue]:
        rows = ManagementApi(door).query(CATALOGUE)
        try:
            found = read_catalogue(rows[0]["catalogue"])
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise LookError(Status.malformed, f"unexpected shape of the catalogue: {type(error).__name__}") from error
        return Answer(Status.ok if found["tables"] else Status.empty, found)

    return Look("supabase", "policies", {}, fetch, deadline_s=15)


def user(who: str, jwt: str = "") -> Look[AppUser]:
    """A user past RLS, through the Management API; not_found without one, empty where neither `who` nor the token names one."""

    def fetch(door: Door) -> Answer[AppUser]:
        name = who or subject_of(token_of(jwt))
        if not name:
            return Answer(Status.empty, None, "no user was named, and the token names none")
        rows = ManagementApi(door).query(with_places(USER, "$"), [name])
        if not rows:
            return Answer(Status.not_found, None, "no such user in auth.users")
        try:
            return Answer(Status.ok, read_user(rows[0]))
        except (KeyError, TypeError, ValueError) as error:
            raise LookError(Status.malformed, f"unexpected shape of a user: {type(error).__name__}") from error

    return Look("supabase", "user", {"user": who, "jwt": jwt}, fetch, deadline_s=15)


def organization(org: str) -> Look[NamedOrganization]:
    """An organization by its id or its name, through the Management API; see `postgres.rls.organization`."""

    def fetch(door: Door) -> Answer[NamedOrganization]:
        return read_organization(ManagementApi(door).query(with_places(ORGANIZATION, "$"), [org]))

    return Look("supabase", "organization", {"org": org}, fetch, deadline_s=15)


def rows(table: str, org: str, row_id: str) -> Look[CountedRows]:
    """Whether the rows that are meant are there, past RLS, through the Management API; not_found where there is no such table."""

    def fetch(door: Door) -> Answer[CountedRows]:
        api = ManagementApi(door)
        columns = api.query(with_places(COLUMNS, "$"), [table])
        if not columns:
            return Answer(Status.not_found, None, f"there is no table public.{table}")
        try:
            key, org_column = places_of(table, columns)
            types = {str(each["name"]): str(each["type"]) for each in columns}
        except (KeyError, TypeError, IndexError) as error:
            raise LookError(Status.malformed, f"unexpected shape of columns: {type(error).__name__}") from error
        column, value = (key, row_id) if row_id else (org_column, org)
        where = f"where t.{quoted(column)} = cast($1 as {types[column]})" if column and value else ""
        shown = f"t.{quoted(org_column)}::text" if org_column else "null::text"
        sql = f"select {shown} as org from public.{quoted(table)} t {where} limit {_MOST_ROWS}"
        try:
            found = api.query(sql, [value] if where else [])
        except LookError as error:
            if refused := _REFUSED_VALUE.search(error.tried):
                return Answer(Status.ok, CountedRows(count=None, row_org=None, id_refused=refused[1].strip()[:300]))
            raise
        return Answer(Status.ok, CountedRows(count=len(found), row_org=_one_org(found, "org"), id_refused=""))

    return Look("supabase", "rows", {"table": table, "org": org, "row_id": row_id}, fetch, deadline_s=15)


def rest_as_user(table: str, org: str = "", row_id: str = "", jwt: str = "", apikey: str = "") -> Look[RestReadAsUser]:
    """The same read over PostgREST with the user's token or, without one, as anybody who has the anon key."""

    def fetch(door: Door) -> Answer[RestReadAsUser]:
        key = token_of(apikey) if apikey else require_setting(door, "supabase_anon_key")
        bearer = token_of(jwt) if jwt else ""
        api = ProjectApi(door, key=key, bearer=bearer if bearer != key else "")
        said = _read(api, table, org, row_id)
        is_user = bool(jwt and claims_of(bearer).get("sub"))
        return Answer(Status.ok, {**_read_of(said), "as": "user" if is_user else "anon"})

    given = {"table": table, "org": org, "row_id": row_id, "jwt": jwt, "apikey": apikey}
    return Look("supabase", "rest_as_user", given, fetch, deadline_s=12)


def rest_past_rls(table: str, org: str = "", row_id: str = "") -> Look[RestReadPastRls]:
    """The same read over PostgREST as service_role."""

    def fetch(door: Door) -> Answer[RestReadPastRls]:
        said = _read(ProjectApi(door), table, org, row_id)
        column = "id" if table == "organizations" else "org_id"
        return Answer(Status.ok, {**_read_of(said), "row_org": _one_org(said.rows or [], column)})

    return Look("supabase", "rest_past_rls", {"table": table, "org": org, "row_id": row_id}, fetch, deadline_s=12)


def rest_offers(tables: Sequence[str]) -> Look[list[OfferedTable]]:
    """Whether PostgREST offers each of these tables, asked one after the other as service_role; partial where time ran out."""

    def fetch(door: Door) -> Answer[list[OfferedTable]]:
        api, found = ProjectApi(door), list[OfferedTable]()
        for table in tables:
            if found and door.deadline.remaining_s < _RESERVE_S:
                why = f"{len(found)} of {len(tables)} tables were asked for before time ran out"
                return Answer(Status.partial, found, why, "give the run more time")
            said = _read(api, table, "", "", most=1)
            found.append(
                OfferedTable(table=table, status_code=said.status_code, code=said.code, message=said.message[:300])
            )
        return Answer.of(found)

    return Look("supabase", "rest_offers", {"tables": list(tables)}, fetch, deadline_s=30)


def refusals(table: str, window: Window) -> Look[list[RefusedRequest]]:
    """Requests to PostgREST that were refused, newest first; the runbook's own are left out.

    Args:
        table: of which table; empty for any.
    """
    path = f"/rest/v1/{table}"
    sql = (
        "select id, timestamp, event_message, metadata from edge_logs cross join unnest(metadata) as m "
        "cross join unnest(m.request) as request cross join unnest(m.response) as response "
        f"where event_message like '%{path}%' and response.status_code >= 400 order by timestamp desc limit {_MOST_LINES}"
    )

    def fetch(door: Door) -> Answer[list[RefusedRequest]]:
        found = ManagementApi(door).log_rows(sql, window)
        try:
            read = [_refusal(row) for row in found]
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError, OSError) as error:
            raise LookError(Status.malformed, f"unexpected shape of a log row: {type(error).__name__}") from error
        ours = [row for row in read if row is not None and (not table or row["path"].rstrip("/") == path)]
        if len(found) >= _MOST_LINES:
            return Answer(Status.partial, ours, f"more than {len(found)} refusals", "narrow the window")
        return Answer(Status.ok if ours else Status.empty, ours)

    return Look("supabase", "refusals", {"table": table, **window_arguments(window)}, fetch, deadline_s=15)


def rest_user(who: str, jwt: str = "") -> Look[AppUser]:
    """A user as Auth and PostgREST tell it to service_role, where neither SQL nor the Management API can be asked.

    An e-mail address is looked up among profiles: without a profile nobody is found by it, and the look is partial.
    """

    def fetch(door: Door) -> Answer[AppUser]:
        name = (who or subject_of(token_of(jwt))).strip().lower()
        if not name:
            return Answer(Status.empty, None, "no user was named, and the token names none")
        api = ProjectApi(door)
        if not UUID.fullmatch(name):
            found = api.rows(
                lambda client: client.table("profiles").select("id").ilike("email", _literal(name)).limit(1)
            )
            if not found:
                why = "no profile has this address; Auth may know it all the same"
                return Answer(Status.partial, None, why, "give the user's id, or set RUNBOOK_DATABASE_URL")
            name = str(found[0]["id"])
        email = _auth_email(door, name)
        if email is None:
            return Answer(Status.not_found, None, "no such user in auth.users")
        held = api.rows(lambda client: client.table("profiles").select("id").eq("id", name).limit(1))
        member = api.rows(lambda client: client.table("memberships").select("org_id,role").eq("user_id", name))
        invited = api.rows(
            lambda client: (
                client.table("invitations").select("org_id").ilike("email", _literal(email)).is_("accepted_at", "null")
            )
        )
        row = {
            "id": name, "deleted": False, "profile": bool(held), "invited": [each.get("org_id") for each in invited],
            "memberships": [{"org": each.get("org_id"), "role": each.get("role")} for each in member],
        }  # fmt: skip
        return Answer(Status.ok, read_user(row))

    return Look("supabase", "rest_user", {"user": who, "jwt": jwt}, fetch, deadline_s=12)


def rest_organization(org: str) -> Look[NamedOrganization]:
    """An organization by its id or its name as PostgREST tells it to service_role, where neither SQL nor the Management API can be
    asked."""

    def fetch(door: Door) -> Answer[NamedOrganization]:
        api, name = ProjectApi(door), org.lower()
        column, value = ("id", name) if UUID.fullmatch(name) else ("name", org)
        found = api.rows(
            lambda client: (
                client.table("organizations").select("id,name").eq(column, value).order("created_at").limit(3)
            )
        )
        # an anon key in its place is under RLS, and an empty list says nothing then
        facts = key_facts(require_setting(door, "supabase_service_role_key"))
        is_anon = facts is not None and facts["role"] == "anon"
        none: dict[str, Json] = {"id": None, "name": None, "is_hidden": is_anon}
        return read_organization([{**each, "is_hidden": False} for each in found] or [none])

    return Look("supabase", "rest_organization", {"org": org}, fetch, deadline_s=12)


def _refusal(row: Mapping[str, Json]) -> RefusedRequest | None:
    """A refused request; None for one of the runbook's own."""
    if _US in str(row["event_message"]):
        return None
    held = row["metadata"][0]
    request, response = held["request"][0], held["response"][0]
    at = row["timestamp"]
    moment = to_iso(from_epoch_ms(at / 1000)) if isinstance(at, int | float) else iso_of_text(at)
    return {"at": moment, "path": str(request["path"]), "status": int(response["status_code"])}


def _read(api: ProjectApi, table: str, org: str, row_id: str, most: int = _MOST_ROWS) -> RestAnswer:
    """A read of the rows that are meant; where the table has no such column, of the table."""

    def build(client: Any, narrow: bool) -> Any:
        query = client.table(table).select("*")
        if narrow and row_id:
            query = query.eq(_KEYS.get(table, "id"), row_id)
        elif narrow and org and table not in _WITHOUT_ORG:
            query = query.eq("id" if table == "organizations" else "org_id", org)
        return query.limit(most)

    said = api.ask(lambda client: build(client, narrow=True))
    said = api.ask(lambda client: build(client, narrow=False)) if said.code in _NO_SUCH_COLUMN else said
    if said.code.startswith(_BEHIND):
        status = Status.timed_out if said.code == "57014" else Status.unreachable
        raise LookError(status, f"HTTP {said.status_code}, {said.code}: {said.message}"[:300])
    return said


def _read_of(said: RestAnswer) -> RestRead:
    count = None if said.rows is None else len(said.rows)
    return RestRead(status_code=said.status_code, code=said.code, message=said.message[:300], count=count)


def _one_org(rows: list[dict[str, Any]], column: str) -> str | None:
    """The organization that the rows belong to; None where it is none, or not one."""
    orgs = {str(each[column]) for each in rows if each.get(column)}
    return next(iter(orgs)) if len(orgs) == 1 else None


def _auth_email(door: Door, user_id: str) -> str | None:
    """The address that Auth has for a user ("" without one); None where it knows no such user."""
    key = require_setting(door, "supabase_service_role_key")
    headers = {"apikey": key} if key.startswith("sb_") else {"apikey": key, "Authorization": f"Bearer {key}"}
    reply = door.http.get(f"{require_setting(door, 'supabase_url')}/auth/v1/admin/users/{user_id}", headers=headers)
    if reply.status_code == 404:
        return None

    def read(document: Mapping[str, Json]) -> str:
        if str(document["id"]).lower() != user_id:
            raise ValueError("another user than was asked for")
        return str(document.get("email") or "")

    return reply.raise_for_status(SERVICE_HELP).parsed(read)


def _literal(text: str) -> str:
    """A text as a pattern of LIKE that means itself."""
    return re.sub(r"([\\%_*])", r"\\\1", text)
