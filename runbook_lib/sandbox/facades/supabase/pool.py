"""Database connections of the Supabase façades: small pools that fail the way the vendor's services do.

PostgREST's pool really logs in as `authenticator`, whose password the sandbox sets once: `SET LOCAL ROLE`, the server's limit of
connections, its settings for the role and `pg_stat_activity` are then what they are at the vendor. Auth's connections become
`supabase_auth_admin`.
"""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Callable, Coroutine

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import make_conninfo

from runbook_lib.sandbox.facades.supabase.state import SupabaseState
from runbook_lib.sandbox.world import World

_CONNECT_TIMEOUT_S = 5


class PoolTimeout(Exception):
    """No connection came free in time."""


class Pool:
    """At most so many connections as the world's settings say, kept between requests; bound to one event loop at a time."""

    def __init__(self, world: World, connect: Callable[[World], Coroutine[None, None, AsyncConnection]]) -> None:
        self._world = world
        self._connect = connect
        self._idle: list[AsyncConnection] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._places: asyncio.Semaphore | None = None
        self._made_for: tuple[int, str | None] = (0, None)

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one transaction; what is left open in it is rolled back.

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
        loop = asyncio.get_running_loop()
        wanted = (self._world.state(SupabaseState).rest.pool_size, self._world.database)
        if self._places is None or self._loop is not loop or self._made_for != wanted:
            for connection in self._idle:
                connection.pgconn.finish()  # of another loop, nothing can be awaited here
            self._idle.clear()
            self._loop, self._made_for = loop, wanted
            self._places = asyncio.Semaphore(wanted[0])
        return self._places

    async def _take(self) -> AsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            if await _is_alive(connection):
                return connection
            await connection.close()
        return await self._connect(self._world)

    async def _give_back(self, connection: AsyncConnection) -> None:
        idle = psycopg.pq.TransactionStatus.IDLE
        if not connection.closed and connection.info.transaction_status != idle:
            with contextlib.suppress(psycopg.Error):
                await connection.rollback()
        if connection.closed or connection.info.transaction_status != idle:
            await connection.close()
        else:
            self._idle.append(connection)


async def connect_postgrest(world: World) -> AsyncConnection:
    """A connection as `authenticator`, as PostgREST makes it.

    Raises:
        psycopg.OperationalError: the database refused or could not be reached.
    """
    state = world.state(SupabaseState)
    password = authenticator_password(world)
    if state.prepared_database != world.database:
        async with await _as_superuser(world, "sandbox") as superuser:
            await superuser.execute(
                "set default_transaction_read_only = off"
            )  # a read-only project has its password too
            await superuser.execute(f"alter role authenticator password '{password}'".encode())
        state.prepared_database = world.database
    conninfo = make_conninfo(world.database or "", user="authenticator", password=password)
    return await _connect(world, conninfo, "postgrest")


async def connect_auth(world: World) -> AsyncConnection:
    """A connection that acts as `supabase_auth_admin`, the owner of Auth's tables.

    Raises:
        psycopg.OperationalError: the database refused or could not be reached.
    """
    connection = await _as_superuser(world, "supabase_auth")
    await connection.execute("set session authorization supabase_auth_admin")
    return connection


def authenticator_password(world: World) -> str:
    """The password that this sandbox gives to `authenticator`."""
    return hashlib.sha256(f"authenticator/{world.keys.supabase_jwt_secret}".encode()).hexdigest()


async def _as_superuser(world: World, name: str) -> AsyncConnection:
    if world.database is None:
        raise psycopg.OperationalError("the sandbox has no database")
    return await _connect(world, world.database, name)


async def _connect(world: World, conninfo: str, name: str) -> AsyncConnection:
    connection = await AsyncConnection.connect(
        conninfo, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S, application_name=name
    )
    world.state(SupabaseState).connections.add(connection)
    return connection


def let_go(world: World) -> None:
    """End every connection of the project's services at once, whichever event loop it was made in."""
    for connection in list(world.state(SupabaseState).connections):
        connection.pgconn.finish()


async def _is_alive(connection: AsyncConnection) -> bool:
    """Whether an idle connection still answers: a restarted database leaves dead ones behind."""
    try:
        await connection.execute("")
    except psycopg.Error:
        return False
    return True
