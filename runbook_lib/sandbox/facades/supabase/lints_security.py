"""The security lints of Supabase's advisor."""

from runbook_lib.sandbox.facades.supabase.lints import API_ROLES, EXPOSED, NOT_OF_EXTENSION, TABLES, Lint

SECURITY = (
    Lint(
        "0002_auth_users_exposed",
        "Exposed Auth Users",
        "ERROR",
        "SECURITY",
        "Detects if auth.users is exposed to anon or authenticated roles via a view or materialized view in schemas exposed to "
        "PostgREST, potentially compromising user data security.",
        'View/Materialized View "{name}" in the public schema may expose `auth.users` data to anon or authenticated roles.',
        "select distinct n.nspname as schema, c.relname as name, 'view' as kind, "
        "jsonb_build_object('exposed_to', array[case when has_table_privilege('anon', c.oid, 'select') then 'anon' "
        f"else 'authenticated' end]) as extra from {TABLES} "
        "join pg_catalog.pg_rewrite r on r.ev_class = c.oid join pg_catalog.pg_depend d on d.objid = r.oid "
        f"where d.refobjid = 'auth.users'::regclass and c.relkind in ('v', 'm') and {EXPOSED} and {API_ROLES} order by 1, 2",
    ),
    Lint(
        "0007_policy_exists_rls_disabled",
        "Policy Exists RLS Disabled",
        "ERROR",
        "SECURITY",
        "Detects cases where row level security (RLS) policies have been created, but RLS has not been enabled for the "
        "underlying table.",
        "Table `{schema}.{name}` has RLS policies but RLS is not enabled on the table. Policies include {more}.",
        "select n.nspname as schema, c.relname as name, 'table' as kind, "
        "'{' || string_agg(quote_ident(p.polname), ',' order by p.polname) || '}' as more "
        f"from {TABLES} join pg_catalog.pg_policy p on p.polrelid = c.oid "
        f"where not c.relrowsecurity and {EXPOSED} group by 1, 2 order by 1, 2",
    ),
    Lint(
        "0008_rls_enabled_no_policy",
        "RLS Enabled No Policy",
        "INFO",
        "SECURITY",
        "Detects cases where row level security (RLS) has been enabled on a table but no RLS policies have been created.",
        "Table `{schema}.{name}` has RLS enabled, but no policies exist",
        f"select n.nspname as schema, c.relname as name, 'table' as kind from {TABLES} "
        f"where c.relkind in ('r', 'p') and {EXPOSED} and c.relrowsecurity "
        "and not exists (select 1 from pg_catalog.pg_policy p where p.polrelid = c.oid) order by 1, 2",
    ),
    Lint(
        "0010_security_definer_view",
        "Security Definer View",
        "ERROR",
        "SECURITY",
        "Detects views defined with the SECURITY DEFINER property. These views enforce Postgres permissions and row level "
        "security policies (RLS) of the view creator, rather than that of the querying user",
        "View `{schema}.{name}` is defined with the SECURITY DEFINER property",
        f"select n.nspname as schema, c.relname as name, 'view' as kind from {TABLES} "
        f"where c.relkind = 'v' and {EXPOSED} and {API_ROLES} and {NOT_OF_EXTENSION.format(oid='c.oid')} and not "
        "coalesce(lower(c.reloptions::text)::text[] && array['security_invoker=true', 'security_invoker=on', "
        "'security_invoker=yes', 'security_invoker=1'], false) order by 1, 2",
    ),
    Lint(
        "0011_function_search_path_mutable",
        "Function Search Path Mutable",
        "WARN",
        "SECURITY",
        "Detects functions where the search_path parameter is not set.",
        "Function `{schema}.{name}` has a role mutable search_path",
        "select n.nspname as schema, p.proname as name, 'function' as kind, "
        "format('%s_%s_%s', n.nspname, p.proname, md5(p.prosrc)) as key from pg_catalog.pg_proc p "
        "join pg_catalog.pg_namespace n on n.oid = p.pronamespace "
        f"where {EXPOSED} and {NOT_OF_EXTENSION.format(oid='p.oid')} and not exists "
        "(select 1 from unnest(p.proconfig) setting where setting like 'search_path=%') order by 1, 2",
    ),
    Lint(
        "0013_rls_disabled_in_public",
        "RLS Disabled in Public",
        "ERROR",
        "SECURITY",
        "Detects cases where row level security (RLS) has not been enabled on tables in schemas exposed to PostgREST",
        "Table `{schema}.{name}` is public, but RLS has not been enabled.",
        f"select n.nspname as schema, c.relname as name, 'table' as kind from {TABLES} "
        f"where c.relkind in ('r', 'p') and {EXPOSED} and not c.relrowsecurity and {API_ROLES} "
        f"and {NOT_OF_EXTENSION.format(oid='c.oid')} order by 1, 2",
    ),
    Lint(
        "0014_extension_in_public",
        "Extension in Public",
        "WARN",
        "SECURITY",
        "Detects extensions installed in the `public` schema.",
        "Extension `{name}` is installed in the public schema. Move it to another schema.",
        "select n.nspname as schema, e.extname as name, 'extension' as kind, e.extname as key from pg_catalog.pg_extension e "
        f"join pg_catalog.pg_namespace n on n.oid = e.extnamespace where {EXPOSED} order by 1, 2",
    ),
    Lint(
        "0015_rls_references_user_metadata",
        "RLS references user metadata",
        "ERROR",
        "SECURITY",
        "Detects when Supabase Auth user_metadata is referenced insecurely in a row level security (RLS) policy.",
        "Table `{schema}.{name}` has a row level security policy `{more}` that references Supabase Auth `user_metadata`. "
        "`user_metadata` is editable by end users and should never be used in a security context.",
        "select schemaname as schema, tablename as name, 'table' as kind, policyname as more, "
        "format('%s_%s_%s', schemaname, tablename, policyname) as key from pg_catalog.pg_policies "
        "where schemaname = 'public' and coalesce(qual, '') || coalesce(with_check, '') ~ 'user_metadata' order by 1, 2, 4",
    ),
    Lint(
        "0016_materialized_view_in_api",
        "Materialized View in API",
        "WARN",
        "SECURITY",
        "Detects materialized views that are accessible over the Data APIs.",
        "Materialized view `{schema}.{name}` is selectable by anon or authenticated roles",
        f"select n.nspname as schema, c.relname as name, 'view' as kind from {TABLES} "
        f"where c.relkind = 'm' and {EXPOSED} and {API_ROLES} order by 1, 2",
    ),
)
