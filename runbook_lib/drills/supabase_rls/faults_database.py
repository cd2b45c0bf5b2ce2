"""Faults of 03 that lie in the database and in PostgREST: the user's rows, policies, grants, what is exposed, what is open."""

from typing import TYPE_CHECKING

from runbook_lib.drills.kit.fault import Fault, Result, Step, Variant, alias, fault
from runbook_lib.drills.supabase_rls.faults_session import (
    AT_ACME,
    GRACE,
    ORG,
    USER,
    access,
    org_id,
    sign_in,
    sql,
    with_token,
)

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

_KEY_ROW = "0c6f7f9e-5a53-4f0e-9a0a-6c7d5a1b2c3d"
_NO_ROW = "7f1c1f0a-3a55-4a9e-8a43-0a8c4d7f9b10"
_OUT = f"delete from public.memberships where user_id = {GRACE} and org_id = {AT_ACME}"
_IN = f"insert into public.memberships (org_id, user_id, role) values ({AT_ACME}, {GRACE}, 'admin')"
_ELSEWHERE = f"insert into public.memberships (org_id, user_id) select id, {GRACE} from public.organizations where name = 'Initech'"
_NOT_ELSEWHERE = f"delete from public.memberships where user_id = {GRACE} and org_id <> {AT_ACME}"
_A_KEY = f"insert into public.api_keys (id, org_id, name, hashed_key) values ('{_KEY_ROW}', {AT_ACME}, 'ci', 'x')"
_NO_KEY = f"delete from public.api_keys where id = '{_KEY_ROW}'"
_INVITED = f"insert into public.invitations (org_id, email, token) values ({AT_ACME}, '{USER}', 'rls-drill')"
_NOT_INVITED = "delete from public.invitations where token = 'rls-drill'"
_MEMBER = "private.is_member(org_id)"
_ITSELF = "exists (select 1 from public.memberships m where m.org_id = memberships.org_id and m.user_id = auth.uid())"
_USAGE_BY_MEMBERS = (
    "exists (select 1 from public.memberships m where m.org_id = usage_records.org_id and m.user_id = auth.uid(){more})"
)
_MY_ORGS = (
    "create function private.my_orgs() returns setof uuid language plpgsql stable as "
    "$$ begin return query select org_id from public.memberships where user_id = auth.uid(); end $$; "
    "grant execute on function private.my_orgs() to anon, authenticated, service_role"
)
_IS_MEMBER = (
    "create or replace function private.is_member(org uuid) returns boolean language sql stable security definer "
    "set search_path = '' as $$\n  select exists (select 1 from public.memberships "
    "where org_id = org and user_id = auth.uid(){more})\n$$"
)


def add_policy(name: str, table: str, what: str) -> Step:
    """A new policy; dropped when healed."""
    return sql(f"create policy {name} on public.{table} {what}", f"drop policy {name} on public.{table}")


def reading(table: str, using: str) -> Step:
    """Another condition for reading a table's rows; healed to the members' one."""
    alter = f"alter policy {table}_select_member on public.{table} using"
    return sql(f"{alter} ({using})", f"{alter} ({_MEMBER})")


def without_read_policy(table: str) -> Step:
    """No policy for reading a table's rows."""
    name = f"{table}_select_member on public.{table}"
    return sql(f"drop policy {name}", f"create policy {name} for select using ({_MEMBER})")


def revoke_grant(what: str, of: str = "authenticated") -> Step:
    """A grant taken back; given again when healed."""
    return sql(f"revoke {what} from {of}", f"grant {what} to {of}")


def _deleted_user(sandbox: "Sandbox") -> Result:
    """The session outlives its user."""
    token = sign_in(sandbox)
    sandbox.inject(
        "sql",
        statement=f"update auth.users set deleted_at = now() where email = '{USER}'",
        undo=f"update auth.users set deleted_at = null where email = '{USER}'",
    )
    return with_token(sandbox, token)


def _invites(sandbox: "Sandbox") -> Result:
    """A member invites somebody and asks for the row back."""
    return {"asked": {"user": USER, "org": org_id(sandbox), "table": "invitations", "command": "insert"}}


def _founds(_sandbox: "Sandbox") -> Result:
    """Somebody founds an organization and asks for the row back: nobody is a member of it yet."""
    return {"asked": {"user": USER, "table": "organizations", "command": "insert"}}


def audit(_sandbox: "Sandbox") -> Result:
    """Nobody complains: the schema is audited."""
    return {"asked": {}}


