"""What the role of RUNBOOK_DATABASE_URL may do, by Postgres' own catalogue: by itself, and as every role that it may become."""

from runbook_lib.core.model import Answer, Json
from runbook_lib.core.records.keys import KeyReach
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import iso_of_moment, require_setting

_RIGHTS = """
with mine as (
  select oid, rolname, rolsuper, rolbypassrls, rolcreaterole
  from pg_catalog.pg_roles where pg_catalog.pg_has_role(current_user, oid, 'MEMBER')
), places as (
  select oid from pg_catalog.pg_namespace
  where nspname not in ('pg_catalog', 'information_schema') and nspname !~ '^pg_(toast|temp)'
)
select current_user as role,
  (select pg_catalog.bool_or(rolsuper) from mine) as is_superuser,
  (select pg_catalog.bool_or(rolbypassrls) from mine) as bypasses_rls,
  (select pg_catalog.bool_or(rolcreaterole) from mine) as creates_roles,
  (select pg_catalog.bool_or(rolname in ('pg_write_server_files', 'pg_execute_server_program')) from mine) as leaves_the_database,
  (select case when pg_catalog.isfinite(rolvaliduntil) then rolvaliduntil end
   from pg_catalog.pg_roles where rolname = current_user) as valid_until,
  (select count(distinct c.oid) from pg_catalog.pg_class c join places on places.oid = c.relnamespace cross join mine
   where c.relkind in ('r', 'p', 'v', 'f') and pg_catalog.has_schema_privilege(mine.oid, places.oid, 'USAGE')
     and pg_catalog.has_table_privilege(mine.oid, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')) as writable,
  (select count(distinct places.oid) from places cross join mine
   where pg_catalog.has_schema_privilege(mine.oid, places.oid, 'CREATE')) as creates_in,
  (select pg_catalog.array_agg(rolname::text order by rolname::text) from mine
   where rolname <> current_user and rolname !~ '^pg_') as becomes
"""

_WRITES = ("is_superuser", "creates_roles", "leaves_the_database", "writable", "creates_in")


def reach() -> Look[KeyReach]:
    """What the role may do. It can write where it, or a role that it may become, may change a row or make an object."""

    def fetch(door: Door) -> Answer[KeyReach]:
        row = door.sql.query(require_setting(door, "database_url"), _RIGHTS)[0]
        return Answer.of(
            KeyReach(
                name="RUNBOOK_DATABASE_URL",
                can_write=any(row[each] for each in _WRITES),
                opens=_opens(row),
                expires_at=iso_of_moment(row["valid_until"]) if row["valid_until"] else None,
            )
        )

    return Look("postgres", "reach", {"name": "RUNBOOK_DATABASE_URL"}, fetch)


def _opens(row: dict[str, Json]) -> str:
    told = [f"as {row['role']}"]
    if row["is_superuser"]:
        return f"{told[0]}: a superuser, everything on the server"
    if row["becomes"]:
        told.append(f"which may become {', '.join(row['becomes'])}")
    told.append(f"writes to {row['writable']} tables" if row["writable"] else "writes to no table")
    if row["bypasses_rls"]:
        told.append("sees past row-level security")
    if row["creates_in"]:
        told.append(f"makes objects in {row['creates_in']} schemas")
    return ", ".join(told)
