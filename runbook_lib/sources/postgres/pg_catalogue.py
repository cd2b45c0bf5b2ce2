"""What a database's schema is, as named definitions that can be held against another's: one row an object, in Postgres's words.

Both databases must be asked with the same empty search_path (`databases` sees to it), so that every name is written in full.
Members of extensions are the extension's business and are left out; so are the schemas of the system and of the platform.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runbook_lib.core.records.schema import SchemaDifference

Catalogue = Mapping[str, Mapping[str, str]]
Rows = Callable[[str, Sequence[Any]], Iterable[Mapping[str, Any]]]

# Schemas that Supabase fills itself and rebuilds with a project; a dump leaves them out, and so does a comparison.
MANAGED = (
    "graphql", "graphql_public", "pgbouncer", "realtime", "_realtime", "supabase_functions", "vault", "pgsodium",
    "pgsodium_masks", "net", "_analytics", "supabase_migrations",
)  # fmt: skip

_BODIES = ("function", "trigger", "view")
_SCHEMAS = r"""
with own as (
  select n.oid, n.nspname, n.nspowner, n.nspacl from pg_namespace n
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and n.nspname <> all (%s)
    and not exists (select 1 from pg_depend d where d.classid = 'pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
),
member as (select classid, objid from pg_depend where deptype = 'e'),
rel as (
  select c.*, format('%%I.%%I', own.nspname, c.relname) as name from pg_class c join own on own.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    and not exists (select 1 from member m where m.classid = 'pg_class'::regclass and m.objid = c.oid)
),
fn as (
  select p.*, format('%%I.%%I(%%s)', own.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) as name
  from pg_proc p join own on own.oid = p.pronamespace
  where not exists (select 1 from member m where m.classid = 'pg_proc'::regclass and m.objid = p.oid)
),
ty as (
  select t.*, format('%%I.%%I', own.nspname, t.typname) as name from pg_type t join own on own.oid = t.typnamespace
  where t.typtype in ('e', 'd', 'c', 'r') and (t.typrelid = 0 or (select relkind from pg_class where oid = t.typrelid) = 'c')
    and not exists (select 1 from member m where m.classid = 'pg_type'::regclass and m.objid = t.oid)
),
acl as (
  select 'schema ' || quote_ident(nspname) as name, coalesce(nspacl, acldefault('n', nspowner)) as held, nspowner as owner from own
  union all select (case relkind when 'S' then 'sequence ' else 'table ' end) || name,
    coalesce(relacl, acldefault((case relkind when 'S' then 's' else 'r' end)::"char", relowner)), relowner from rel
  union all select 'function ' || name, coalesce(proacl, acldefault('f', proowner)), proowner from fn
  union all select 'column ' || rel.name || '.' || quote_ident(a.attname), a.attacl, relowner
    from rel join pg_attribute a on a.attrelid = rel.oid where a.attacl is not null and not a.attisdropped
)
"""
_PARTS = (
    ("schema", "select nspname::text as name, '' as definition from own"),
    ("extension", "select extname::text, '' from pg_extension where extname <> 'plpgsql'"),
    (
        "type",
        """select name, case typtype
             when 'e' then 'enum ' || (select string_agg(quote_literal(enumlabel), ',' order by enumsortorder)
                                       from pg_enum where enumtypid = ty.oid)
             when 'd' then 'domain ' || format_type(typbasetype, typtypmod) || coalesce(' default ' || typdefault, '')
                           || (case when typnotnull then ' not null' else '' end)
             when 'c' then 'composite ' || (select string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod),
                                                              ',' order by attnum)
                                            from pg_attribute where attrelid = ty.typrelid and attnum > 0 and not attisdropped)
             else 'range' end from ty""",
    ),
    (
        "table",
        """select name, relkind::text || relpersistence::text || coalesce(' ' || pg_get_partkeydef(oid), '')
             || coalesce(' ' || pg_get_expr(relpartbound, oid), '') from rel where relkind in ('r', 'p', 'f')""",
    ),
    (
        "rls",
        "select name, 'enabled ' || relrowsecurity || ', forced ' || relforcerowsecurity from rel where relkind in ('r', 'p')",
    ),
    (
        "column",
        """select rel.name || '.' || quote_ident(a.attname), format_type(a.atttypid, a.atttypmod)
             || (case when a.attnotnull then ' not null' else '' end)
             || (case when a.attgenerated <> '' then ' generated ' || a.attgenerated::text else '' end)
             || (case when a.attidentity <> '' then ' identity ' || a.attidentity::text else '' end)
             || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
           from rel join pg_attribute a on a.attrelid = rel.oid and a.attnum > 0 and not a.attisdropped
           left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where relkind in ('r', 'p', 'f')""",
    ),
    (
        "constraint",
        """select rel.name || '.' || quote_ident(k.conname), pg_get_constraintdef(k.oid)
           from pg_constraint k join rel on rel.oid = k.conrelid where k.contype not in ('n', 't')""",
    ),
    (
        "index",
        """select rel.name || '.' || quote_ident(i.relname), pg_get_indexdef(i.oid)
           from pg_index x join rel on rel.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
           where not exists (select 1 from pg_constraint k where k.conindid = i.oid and k.conrelid = rel.oid)""",
    ),
    ("view", "select name, relkind::text || ' ' || pg_get_viewdef(oid) from rel where relkind in ('v', 'm')"),
    (
        "function",
        "select name, case when prokind in ('f', 'p', 'w') then pg_get_functiondef(oid) else 'aggregate' end from fn",
    ),
    (
        "trigger",
        """select rel.name || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid) || ' ' || t.tgenabled::text
           from pg_trigger t join rel on rel.oid = t.tgrelid where not t.tgisinternal""",
    ),
    (
        "policy",
        """select rel.name || '.' || quote_ident(p.polname),
             (case when p.polpermissive then 'permissive ' else 'restrictive ' end) || p.polcmd::text || ' to '
             || coalesce((select string_agg(coalesce(r.rolname, 'public'), ',' order by 1)
                          from unnest(p.polroles) o left join pg_roles r on r.oid = o), '')
             || coalesce(' using ' || pg_get_expr(p.polqual, p.polrelid), '')
             || coalesce(' check ' || pg_get_expr(p.polwithcheck, p.polrelid), '')
           from pg_policy p join rel on rel.oid = p.polrelid""",
    ),
    (
        "sequence",
        """select rel.name, format('%%s start %%s by %%s from %%s to %%s cycle %%s', format_type(s.seqtypid, null),
             s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcycle)
           from pg_sequence s join rel on rel.oid = s.seqrelid""",
    ),
    (
        "grant",
        """select acl.name || ' to ' || coalesce(r.rolname, 'public'),
             string_agg(e.privilege_type || (case when e.is_grantable then '*' else '' end), ',' order by e.privilege_type)
           from acl cross join aclexplode(acl.held) e left join pg_roles r on r.oid = e.grantee
           where e.grantee <> acl.owner group by acl.name, r.rolname""",
    ),
    (
        "default_grant",
        """select own.nspname::text || ' ' || r.rolname || ' ' || d.defaclobjtype::text || ' to ' || coalesce(g.rolname, 'public'),
             string_agg(e.privilege_type, ',' order by e.privilege_type)
           from pg_default_acl d join own on own.oid = d.defaclnamespace join pg_roles r on r.oid = d.defaclrole
           cross join aclexplode(d.defaclacl) e left join pg_roles g on g.oid = e.grantee
           group by own.nspname, r.rolname, d.defaclobjtype, g.rolname""",
    ),
    ("owner", "select name, pg_get_userbyid(relowner)::text from rel"),
    (
        "event_trigger",
        "select evtname::text, evtevent || ' ' || evtfoid::regproc::text || ' ' || evtenabled::text from pg_event_trigger",
    ),
    (
        "publication",
        "select pubname::text, format('%%s %%s %%s %%s', puballtables, pubinsert, pubupdate, pubdelete) from pg_publication",
    ),
)
_UNION = [
    f"select '{kind}' as kind, q.name, q.definition from ({part}) as q (name, definition)" for kind, part in _PARTS
]
_ALL = _SCHEMAS + "\nunion all ".join(_UNION) + "\norder by 1, 2"


def catalogue(rows: Rows, skip: Sequence[str] = MANAGED) -> dict[str, dict[str, str]]:
    """{kind: {name: definition}} of everything in the schemas that are not skipped, in one statement.

    Args:
        rows: asks a database one statement with its parameters.
    """
    found: dict[str, dict[str, str]] = {kind: {} for kind, _ in _PARTS}
    for row in rows(_ALL, [list(skip)]):
        found[row["kind"]][row["name"]] = str(row["definition"])
    return found


def differences(wanted: Catalogue, got: Catalogue, kinds: Sequence[str] = ()) -> list[SchemaDifference]:
    """What differs, by kind and name.

    Args:
        wanted, got: what should be, and what is. kinds: only these; all without.
    """
    rows: list[SchemaDifference] = []
    for kind in kinds or wanted:
        left, right = wanted.get(kind, {}), got.get(kind, {})
        for name in sorted(left.keys() | right.keys()):
            if left.get(name) == right.get(name):
                continue
            rows.append(
                {
                    "kind": kind,
                    "name": name,
                    "how": "missing" if name not in right else "added" if name not in left else "differs",
                    "wanted": _shortened(kind, left.get(name)),
                    "got": _shortened(kind, right.get(name)),
                }
            )
    return rows


def _shortened(kind: str, text: str | None) -> str | None:
    """A definition for reading; of a body, which may hold a key in its words, only what tells two of them apart."""
    if text is not None and kind in _BODIES:
        return f"{len(text):,} characters, sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return text if text is None or len(text) <= 400 else text[:397] + "…"
