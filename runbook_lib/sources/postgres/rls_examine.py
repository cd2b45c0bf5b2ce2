"""Being a user in Postgres for one transaction that is rolled back: what the query meets, and what each policy says of one row.

Everything is first read by the connection's own role, past RLS; then the transaction becomes the user (role and claims), as
PostgREST does it, and reads again. Nothing is written: a write is planned (EXPLAIN meets every grant and every recursion that
the write itself would), and its policies are evaluated on a row.

Source: PostgREST docs, references/transactions and references/auth (read November 2026); PostgreSQL 18, CREATE POLICY.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Json, Status
from runbook_lib.core.records.rights import JudgedPolicy, JudgedTerm, QueryAsUser
from runbook_lib.io.sql import SqlSession
from runbook_lib.sources.postgres.rls_sql import (
    COLUMNS,
    NO_SUCH_VALUE,
    POLICIES,
    in_order,
    places_of,
    quoted,
    with_places,
)
from runbook_lib.sources.postgres.rls_terms import terms_of

Clause = Literal["using", "check"]

_MOST_ROWS = 200  # judged of a table; enough to tell all from some from none
_SEARCH_PATH = "public, extensions"  # PostgREST's own
_OWN = ("user_id", "owner_id", "created_by", "invited_by", "author_id")
_ROLE_HELP = "the role of RUNBOOK_DATABASE_URL must be allowed to become the user's role: grant authenticated to it"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class AccessQuestion:
    """Whose access to what. `claims` are the token's; empty: those that Auth would give the user now."""

    who: str = ""
    org: str = ""
    table: str = ""
    command: str = "select"
    row_id: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _Person:
    """The user as Auth has them: the claims that Auth would give now, organizations, and whether Auth knows them at all."""

    id: str
    is_known: bool
    claims: dict[str, Any]
    orgs: list[str]


@dataclass
class Place:
    """A table as it is looked into: its columns, where a row's id and its organization stand, and which rows are meant."""

    table: str
    columns: list[dict[str, Json]]
    key: str
    org_column: str | None
    where: str = "true"
    values: list[Any] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The table, qualified and quoted."""
        return f"public.{quoted(self.table)}"

    @property
    def has_rows_of_its_own(self) -> bool:
        """Whether it is a table, whose rows have places, and no view."""
        return self.columns[0]["kind"] in ("r", "p", "m")

    def type_of(self, column: str) -> str:
        """A column's type as Postgres writes it."""
        return next(str(each["type"]) for each in self.columns if each["name"] == column)


def examine(session: SqlSession, asked: AccessQuestion) -> QueryAsUser:
    """See `rls.as_user`."""
    place = find_place(session, asked.table)
    person = _person(session, asked)
    rules = [rule for rule in session.rows(POLICIES) if rule["table"] == asked.table]
    orgs = [asked.org] if asked.org else person.orgs
    _narrow(place, asked, orgs, person.id)
    _use_search_path(session)
    is_active = session.rows("select pg_catalog.row_security_active(%s::regclass) as a", [place.name])[0]["a"]
    sample, refused = _sample(session, place)
    claims = dict(asked.claims) or person.claims
    role = str(claims.get("role") or "anon")
    seen: QueryAsUser = {
        "role": role,
        "subject": str(claims.get("sub") or "") or None,
        "claims_from": "token" if asked.claims else "auth",
        "sees_past_rls": not is_active,
        "past_rls": None if is_active else len(sample),
        "visible": None,
        "hidden": None,
        "orgs": orgs,
        "row_org": None,
        "statement": {"sqlstate": "", "message": ""},
        "key": {"column": place.key, "type": place.type_of(place.key)},
        "id_refused": refused,
        "judged": None,
        "policies": [],
    }
    made = _made_row(place, asked, str(claims.get("sub") or ""), orgs) if asked.command == "insert" else None
    state, message = become(session, role, claims)
    if state:
        if role == "authenticated" and state == "42501":
            raise LookError(Status.denied, f"SQLSTATE {state}: {message}", do_next=_ROLE_HELP)
        return {**seen, "statement": {"sqlstate": state, "message": message}, "role_refused": True}
    state, message = _try(session, place, asked.command)
    seen["statement"] = {"sqlstate": state, "message": message}
    hidden = list(sample)
    if place.has_rows_of_its_own:
        at = [each["at"] for each in sample]
        shown, state, _ = session.attempt(
            f"select ctid::text as at from {place.name} where ctid = any (%s::tid[])", [at]
        )
        if not state:
            visible = {each["at"] for each in shown}
            hidden = [each for each in sample if each["at"] not in visible]
            seen["visible"], seen["hidden"] = len(sample) - len(hidden), len(hidden)
    else:
        rows, state, _ = session.attempt(
            f"select count(*) as n from (select 1 from {place.name} t where {place.where} limit {_MOST_ROWS}) x",
            place.values,
        )
        seen["visible"] = None if state else rows[0]["n"]
    row: dict[str, Json] | None = None
    unknown: list[str] = []
    if made is not None:
        row, unknown = _with_defaults(session, place, made)
        seen["judged"] = "a row that this user would write"
    elif hidden or sample:
        row = dict((hidden or sample)[0]["row"])
        seen["judged"] = "a row that is hidden from the user" if hidden else "a row that the user sees"
    if row is not None:
        seen["row_org"] = str(row[place.org_column]) if place.org_column and row.get(place.org_column) else None
        concerned = [each for each in rules if _concerns(each, role)]
        seen["policies"] = _judgements(session, place, concerned, asked.command, row, unknown)
        now = {**claims, **{name: person.claims[name] for name in ("app_metadata", "user_metadata", "email")}}
        if asked.claims and person.is_known and now != claims:
            become(session, role, now)
            later = _judgements(session, place, concerned, asked.command, row, unknown)
            for each, then in zip(seen["policies"], later, strict=True):
                each["now"] = then["result"]
    return seen


