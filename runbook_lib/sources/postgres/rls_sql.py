"""What schema public is protected by, as one statement of the catalogue, and the statement of who a user is; and their reading.

One statement and one JSON value each, so that the Management API, where every statement is a round trip, is asked once. All
expressions are Postgres' own rendering (pg_get_expr); with an empty search path every name in them is qualified.
Places are written {0}, {1} …; the two ways in spell them differently.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.core.model import Json
from runbook_lib.core.records.rights import (
    ApiRole,
    AppUser,
    Membership,
    PolicyFunction,
    ProtectedTable,
    RightsCatalogue,
    TablePolicy,
)

# SQLSTATEs of a text that is no value of the column's type at all
NO_SUCH_VALUE = ("22P02", "22007", "22008", "22003")
API_ROLES = ("anon", "authenticated", "service_role")
_ROLES = "array['anon', 'authenticated', 'service_role']"
# schemas that Supabase brings: what their functions do is known, and none of them is a team's helper
_BROUGHT = (
    "'pg_catalog', 'information_schema', 'auth', 'storage', 'realtime', 'extensions', 'graphql', 'graphql_public', "
    "'vault', 'pgbouncer', 'cron', 'net', 'supabase_functions', 'supabase_migrations'"
)

_TABLES = f"""
select c.relname as name, c.relkind as kind, c.relrowsecurity as rls, c.relforcerowsecurity as forced,
  pg_catalog.pg_get_userbyid(c.relowner)::text as owner, coalesce(c.reloptions::text, '') as options,
  (select pg_catalog.json_object_agg(r.rolname, array(
     select p from pg_catalog.unnest(array['select', 'insert', 'update', 'delete']) as p
     where pg_catalog.has_table_privilege(r.oid, c.oid, p)))
   from pg_catalog.pg_roles r where r.rolname = any ({_ROLES})) as grants,
  (select pg_catalog.json_object_agg(r.rolname, array(
     select p from pg_catalog.unnest(array['select', 'insert', 'update']) as p
     where pg_catalog.has_any_column_privilege(r.oid, c.oid, p)))
   from pg_catalog.pg_roles r where r.rolname = any ({_ROLES})) as column_grants,
  array(select a.attname::text from pg_catalog.pg_attribute a
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns
from pg_catalog.pg_class c
where c.relnamespace = 'public'::pg_catalog.regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
  and not exists (select 1 from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.deptype = 'e')
order by c.relname"""
POLICIES = f"""
select c.relname as "table", p.polname as name, p.polpermissive as permissive,
  case p.polcmd when 'r' then 'select' when 'a' then 'insert' when 'w' then 'update' when 'd' then 'delete' else 'all' end
    as command,
  array(select case when r = 0 then 'public' else pg_catalog.pg_get_userbyid(r)::text end
        from pg_catalog.unnest(p.polroles) as r order by 1) as roles,
  array(select a.rolname::text from pg_catalog.pg_roles a where a.rolname = any ({_ROLES})
        and exists (select 1 from pg_catalog.unnest(p.polroles) as r
                    where r = 0 or pg_catalog.pg_has_role(a.oid, r, 'usage')) order by 1) as applies_to,
  pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using, pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as "check",
  array(select distinct t.relname::text from pg_catalog.pg_depend d join pg_catalog.pg_class t on t.oid = d.refobjid
        where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'n'
          and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> p.polrelid
          and t.relnamespace = 'public'::pg_catalog.regnamespace) as refs
from pg_catalog.pg_policy p join pg_catalog.pg_class c on c.oid = p.polrelid
where c.relnamespace = 'public'::pg_catalog.regnamespace order by 1, 2"""
_FUNCTIONS = f"""
select n.nspname as "schema", f.proname as name, f.prosecdef as security_definer,
  pg_catalog.left(pg_catalog.pg_get_functiondef(f.oid), 4000) as body
from pg_catalog.pg_proc f join pg_catalog.pg_namespace n on n.oid = f.pronamespace
where n.nspname not in ({_BROUGHT}) and n.nspname not like 'pg\\_%' and f.prokind = 'f'
  and not exists (select 1 from pg_catalog.pg_depend d
                  where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = f.oid and d.deptype = 'e')
order by 1, 2, pg_catalog.pg_get_function_identity_arguments(f.oid) limit 2000"""
_API_ROLES = f"""
select rolname as name, rolbypassrls as bypass, rolsuper as super,
  pg_catalog.has_schema_privilege(oid, 'public', 'usage') as "schema"
from pg_catalog.pg_roles where rolname = any ({_ROLES}) order by 1"""

CATALOGUE = f"""
select pg_catalog.json_build_object(
  'version', pg_catalog.current_setting('server_version_num')::int,
  'tables', (select coalesce(pg_catalog.json_agg(x), '[]') from ({_TABLES}) x),
  'policies', (select coalesce(pg_catalog.json_agg(x), '[]') from ({POLICIES}) x),
  'functions', (select coalesce(pg_catalog.json_agg(x), '[]') from ({_FUNCTIONS}) x),
  'roles', (select coalesce(pg_catalog.json_agg(x), '[]') from ({_API_ROLES}) x)) as catalogue"""

USER = """
select u.id::text as id, u.deleted_at is not null as deleted,
  exists (select 1 from public.profiles p where p.id = u.id) as profile,
  (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object('org', m.org_id, 'role', m.role)
                                       order by m.created_at, m.org_id), '[]')
   from public.memberships m where m.user_id = u.id) as memberships,
  (select coalesce(pg_catalog.json_agg(i.org_id), '[]') from public.invitations i
   where pg_catalog.lower(i.email) = pg_catalog.lower(u.email) and i.accepted_at is null) as invited
