"""One request's transaction: take on the role, set what policies may read, run the statement, and word the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from psycopg import AsyncConnection
from starlette.responses import Response

from runbook_lib.sandbox.facades.postgrest.cache import Snapshot
from runbook_lib.sandbox.facades.postgrest.errors import RestError, not_single, range_not_satisfiable
from runbook_lib.sandbox.facades.postgrest.headers import Preferences, content_range, range_status
from runbook_lib.sandbox.facades.postgrest.plan import Asked, Plan


@dataclass(frozen=True)
class Context:
    """Who asks and how: what `request.*` settings and policies see."""

    role: str
    claims: dict[str, Any]
    method: str
    path: str
    headers: Mapping[str, str]
    preferences: Preferences


@dataclass(frozen=True)
class Result:
    """What the statement gave."""

    rows: int
    body: str
    headers: str | None
    status: str | None
    conflicts: int
    total: int | None


async def run(connection: AsyncConnection, context: Context, asked: Asked, plan: Plan, snapshot: Snapshot) -> Response:
    """Run the plan in its transaction and answer.

    Raises:
        psycopg.Error: whatever Postgres refuses.
        RestError: the result is not what was asked for (one object, at most so many rows); nothing is kept then.
    """
    mode = "read only" if plan.read_only else "read write"
    await connection.execute(f"begin isolation level read committed {mode}".encode())
    await _set_up(connection, context, snapshot)
    if asked.answer.kind == "plan":
        answer = await _explain(connection, asked, plan)
    else:
        result = await _statement(connection, asked, plan, snapshot)
        answer = _worded(asked, plan, result)
    await connection.execute("commit" if asked.answer.kind != "plan" else "rollback")
    return answer


async def _set_up(connection: AsyncConnection, context: Context, snapshot: Snapshot) -> None:
    """Role, role settings, claims and the request's own facts, all for this transaction only."""
    cookies = dict(pair.strip().split("=", 1) for pair in context.headers.get("cookie", "").split(";") if "=" in pair)
    settings = {
        "search_path": ", ".join(f'"{s}"' for s in dict.fromkeys([snapshot.settings.schemas[0], *_extra(snapshot)])),
        **snapshot.role_settings.get(context.role, {}),
        "request.jwt.claims": json.dumps(context.claims),
        "request.method": context.method,
        "request.path": context.path,
        "request.headers": json.dumps({k: v for k, v in context.headers.items() if k != "cookie"}),
        "request.cookies": json.dumps(cookies),
    }
    if timezone := context.preferences.get("timezone"):
        settings["timezone"] = timezone
    names = {f"n{i}": name for i, name in enumerate(settings)}
    values = {f"v{i}": value for i, value in enumerate(settings.values())}
    calls = ", ".join(f"set_config(%(n{i})s, %(v{i})s, true)" for i in range(len(settings)))
    await connection.execute(f"select {calls}".encode(), {**names, **values})
    await connection.execute("select set_config('role', %(role)s, true)", {"role": context.role})


def _extra(snapshot: Snapshot) -> list[str]:
    return snapshot.settings.extra_search_path


async def _statement(connection: AsyncConnection, asked: Asked, plan: Plan, snapshot: Snapshot) -> Result:
    cursor = await connection.execute(plan.sql.encode(), plan.values.bound)
    row = await cursor.fetchone()
    assert row is not None
    total = await _total(connection, asked, plan, snapshot, int(row[0]))
    # a function may have set these while the statement ran: what the statement itself read could be older
    cursor = await connection.execute(
        "select nullif(current_setting('response.headers', true), ''), nullif(current_setting('response.status', true), ''),"
        " coalesce(nullif(current_setting('pgrst.conflicts', true), ''), '0')::int"
    )
    headers, status, conflicts = await cursor.fetchone() or (None, None, 0)
    return Result(int(row[0]), row[1], headers, status, conflicts, total)


async def _total(connection: AsyncConnection, asked: Asked, plan: Plan, snapshot: Snapshot, rows: int) -> int | None:
    """The number of rows without the range, as `Prefer: count` asks for it; None when it does not."""
    counting = asked.preferences.get("count")
    if counting is None:
        return None
    if plan.count_sql is None:
        return rows
    bound = plan.values.bound
    if counting == "exact":
        return await _number(connection, f"select count(*) from ({plan.count_sql}) counted", bound)
    if counting == "estimated":
        most = snapshot.settings.max_rows
        within = f" limit {most + 1}" if most is not None else ""
        if most is not None:
            exact = await _number(connection, f"select count(*) from ({plan.count_sql}{within}) counted", bound)
            if exact <= most:
                return exact
        return max(rows, await _planned(connection, plan))
    return await _planned(connection, plan)


