"""SQL in the sandbox's Postgres: what it breaks, and how it is undone."""

import contextlib

import psycopg

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive


@primitive
async def sql(
    breakage: Breakage,
    statement: str,
    undo: str = "",
    role: str = "supabase_admin",
    hold: bool = False,
    connections: int = 0,
) -> None:
    """Any SQL runs in the sandbox's Postgres.

    role: supabase_admin (superuser) or postgres (owner of NexusCore's tables). hold: run it in a transaction that
    stays open until healed (a lock). connections: besides, hold so many idle connections open. undo: SQL that heals
    it; without it the whole database, and what was set for Supabase's roles, is put back to what it was when the
    sandbox came up. Settings of roles reach PostgREST after `notify pgrst, 'reload config'`.
    """
    postgres = breakage.system.postgres
    if role not in postgres.passwords:
        raise UsageError("The role is supabase_admin or postgres", came_back=role)
    held: list[psycopg.AsyncConnection[tuple[object, ...]]] = []

    async def close() -> None:
        for connection in held:
            with contextlib.suppress(psycopg.Error):
                await connection.close()

    breakage.on_heal(close)
    dsn = postgres.dsn(role)
    try:
        for _ in range(connections):
            held.append(await psycopg.AsyncConnection.connect(dsn, autocommit=True))
        if hold:
            connection = await psycopg.AsyncConnection.connect(dsn)
            held.append(connection)
            await connection.execute(statement.encode())
        elif statement.strip():
            async with postgres.connect(role) as connection:
                await connection.execute(statement.encode())
    except psycopg.Error as error:
        raise UsageError("The SQL was refused", came_back=str(error).strip()) from error
    if undo:

        async def reverse() -> None:
            async with postgres.connect(role) as connection:
                await connection.execute(undo.encode())
                await connection.execute("notify pgrst, 'reload schema'")

        breakage.on_heal(reverse)
    elif not hold and statement.strip():
        breakage.is_database_changed = True
