"""What a schema file of a Supabase project takes for granted: roles, the auth schema and its helpers. Just enough to be loaded on.

Bodies do not matter here: of what is loaded only the catalogue is read. Roles belong to the whole server, so they are made only
where they are lacking, and go again with the transaction.
"""

_FUNCTIONS = "".join(
    f"create function auth.{name}() returns {kind} language sql stable as $$ select null::{kind} $$; "
    for name, kind in (("uid", "uuid"), ("jwt", "jsonb"), ("role", "text"), ("email", "text"))
)
STUB = f"""
do $do$
declare name text;
begin
  foreach name in array array['anon', 'authenticated', 'service_role', 'authenticator', 'supabase_admin', 'supabase_auth_admin',
                              'supabase_storage_admin', 'dashboard_user', 'postgres'] loop
    if not exists (select 1 from pg_catalog.pg_roles where rolname = name) then
      execute pg_catalog.format('create role %I nologin noinherit', name);
    end if;
  end loop;
end
$do$;
create schema auth;
create schema extensions;
create table auth.users (
  id uuid primary key, aud text, role text, email text, phone text, encrypted_password text, raw_app_meta_data jsonb,
  raw_user_meta_data jsonb, is_anonymous boolean, email_confirmed_at timestamptz, confirmed_at timestamptz,
  last_sign_in_at timestamptz, invited_at timestamptz, banned_until timestamptz, deleted_at timestamptz,
  created_at timestamptz, updated_at timestamptz
);
{_FUNCTIONS}
create schema storage;
create table storage.buckets (
  id text primary key, name text not null, public boolean, owner uuid, file_size_limit bigint, allowed_mime_types text[],
  created_at timestamptz, updated_at timestamptz
);
create table storage.objects (
  id uuid primary key, bucket_id text references storage.buckets (id), name text, owner uuid, owner_id text, metadata jsonb,
  path_tokens text[], created_at timestamptz, updated_at timestamptz, last_accessed_at timestamptz
);
create function storage.foldername(name text) returns text[] language sql immutable as $$ select null::text[] $$;
create function storage.filename(name text) returns text language sql immutable as $$ select null::text $$;
create function storage.extension(name text) returns text language sql immutable as $$ select null::text $$;
create publication supabase_realtime;
"""