_PERSON = (
    fault("rls.user_unknown", by=access(user="nobody@acme.example")),
    fault("rls.user_unknown.deleted", by=_deleted_user),
    fault("rls.profile_missing", sql(f"delete from public.profiles where id = {GRACE}"), by=access()),
    fault("rls.no_membership", sql(_OUT, _IN), by=access(), org_by_name=Variant((sql(_OUT, _IN),), access(org=ORG))),
    fault(
        "rls.other_org",
        sql(f"{_OUT}; {_ELSEWHERE}; {_A_KEY}", f"{_IN}; {_NOT_ELSEWHERE}; {_NO_KEY}"),
        by=access(org="", table="api_keys", row_id=_KEY_ROW),
    ),
    fault("rls.invite_pending", sql(f"{_OUT}; {_INVITED}", f"{_IN}; {_NOT_INVITED}"), by=access()),
    fault(
        "rls.role_too_low",
        sql(
            f"update public.memberships set role = 'viewer' where user_id = {GRACE}",
            f"update public.memberships set role = 'admin' where user_id = {GRACE}",
        ),
        reading("usage_records", _USAGE_BY_MEMBERS.format(more=" and m.role in ('owner', 'admin')")),
        by=access(),
    ),
)
_POLICY = (
    fault(
        "rls.no_policy",
        without_read_policy("usage_records"),
        by=access(),
        by_design=Variant((), access(command="insert")),
        only_for_the_service=Variant(
            (
                sql(
                    "alter policy usage_records_select_member on public.usage_records to service_role",
                    "alter policy usage_records_select_member on public.usage_records to public",
                ),
            ),
            access(),
        ),
        update_without_select=Variant(
            (
                add_policy("api_keys_update", "api_keys", f"for update using ({_MEMBER})"),
                without_read_policy("api_keys"),
            ),
            access(table="api_keys", command="update"),
        ),
    ),
    fault(
        "rls.restrictive_policy",
        add_policy("big_only", "usage_records", "as restrictive for select using (tokens > 1000000000)"),
        by=access(),
        some_rows=Variant(
            (add_policy("openai_only", "usage_records", "as restrictive for select using (provider = 'openai')"),),
            access(),
        ),
    ),
    fault(
        "rls.policy_recursion",
        reading("memberships", _ITSELF),
        by=access(table="memberships"),
        through_another=Variant(
            (reading("memberships", _ITSELF), reading("usage_records", _USAGE_BY_MEMBERS.format(more=""))), access()
        ),
        as_audit=Variant((reading("memberships", _ITSELF),), audit),
    ),
    fault(
        "rls.policy_recursion.function",
        sql(_MY_ORGS, "drop function private.my_orgs()"),
        reading("memberships", "org_id in (select private.my_orgs())"),
        by=access(table="memberships"),
    ),
    fault(
        "rls.policy_false",
        reading("usage_records", f"{_MEMBER} and provider = 'mistral'"),
        by=access(),
        insert=Variant(
            (
                add_policy(
                    "api_keys_insert", "api_keys", f"for insert with check ({_MEMBER} and auth.role() = 'nobody')"
                ),
            ),
            access(table="api_keys", command="insert"),
        ),
        delete=Variant(
            (add_policy("usage_delete", "usage_records", f"for delete using ({_MEMBER} and at < '2020-01-01')"),),
            access(command="delete"),
        ),
    ),
    fault(
        "rls.returning_blocked",
        add_policy("invitations_insert_member", "invitations", f"for insert with check ({_MEMBER})"),
        reading("invitations", f"{_MEMBER} and accepted_at is not null"),
        by=_invites,
        founding=Variant((), _founds),
    ),
)
# a table that is made while PostgREST does not listen
_UNNOTICED = sql(
    "alter event trigger pgrst_ddl_watch disable; create table public.invoices (id uuid primary key, org_id uuid); "
    "alter table public.invoices enable row level security; "
    f"create policy invoices_select on public.invoices for select using ({_MEMBER}); "
    "grant all on public.invoices to anon, authenticated, service_role; alter event trigger pgrst_ddl_watch enable",
    "drop table public.invoices",
)
_WAY = (
    fault(
        "rls.grant_missing.schema",
        revoke_grant("usage on schema public", "authenticated, public"),
        by=access(),
        of_a_helper=Variant(
            (
                revoke_grant("usage on schema private"),
                sql(
                    "create function public.may_see(org uuid) returns boolean language plpgsql stable as "
                    "$$ begin return private.is_member(org); end $$",
                    "drop function public.may_see(uuid)",
                ),
                reading("usage_records", "public.may_see(org_id)"),
            ),
            access(),
        ),
    ),
    fault(
        "rls.grant_missing.table",
        revoke_grant("select on public.usage_records"),
        by=access(),
        write=Variant(
            (
                add_policy("usage_insert", "usage_records", f"for insert with check ({_MEMBER})"),
                revoke_grant("insert on public.usage_records"),
            ),
            access(command="insert"),
        ),
        as_audit=Variant((revoke_grant("select on public.usage_records"),), audit),
    ),
    fault(
        "rls.grant_missing.column",
        revoke_grant("select on public.usage_records"),
        sql(
            "grant select (id, org_id, at) on public.usage_records to authenticated",
            "revoke select (id, org_id, at) on public.usage_records from authenticated",
        ),
        by=access(),
    ),
    fault(
        "rls.grant_missing.function",
        revoke_grant("execute on function private.is_member(uuid)", "authenticated, public"),
        by=access(),
    ),
    fault(
        "rls.not_exposed.schema",
        sql(
            "alter role authenticator set pgrst.db_schemas = 'graphql_public'; notify pgrst, 'reload config'",
            "alter role authenticator reset pgrst.db_schemas; notify pgrst, 'reload config'",
        ),
        by=access(),
    ),
    fault(
        "rls.not_exposed.cache",
        _UNNOTICED,
        by=access(table="invoices"),
        as_audit=Variant((_UNNOTICED,), audit),
    ),
    fault("rls.not_exposed.no_table", by=access(table="usage_record")),
)
_STATES = (fault("rls.row_absent", by=access(row_id=_NO_ROW)),)
_EXPOSED = (
    fault(
        "rls.disabled",
        sql("create table public.notes (id int primary key, body text)", "drop table public.notes", role="postgres"),
        by=audit,
    ),
    fault(
        "rls.disabled.policies_unused",
        sql(
            "alter table public.api_keys disable row level security",
            "alter table public.api_keys enable row level security",
        ),
        by=audit,
    ),
    fault(
        "rls.disabled.view",
        sql(
            "create view public.all_usage as select * from public.usage_records",
            "drop view public.all_usage",
            role="postgres",
        ),
        by=audit,
    ),
    fault(
        "rls.disabled.role", sql("alter role authenticated bypassrls", "alter role authenticated nobypassrls"), by=audit
    ),
    fault(
        "rls.policy_always_true",
        add_policy("api_keys_read", "api_keys", "for select using (true)"),
        by=audit,
        in_other_words=Variant(
            (add_policy("api_keys_read", "api_keys", "for select using (org_id = org_id or name is null)"),), audit
        ),
        for_all_signed_in=Variant(
            (add_policy("api_keys_read", "api_keys", "for select to authenticated using (auth.uid() is not null)"),),
            audit,
        ),
        by_a_function=Variant(
            (
                sql(
                    "create function private.allowed() returns boolean language plpgsql stable as $$ begin return true; end $$",
                    "drop function private.allowed()",
                ),
                add_policy("api_keys_write", "api_keys", "for insert with check (private.allowed())"),
            ),
            audit,
        ),
    ),
    fault(
        "rls.trusts_user_metadata",
        add_policy(
            "usage_by_claim",
            "usage_records",
            "for select using (org_id::text = auth.jwt() -> 'user_metadata' ->> 'org_id')",
        ),
        by=audit,
    ),
)
_OWN_PROFILE = "profiles_update_own on public.profiles"
_DRIFT = (
    fault(
        "rls.drift.policy_missing",
        sql(
            f"drop policy {_OWN_PROFILE}",
            f"create policy {_OWN_PROFILE} for update using (id = public.auth_uid()) with check (id = public.auth_uid())",
        ),
        by=audit,
    ),
    fault(
        "rls.drift.policy_extra",
        add_policy("invitations_mine", "invitations", "for select using (email = auth.email())"),
        by=audit,
    ),
    fault("rls.drift.policy_changed", reading("usage_records", f"{_MEMBER} and requests > 0"), by=audit),
    fault(
        "rls.drift.flag",
        sql(
            "alter table public.profiles force row level security",
            "alter table public.profiles no force row level security",
        ),
        by=audit,
    ),
    fault(
        "rls.drift.function",
        sql(_IS_MEMBER.format(more=" and role <> 'viewer'"), _IS_MEMBER.format(more=""), role="postgres"),
        by=audit,
    ),
    fault(
        "rls.drift.table_missing",
        sql(
            "alter table public.api_keys rename to keys_of_the_api",
            "alter table public.keys_of_the_api rename to api_keys",
        ),
        by=audit,
    ),
)

FAULTS: tuple[Fault, ...] = (
    *_PERSON,
    *_POLICY,
    alias("rls.grant_missing", _WAY[1]),
    *_WAY[:4],
    alias("rls.not_exposed", _WAY[5]),
    *_WAY[4:],
    *_STATES,
    *_EXPOSED,
    alias("rls.drift", _DRIFT[2]),
    *_DRIFT,
)
