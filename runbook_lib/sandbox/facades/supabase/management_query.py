"""SQL over the Management API: rows as JSON, read-only or not, with the vendor's wording of errors.

Source: Management API reference (POST /database/query and /database/query/read-only); rows are shaped as supabase's postgres-meta
gives them: bigint as number, numeric, uuid, dates and times as Postgres' own text.
"""

import decimal
import json
from typing import Any

import psycopg
from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import dict_row
from psycopg.types.string import TextLoader

from runbook_lib.sandbox.world import World

READ_ONLY_ROLE = "supabase_read_only_user"
OWNER_ROLE = "postgres"
_AS_TEXT = ("date", "time", "timetz", "timestamp", "timestamptz", "interval", "numeric", "uuid", "inet", "cidr")


class QueryFailed(Exception):
    """The database refused; the message is what the vendor's API says of it."""


async def run_query(world: World, sql: str, parameters: list[Any] | None, *, read_only: bool) -> list[dict[str, Any]]:
    """The rows of a query (of the last statement that gave any), each as a dict.

    Read-only runs as `supabase_read_only_user` in a read-only transaction and without a search path, so that names must be
    qualified by their schema; otherwise as `postgres`, the owner of the project's tables.

    Raises:
        QueryFailed: the database refused the query, or could not be reached.
    """
    try:
        connection = await _connect(world, read_only=read_only)
        try:
            return await _rows(connection, sql, parameters)
        finally:
            await connection.close()
    except psycopg.Error as error:
        raise QueryFailed(_worded(error, sql)) from error


async def _connect(world: World, *, read_only: bool) -> AsyncConnection:
    if world.database is None:
        raise psycopg.OperationalError("the sandbox has no database")
    connection = await AsyncConnection.connect(world.database, autocommit=True, application_name="postgres-meta")
    for name in _AS_TEXT:
        connection.adapters.register_loader(name, TextLoader)
    role = READ_ONLY_ROLE if read_only else OWNER_ROLE
    await connection.execute(f"set session authorization {role}".encode())
    await connection.execute("set statement_timeout = '120s'")
    if read_only:
        await connection.execute("set default_transaction_read_only = on")
        await connection.execute("set search_path = ''")
    return connection


async def _rows(connection: AsyncConnection, sql: str, parameters: list[Any] | None) -> list[dict[str, Any]]:
    if parameters:
        raw = AsyncRawCursor(connection, row_factory=dict_row)
        await raw.execute(sql.encode(), parameters)
        rows = await raw.fetchall() if raw.description else []
        return [_plain(row) for row in rows]
    cursor = connection.cursor(row_factory=dict_row)
    await cursor.execute(sql.encode())  # without parameters several statements may come at once
    found: list[dict[str, Any]] = []
    while True:
        if cursor.description:
            rows = await cursor.fetchall()
            found = rows or found
        if not cursor.nextset():
            return [_plain(row) for row in found]


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(value) for name, value in row.items()}


def _value(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int | float | list | dict):
        return value if not isinstance(value, list) else [_value(v) for v in value]
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    return json.loads(json.dumps(value, default=str))


def _worded(error: psycopg.Error, sql: str) -> str:
    if error.sqlstate is None:
        return f"Failed to run sql query: {str(error).strip()}"
    diagnosis = error.diag
    lines = [f"ERROR:  {error.sqlstate}: {diagnosis.message_primary}"]
    if diagnosis.statement_position and diagnosis.statement_position.isdigit():
        at = int(diagnosis.statement_position) - 1
        number = sql.count("\n", 0, at)
        line = sql.split("\n")[number]
        lead = f"LINE {number + 1}: "
        lines += [f"{lead}{line}", " " * (len(lead) + at - (sql.rfind("\n", 0, at) + 1)) + "^"]
    lines += [
        f"{name}:  {text}"
        for name, text in (("DETAIL", diagnosis.message_detail), ("HINT", diagnosis.message_hint))
        if text
    ]
    return "Failed to run sql query: " + "\n".join(lines) + "\n"
