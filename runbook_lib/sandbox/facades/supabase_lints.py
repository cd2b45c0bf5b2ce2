"""Supabase's advisors: what its lints say of the sandbox's real catalog.

The names, titles, levels and categories are the vendor's; the queries are our own.
Source: supabase docs guides/database/database-advisors; the enumeration in the Management API's specification.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]

_EXPOSED = "n.nspname = 'public'"
_API_ROLES = "(has_table_privilege('anon', c.oid, 'select') or has_table_privilege('authenticated', c.oid, 'select'))"
_TABLES = "pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
_NOT_OF_EXTENSION = "not exists (select 1 from pg_catalog.pg_depend d where d.objid = {oid} and d.deptype = 'e')"


@dataclass(frozen=True)
class Lint:
    """One lint: its name and words, and the query that finds its objects as (schema, name, kind, more)."""

    name: str
    title: str
    level: str
    category: str
    description: str
    detail: str
    sql: str


def finding(lint: Lint, row: Row) -> dict[str, Any]:
    """One finding in the vendor's shape."""
    schema, name, more = row["schema"], row["name"], row.get("more") or ""
    return {
        "name": lint.name,
        "title": lint.title,
        "level": lint.level,
        "facing": "EXTERNAL",
        "categories": [lint.category],
        "description": lint.description,
        "detail": lint.detail.format(schema=schema, name=name, more=more),
        "remediation": f"https://supabase.com/docs/guides/database/database-linter?lint={lint.name}",
        "metadata": {"schema": schema, "name": name, "type": row["kind"]},
        "cache_key": "_".join(part for part in (lint.name, schema, name, more) if part).replace(" ", "_"),
    }


def lints_of(category: str) -> Iterable[Lint]:
    """The lints of SECURITY or PERFORMANCE."""
    return (lint for lint in LINTS if lint.category == category)


