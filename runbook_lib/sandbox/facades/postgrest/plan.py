"""From a request to one statement: what to run, in which kind of transaction, and what its answer will mean."""

import json
from dataclasses import dataclass
from typing import Any

from runbook_lib.sandbox.facades.postgrest.cache import Snapshot, Table
from runbook_lib.sandbox.facades.postgrest.errors import RestError, bad_body, unsupported
from runbook_lib.sandbox.facades.postgrest.headers import Preferences
from runbook_lib.sandbox.facades.postgrest.hints import closest_name
from runbook_lib.sandbox.facades.postgrest.query import Query, parse
from runbook_lib.sandbox.facades.postgrest.sql import Values, ident, order_sql, range_sql, where_sql

_FRAME = "select pg_catalog.count(_pgrst) as rows, coalesce(json_agg(_pgrst), '[]')::text as body from"


@dataclass
class Asked:
    """One request, read: everything that decides on its statement."""

    method: str
    schema: str
    query: list[tuple[str, str]]
    body: bytes
    content_type: str
    preferences: Preferences


@dataclass
class Plan:
    """One statement and what goes with it. `kind`: read, insert or update. `count_sql`: for totals.

    `names_schema`: the answer names the schema.
    """

    kind: str
    sql: str
    values: Values
    offset: int = 0
    count_sql: str | None = None
    returns_body: bool = True
    names_schema: bool = False


def plan_table(asked: Asked, snapshot: Snapshot, table_name: str) -> Plan:
    """The statement of a request on a table or view.

    Raises:
        RestError: when the request cannot be understood, or names what the cache does not know.
    """
    if asked.method not in ("GET", "HEAD", "POST", "PATCH"):
        raise unsupported(f"the method {asked.method}")
    table = snapshot.tables.get((asked.schema, table_name))
    query = parse(asked.query)
    if table is None:
        raise _unknown_table(snapshot, asked.schema, table_name)
    if asked.method in ("GET", "HEAD"):
        return _read(asked, query, table, snapshot.settings.max_rows)
    return _write(asked, query, table)


def _read(asked: Asked, query: Query, table: Table, most: int | None) -> Plan:
    values, name = Values(), ident(table.schema, table.name)
    columns = ", ".join(f"{name}.*" if c == "*" else f"{name}.{ident(c)} as {ident(c)}" for c in query.select)
    where = where_sql(query.filters, name, values)
    limits = [limit for limit in (query.limit, most) if limit is not None]
    window = range_sql(min(limits, default=None), query.offset, values)
    source = f"select {columns} from {name}{where}{order_sql(query.order, name)}{window}"
    sql = f"with pgrst_source as ({source}) {_FRAME} (select * from pgrst_source) _pgrst"
    counted = f"select 1 from {name}{where}" if asked.preferences.get("count") else None
    return Plan("read", sql, values, query.offset, counted)


def _write(asked: Asked, query: Query, table: Table) -> Plan:
    if query.order or query.limit is not None or query.offset:
        raise unsupported("order, limit and offset of a write")
    values, name = Values(), ident(table.schema, table.name)
    returns_body = asked.preferences.get("return") == "representation"
    returned = ", ".join(f"{name}.*" if c == "*" else f"{name}.{ident(c)}" for c in query.select)
    returned = returned if returns_body else "1"
    row = _row(asked)
    columns = sorted(row)
    for column in columns:
        if column not in table.columns:
            words = f"Could not find the '{column}' column of '{table.name}' in the schema cache"
            raise RestError(400, "PGRST204", words)
    typed = ", ".join(f"{ident(c)} {table.columns[c]}" for c in columns)
    source = f"json_to_record({values.bind(json.dumps(row))}::json) as _({typed})"
    kind = "insert" if asked.method == "POST" else "update"
    if kind == "insert":
        names = ", ".join(ident(c) for c in columns)
        given = f"({names}) select {names} from {source}" if columns else " default values"
        statement = f"insert into {name}{given} returning {returned}"
    elif columns:
        changed = ", ".join(f"{ident(c)} = pgrst_body.{ident(c)}" for c in columns)
        where = where_sql(query.filters, name, values)
        statement = f"update {name} set {changed} from (select * from {source}) pgrst_body{where} returning {returned}"
    else:  # nothing to set is nothing to do, as at the vendor
        statement = f"select {returned} from {name} where false"
    sql = f"with pgrst_source as ({statement}) {_FRAME} (select * from pgrst_source) _pgrst"
    return Plan(kind, sql, values, returns_body=returns_body)


def _row(asked: Asked) -> dict[str, Any]:
    """The one row of a JSON body. Raises RestError: PGRST102 for a body that is none, 501 for several rows and other formats."""
    media = asked.content_type.split(";")[0].strip().lower() or "application/json"
    if media in ("text/csv", "application/x-www-form-urlencoded"):
        raise unsupported(f"a body of {media}")
    if media != "application/json":
        raise bad_body(f"Content-Type not acceptable: {media}")
    try:
        row = json.loads(asked.body)
    except ValueError:
        raise bad_body("Empty or invalid json") from None
    if isinstance(row, list):
        raise unsupported("writes of several rows")
    if not isinstance(row, dict):
        raise bad_body("Empty or invalid json")
    return row


def _unknown_table(snapshot: Snapshot, schema: str, name: str) -> RestError:
    near = closest_name(name, [t for s, t in snapshot.tables if s == schema])
    return RestError(
        404,
        "PGRST205",
        f"Could not find the table '{schema}.{name}' in the schema cache",
        hint=f"Perhaps you meant the table '{schema}.{near}'" if near else None,
    )
