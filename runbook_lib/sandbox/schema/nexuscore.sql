-- NexusCore's seven tables with RLS, as packages/database/sql/001_init.sql describes them, but for one thing: membership is
-- asked through security-definer functions, so that no policy looks into its own table (the first schema did, and recursed).
-- Run by the role postgres, the owner of public.

create extension if not exists "uuid-ossp";
create extension if not exists pgcrypto;
create extension if not exists vector;

create type public.org_role as enum ('owner', 'admin', 'member', 'viewer');

create table public.profiles (
  id uuid primary key references auth.users (id) on delete cascade,
  email text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create table public.organizations (
  id uuid primary key default uuid_generate_v4(),
  name text not null,
  owner_id uuid not null references public.profiles (id),
  created_at timestamptz not null default now()
);
create table public.memberships (
  org_id uuid not null references public.organizations (id) on delete cascade,
  user_id uuid not null references public.profiles (id) on delete cascade,
  role public.org_role not null default 'member',
  created_at timestamptz not null default now(),
  primary key (org_id, user_id)
);
create table public.invitations (
  id uuid primary key default uuid_generate_v4(),
  org_id uuid not null references public.organizations (id) on delete cascade,
  email text not null,
  role public.org_role not null default 'member',
  invited_by uuid references public.profiles (id),
  token text not null unique,
  accepted_at timestamptz,
  created_at timestamptz not null default now()
);
create table public.api_keys (
  id uuid primary key default uuid_generate_v4(),
  org_id uuid not null references public.organizations (id) on delete cascade,
  name text not null,
  hashed_key text not null,
  created_by uuid references public.profiles (id),
  created_at timestamptz not null default now(),
  last_used_at timestamptz
);
create table public.usage_records (
  id uuid primary key default uuid_generate_v4(),
  org_id uuid not null references public.organizations (id) on delete cascade,
  tokens integer,
  requests integer,
  provider text,
  model text,
  at timestamptz not null default now()
);
create index usage_records_org_at on public.usage_records (org_id, at);
create table public.billing_customers (
  org_id uuid primary key references public.organizations (id) on delete cascade,
  stripe_customer_id text unique,
  plan text not null default 'free',
  status text not null default 'active',
  current_period_end timestamptz
);

create function public.auth_uid() returns uuid language sql stable as $$ select auth.uid() $$;

create schema private;
grant usage on schema private to anon, authenticated, service_role;
create function private.is_member(org uuid) returns boolean language sql stable security definer set search_path = '' as $$
  select exists (select 1 from public.memberships where org_id = org and user_id = auth.uid())
$$;
grant execute on function private.is_member(uuid) to anon, authenticated, service_role;

alter table public.profiles enable row level security;
alter table public.organizations enable row level security;
alter table public.memberships enable row level security;
alter table public.invitations enable row level security;
alter table public.api_keys enable row level security;
alter table public.usage_records enable row level security;
alter table public.billing_customers enable row level security;

create policy profiles_select_own on public.profiles for select using (id = public.auth_uid());
create policy profiles_insert_own on public.profiles for insert with check (id = public.auth_uid());
create policy profiles_update_own on public.profiles for update using (id = public.auth_uid()) with check (id = public.auth_uid());
create policy organizations_select_member on public.organizations for select using (private.is_member(id));
create policy organizations_insert_owner on public.organizations for insert with check (owner_id = public.auth_uid());
create policy memberships_select_member on public.memberships for select using (private.is_member(org_id));
create policy invitations_select_member on public.invitations for select using (private.is_member(org_id));
create policy api_keys_select_member on public.api_keys for select using (private.is_member(org_id));
create policy usage_records_select_member on public.usage_records for select using (private.is_member(org_id));
create policy billing_customers_select_member on public.billing_customers for select using (private.is_member(org_id));
