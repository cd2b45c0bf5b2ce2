"""The performance lints of Supabase's advisor."""

from runbook_lib.sandbox.facades.supabase.lints import EXPOSED, TABLES, Lint

PERFORMANCE = (
    Lint(
        "0001_unindexed_foreign_keys",
        "Unindexed foreign keys",
        "INFO",
        "PERFORMANCE",
        "Identifies foreign key constraints without a covering index, which can impact database performance.",
        "Table `{schema}.{name}` has a foreign key `{more}` without a covering index. This can lead to suboptimal query "
        "performance.",
        "select n.nspname as schema, c.relname as name, 'table' as kind, k.conname as more, "
        "format('%s_%s_%s', n.nspname, c.relname, k.conname) as key, "
        "json_build_object('fkey_name', k.conname, 'fkey_columns', k.conkey) as extra from pg_catalog.pg_constraint k "
        "join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
        f"where k.contype = 'f' and {EXPOSED} and not exists (select 1 from pg_catalog.pg_index i where i.indrelid = c.oid and "
        "(i.indkey::int2[])[0:array_length(k.conkey, 1) - 1] operator(pg_catalog.@>) k.conkey) order by 1, 2, 4",
    ),
    Lint(
        "0003_auth_rls_initplan",
        "Auth RLS Initialization Plan",
        "WARN",
        "PERFORMANCE",
        "Detects if calls to `current_setting()` and `auth.<function>()` in RLS policies are being unnecessarily re-evaluated "
        "for each row",
        "Table `{schema}.{name}` has a row level security policy `{more}` that re-evaluates current_setting() or "
        "auth.<function>() for each row. This produces suboptimal query performance at scale. Resolve the issue by replacing "
        "`auth.<function>()` with `(select auth.<function>())`. See [docs](https://supabase.com/docs/guides/database/postgres/"
        "row-level-security#call-functions-with-select) for more info.",
        "select n.nspname as schema, c.relname as name, 'table' as kind, p.policyname as more, "
        "format('%s_%s_%s', n.nspname, c.relname, p.policyname) as key "
        f"from {TABLES} join pg_catalog.pg_policies p on p.schemaname = n.nspname and p.tablename = c.relname, "
        "lower(coalesce(p.qual, '') || ' ' || coalesce(p.with_check, '')) as term "
        rf"where {EXPOSED} and c.relrowsecurity and term ~ 'auth\.(uid|jwt|role|email)\(\)|current_setting\(' "
        r"and term !~ 'select\s+auth\.(uid|jwt|role|email)\(\)|select\s+current_setting\(' order by 1, 2, 4",
    ),
    Lint(
        "0004_no_primary_key",
        "No Primary Key",
        "INFO",
        "PERFORMANCE",
        "Detects if a table does not have a primary key. Tables without a primary key can be inefficient to interact with at "
        "scale.",
        "Table `{schema}.{name}` does not have a primary key",
        f"select n.nspname as schema, c.relname as name, 'table' as kind from {TABLES} where c.relkind = 'r' and {EXPOSED} "
        "and not exists (select 1 from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary) order by 1, 2",
    ),
    Lint(
        "0005_unused_index",
        "Unused Index",
        "INFO",
        "PERFORMANCE",
        "Detects if an index has never been used and may be a candidate for removal.",
        "Index `{more}` on table `{schema}.{name}` has not been used",
        "select u.schemaname as schema, u.relname as name, 'table' as kind, u.indexrelname as more, "
        "format('%s_%s_%s', u.schemaname, u.relname, u.indexrelname) as key from pg_catalog.pg_stat_user_indexes u "
        "join pg_catalog.pg_index i on i.indexrelid = u.indexrelid "
        "where u.idx_scan = 0 and not i.indisunique and not i.indisprimary and u.schemaname = 'public' order by 1, 2, 4",
    ),
    Lint(
        "0006_multiple_permissive_policies",
        "Multiple Permissive Policies",
        "WARN",
        "PERFORMANCE",
        "Detects if multiple permissive row level security policies are present on a table for the same `role` and `action` "
        "(e.g. insert). Multiple permissive policies are suboptimal for performance as each policy must be executed for every "
        "relevant query.",
        "Table `{schema}.{name}` has multiple permissive policies for {more}",
        "select n.nspname as schema, c.relname as name, 'table' as kind, "
        "format('role `%s` for action `%s`. Policies include `%s`', r.rolname, act, "
        "array_agg(p.policyname order by p.policyname)) as more, "
        "format('%s_%s_%s_%s', n.nspname, c.relname, r.rolname, act) as key "
        f"from {TABLES} join pg_catalog.pg_policies p on p.schemaname = n.nspname and p.tablename = c.relname "
        "join pg_catalog.pg_roles r on r.rolname = any(p.roles) or 'public' = any(p.roles), "
        "unnest(case p.cmd when 'ALL' then array['SELECT', 'INSERT', 'UPDATE', 'DELETE'] else array[p.cmd] end) act "
        f"where {EXPOSED} and c.relrowsecurity and p.permissive = 'PERMISSIVE' and not r.rolbypassrls and not r.rolsuper "
        "and r.rolname not like 'pg\\_%' and r.rolname not like 'supabase%admin' "
        "group by 1, 2, r.rolname, act having count(*) > 1 order by 1, 2, 4",
    ),
    Lint(
        "0009_duplicate_index",
        "Duplicate Index",
        "WARN",
        "PERFORMANCE",
        "Detects cases where two ore more identical indexes exist.",
        "Table `{schema}.{name}` has identical indexes {more}. Drop all except one of them",
        "select i.schemaname as schema, i.tablename as name, 'table' as kind, "
        "array_agg(i.indexname order by i.indexname)::text as more, "
        "format('%s_%s_%s', i.schemaname, i.tablename, array_agg(i.indexname order by i.indexname)) as key, "
        "json_build_object('indexes', array_agg(i.indexname order by i.indexname)) as extra from pg_catalog.pg_indexes i "
        "where i.schemaname = 'public' group by 1, 2, replace(i.indexdef, i.indexname, '') having count(*) > 1 order by 1, 2",
    ),
)
