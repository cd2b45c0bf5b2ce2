"""Was the user let through, or is the row not there at all? What excludes every cause of a denial at once.

Pure functions of everything that was seen; each names the looks that show it, and none where nothing does.
"""

import re
from collections.abc import Sequence

from runbook_lib.core.model import Observation
from runbook_lib.core.records.rights import (
    AppUser,
    JudgedPolicy,
    OfferedTable,
    QueryAsUser,
    RestRead,
    RestReadAsUser,
    RightsCatalogue,
    StrangersReach,
)
from runbook_lib.judging.answers import whole_record, whole_rows
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.supabase_rls.reading import counted_in

_NOT_AT_POSTGRES = ("PGRST", "42P01")  # PostgREST's own refusals, and a table that Postgres does not find
_TOKEN_REFUSED = "PGRST30"  # noqa: S105 (the beginning of PostgREST's codes for a token that it does not take)

ROLES = ("anon", "authenticated")  # whom a policy is for: the service role passes every one
COMMANDS = ("select", "insert", "update", "delete")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
Clause = tuple[str, str]


def clauses_of(command: str) -> tuple[Clause, ...]:
    """(use, clause) that a command must pass; a row is found before it is changed, and PostgREST finds it by reading."""
    return {
        "select": (("select", "using"),),
        "insert": (("insert", "check"), ("select", "using")),
        "update": (("select", "using"), ("update", "using"), ("update", "check")),
        "delete": (("select", "using"), ("delete", "using")),
    }[command]


def is_narrow(look: Observation | None) -> bool:
    """Whether a query as the user says which rows are meant: by id, by organization, or one's own profile."""
    if look is None:
        return False
    query = whole_record(look, QueryAsUser)
    has_org = query is not None and bool(query["row_org"]) and bool(query["orgs"])
    return bool(look.arguments.get("row_id")) or has_org or look.arguments.get("table") == "profiles"


def tells_of_a_user(look: Observation) -> bool:
    """Whether it found one."""
    return whole_record(look, AppUser) is not None


def is_command_run(look: Observation) -> bool:
    """Whether the command ran as the user, refused neither by a grant nor by a recursion."""
    query = whole_record(look, QueryAsUser)
    return query is not None and not query.get("role_refused") and not query["statement"]["sqlstate"]


def is_offered(look: Observation) -> bool:
    """Whether a request over PostgREST came as far as Postgres, so that the table is offered."""
    read = whole_record(look, RestRead)
    return read is not None and not read["code"].startswith(_NOT_AT_POSTGRES)


def proof_of_offered_tables(seen: Seen) -> tuple[Observation, ...]:
    """PostgREST offers every table that the question is about: one, or in an audit all that the catalogue holds."""
    if not seen.of("postgres.reach"):  # it is about one user, and so about one table
        return tuple(look for look in seen.of("supabase.rest_as_user", "supabase.rest_past_rls") if is_offered(look))
    catalogues = _catalogues(seen)
    looks = seen.of("supabase.rest_offers")
    at_postgres = {
        each["table"]
        for look in looks
        for each in whole_rows(look, OfferedTable)
        if not each["code"].startswith(_NOT_AT_POSTGRES)
    }
    tables = {table["name"] for _, rights in catalogues for table in rights["tables"]}
    return (*looks, *(look for look, _ in catalogues)) if tables <= at_postgres else ()


def proof_of_strangers_tried(seen: Seen) -> tuple[Observation, ...]:
    """Every command on every table that the catalogue holds was asked as a stranger, and as nobody at all."""
    catalogues = _catalogues(seen)
    looks = [look for look in seen.of("postgres.reach") if whole_record(look, StrangersReach) is not None]
    asked = {
        (each["name"], each["role"], each["command"])
        for look in looks
        if (reach := whole_record(look, StrangersReach)) is not None
        for each in reach["tables"]
    }
    wanted = {
        (table["name"], role["name"], command)
        for _, rights in catalogues
        for table in rights["tables"]
        for role in rights["roles"]
        if role["name"] in ROLES
        for command in COMMANDS
    }
    return tuple(looks) if wanted <= asked else ()


def _catalogues(seen: Seen) -> list[tuple[Observation, RightsCatalogue]]:
    """The catalogues that could be read."""
    looks = seen.of("postgres.policies", "supabase.policies")
    return [(look, rights) for look in looks if (rights := whole_record(look, RightsCatalogue)) is not None]


def proof_of_accepted_token(seen: Seen) -> tuple[Observation, ...]:
    """PostgREST's word that it takes the user's token: its keys and its clock are those that count."""
    return tuple(look for look, read in _reads_as_user(seen) if not read["code"].startswith(_TOKEN_REFUSED))


