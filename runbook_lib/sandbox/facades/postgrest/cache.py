"""PostgREST's schema cache: the tables, columns, relationships and functions it knows, and when it learns anew.

It is read from the catalog once, and again on `NOTIFY pgrst, 'reload schema'` (or `reload config`, or any other payload) and after
the listening connection was lost. In between it may be stale, as at the vendor: that is what PGRST204 and PGRST205 tell.
"""

import asyncio
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg import AsyncConnection, Notify

from runbook_lib.sandbox.facades.postgrest.relationships import Relationship, relationships_of
from runbook_lib.sandbox.facades.supabase.pool import connect_postgrest
from runbook_lib.sandbox.facades.supabase.state import RestSettings, SupabaseState
from runbook_lib.sandbox.world import World


@dataclass(frozen=True)
class Column:
    """A column: its name, its type as Postgres prints it, and its default as an expression (None: no default)."""

    name: str
    type: str
    default: str | None


@dataclass(frozen=True)
class Table:
    """A table or view with its columns in order and its primary key (empty: none)."""

    schema: str
    name: str
    columns: dict[str, Column]
    primary_key: tuple[str, ...]


@dataclass(frozen=True)
class Parameter:
    """A parameter of a function; `name` is empty for an unnamed one."""

    name: str
    type: str
    required: bool
    variadic: bool


@dataclass(frozen=True)
class Function:
    """A function that can be called over /rpc. `returns`: void, scalar or composite."""

    schema: str
    name: str
    parameters: tuple[Parameter, ...]
    returns: str
    is_set: bool
    volatility: str
    table: tuple[str, str] | None


@dataclass
class Snapshot:
    """What one load learned."""

    settings: RestSettings
    tables: dict[tuple[str, str], Table] = field(default_factory=dict)
    relationships: dict[tuple[str, str], list[Relationship]] = field(default_factory=dict)
    functions: dict[tuple[str, str], list[Function]] = field(default_factory=dict)
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
        exposed = {"schemas": settings.schemas}
        for schema, name, columns, key in await _rows(connection, _TABLES, exposed):
            known = {c["name"]: Column(c["name"], c["type"], c["default"]) for c in columns}
            snapshot.tables[schema, name] = Table(schema, name, known, tuple(key or ()))
        foreign_keys = await _rows(connection, _FOREIGN_KEYS, {})
        snapshot.relationships = relationships_of(foreign_keys, {k: t.primary_key for k, t in snapshot.tables.items()})
        for row in await _rows(connection, _FUNCTIONS, exposed):
            function = _function(*row)
            snapshot.functions.setdefault((function.schema, function.name), []).append(function)
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
        plan_enabled=said["db_plan_enabled"] == "true" if "db_plan_enabled" in said else base.plan_enabled,
        aggregates_enabled=said.get("db_aggregates_enabled") == "true" or base.aggregates_enabled,
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


def _function(
    schema: str,
    name: str,
    parameters: list[dict[str, Any]] | None,
    returns: str,
    is_set: bool,
    volatility: str,
    table: Any,
) -> Function:
    known = tuple(Parameter(p["name"], p["type"], p["required"], p["variadic"]) for p in parameters or [])
    return Function(schema, name, known, returns, is_set, volatility, tuple(table) if table else None)


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
            'name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
            'default', case when a.attidentity <> '' then 'nextval(' || quote_literal(
                    pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname)) || ')'
                 when a.attgenerated <> '' then null
                 else pg_get_expr(d.adbin, d.adrelid) end) order by a.attnum)
          from pg_catalog.pg_attribute a
          left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]'),
       (select array_agg(a.attname::text order by place.nth) from pg_catalog.pg_constraint k
          cross join lateral unnest(k.conkey) with ordinality as place(attnum, nth)
          join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum = place.attnum
          where k.conrelid = c.oid and k.contype = 'p')
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'f', 'p') and not c.relispartition and n.nspname = any(%(schemas)s)
"""

_FOREIGN_KEYS = """
select k.conname::text, n.nspname::text, c.relname::text, fn.nspname::text, f.relname::text,
       (select array_agg(a.attname::text order by place.nth) from unnest(k.conkey) with ordinality as place(attnum, nth)
          join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = place.attnum),
       (select array_agg(a.attname::text order by place.nth) from unnest(k.confkey) with ordinality as place(attnum, nth)
          join pg_catalog.pg_attribute a on a.attrelid = k.confrelid and a.attnum = place.attnum),
       exists (select 1 from pg_catalog.pg_constraint u where u.conrelid = k.conrelid and u.contype in ('p', 'u')
                 and u.conkey @> k.conkey and u.conkey <@ k.conkey)
from pg_catalog.pg_constraint k
join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace
join pg_catalog.pg_class f on f.oid = k.confrelid join pg_catalog.pg_namespace fn on fn.oid = f.relnamespace
where k.contype = 'f' and k.conparentid = 0 order by k.conname
"""

_FUNCTIONS = """
select n.nspname::text, p.proname::text,
       (select json_agg(json_build_object(
            'name', coalesce(p.proargnames[arg.nth], ''), 'type', pg_catalog.format_type(arg.type, null),
            'required', arg.nth_in <= p.pronargs - p.pronargdefaults, 'variadic', arg.mode = 'v') order by arg.nth)
          from (select type, nth, mode, row_number() over (order by nth) as nth_in
                  from (select each.type, each.nth, coalesce(p.proargmodes[each.nth]::text, 'i') as mode
                          from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality as each(type, nth)
                       ) marked
                 where mode in ('i', 'b', 'v')) arg),
       case when t.typname = 'void' then 'void'
            when t.typtype = 'c' or coalesce(p.proargmodes::text[] && '{o,t,b}', false) then 'composite' else 'scalar' end,
       p.proretset, p.provolatile::text,
       case when t.typtype = 'c' then (select array[rn.nspname::text, r.relname::text] from pg_catalog.pg_class r
            join pg_catalog.pg_namespace rn on rn.oid = r.relnamespace where r.oid = t.typrelid) end
from pg_catalog.pg_proc p
join pg_catalog.pg_namespace n on n.oid = p.pronamespace
join pg_catalog.pg_type t on t.oid = p.prorettype
where p.prokind = 'f' and n.nspname = any(%(schemas)s) and t.typname not in ('trigger', 'event_trigger')
"""