LINTS = (
    Lint(
        "rls_disabled_in_public",
        "RLS Disabled in Public",
        "ERROR",
        "SECURITY",
        "Detects cases where row level security (RLS) has not been enabled on tables in schemas exposed to PostgREST",
        "Table `{schema}.{name}` is public, but RLS has not been enabled.",
        f"select n.nspname as schema, c.relname as name, 'table' as kind from {_TABLES} "
        f"where c.relkind in ('r', 'p') and {_EXPOSED} and not c.relrowsecurity and {_API_ROLES} "
        f"and {_NOT_OF_EXTENSION.format(oid='c.oid')} order by 1, 2",
    ),
    Lint(
        "policy_exists_rls_disabled",
        "Policy Exists RLS Disabled",
        "ERROR",
        "SECURITY",
        "Detects cases where row level security (RLS) policies have been created, but RLS has not been enabled for the table.",
        "Table `{schema}.{name}` has RLS policies but RLS is not enabled on the table. Policies include {more}.",
        "select n.nspname as schema, c.relname as name, 'table' as kind, "
        "'{' || string_agg(quote_ident(p.polname), ',' order by p.polname) || '}' as more "
        f"from {_TABLES} join pg_catalog.pg_policy p on p.polrelid = c.oid "
        f"where not c.relrowsecurity and {_EXPOSED} group by 1, 2 order by 1, 2",
    ),
    Lint(
        "rls_enabled_no_policy",
        "RLS Enabled No Policy",
        "INFO",
        "SECURITY",
        "Detects cases where row level security (RLS) has been enabled on a table but no RLS policies have been created.",
        "Table `{schema}.{name}` has RLS enabled, but no policies exist",
        f"select n.nspname as schema, c.relname as name, 'table' as kind from {_TABLES} "
        f"where c.relkind in ('r', 'p') and {_EXPOSED} and c.relrowsecurity "
        "and not exists (select 1 from pg_catalog.pg_policy p where p.polrelid = c.oid) order by 1, 2",
    ),
    Lint(
        "rls_references_user_metadata",
        "RLS references user metadata",
        "ERROR",
        "SECURITY",
        "Detects when Supabase Auth user_metadata is referenced insecurely in a row level security (RLS) policy.",
        "Table `{schema}.{name}` has a row level security policy `{more}` that references Supabase Auth `user_metadata`. "
        "`user_metadata` is editable by end users and should never be used in a security context.",
        "select schemaname as schema, tablename as name, 'table' as kind, policyname as more from pg_catalog.pg_policies "
        "where schemaname = 'public' and coalesce(qual, '') || coalesce(with_check, '') ~ 'user_metadata' order by 1, 2, 4",
    ),
    Lint(
        "auth_users_exposed",
        "Exposed Auth Users",
        "ERROR",
        "SECURITY",
        "Detects if auth.users is exposed to anon or authenticated roles via a view or materialized view in schemas exposed to "
        "PostgREST, potentially compromising user data security.",
        "View/Materialized View `{name}` in the public schema may expose `auth.users` data to anon or authenticated roles.",
        f"select distinct n.nspname as schema, c.relname as name, 'view' as kind from {_TABLES} "
        "join pg_catalog.pg_rewrite r on r.ev_class = c.oid join pg_catalog.pg_depend d on d.objid = r.oid "
        f"where d.refobjid = 'auth.users'::regclass and c.relkind in ('v', 'm') and {_EXPOSED} and {_API_ROLES} order by 1, 2",
    ),
    Lint(
        "security_definer_view",
        "Security Definer View",
        "ERROR",
        "SECURITY",
        "Detects views defined with the SECURITY DEFINER property. These views enforce Postgres permissions and row level "
        "security policies (RLS) of the view creator, rather than that of the querying user",
        "View `{schema}.{name}` is defined with the SECURITY DEFINER property",
        f"select n.nspname as schema, c.relname as name, 'view' as kind from {_TABLES} "
        f"where c.relkind = 'v' and {_EXPOSED} and {_API_ROLES} and {_NOT_OF_EXTENSION.format(oid='c.oid')} and not "
        "coalesce(lower(c.reloptions::text)::text[] && array['security_invoker=true', 'security_invoker=on', "
        "'security_invoker=yes', 'security_invoker=1'], false) order by 1, 2",
    ),
    Lint(
        "function_search_path_mutable",
        "Function Search Path Mutable",
        "WARN",
        "SECURITY",
        "Detects functions where the search_path parameter is not set.",
        "Function `{schema}.{name}` has a role mutable search_path",
        "select n.nspname as schema, p.proname as name, 'function' as kind from pg_catalog.pg_proc p "
        "join pg_catalog.pg_namespace n on n.oid = p.pronamespace "
        f"where {_EXPOSED} and {_NOT_OF_EXTENSION.format(oid='p.oid')} and not exists "
        "(select 1 from unnest(p.proconfig) setting where setting like 'search_path=%') order by 1, 2",
    ),
    Lint(
        "extension_in_public",
        "Extension in Public",
        "WARN",
        "SECURITY",
        "Detects extensions installed in the `public` schema.",
        "Extension `{name}` is installed in the public schema. Move it to another schema.",
        "select n.nspname as schema, e.extname as name, 'extension' as kind from pg_catalog.pg_extension e "
        f"join pg_catalog.pg_namespace n on n.oid = e.extnamespace where {_EXPOSED} order by 1, 2",
    ),
    Lint(
        "materialized_view_in_api",
        "Materialized View in API",
        "WARN",
        "SECURITY",
        "Detects materialized views that are accessible over the Data APIs.",
        "Materialized view `{schema}.{name}` is selectable by anon or authenticated roles",
        f"select n.nspname as schema, c.relname as name, 'view' as kind from {_TABLES} "
        f"where c.relkind = 'm' and {_EXPOSED} and {_API_ROLES} order by 1, 2",
    ),
    Lint(
        "auth_rls_initplan",
        "Auth RLS Initialization Plan",
        "WARN",
        "PERFORMANCE",
        "Detects if calls to `current_setting()` and `auth.<function>()` in RLS policies are being unnecessarily re-evaluated "
        "for each row",
        "Table `{schema}.{name}` has a row level security policy `{more}` that re-evaluates current_setting() or "
        "auth.<function>() for each row.",
        "select schemaname as schema, tablename as name, 'table' as kind, policyname as more from pg_catalog.pg_policies "
        "where schemaname = 'public' and lower(coalesce(qual, '') || ' ' || coalesce(with_check, '')) "
        r"~ 'auth\.(uid|jwt|role|email)\(\)|current_setting\(' "
        "and lower(coalesce(qual, '') || ' ' || coalesce(with_check, '')) "
        r"!~ 'select\s+auth\.(uid|jwt|role|email)\(\)|select\s+current_setting\(' order by 1, 2, 4",
    ),
    Lint(
        "multiple_permissive_policies",
        "Multiple Permissive Policies",
        "WARN",
        "PERFORMANCE",
        "Detects if multiple permissive row level security policies are present on a table for the same `role` and `action`.",
        "Table `{schema}.{name}` has multiple permissive policies: {more}.",
        "select schemaname as schema, tablename as name, 'table' as kind, act || ' for ' || role || ' {' || "
        "string_agg(quote_ident(policyname), ',' order by policyname) || '}' as more from pg_catalog.pg_policies, "
        "unnest(roles) role, "
        "unnest(case cmd when 'ALL' then array['SELECT', 'INSERT', 'UPDATE', 'DELETE'] else array[cmd] end) act "
        "where permissive = 'PERMISSIVE' and schemaname = 'public' group by 1, 2, role, act having count(*) > 1 order by 1, 2, 4",
    ),
    Lint(
        "unindexed_foreign_keys",
        "Unindexed foreign keys",
        "INFO",
        "PERFORMANCE",
        "Identifies foreign key constraints without a covering index, which can impact database performance.",
        "Table `{schema}.{name}` has a foreign key `{more}` without a covering index.",
        "select n.nspname as schema, c.relname as name, 'table' as kind, k.conname as more from pg_catalog.pg_constraint k "
        "join pg_catalog.pg_class c on c.oid = k.conrelid join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
        f"where k.contype = 'f' and {_EXPOSED} and not exists (select 1 from pg_catalog.pg_index i where i.indrelid = c.oid and "
        "(i.indkey::int2[])[0:array_length(k.conkey, 1) - 1] operator(pg_catalog.@>) k.conkey) order by 1, 2, 4",
    ),
    Lint(
        "no_primary_key",
        "No Primary Key",
        "INFO",
        "PERFORMANCE",
        "Detects if a table does not have a primary key.",
        "Table `{schema}.{name}` does not have a primary key",
        f"select n.nspname as schema, c.relname as name, 'table' as kind from {_TABLES} where c.relkind = 'r' and {_EXPOSED} "
        "and not exists (select 1 from pg_catalog.pg_index i where i.indrelid = c.oid and i.indisprimary) order by 1, 2",
    ),
)