async def _planned(connection: AsyncConnection, plan: Plan) -> int:
    cursor = await connection.execute(f"explain (format json) {plan.count_sql}".encode(), plan.values.bound)
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0][0]["Plan"]["Plan Rows"])


async def _number(connection: AsyncConnection, sql: str, bound: dict[str, str | None]) -> int:
    cursor = await connection.execute(sql.encode(), bound)
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def _explain(connection: AsyncConnection, asked: Asked, plan: Plan) -> Response:
    options = ", ".join([*asked.answer.plan_options, f"format {'text' if asked.answer.plan_text else 'json'}"])
    cursor = await connection.execute(f"explain ({options}) {plan.sql}".encode(), plan.values.bound)
    lines = [row[0] for row in await cursor.fetchall()]
    body = "\n".join(lines) if asked.answer.plan_text else json.dumps(lines[0])
    named = {"Content-Profile": asked.schema} if plan.names_schema else {}
    return Response(body, media_type=asked.answer.content_type, headers=named)


def _worded(asked: Asked, plan: Plan, result: Result) -> Response:
    _check_rows(asked, plan, result)
    preferences = asked.preferences
    body: str | None = result.body
    if plan.kind in ("read", "call"):
        status, headers = _ranged(asked, plan, result)
        if plan.function is not None and plan.function.returns == "void":
            status, body = 204, None
    else:
        status, headers = _written(plan, result)
        headers.update(preferences.applied("resolution", "missing", "return", "count", "max-affected", "timezone"))
        if not plan.returns_body:
            body = None
            if plan.kind != "insert":
                status = 204
    if asked.method == "HEAD":
        body = None
    headers.update(_response_headers(result.headers))
    if result.status is not None:
        if not result.status.isdigit():
            raise RestError(500, "PGRST112", "response.status guc must be a valid status code")
        status = int(result.status)
    if body is not None or asked.method == "HEAD":
        headers.setdefault("Content-Type", asked.answer.content_type)
        if plan.names_schema:
            headers["Content-Profile"] = asked.schema
    return Response(body if body is not None else b"", status_code=status, headers=headers)


def _check_rows(asked: Asked, plan: Plan, result: Result) -> None:
    wants_one = asked.answer.kind == "object" and (plan.returns_body or plan.kind == "read")
    if wants_one and plan.function is not None and plan.function.returns != "composite":
        wants_one = False
    if wants_one and result.rows != 1:
        raise not_single(result.rows)
    most = asked.preferences.get("max-affected") or ""
    limited = most.isdigit() and asked.preferences.get("handling") == "strict" and plan.kind != "read"
    if limited and result.rows > int(most):
        raise RestError(
            400,
            "PGRST124",
            "Query result exceeds max-affected preference constraint",
            f"The query affects {result.rows} rows",
        )


def _ranged(asked: Asked, plan: Plan, result: Result) -> tuple[int, dict[str, str]]:
    lower, upper = plan.offset, plan.offset + result.rows - 1
    status = range_status(lower, upper, result.total)
    headers = {"Content-Range": content_range(lower, upper, result.total)}
    headers.update(asked.preferences.applied("count", *(["max-affected"] if plan.kind == "call" else []), "timezone"))
    if status == 416:
        refusal = range_not_satisfiable(f"An offset of {lower} was requested, but there are only {result.total} rows.")
        refusal.headers = {**headers, **({"Content-Profile": asked.schema} if plan.names_schema else {})}
        raise refusal
    return status, headers


def _written(plan: Plan, result: Result) -> tuple[int, dict[str, str]]:
    if plan.kind == "put":
        if result.rows != 1:
            raise RestError(400, "PGRST115", "Payload values do not match URL in primary key column(s)")
        return (200 if result.conflicts else 201), {}
    if plan.kind == "insert":
        headers = {"Content-Range": content_range(1, 0, result.total)}
        if plan.located and result.rows == 1:
            row = json.loads(result.body)[0]
            keys = "&".join(f"{quote(k)}=eq.{quote(str(row[k]))}" for k in plan.primary_key)
            headers["Location"] = f"/{quote(plan.name[1])}?{keys}"
        return (200 if result.rows and result.rows == result.conflicts else 201), headers
    if plan.kind == "update":
        return 200, {"Content-Range": content_range(0, result.rows - 1, result.total)}
    return 200, {"Content-Range": content_range(1, 0, result.total)}


def _response_headers(text: str | None) -> dict[str, str]:
    """What a function put into `response.headers`."""
    if text is None:
        return {}
    wrong = RestError(
        500,
        "PGRST111",
        "response.headers guc must be a JSON array composed of objects with a single key and a string value",
    )
    try:
        pairs = [next(iter(item.items())) for item in json.loads(text) if len(item) == 1]
        found = {str(k): str(v) for k, v in pairs}
    except (ValueError, AttributeError, TypeError):
        raise wrong from None
    return found