def proof_of_access(seen: Seen) -> tuple[Observation, ...]:
    """The user was let through: in Postgres as the user or, where that could not be asked, with rows over PostgREST."""
    direct = seen.of("postgres.as_user")
    if _queries(direct):
        return tuple(look for each in direct for look in _passing(each, seen))
    if _command(seen) != "select":
        return ()
    return tuple(look for look, read in _reads_as_user(seen) if read["count"])


def _reads_as_user(seen: Seen) -> list[tuple[Observation, RestReadAsUser]]:
    """The reads over PostgREST with the user's token that were answered."""
    looks = seen.of("supabase.rest_as_user")
    reads = [(look, read) for look in looks if (read := whole_record(look, RestReadAsUser)) is not None]
    return [(look, read) for look, read in reads if read["as"] == "user"]


def _queries(looks: Sequence[Observation]) -> list[tuple[Observation, QueryAsUser]]:
    """The queries as the user that could be made."""
    return [(look, query) for look in looks if (query := whole_record(look, QueryAsUser)) is not None]


def is_from_an_api_that_tells_nothing(look: Observation, seen: Seen) -> bool:
    """Whether it is an empty answer of a door that never gave anything else: of the Management API, whose catalogue is not one.

    What stands in between answers every statement with an empty list, and nobody is unknown for that.
    """
    is_by_api = (look.source, look.call) == ("supabase", "user")
    return is_by_api and not any(catalogue.source == "supabase" for catalogue, _ in _catalogues(seen))


def proof_of_user(seen: Seen) -> tuple[Observation, ...]:
    """The user was met where the query was made as them: let through, or found by a name that is no id."""
    named = [each for each in seen.of("postgres.as_user") if _is_name(str(each.arguments.get("user") or ""))]
    return (*proof_of_access(seen), *(look for look, _ in _queries(named)))


def proof_of_absent_row(seen: Seen) -> tuple[Observation, ...]:
    """No row of those that are meant is there, seen past RLS by whoever could count."""
    counts = [
        (look, found["count"])
        for look in seen.of("supabase.rest_past_rls", "supabase.rows")
        if (found := counted_in(look)) is not None and found["count"] is not None and not found.get("id_refused")
    ]
    if any(count for _, count in counts):
        return ()
    counted = tuple(look for look, _ in counts)
    direct = seen.of("postgres.as_user")
    if queries := _queries(direct):
        looks = (look for look, _ in queries)
        return (*looks, *counted) if all(_sees_none(query) for _, query in queries) else ()
    is_one = any(each.arguments.get("row_id") for each in direct)
    return counted if is_one and _command(seen) == "select" else ()


def proof_of_membership(seen: Seen) -> tuple[Observation, ...]:
    """The user is a member of the very organization that was asked about, and no single row was named that may be another's."""
    asked = {
        str(each.arguments.get("org") or "") for each in seen.of("postgres.as_user") if not each.arguments["row_id"]
    }
    return tuple(
        look
        for look in seen.of("postgres.user", "supabase.user", "supabase.rest_user")
        if asked and (user := whole_record(look, AppUser)) is not None
        and asked <= {each["org"] for each in user["memberships"]}
    )  # fmt: skip


def _passing(look: Observation, seen: Seen) -> tuple[Observation, ...]:
    """The looks that show that the command passes as this user."""
    query, command = whole_record(look, QueryAsUser), str(look.arguments.get("command"))
    if query is None or not is_command_run(look):
        return ()
    if command == "select":
        return (look,) if query["visible"] and not (query["hidden"] and is_narrow(look)) else ()
    if unprotected := _without_rls(seen, str(look.arguments.get("table"))):
        return (look, *unprotected)
    groups = [
        [each for each in query["policies"] if (each["use"], each["clause"]) == clause]
        for clause in clauses_of(command)
    ]
    return (look,) if all(_allows(group) for group in groups) else ()


def _allows(group: Sequence[JudgedPolicy]) -> bool:
    """Whether the policies of one clause let a row pass: a permissive one is true, and no restrictive one is anything else."""
    some = any(each["permissive"] and each["result"] is True for each in group)
    return some and all(each["result"] is True for each in group if not each["permissive"])


def _without_rls(seen: Seen, table: str) -> tuple[Observation, ...]:
    """The catalogues in which the table has RLS off."""
    return tuple(
        look
        for look, rights in _catalogues(seen)
        if any(each["name"] == table and not each["rls"] for each in rights["tables"])
    )


def _sees_none(query: QueryAsUser) -> bool:
    is_empty = query["sees_past_rls"] and query["past_rls"] == 0
    return is_empty and query["judged"] is None and not query["id_refused"]


def _is_name(text: str) -> bool:
    return bool(text) and not UUID.fullmatch(text.lower())


def _command(seen: Seen) -> str:
    """What was asked; empty where nobody asked as the user."""
    return next((str(each.arguments.get("command")) for each in seen.of("postgres.as_user")), "")
