"""From a request to one statement: what to run, in which kind of transaction, and what its answer will mean."""

from dataclasses import dataclass

from runbook_lib.sandbox.facades.postgrest.cache import Function, Snapshot, Table
from runbook_lib.sandbox.facades.postgrest.call import arguments_of_query, call_sql, choose, read_arguments
from runbook_lib.sandbox.facades.postgrest.errors import RestError
from runbook_lib.sandbox.facades.postgrest.headers import Answer, Preferences, header_range
from runbook_lib.sandbox.facades.postgrest.hints import closest
from runbook_lib.sandbox.facades.postgrest.parameters import Parameters, check_ranges, parse
from runbook_lib.sandbox.facades.postgrest.read import ReadQuery
from runbook_lib.sandbox.facades.postgrest.sql import Values, range_sql
from runbook_lib.sandbox.facades.postgrest.write import WriteQuery, read_payload

_CSV = (
    "(select coalesce((select string_agg(a.k, ',') from (select json_object_keys(r)::text as k from "
    "(select row_to_json(hh) as r from pgrst_source as hh limit 1) s) a), '')) || e'\\n' || "
    "coalesce(string_agg(substring(_pgrst::text, 2, length(_pgrst::text) - 2), e'\\n'), '')"
)


@dataclass
class Asked:
    """One request, read: everything that decides on its statement."""

    method: str
    schema: str
    query: list[tuple[str, str]]
    body: bytes
    content_type: str
    range_header: str | None
    preferences: Preferences
    answer: Answer


@dataclass
class Plan:
    """One statement and what goes with it. `kind`: read, insert, update, delete, put or call. `count_sql`: for totals.

    `located`: the answer names the new row's place. `names_schema`: the answer names the schema.
    """

    kind: str
    sql: str
    values: Values
    read_only: bool
    name: tuple[str, str]
    offset: int = 0
    count_sql: str | None = None
    function: Function | None = None
    returns_body: bool = True
    primary_key: tuple[str, ...] = ()
    located: bool = False
    names_schema: bool = False


def plan_table(asked: Asked, snapshot: Snapshot, table_name: str) -> Plan:
    """The statement of a request on a table or view.

    Raises:
        RestError: when the request cannot be understood, or names what the cache does not know.
    """
    name = (asked.schema, table_name)
    table = snapshot.tables.get(name)
    parameters = parse(asked.query)
    check_ranges(parameters)
    if table is None:
        raise _unknown_table(snapshot, asked.schema, table_name)
    if asked.method in ("GET", "HEAD"):
        return _read(asked, snapshot, parameters, name)
    return _write(asked, snapshot, parameters, table)


def _read(asked: Asked, snapshot: Snapshot, parameters: Parameters, name: tuple[str, str]) -> Plan:
    _apply_header_range(asked, parameters)
    values = Values()
    query = ReadQuery(snapshot, parameters, name, values)
    sql = f"with pgrst_source as ({query.sql(default_limit=snapshot.settings.max_rows)}) "
    sql += _outer(asked.answer, "select * from pgrst_source")
    counted = query.count_sql() if asked.preferences.get("count") else None
    return Plan("read", sql, values, True, name, parameters.offset.get((), 0), counted)


def _apply_header_range(asked: Asked, parameters: Parameters) -> None:
    offset, limit = header_range(asked.method, asked.range_header)
    if offset and () not in parameters.offset:
        parameters.offset[()] = offset
    if limit is not None:
        parameters.limit[()] = min(limit, parameters.limit.get((), limit))


