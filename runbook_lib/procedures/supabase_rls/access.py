"""Was the user let through, or is the row not there at all? What excludes every cause of a denial at once.

Pure functions of everything that was seen; each names the looks that show it, and none where nothing does.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.core.model import Observation
from runbook_lib.judging.answers import whole_object
from runbook_lib.judging.witnesses import Seen

_NOT_AT_POSTGRES = ("PGRST", "42P01")  # PostgREST's own refusals, and a table that Postgres does not find
_TOKEN_REFUSED = "PGRST30"  # noqa: S105 (the beginning of PostgREST's codes for a token that it does not take)

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
Clause = tuple[str, str]


def uses_of(command: str) -> tuple[Clause, ...]:
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
    said = whole_object(look)
    has_org = bool(said.get("row_org")) and bool(said.get("orgs"))
    return bool(look.arguments.get("row_id")) or has_org or look.arguments.get("table") == "profiles"


def is_filled(look: Observation) -> bool:
    """Whether there is something in it."""
    return bool(whole_object(look))


def is_run(look: Observation) -> bool:
    """Whether the command ran as the user, refused neither by a grant nor by a recursion."""
    said = whole_object(look)
    return bool(said) and not said.get("role_refused") and not said["statement"]["sqlstate"]


def is_offered(look: Observation) -> bool:
    """Whether a request over PostgREST came as far as Postgres, so that the table is offered."""
    said = whole_object(look)
    return bool(said) and not str(said.get("code") or "").startswith(_NOT_AT_POSTGRES)


def taken_token(seen: Seen) -> tuple[Observation, ...]:
    """PostgREST's word that it takes the user's token: its keys and its clock are those that count."""
    return tuple(
        each
        for each in seen.of("supabase.rest_as_user")
        if whole_object(each).get("as") == "user"
        and not str(whole_object(each).get("code") or "").startswith(_TOKEN_REFUSED)
    )


def let_through(seen: Seen) -> tuple[Observation, ...]:
    """The user was let through: in Postgres as the user or, where that could not be asked, with rows over PostgREST."""
    direct = seen.of("postgres.as_user")
    if any(whole_object(each) for each in direct):
        return tuple(look for each in direct for look in _passing(each, seen))
    if _command(seen) != "select":
        return ()
    return tuple(
        each for each in seen.of("supabase.rest_as_user") if whole_object(each).get("as") == "user" and whole_object(each)["count"]
    )  # fmt: skip


def is_vain(look: Observation, seen: Seen) -> bool:
    """Whether it is an empty answer of a door that never gave anything else: of the Management API, whose catalogue is not one.

    What stands in between answers every statement with an empty list, and nobody is unknown for that.
    """
    is_by_api = (look.source, look.call) == ("supabase", "user")
    return is_by_api and not any(whole_object(each) for each in seen.of("supabase.policies"))


def met_user(seen: Seen) -> tuple[Observation, ...]:
    """The user was met where the query was made as them: let through, or found by a name that is no id."""
    named = [each for each in seen.of("postgres.as_user") if _is_name(str(each.arguments.get("user") or ""))]
    return (*let_through(seen), *(each for each in named if whole_object(each)))


def absent_row(seen: Seen) -> tuple[Observation, ...]:
    """No row of those that are meant is there, seen past RLS by whoever could count."""
    counted = [
        each
        for each in seen.of("supabase.rest_past_rls", "supabase.rows")
        if whole_object(each).get("count") is not None and not whole_object(each).get("id_refused")
    ]
    if any(whole_object(each)["count"] for each in counted):
        return ()
    direct = seen.of("postgres.as_user")
    told = [each for each in direct if whole_object(each)]
    if told:
        return (*told, *counted) if all(_sees_none(whole_object(each)) for each in told) else ()
    is_one = any(each.arguments.get("row_id") for each in direct)
    return tuple(counted) if is_one and _command(seen) == "select" else ()


def joined_member(seen: Seen) -> tuple[Observation, ...]:
    """The user is a member of the very organization that was asked about, and no single row was named that may be another's."""
    asked = {
        str(each.arguments.get("org") or "") for each in seen.of("postgres.as_user") if not each.arguments["row_id"]
    }
    return tuple(
        each
        for each in seen.of("postgres.user", "supabase.user", "supabase.rest_user")
        if asked and asked <= {str(one["org"]) for one in whole_object(each).get("memberships", ())}
    )


def _passing(look: Observation, seen: Seen) -> tuple[Observation, ...]:
    """The looks that show that the command passes as this user."""
    said, command = whole_object(look), str(look.arguments.get("command"))
    if not is_run(look):
        return ()
    if command == "select":
        return (look,) if said["visible"] and not (said["hidden"] and is_narrow(look)) else ()
    if unprotected := _without_rls(seen, str(look.arguments.get("table"))):
        return (look, *unprotected)
    groups = [
        [each for each in said["policies"] if (each["use"], each["clause"]) == clause] for clause in uses_of(command)
    ]
    return (look,) if all(_allows(group) for group in groups) else ()


def _allows(group: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the policies of one clause let a row pass: a permissive one is true, and no restrictive one is anything else."""
    some = any(each["permissive"] and each["result"] is True for each in group)
    return some and all(each["result"] is True for each in group if not each["permissive"])


def _without_rls(seen: Seen, table: str) -> tuple[Observation, ...]:
    """The catalogues in which the table has RLS off."""
    return tuple(
        each
        for each in seen.of("postgres.policies", "supabase.policies")
        if any(one["name"] == table and not one["rls"] for one in whole_object(each).get("tables", ()))
    )


def _sees_none(said: Mapping[str, Any]) -> bool:
    return bool(said["sees_past_rls"]) and said["past_rls"] == 0 and said["judged"] is None and not said["id_refused"]


def _is_name(text: str) -> bool:
    return bool(text) and not UUID.fullmatch(text.lower())


def _command(seen: Seen) -> str:
    """What was asked; empty where nobody asked as the user."""
    return next((str(each.arguments.get("command")) for each in seen.of("postgres.as_user")), "")
