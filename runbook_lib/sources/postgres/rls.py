"""Row-level security as Postgres itself has it, over RUNBOOK_DATABASE_URL: policies, the user, the query as that user."""

from collections.abc import Sequence

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status
from runbook_lib.core.records.rights import (
    AppUser,
    NamedOrganization,
    QueryAsUser,
    RightsCatalogue,
    RoleAbilities,
    SchemaFileFound,
    StrangersReach,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.io.sql import SqlSession
from runbook_lib.sources.kit.asking import require_setting
from runbook_lib.sources.postgres.rls_examine import AccessQuestion, examine
from runbook_lib.sources.postgres.rls_org import ORGANIZATION, read_organization
from runbook_lib.sources.postgres.rls_reach import reach_of
from runbook_lib.sources.postgres.rls_sql import CATALOGUE, USER, in_order, read_catalogue, read_user, with_places
from runbook_lib.sources.postgres.schema_file import scratch_server, scripts_of
from runbook_lib.sources.supabase.jwt import claims_of, subject_of, token_of

_DEADLINE_S = 15.0


def policies() -> Look[RightsCatalogue]:
    """What protects schema public; empty where it holds no table."""

    def fetch(door: Door) -> Answer[RightsCatalogue]:
        found = door.sql.run_rolled_back(require_setting(door, "database_url"), _catalogue)
        return Answer(Status.ok if found["tables"] else Status.empty, found)

    return Look("postgres", "policies", {}, fetch, deadline_s=_DEADLINE_S)


def user(who: str, jwt: str = "") -> Look[AppUser]:
    """A user past RLS; not_found without one.

    Args:
        who: id or e-mail address; empty takes the token's subject (empty where it has none).
        jwt: a reference to the user's token.
    """

    def fetch(door: Door) -> Answer[AppUser]:
        name = who or subject_of(token_of(jwt))
        if not name:
            return Answer(Status.empty, None, "no user was named, and the token names none")
        rows = _asked(door, USER, name)
        return (
            Answer(Status.ok, read_user(rows[0]))
            if rows
            else Answer(Status.not_found, None, "no such user in auth.users")
        )

    return Look("postgres", "user", {"user": who, "jwt": jwt}, fetch, deadline_s=_DEADLINE_S)


def organization(org: str) -> Look[NamedOrganization]:
    """An organization by its id or its name, past RLS; partial where several are called so, not_found without one, denied where
    row security may hide it from our role."""

    def fetch(door: Door) -> Answer[NamedOrganization]:
        return read_organization(_asked(door, ORGANIZATION, org))

    return Look("postgres", "organization", {"org": org}, fetch, deadline_s=_DEADLINE_S)


def as_user(who: str, org: str, table: str, command: str, row_id: str, jwt: str = "") -> Look[QueryAsUser]:
    """The same query as the user, in one transaction that is rolled back. With a token its claims are taken, else those that
    Auth would give the user now. No row's content leaves the look; not_found where there is no such table or user.
    """

    def fetch(door: Door) -> Answer[QueryAsUser]:
        claims = claims_of(token_of(jwt)) if jwt else {}
        # a key or a token without a subject speaks for nobody; the user who was named does
        asked = AccessQuestion(who, org, table, command, row_id, claims if claims.get("sub") or not who else {})
        return Answer(
            Status.ok,
            door.sql.run_rolled_back(require_setting(door, "database_url"), lambda session: examine(session, asked)),
        )

    given = {"user": who, "org": org, "table": table, "command": command, "row_id": row_id, "jwt": jwt}
    return Look("postgres", "as_user", given, fetch, deadline_s=_DEADLINE_S)


def reach() -> Look[StrangersReach]:
    """What a signed-in stranger and what nobody at all may do with each table."""

    def fetch(door: Door) -> Answer[StrangersReach]:
        return Answer.of(door.sql.run_rolled_back(require_setting(door, "database_url"), reach_of))

    return Look("postgres", "reach", {}, fetch, deadline_s=30.0)


def schema_file(path: str = "") -> Look[RightsCatalogue | SchemaFileFound]:
    """What Postgres makes of the repository's schema file: the catalogue as `policies` gives it, read where the file was loaded,
    in a database of the runbook's own on a scratch server. Nothing of it stays, and the examined server is never written to.

    Args:
        path: a file of SQL, or a folder of them in the order of their names; empty takes RUNBOOK_MIGRATIONS.

    A `SchemaFileFound` only beside not_configured. A file that is not there is no absence of anything in the database: the look is
    then malformed or unreachable.
    """

    def fetch(door: Door) -> Answer[RightsCatalogue | SchemaFileFound]:
        scripts = scripts_of(door, path or require_setting(door, "migrations_path"))
        try:
            dsn = scratch_server(door)
        except LookError as lacking:
            return Answer(Status(lacking.status), SchemaFileFound(has_file=True), lacking.tried, lacking.do_next)
        return Answer(Status.ok, door.sql.run_in_scratch(dsn, scripts, _catalogue))

    return Look("postgres", "schema_file", {"path": path}, fetch, deadline_s=20.0)


def rls_health() -> Look[RoleAbilities]:
    """Whether the role of RUNBOOK_DATABASE_URL can do what 03 needs."""

    def fetch(door: Door) -> Answer[RoleAbilities]:
        found = door.sql.run_rolled_back(require_setting(door, "database_url"), _abilities)
        lacking = [what for what, able in found.items() if not able]
        if lacking:
            words = ", ".join(_NEEDS[what] for what in lacking)
            return Answer(Status.denied, found, f"the role may not: {words}", "grant it what is lacking; 03 needs it")
        return Answer(Status.ok, found)

    return Look("postgres", "rls_health", {}, fetch)


_NEEDS = {
    "reads_users": "read auth.users",
    "becomes_user": "become the role authenticated",
    "bypasses_rls": "read past row-level security (BYPASSRLS, or the tables' owner)",
}


def health() -> Sequence[Look[RoleAbilities]]:
    """See rls_health."""
    return (rls_health(),)


def _asked(door: Door, statement: str, value: str) -> list[dict[str, Json]]:
    """The rows of a statement about one value. That a table is not there says nothing about it."""
    try:
        return door.sql.query(
            require_setting(door, "database_url"), with_places(statement, "%"), in_order(statement, [value])
        )
    except LookError as error:
        if error.status == Status.not_found:
            error.status = str(Status.malformed)
        raise


def _catalogue(session: SqlSession) -> RightsCatalogue:
    session.rows("select pg_catalog.set_config('search_path', '', true)")
    return read_catalogue(session.rows(CATALOGUE)[0]["catalogue"])


def _abilities(session: SqlSession) -> RoleAbilities:
    _, users, _ = session.attempt("select 1 from auth.users limit 1")
    rows = session.rows(
        "select rolbypassrls or rolsuper or exists (select 1 from pg_catalog.pg_class c where c.relowner = r.oid and "
        "c.relnamespace = 'public'::pg_catalog.regnamespace and c.relkind = 'r') as past "
        "from pg_catalog.pg_roles r where rolname = current_user"
    )
    _, role, _ = session.attempt("select set_config('role', 'authenticated', true)")
    return {"reads_users": not users, "becomes_user": not role, "bypasses_rls": bool(rows[0]["past"])}