def find_place(session: SqlSession, table: str) -> Place:
    """A table of schema public, names in it fully qualified. Raises LookError(not_found) where there is none."""
    session.rows("select pg_catalog.set_config('search_path', '', true)")
    columns = session.rows(with_places(COLUMNS, "%"), in_order(COLUMNS, [table]))
    if not columns:
        raise LookError(Status.not_found, f"there is no table public.{table}")
    key, org_column = places_of(table, columns)
    return Place(table, columns, key, org_column)


def become(session: SqlSession, role: str, claims: Mapping[str, Any]) -> tuple[str, str]:
    """Be this role with these claims until the transaction ends: ("", ""), or SQLSTATE and words where Postgres refuses the role.

    Both spellings of the claims are set, for older functions read `request.jwt.claim.sub`.
    """
    session.rows(
        "select set_config('request.jwt.claims', %s, true), set_config('request.jwt.claim.sub', %s, true), "
        "set_config('request.jwt.claim.role', %s, true), set_config('request.jwt.claim.email', %s, true)",
        [json.dumps(dict(claims), default=str), *(str(claims.get(name) or "") for name in ("sub", "role", "email"))],
    )
    _, state, message = session.attempt("select set_config('role', %s, true)", [role])
    return state, message


def statement_of(place: Place, command: str) -> str:
    """A statement that meets what the command would meet; a write is only planned."""
    name, key = place.name, quoted(place.key)
    if command == "select":
        return f"select count(*) from (select * from {name} limit 1) x"
    if command == "insert":
        return f"explain insert into {name} default values"
    if command == "delete":
        return f"explain delete from {name} where {key} is not null"
    column = next((each["name"] for each in place.columns if not each["generated"] and not each["always"]), place.key)
    return f"explain update {name} set {quoted(str(column))} = default where {key} is not null"


def evaluate(
    session: SqlSession, table: str, expressions: Sequence[str], row: Mapping[str, Json]
) -> list[tuple[bool | None, str, str]]:
    """For each expression over a row: (true or false, "", ""), NULL counting as false as it does in a policy; or (None,
    SQLSTATE, words) where it cannot be evaluated. At once where all can be."""
    record = f"from pg_catalog.jsonb_populate_record(null::public.{quoted(table)}, %s::jsonb) as {quoted(table)}"
    written = [json.dumps(row, default=str)]
    together = ", ".join(f"coalesce(({text.replace('%', '%%')}), false) as r{n}" for n, text in enumerate(expressions))
    rows, state, _ = session.attempt(f"select {together} {record}", written)
    if not state:
        return [(bool(rows[0][f"r{n}"]), "", "") for n in range(len(expressions))]
    found: list[tuple[bool | None, str, str]] = []
    for text in expressions:
        rows, state, message = session.attempt(
            f"select coalesce(({text.replace('%', '%%')}), false) as r {record}", written
        )
        found.append((None, state, message) if state else (bool(rows[0]["r"]), "", ""))
    return found


def _use_search_path(session: SqlSession) -> None:
    session.rows("select pg_catalog.set_config('search_path', %s, true)", [_SEARCH_PATH])


def _person(session: SqlSession, asked: AccessQuestion) -> _Person:
    """Who is meant. Raises LookError: not_found, or denied where Auth's users may not be read."""
    name = (asked.who or str(asked.claims.get("sub") or "")).strip().lower()
    people, state, _ = session.attempt(
        "select id::text as id, email, raw_app_meta_data as app, raw_user_meta_data as own, role from auth.users "
        "where id::text = %s or lower(email) = %s order by deleted_at nulls first limit 1",
        [name, name],
    )
    person = people[0] if people else None
    subject = str(person["id"]) if person else name if _UUID.fullmatch(name) else ""
    if person is None and not subject:
        raise LookError(
            Status.denied if state else Status.not_found,
            f"auth.users cannot be read: SQLSTATE {state}" if state else "no such user in auth.users",
            do_next="the role of RUNBOOK_DATABASE_URL must be allowed to read auth.users, or give the user's id",
        )
    orgs, _, _ = session.attempt(
        "select org_id::text as org from public.memberships where user_id::text = %s order by created_at, org_id",
        [subject],
    )
    held = person or {}
    claims = {
        "sub": subject, "role": held.get("role") or "authenticated", "aud": "authenticated", "email": held.get("email") or "",
        "app_metadata": held.get("app") or {}, "user_metadata": held.get("own") or {}, "is_anonymous": False,
    }  # fmt: skip
    return _Person(subject, person is not None, claims, [str(each["org"]) for each in orgs])


