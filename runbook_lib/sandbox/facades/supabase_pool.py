"""Database connections of the Supabase façades: a small pool that fails the way PostgREST's does.

A connection logs in as the world's superuser and at once becomes `authenticator` (SET SESSION AUTHORIZATION), so that
`SET LOCAL ROLE` afterwards obeys the same memberships as at the vendor. The slots that Postgres reserves for superusers are
left alone, so that a full server refuses us as it refuses PostgREST.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psycopg
from psycopg import AsyncConnection

from runbook_lib.sandbox.facades.supabase_state import SupabaseState
from runbook_lib.sandbox.world import World


class PoolTimeout(Exception):
    """No connection came free in time."""


class Pool:
    """At most `pool_size` connections, kept between requests; bound to one event loop at a time."""

    def __init__(self, world: World, login_role: str | None = "authenticator") -> None:
        self._world = world
        self._login_role = login_role
        self._idle: list[AsyncConnection] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places: asyncio.Semaphore | None = None
        self._size = 0
        self._dsn: str | None = None

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one transaction; rolled back and closed when its user failed in a way that broke it.

        Raises:
            PoolTimeout: none came free within the pool's waiting time.
            psycopg.OperationalError: the database refused or could not be reached.
        """
        places = self._here()
        try:
            await asyncio.wait_for(places.acquire(), self._world.state(SupabaseState).rest.pool_wait_s)
        except TimeoutError:
            raise PoolTimeout from None
        try:
            connection = await self._take()
            try:
                yield connection
            finally:
                await self._give_back(connection)
        finally:
            places.release()

    async def close(self) -> None:
        """Close what is idle."""
        idle, self._idle = self._idle, []
        for connection in idle:
            await connection.close()

    def _here(self) -> asyncio.Semaphore:
        """The semaphore of the running loop; connections of another loop or another database are let go."""
        loop, size = asyncio.get_running_loop(), self._world.state(SupabaseState).rest.pool_size
        if self._places is None or (self._loop, self._size, self._dsn) != (loop, size, self._world.database):
            self._idle.clear()
            self._loop, self._size, self._dsn = loop, size, self._world.database
            self._places = asyncio.Semaphore(size)
        return self._places

    async def _take(self) -> AsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            if await _is_alive(connection):
                return connection
            await connection.close()
        return await self.connect()

    async def connect(self) -> AsyncConnection:
        """A fresh connection outside the pool, logged in as the login role."""
        if self._world.database is None:
            raise psycopg.OperationalError("the sandbox has no database")
        name = "postgrest" if self._login_role else "supabase"
        connection = await AsyncConnection.connect(self._world.database, autocommit=True, application_name=name)
        if self._login_role:
            await _leave_reserved_slots(connection)
            await connection.execute(f'set session authorization "{self._login_role}"'.encode())
        return connection

    async def _give_back(self, connection: AsyncConnection) -> None:
        status = connection.info.transaction_status
        if status != psycopg.pq.TransactionStatus.IDLE and not connection.closed:
            with contextlib.suppress(psycopg.Error):
                await connection.rollback()
        if connection.closed or connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            await connection.close()
        else:
            self._idle.append(connection)


async def _leave_reserved_slots(connection: AsyncConnection) -> None:
    """Refuse what only a superuser could have had: more client connections than the server grants to others."""
    cursor = await connection.execute(
        "select count(*) > current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - current_setting('reserved_connections')::int from pg_catalog.pg_stat_activity where backend_type = 'client backend'"
    )
    row = await cursor.fetchone()
    if row and row[0]:
        await connection.close()
        raise psycopg.errors.TooManyConnections(
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute"
        )


async def _is_alive(connection: AsyncConnection) -> bool:
    """Whether an idle connection still answers: a restarted database leaves dead ones behind."""
    try:
        await connection.execute("")
    except psycopg.Error:
        return False
    return True
