"""PostgREST's schema cache: the tables and columns it knows, and when it learns anew.

It is read from the catalog once, and again on `NOTIFY pgrst, 'reload schema'` (or `reload config`, or any other payload) and after
the listening connection was lost. In between it may be stale, as at the vendor: that is what PGRST204 and PGRST205 tell.
"""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import AsyncConnection, Notify

from runbook_lib.sandbox.facades.supabase.pool import connect_postgrest
from runbook_lib.sandbox.facades.supabase.state import RestSettings, SupabaseState
from runbook_lib.sandbox.world import World


@dataclass(frozen=True)
class Table:
    """A table or view: its columns in order, each with its type as Postgres prints it."""

    schema: str
    name: str
    columns: dict[str, str]


@dataclass
class Snapshot:
    """What one load learned."""

    settings: RestSettings
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    role_settings: dict[str, dict[str, str]] = field(default_factory=dict)


class SchemaCache:
    """Keeps the newest snapshot and the connection that listens for reloads."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._listener: AsyncConnection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = asyncio.Lock()
        self._snapshot: Snapshot | None = None
        self._base: RestSettings | None = None
        self._is_stale = False

    async def current(self) -> Snapshot:
        """The snapshot in force, after taking in every notification that has arrived and every setting that was changed.

        Raises:
            psycopg.Error: the database cannot be reached and nothing was ever loaded.
        """
        if self._loop is not asyncio.get_running_loop():
            if self._listener is not None:
                self._listener.pgconn.finish()  # of another loop, nothing can be awaited here
            self._loop, self._lock, self._listener = asyncio.get_running_loop(), asyncio.Lock(), None
        async with self._lock:
            try:
                await self._refresh()
            except psycopg.Error:
                await self.close()
                if self._snapshot is None:
                    raise
        assert self._snapshot is not None
        return self._snapshot

    async def close(self) -> None:
        """Stop listening."""
        if self._listener is not None:
            await self._listener.close()
        self._listener = None

    async def _refresh(self) -> None:
        settings = self._world.state(SupabaseState).rest
        if self._listener is None:
            self._listener = await connect_postgrest(self._world)
            self._listener.add_notify_handler(self._hear)
            await self._listener.execute("listen pgrst")
        else:
            # a round trip hands over every notification that was committed before it
            await self._listener.execute("")
            if not self._is_stale and self._base == settings:
                return
        self._is_stale = False
        self._snapshot = await self._load(self._listener)
        self._base = deepcopy(settings)

    def _hear(self, _: Notify) -> None:
        self._is_stale = True

    async def _load(self, connection: AsyncConnection) -> Snapshot:
        roles = await _role_settings(connection)
        settings = _settings(self._world.state(SupabaseState).rest, roles.get("authenticator", {}))
        snapshot = Snapshot(settings=settings, role_settings=roles)
        for schema, name, columns in await _rows(connection, _TABLES, {"schemas": settings.schemas}):
            snapshot.tables[schema, name] = Table(schema, name, {c["name"]: c["type"] for c in columns})
        return snapshot


def _settings(base: RestSettings, in_database: dict[str, str]) -> RestSettings:
    """The settings with what `alter role authenticator set pgrst.…` says laid over them."""
    said = {name.removeprefix("pgrst."): value for name, value in in_database.items() if name.startswith("pgrst.")}

    def names(key: str, otherwise: list[str]) -> list[str]:
        return [part.strip() for part in said[key].split(",") if part.strip()] if key in said else otherwise

    return replace(
        base,
        schemas=names("db_schemas", base.schemas),
        extra_search_path=names("db_extra_search_path", base.extra_search_path),
        max_rows=int(said["db_max_rows"]) if said.get("db_max_rows", "").isdigit() else base.max_rows,
    )


async def _rows(connection: AsyncConnection, query: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(query.encode(), values)
    return await cursor.fetchall()


async def _role_settings(connection: AsyncConnection) -> dict[str, dict[str, str]]:
    """Per role, the settings that PostgREST applies when it takes that role on (`alter role anon set statement_timeout …`)."""
    settings: dict[str, dict[str, str]] = {}
    for role, pairs in await _rows(connection, _ROLE_SETTINGS, {}):
        settings[role] = dict(pair.split("=", 1) for pair in pairs)
    return settings


_ROLE_SETTINGS = """
select r.rolname::text, array_agg(pair order by s.setdatabase) from pg_catalog.pg_roles r
left join pg_catalog.pg_db_role_setting s on s.setrole = r.oid
     and (s.setdatabase = 0 or (r.rolname = 'authenticator' and s.setdatabase =
          (select oid from pg_catalog.pg_database where datname = current_database())))
cross join unnest(s.setconfig) pair
left join pg_catalog.pg_settings known on known.name = split_part(pair, '=', 1)
where coalesce(known.context, 'user') = 'user'
group by r.rolname
"""

_TABLES = """
select n.nspname::text, c.relname::text,
       coalesce((select json_agg(json_build_object(
            'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod)) order by a.attnum)
          from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]')
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition and n.nspname = any(%(schemas)s)
"""