def _narrow(place: Place, asked: AccessQuestion, orgs: Sequence[str], user: str) -> None:
    """Say which rows are meant: the row; else those of the organizations; of profiles, the user's own."""

    def equals(column: str, values: Sequence[str]) -> None:
        cast = f"cast(%s as {place.type_of(column)})"
        place.where = f"t.{quoted(column)} in ({', '.join([cast] * len(values))})"
        place.values = list(values)

    if asked.row_id:
        equals(place.key, [asked.row_id])
    elif place.org_column and orgs:
        equals(place.org_column, orgs)
    elif place.table == "profiles" and user:
        equals(place.key, [user])


def _sample(session: SqlSession, place: Place) -> tuple[list[dict[str, Json]], str]:
    """The rows that are meant, past RLS: where they lie and what they hold; and why an id could not even be compared."""
    at = "t.ctid::text" if place.has_rows_of_its_own else "null::text"
    rows, state, message = session.attempt(
        f"select {at} as at, to_jsonb(t) as row from {place.name} t where {place.where} limit {_MOST_ROWS}",
        place.values,
    )
    if state in NO_SUCH_VALUE:
        return [], message
    if state:
        raise LookError(
            Status.denied,
            f"SQLSTATE {state}: {message}",
            do_next="the role of RUNBOOK_DATABASE_URL must read the table",
        )
    return rows, ""


def _try(session: SqlSession, place: Place, command: str) -> tuple[str, str]:
    """SQLSTATE and words of the command as the user; both empty where Postgres lets it pass."""
    _, state, message = session.attempt(statement_of(place, command))
    return state, message


def _made_row(place: Place, asked: AccessQuestion, user: str, orgs: Sequence[str]) -> dict[str, Json]:
    """What is known of the row that this user would write: whose, and for which organization."""
    names = {str(each["name"]) for each in place.columns}
    made: dict[str, Json] = {name: user for name in _OWN if name in names and user}
    if place.table == "profiles":
        made["id"] = user or None
    elif asked.row_id:
        made[place.key] = asked.row_id
    if "org_id" in names and orgs:
        made["org_id"] = orgs[0]
    return made


def _with_defaults(session: SqlSession, place: Place, made: Mapping[str, Json]) -> tuple[dict[str, Json], list[str]]:
    """The row with the columns' defaults, and the columns of which nothing is known."""
    row: dict[str, Json] = dict(made)
    unknown: list[str] = []
    for column in place.columns:
        name, default = str(column["name"]), column["default"]
        if name in row:
            continue
        if default and not column["generated"] and "nextval(" not in str(default):
            rows, state, _ = session.attempt(f"select to_jsonb({str(default).replace('%', '%%')}) as v", [])
            if not state:
                row[name] = rows[0]["v"]
                continue
        unknown.append(name)
    return row, unknown


def _concerns(rule: Mapping[str, Json], role: str) -> bool:
    return "public" in rule["roles"] or role in rule["roles"] or role in rule["applies_to"]


def _judgements(
    session: SqlSession, place: Place, rules: Sequence[Mapping[str, Json]], command: str, row: Mapping[str, Json],
    unknown: Sequence[str],
) -> list[JudgedPolicy]:  # fmt: skip
    """What each policy says of the row, for the command and for reading it (back)."""
    return [
        _judgement(session, place, rule, use, clause, row, unknown)
        for use in dict.fromkeys((command, "select"))
        for rule in rules
        if rule["command"] in ("all", use)
        for clause in _CLAUSES.get(use, _USING)
    ]


_USING: tuple[Clause, ...] = ("using",)
_CLAUSES: Mapping[str, tuple[Clause, ...]] = {"insert": ("check",), "update": ("using", "check")}


def _judgement(
    session: SqlSession, place: Place, rule: Mapping[str, Json], use: str, clause: Clause, row: Mapping[str, Json],
    unknown: Sequence[str],
) -> JudgedPolicy:  # fmt: skip
    """One clause of one policy: the whole of it, then each of its terms; `open` where a term rests on an unknown column."""
    expression = str((rule["check"] or rule["using"] if clause == "check" else rule["using"]) or "true")
    terms = terms_of(expression)
    (whole, state, message), *parts = evaluate(session, place.table, [expression, *terms], row)
    return {
        "name": rule["name"], "permissive": rule["permissive"], "command": rule["command"], "use": use, "clause": clause,
        "result": whole, "now": whole, "sqlstate": state, "message": message,
        "terms": [
            JudgedTerm(term=term[:400], result=result, open=any(_mentions(term, name) for name in unknown))
            for term, (result, _, _) in zip(terms, parts, strict=True)
        ],
    }  # fmt: skip


def _mentions(term: str, column: str) -> bool:
    return re.search(rf"\b{re.escape(column)}\b", term) is not None
