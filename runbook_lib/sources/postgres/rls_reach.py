"""What a stranger may do with every table, asked of Postgres itself: each command as each role, and each policy in the abstract.

A stranger is a signed-in user who belongs to nothing. What the planner folds a policy's expression to tells whether it ever
looks at the row: an expression that is gone never refuses; one that is asked once, and not for each row, looks at the session.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from runbook_lib.core.model import Json
from runbook_lib.core.records.rights import PolicyInAbstract, StrangersCommand, StrangersReach, StrangersRows
from runbook_lib.io.sql import SqlSession
from runbook_lib.sources.postgres.rls_examine import Place, become, find_place, statement_of
from runbook_lib.sources.postgres.rls_sql import POLICIES, quoted

STRANGER = "00000000-0000-4000-8000-00000000abcd"
COMMANDS = ("select", "insert", "update", "delete")
_CLAIMS: Mapping[str, Mapping[str, Any]] = {
    "anon": {"role": "anon"},
    "authenticated": {
        "sub": STRANGER, "role": "authenticated", "aud": "authenticated", "email": "stranger@example.com", "is_anonymous": False,
        "app_metadata": {"provider": "email"}, "user_metadata": {},
    },
}  # fmt: skip
_SAMPLE = 20
_FEWEST = 2  # real rows of which it must hold, before they say anything by themselves
_MADE = 8
_TABLES = """
select c.relname as name from pg_catalog.pg_class c where c.relnamespace = 'public'::pg_catalog.regnamespace
  and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and not exists (select 1 from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
order by 1 limit 500"""


@dataclass
class _Clause:
    """A clause of a policy, the roles of the API that it is meant for, and what was found out about it."""

    expression: str
    applies_to: list[str]
    found: PolicyInAbstract


def reach_of(session: SqlSession) -> StrangersReach:
    """Every table and policy."""
    session.rows("select pg_catalog.set_config('search_path', '', true)")
    names = [str(each["name"]) for each in session.rows(_TABLES)]
    places = {name: find_place(session, name) for name in names}
    rules = session.rows(POLICIES)
    session.rows("select pg_catalog.set_config('search_path', 'public, extensions', true)")
    samples = {name: _sample(session, place) for name, place in places.items()}
    clauses = [each for rule in rules for each in _clauses(session, rule)]
    tables: list[StrangersCommand] = []
    seen: list[StrangersRows] = []
    for role, claims in _CLAIMS.items():
        if become(session, role, claims)[0]:
            continue
        for name, place in places.items():
            for command in COMMANDS:
                _, state, message = session.attempt(statement_of(place, command))
                tables.append({"name": name, "role": role, "command": command, "sqlstate": state, "message": message})
            seen += _visible(session, place, samples[name], role)
        for clause in clauses:
            if role in clause.applies_to:
                name = clause.found["table"]
                _judge(session, clause, role, places[name], samples.get(name, []))
        session.rows("reset role")
    return StrangersReach(tables=tables, rows=seen, policies=[each.found for each in clauses])


def _clauses(session: SqlSession, rule: Mapping[str, Json]) -> list[_Clause]:
    """Each clause of a permissive policy that is meant for anon or authenticated, and what it looks at."""
    if not rule["permissive"] or not {"anon", "authenticated"} & set(rule["applies_to"]):
        return []
    clauses: tuple[Literal["using", "check"], ...] = ("using", "check")
    return [_clause(session, rule, clause) for clause in clauses if rule[clause]]


def _sample(session: SqlSession, place: Place) -> list[dict[str, Json]]:
    """A few rows past RLS; none where our own role is under it."""
    if not place.has_rows_of_its_own:
        return []
    rows, state, _ = session.attempt(
        f"select t.ctid::text as at, to_jsonb(t) as row from {place.name} t "
        f"where not pg_catalog.row_security_active(%s::regclass) limit {_SAMPLE}",
        [place.name],
    )
    return [] if state else rows


def _visible(session: SqlSession, place: Place, sample: list[dict[str, Json]], role: str) -> list[StrangersRows]:
    """How many rows of the sample this role sees; nothing where it may not read, or there is no sample."""
    if not sample:
        return []
    at = [each["at"] for each in sample]
    rows, state, _ = session.attempt(f"select count(*) as n from {place.name} where ctid = any (%s::tid[])", [at])
    return [] if state else [{"name": place.table, "role": role, "sampled": len(sample), "visible": rows[0]["n"]}]


def _clause(session: SqlSession, rule: Mapping[str, Json], clause: Literal["using", "check"]) -> _Clause:
    """What the planner makes of an expression over the table's rows, by our own role."""
    name, expression = f"public.{quoted(str(rule['table']))}", str(rule[clause])
    text = expression.replace("%", "%%")
    rows, state, _ = session.attempt(f"explain (format json, costs off) select 1 from {name} where ({text})", [])
    found = PolicyInAbstract(
        table=rule["table"], name=rule["name"], clause=clause, looks_at="unknown", true_for=[], sampled=0
    )
    if not state:
        plan = rows[0]["QUERY PLAN"]
        found["looks_at"] = _looks_at((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    return _Clause(expression, rule["applies_to"], found)


def _looks_at(plan: Mapping[str, Any]) -> Literal["nothing", "session", "row"]:
    """nothing: no condition is left; session: one condition, asked once; row: anything else."""
    asks = [key for key in plan if key in ("Filter", "One-Time Filter", "Index Cond", "Recheck Cond", "Join Filter")]
    below = plan.get("Plans") or []
    if not asks and not below:
        return "nothing"
    if asks == ["One-Time Filter"] and all(_looks_at(each) == "nothing" for each in below):
        return "session"
    return "row"


def _judge(session: SqlSession, clause: _Clause, role: str, place: Place, sample: list[dict[str, Json]]) -> None:
    """Add a role for which the expression is true of everything that it could be asked about: every real row, and, where there
    are few, every row that could be made up. One that does not look at the row is asked once."""
    clause.found["sampled"] = len(sample)
    real, looks_at = [each["row"] for each in sample], clause.found["looks_at"]
    if looks_at in ("nothing", "session"):
        is_true = looks_at == "nothing" or _is_true(session, clause, [{}])
    else:
        is_true = _is_true(session, clause, real) and (
            len(real) >= _FEWEST or _is_true(session, clause, _made_up(place))
        )
    if is_true:
        clause.found["true_for"].append(role)


def _is_true(session: SqlSession, clause: _Clause, rows: list[Json]) -> bool:
    """Whether the expression is true of each of the rows; also where there is none."""
    table, text = quoted(clause.found["table"]), clause.expression.replace("%", "%%")
    found, state, _ = session.attempt(
        f"select count(*) filter (where ({text})) as n "
        f"from pg_catalog.jsonb_populate_recordset(null::public.{table}, %s::jsonb) as {table}",
        [json.dumps(rows, default=str)],
    )
    return not state and bool(found[0]["n"] == len(rows))


def _made_up(place: Place) -> list[Json]:
    """Rows of no one's: values of each column's type that differ from row to row, and, where a column may lack one, now and then
    none."""
    return [
        {
            str(column["name"]): _value(str(column["type"]), nth, at)
            for at, column in enumerate(place.columns)
            if column["required"] or (nth >> at % 3) & 1 == 0
        }
        for nth in range(_MADE)
    ]


def _value(kind: str, nth: int, at: int) -> Json:
    """A value of a type that is known here, another one in each row; none of any other type."""
    if kind == "uuid":
        return f"00000000-0000-4000-8000-{nth:04x}{at:04x}beef"
    if kind == "boolean":
        return nth % 2 == 0
    if kind in ("smallint", "integer", "bigint", "numeric", "real", "double precision"):
        return (nth - _MADE // 2) * 1000 + at
    if kind in ("text", "name") or kind.startswith("character"):
        return f"made up {nth}.{at}"
    if kind.startswith(("timestamp", "date")):
        return f"20{nth}0-01-01"
    return None