def _write(asked: Asked, snapshot: Snapshot, parameters: Parameters, table: Table) -> Plan:
    name = (table.schema, table.name)
    values = Values()
    wants = asked.preferences.get("return")
    kind = {"POST": "insert", "PATCH": "update", "DELETE": "delete", "PUT": "put"}[asked.method]
    located = kind == "insert" and wants == "headers-only" and bool(table.primary_key)
    reader = ReadQuery(snapshot, parameters, name, values, root_source="pgrst_source")
    returning = reader.needed_columns() if wants == "representation" else []
    if located:
        returning = list(table.primary_key)
    writer = WriteQuery(table, parameters, asked.preferences, values, returning)
    if kind == "delete":
        statement = writer.delete()
    else:
        payload = read_payload(asked.body, asked.content_type, parameters)
        if kind == "put":
            if parameters.limit or parameters.offset:
                message = "limit/offset querystring parameters are not allowed for PUT"
                raise RestError(400, "PGRST114", message)
            statement = writer.put(payload, parameters.root_conditions)
        else:
            statement = writer.insert(payload) if kind == "insert" else writer.update(payload)
    if wants == "representation":
        outer = _outer(asked.answer, reader.sql(conditions=False))
    else:
        outer = _outer(Answer("json"), "select * from pgrst_source")
    sql = f"with pgrst_source as ({statement}) {outer}"
    plan = Plan(kind, sql, values, False, name, primary_key=table.primary_key, located=located)
    plan.returns_body = wants == "representation"
    return plan


def plan_call(asked: Asked, snapshot: Snapshot, function_name: str) -> Plan:
    """The statement of a function call over /rpc.

    Raises:
        RestError: when no function, or more than one, takes these arguments.
    """
    if asked.method not in ("GET", "HEAD", "POST"):
        raise RestError(405, "PGRST101", f"Cannot use the {asked.method} method on RPC")
    posted = asked.method == "POST"
    name = (asked.schema, function_name)
    parameters = parse(asked.query, with_arguments=not posted)
    check_ranges(parameters)
    overloads = snapshot.functions.get(name, [])
    arguments = read_arguments(asked.body) if posted else arguments_of_query(parameters.arguments, overloads)
    function = choose(snapshot, *name, arguments, posted)
    _apply_header_range(asked, parameters)
    values = Values()
    call = call_sql(function, arguments, values)
    read_only = not posted or function.volatility in ("s", "i")
    plan = Plan("call", "", values, read_only, name, parameters.offset.get((), 0), function=function)
    if function.returns == "composite":
        source = function.table or name
        reader = ReadQuery(snapshot, parameters, source, values, root_source="pgrst_source")
        rows = reader.sql(default_limit=snapshot.settings.max_rows)
        plan.sql = f"with pgrst_source as ({call}) {_outer(asked.answer, rows, single=not function.is_set)}"
        plan.count_sql = (
            f"with pgrst_source as ({call}) {reader.count_sql()}" if asked.preferences.get("count") else None
        )
        return plan
    rows = f"select * from pgrst_source{range_sql(parameters.limit.get(()), parameters.offset.get(()), values)}"
    plan.sql = f"with pgrst_source as ({call}) {_scalar_outer(rows, function.is_set)}"
    return plan


def _outer(answer: Answer, rows: str, *, single: bool = False) -> str:
    """The statement around the rows: how many there are, the body as text, and what a function set on the response."""
    agg = "json_agg(_pgrst)"
    if answer.strip_nulls:
        agg = "json_agg(json_strip_nulls(row_to_json(_pgrst)))"
    if answer.kind == "csv" or (answer.kind == "plan" and answer.plan_for == "text/csv"):
        body = _CSV
    elif answer.kind == "object" or single:
        body = f"coalesce({agg}->0, 'null')::text"
    else:
        body = f"coalesce({agg}, '[]')::text"
    return _framed(body, rows)


def _scalar_outer(rows: str, is_set: bool) -> str:
    body = (
        "coalesce(json_agg(_pgrst.pgrst_scalar), '[]')"
        if is_set
        else "coalesce(json_agg(_pgrst.pgrst_scalar)->0, 'null')"
    )
    return _framed(f"{body}::text", rows)


def _framed(body: str, rows: str) -> str:
    return (
        f"select pg_catalog.count(_pgrst) as rows, {body} as body, "
        "nullif(current_setting('response.headers', true), '') as headers, "
        f"nullif(current_setting('response.status', true), '') as status from ({rows}) _pgrst"
    )


def _unknown_table(snapshot: Snapshot, schema: str, name: str) -> RestError:
    near = closest(name, [t for s, t in snapshot.tables if s == schema])
    return RestError(
        404,
        "PGRST205",
        f"Could not find the table '{schema}.{name}' in the schema cache",
        hint=f"Perhaps you meant the table '{schema}.{near}'" if near else None,
    )