from auth.users u where u.id::text = pg_catalog.lower({0}) or pg_catalog.lower(u.email) = pg_catalog.lower({0})
order by u.deleted_at nulls first limit 1"""
COLUMNS = """
select a.attname as name, pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
  coalesce(a.attnum = any (i.indkey), false) as key, c.relkind as kind, a.attgenerated <> '' as generated,
  a.attidentity = 'a' as always, a.attnotnull as required, pg_catalog.pg_get_expr(d.adbin, d.adrelid) as "default"
from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid
left join pg_catalog.pg_index i on i.indrelid = c.oid and i.indisprimary
left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
where c.relnamespace = 'public'::pg_catalog.regnamespace and c.relname = {0} and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and a.attnum > 0 and not a.attisdropped order by a.attnum"""

_NAME = re.compile(r'(?:"((?:[^"]|"")+)"|([a-z_][a-z0-9_$]*))\s*\(')


def read_catalogue(document: Mapping[str, Json]) -> RightsCatalogue:
    """The catalogue as the looks give it. Raises KeyError or TypeError for another shape."""
    functions = {f"{each['schema']}.{each['name']}": each for each in _rows(document, "functions")}
    policies = [_policy(each, functions) for each in _rows(document, "policies")]
    called = {name for policy in policies for name in policy["helpers"]}
    return RightsCatalogue(
        version=int(document["version"]),
        tables=[_table(each) for each in _rows(document, "tables")],
        policies=policies,
        functions=[
            PolicyFunction(
                name=name, security_definer=functions[name]["security_definer"], body=functions[name]["body"]
            )
            for name in sorted(called)
        ],
        roles=[
            ApiRole(name=each["name"], bypass=each["bypass"], super=each["super"], schema=each["schema"])
            for each in _rows(document, "roles")
        ],
    )


def _policy(row: Mapping[str, Json], functions: Mapping[str, Mapping[str, Json]]) -> TablePolicy:
    text = f"{row['using'] or ''} {row['check'] or ''}"
    own = [row["table"]] if _reads_itself(text, str(row["table"])) else []
    return TablePolicy(
        table=row["table"],
        name=row["name"],
        permissive=row["permissive"],
        command=row["command"],
        roles=row["roles"],
        applies_to=row["applies_to"],
        using=row["using"],
        check=row["check"],
        refs=sorted({*row["refs"], *own}),
        helpers=sorted(_closure(text, functions)),
    )


def _table(row: Mapping[str, Json]) -> ProtectedTable:
    return ProtectedTable(
        name=row["name"],
        kind=row["kind"],
        rls=row["rls"],
        forced=row["forced"],
        owner=row["owner"],
        grants=row["grants"],
        column_grants=row["column_grants"],
        columns=row["columns"],
        invoker=re.search(r"security_invoker=(?:true|on|1|yes)\b", str(row["options"])) is not None,
    )


def read_user(row: Mapping[str, Json]) -> AppUser:
    """A user as the looks give it. Raises KeyError or TypeError for another shape."""
    return AppUser(
        id=str(row["id"]),
        deleted=bool(row["deleted"]),
        profile=bool(row["profile"]),
        memberships=[Membership(org=str(each["org"]), role=str(each["role"])) for each in row["memberships"]],
        invited=[str(each) for each in row["invited"]],
    )


def places_of(table: str, columns: Sequence[Mapping[str, Json]]) -> tuple[str, str | None]:
    """The column that a row's id stands in, and the one that names its organization (None without one)."""
    names = [str(each["name"]) for each in columns]
    org = "id" if table == "organizations" else "org_id" if "org_id" in names else None
    keys = [str(each["name"]) for each in columns if each["key"] and each["name"] != org]
    return ("id" if "id" in names else keys[0] if keys else org or names[0]), org


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def with_places(statement: str, spell: str) -> str:
    """A statement with its places spelt: `$` for $1, $2 …; `%` for the driver's own (use `in_order` for its values)."""
    if spell == "$":
        return re.sub(r"\{(\d)\}", lambda found: f"${int(found[1]) + 1}::text", statement)
    return re.sub(r"\{\d\}", "%s::text", statement.replace("%", "%%"))


def in_order(statement: str, values: Sequence[Any]) -> list[Any]:
    """The values in the order in which their places stand."""
    return [values[int(number)] for number in re.findall(r"\{(\d)\}", statement)]


def _reads_itself(text: str, table: str) -> bool:
    """Whether a policy's subquery reads the policy's own table. What depends on what does not tell: the policy does, anyway."""
    name = rf"(?:public\.)?\"?{re.escape(table)}\"?"
    return re.search(rf"\b(?:FROM|JOIN)\s+\(*(?:ONLY\s+)?{name}(?![\w.])", text) is not None


def _closure(text: str, functions: Mapping[str, Mapping[str, Json]]) -> set[str]:
    """The functions that a text calls, and those that these call."""
    by_name: dict[str, list[str]] = {}
    for name in functions:
        by_name.setdefault(name.partition(".")[2], []).append(name)
    found: set[str] = set()
    waiting = [text]
    while waiting:
        for match in _NAME.finditer(waiting.pop()):
            for name in by_name.get(match[1] or match[2], ()):
                if name not in found:
                    found.add(name)
                    waiting.append(str(functions[name]["body"]))
    return found


def _rows(document: Mapping[str, Json], key: str) -> list[dict[str, Json]]:
    rows = document[key]
    if not isinstance(rows, list) or any(not isinstance(row, dict) for row in rows):
        raise TypeError(f"{key} is no list of objects")
    return rows
