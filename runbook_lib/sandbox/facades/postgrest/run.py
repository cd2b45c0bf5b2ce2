"""One request's transaction: take on the role, set what policies may read, run the statement, and word the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from starlette.responses import Response

from runbook_lib.sandbox.facades.postgrest.cache import Snapshot
from runbook_lib.sandbox.facades.postgrest.errors import RestError
from runbook_lib.sandbox.facades.postgrest.headers import content_range, range_status
from runbook_lib.sandbox.facades.postgrest.plan import Asked, Plan


@dataclass(frozen=True)
class Context:
    """Who asks and how: what `request.*` settings and policies see."""

    role: str
    claims: dict[str, Any]
    method: str
    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Result:
    """What the statement gave. `total`: the number of rows without the range; None where nobody asked for it."""

    rows: int
    body: str
    total: int | None


async def run(connection: AsyncConnection, context: Context, asked: Asked, plan: Plan, snapshot: Snapshot) -> Response:
    """Run the plan in its transaction and answer.

    Raises:
        psycopg.Error: whatever Postgres refuses.
        RestError: the range begins after the last row.
    """
    mode = "read only" if plan.kind == "read" else "read write"
    await connection.execute(f"begin isolation level read committed {mode}".encode())
    await _set_up(connection, context, snapshot)
    answer = _worded(asked, plan, await _statement(connection, asked, plan))
    await connection.execute("commit")
    return answer


async def _set_up(connection: AsyncConnection, context: Context, snapshot: Snapshot) -> None:
    """Role, role settings, claims and the request's own facts, all for this transaction only."""
    cookies = dict(pair.strip().split("=", 1) for pair in context.headers.get("cookie", "").split(";") if "=" in pair)
    searched = dict.fromkeys([snapshot.settings.schemas[0], *snapshot.settings.extra_search_path])
    settings = {
        "search_path": ", ".join(f'"{s}"' for s in searched),
        **snapshot.role_settings.get(context.role, {}),
        "request.jwt.claims": json.dumps(context.claims),
        "request.method": context.method,
        "request.path": context.path,
        "request.headers": json.dumps({k: v for k, v in context.headers.items() if k != "cookie"}),
        "request.cookies": json.dumps(cookies),
    }
    names = {f"n{i}": name for i, name in enumerate(settings)}
    values = {f"v{i}": value for i, value in enumerate(settings.values())}
    calls = ", ".join(f"set_config(%(n{i})s, %(v{i})s, true)" for i in range(len(settings)))
    await connection.execute(f"select {calls}".encode(), {**names, **values})
    await connection.execute("select set_config('role', %(role)s, true)", {"role": context.role})


async def _statement(connection: AsyncConnection, asked: Asked, plan: Plan) -> Result:
    rows, body = await _row(connection, plan.sql, plan)
    total = rows if asked.preferences.get("count") else None
    if plan.count_sql is not None:
        (total,) = await _row(connection, f"select count(*) from ({plan.count_sql}) counted", plan)
    return Result(rows, body, total)


async def _row(connection: AsyncConnection, sql: str, plan: Plan) -> tuple[Any, ...]:
    cursor = await connection.execute(sql.encode(), plan.values.bound)
    row = await cursor.fetchone()
    assert row is not None
    return row


def _worded(asked: Asked, plan: Plan, result: Result) -> Response:
    named = {"Content-Profile": asked.schema} if plan.names_schema else {}
    if plan.kind == "read":
        lower, upper = plan.offset, plan.offset + result.rows - 1
        status = range_status(lower, upper, result.total)
        headers = {
            "Content-Range": content_range(lower, upper, result.total),
            **asked.preferences.applied_header("count"),
        }
        if status == 416:
            why = f"An offset of {lower} was requested, but there are only {result.total} rows."
            raise RestError(416, "PGRST103", "Requested range not satisfiable", why, headers={**headers, **named})
    else:
        is_insert = plan.kind == "insert"
        status = 201 if is_insert else 200 if plan.returns_body else 204
        covered = (1, 0) if is_insert else (0, result.rows - 1)
        headers = {
            "Content-Range": content_range(*covered, result.total),
            **asked.preferences.applied_header("return", "count"),
        }
    body = result.body if plan.returns_body else ""
    if plan.returns_body:
        headers |= {"Content-Type": "application/json; charset=utf-8", **named}
    return Response(b"" if asked.method == "HEAD" else body, status_code=status, headers=headers)
