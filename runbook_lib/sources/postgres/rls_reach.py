"""What a stranger may do with every table, asked of Postgres itself: each command as each role, and each policy in the abstract.

A stranger is a signed-in user who belongs to nothing. What the planner folds a policy's expression to tells whether it ever
looks at the row: an expression that is gone never refuses; one that is asked once, and not for each row, looks at the session.
"""

import json
from collections.abc import Mapping
from typing import Any

from runbook_lib.core.model import Json
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


def reach_of(session: SqlSession) -> dict[str, Json]:
    """Every table and policy.

    Returns:
        {"tables": [{"name", "role", "command", "sqlstate", "message"}] (an empty sqlstate: Postgres lets the command pass, whatever
        rows it then meets), "rows": [{"name", "role", "sampled", "visible"}] (of at most 20 rows), "policies": [{"table", "name",
        "clause", "looks_at" (nothing | session | row | unknown), "true_for": [role] (for whom it was true of all that it could be
        asked about), "sampled" (real rows among that)}]}
    """
    session.rows("select pg_catalog.set_config('search_path', '', true)")
    names = [str(each["name"]) for each in session.rows(_TABLES)]
    places = {name: find_place(session, name) for name in names}
    rules = session.rows(POLICIES)
    session.rows("select pg_catalog.set_config('search_path', 'public, extensions', true)")
    samples = {name: _sample(session, place) for name, place in places.items()}
    shapes = [_shape(session, rule, clause, expression) for rule, clause, expression in _clauses(rules)]
    tables: list[Json] = []
    seen: list[Json] = []
    for role, claims in _CLAIMS.items():
        if become(session, role, claims)[0]:
            continue
        for name, place in places.items():
            for command in COMMANDS:
                _, state, message = session.attempt(statement_of(place, command))
                tables.append({"name": name, "role": role, "command": command, "sqlstate": state, "message": message})
            seen += _visible(session, place, samples[name], role)
        for shape in shapes:
            if role in shape["applies_to"]:
                name = str(shape["table"])
                _judge(session, shape, role, places[name], samples.get(name, []))
        session.rows("reset role")
    kept = ("table", "name", "clause", "looks_at", "true_for", "sampled")
    return {"tables": tables, "rows": seen, "policies": [{key: shape[key] for key in kept} for shape in shapes]}


def _clauses(rules: list[dict[str, Json]]) -> list[tuple[dict[str, Json], str, str]]:
    """Each clause of each permissive policy that is meant for anon or authenticated."""
    return [
        (rule, clause, str(rule[clause]))
        for rule in rules
        if rule["permissive"] and {"anon", "authenticated"} & set(rule["applies_to"])
        for clause in ("using", "check")
        if rule[clause]
    ]


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


def _visible(session: SqlSession, place: Place, sample: list[dict[str, Json]], role: str) -> list[Json]:
    """How many rows of the sample this role sees; nothing where it may not read, or there is no sample."""
    if not sample:
        return []
    at = [each["at"] for each in sample]
    rows, state, _ = session.attempt(f"select count(*) as n from {place.name} where ctid = any (%s::tid[])", [at])
    return [] if state else [{"name": place.table, "role": role, "sampled": len(sample), "visible": rows[0]["n"]}]


def _shape(session: SqlSession, rule: dict[str, Json], clause: str, expression: str) -> dict[str, Json]:
    """What the planner makes of an expression over the table's rows, by our own role."""
    name = f"public.{quoted(str(rule['table']))}"
    text = expression.replace("%", "%%")
    rows, state, _ = session.attempt(f"explain (format json, costs off) select 1 from {name} where ({text})", [])
    looks_at = "unknown"
    if not state:
        plan = rows[0]["QUERY PLAN"]
        looks_at = _looks_at((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    return {
        "table": rule["table"], "name": rule["name"], "clause": clause, "expression": expression, "looks_at": looks_at,
        "applies_to": rule["applies_to"], "true_for": [], "sampled": 0,
    }  # fmt: skip


def _looks_at(plan: Mapping[str, Any]) -> str:
    """nothing: no condition is left; session: one condition, asked once; row: anything else."""
    asks = [key for key in plan if key in ("Filter", "One-Time Filter", "Index Cond", "Recheck Cond", "Join Filter")]
    below = plan.get("Plans") or []
    if not asks and not below:
        return "nothing"
    if asks == ["One-Time Filter"] and all(_looks_at(each) == "nothing" for each in below):
        return "session"
    return "row"


def _judge(session: SqlSession, shape: dict[str, Json], role: str, place: Place, sample: list[dict[str, Json]]) -> None:
    """Add a role for which the expression is true of everything that it could be asked about: every real row, and, where there
    are few, every row that could be made up. One that does not look at the row is asked once."""
    shape["sampled"] = len(sample)
    real = [each["row"] for each in sample]
    if shape["looks_at"] in ("nothing", "session"):
        holds = shape["looks_at"] == "nothing" or _holds(session, shape, [{}])
    else:
        holds = _holds(session, shape, real) and (len(real) >= _FEWEST or _holds(session, shape, _made_up(place)))
    if holds:
        shape["true_for"].append(role)


def _holds(session: SqlSession, shape: Mapping[str, Json], rows: list[Json]) -> bool:
    """Whether the expression is true of each of the rows; also where there is none."""
    table, text = quoted(str(shape["table"])), str(shape["expression"]).replace("%", "%%")
    found, state, _ = session.attempt(
        f"select count(*) filter (where ({text})) as n "
        f"from pg_catalog.jsonb_populate_recordset(null::public.{table}, %s::jsonb) as {table}",
        [json.dumps(rows, default=str)],
    )
    return not state and found[0]["n"] == len(rows)


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
