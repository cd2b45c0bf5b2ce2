"""Cases of 03 that look like something else: decoys beside a healthy system, and two faults at once."""

import time
from typing import Any

from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Exercise, Result, Step, use
from runbook_lib.drills.supabase_rls.cases import rls_case
from runbook_lib.drills.supabase_rls.faults_database import (
    add_policy,
    audit,
    reading,
    revoke_grant,
    without_read_policy,
)
from runbook_lib.drills.supabase_rls.faults_session import access, ask_with_own_token, mint_token, sql, with_token
from runbook_lib.sandbox import Sandbox

_MEMBER = "private.is_member(org_id)"
_ITSELF = "exists (select 1 from public.memberships m where m.org_id = memberships.org_id and m.user_id = auth.uid())"
_AN_OWNER_OUT = sql(
    "create table private.kept as table public.memberships; "
    "delete from public.memberships where user_id = (select id from auth.users where email = 'donald@initech.example')",
    "insert into public.memberships select * from private.kept on conflict do nothing; drop table private.kept",
)
_WITHOUT_THE_FILE = {"RUNBOOK_MIGRATIONS": "", "RUNBOOK_NOT_USED": "migrations"}


def _after_a_refusal(sandbox: Sandbox) -> Result:
    """A minute ago a session that had run out was refused; this one is another."""
    with_token(sandbox, mint_token(exp=int(time.time()) - 3600, iat=int(time.time()) - 7200)(sandbox)["token"])
    return ask_with_own_token(sandbox)


def _decoys() -> list[Case]:
    def decoy(name: str, *before: Step, exercise: Exercise | None = None, **more: Any) -> Case:
        return rls_case(
            f"decoy/03/{name}", "decoy", "ruled_out", (), before=before, exercise=exercise or access(), **more
        )

    return [
        decoy("another-users-membership-is-gone", _AN_OWNER_OUT),
        decoy("another-tables-policy-recurses", reading("memberships", _ITSELF)),
        decoy("another-table-has-no-policy", without_read_policy("api_keys")),
        decoy("another-role-lacks-the-grant", revoke_grant("select on public.usage_records", "anon")),
        decoy("another-command-lacks-the-grant", revoke_grant("delete on public.usage_records")),
        decoy("a-restrictive-policy-that-holds",
              add_policy("spent", "usage_records", "as restrictive for select using (tokens > 0)")),
        decoy("a-restrictive-policy-that-is-always-true",
              add_policy("all_restrictive", "usage_records", "as restrictive using (true)")),
        decoy("one-of-two-policies-is-false", add_policy("nobody", "usage_records", "for select using (provider = 'mistral')")),
        decoy("open-to-all-explains-no-denial", add_policy("everybody", "usage_records", "for select using (true)")),
        decoy(
            "an-invitation-beside-the-membership",
            sql(
                "insert into public.invitations (org_id, email, token) select id, 'grace@acme.example', 'decoy' "
                "from public.organizations where name = 'Acme Rockets'",
                "delete from public.invitations where token = 'decoy'",
            ),
        ),
        decoy("a-deployment-coincides", use("deploy", part="api", message="Rename a helper")),
        decoy("an-older-session-was-refused", exercise=_after_a_refusal),
        decoy("audience-that-nobody-checks", exercise=mint_token(aud="another-app")),
        decoy(
            "our-own-copy-of-the-secret-is-old",
            exercise=ask_with_own_token,
            settings={"RUNBOOK_SUPABASE_JWT_SECRET": "the-secret-of-last-year-that-opens-nothing"},
        ),
        decoy(
            "same-policy-in-other-words",
            sql(
                "alter policy usage_records_select_member on public.usage_records using (((private.is_member((org_id)))))",
                f"alter policy usage_records_select_member on public.usage_records using ({_MEMBER})",
            ),
            exercise=audit,
        ),
        decoy("always-true-for-the-service-role-alone", add_policy("service_all", "api_keys", "to service_role using (true)"),
              exercise=audit, settings=_WITHOUT_THE_FILE),
        decoy("always-true-and-restrictive", add_policy("all_restrictive", "api_keys", "as restrictive using (true)"),
              exercise=audit, settings=_WITHOUT_THE_FILE),
        decoy(
            "locked-on-purpose",
            sql(
                "create table public.outbox (id int primary key); alter table public.outbox enable row level security; "
                "revoke all on public.outbox from anon, authenticated",
                "drop table public.outbox",
                role="postgres",
            ),
            exercise=audit,
        ),
        decoy(
            "a-view-that-asks-as-its-reader",
            sql(
                "create view public.my_usage with (security_invoker = true) as select * from public.usage_records",
                "drop view public.my_usage",
                role="postgres",
            ),
            exercise=audit,
        ),
        decoy(
            "rows-of-everybody-for-members-of-anything",
            add_policy("plans_for_members", "organizations", "for select using (exists (select 1 from public.memberships))"),
            exercise=audit,
            settings=_WITHOUT_THE_FILE,
        ),
    ]  # fmt: skip


def _expired(sandbox: Sandbox) -> Result:
    now = int(time.time())
    return mint_token(iat=now - 7200, exp=now - 3600)(sandbox)


def _doubles() -> list[Case]:
    def double(name: str, *codes: str, exercise: Exercise | None = None, before: tuple[Step, ...] = ()) -> Case:
        """Faults in the order in which they explain the symptom."""
        found = tuple(Injected(code) for code in codes)
        return rls_case(
            f"double/03/{name}",
            "double",
            "confirmed",
            codes,
            faults=found,
            before=before,
            exercise=exercise or access(),
        )

    return [
        double("expired-and-no-membership", "rls.jwt_expired", "rls.no_membership", exercise=_expired),
        double("expired-and-recursion", "rls.jwt_expired", "rls.policy_recursion", exercise=lambda sandbox: {
            **_expired(sandbox), "asked": {"table": "memberships"}}),
        double("recursion-and-no-membership", "rls.policy_recursion", "rls.no_membership", exercise=access(table="memberships")),
        double("grant-and-no-membership", "rls.grant_missing.table", "rls.no_membership"),
        double("no-membership-and-restrictive", "rls.no_membership", "rls.restrictive_policy"),
        double("no-membership-and-false", "rls.no_membership", "rls.policy_false"),
        double("not-exposed-and-no-membership", "rls.not_exposed.schema", "rls.no_membership"),
        double("recursion-and-open-table", "rls.policy_recursion", "rls.disabled", exercise=audit),
        double("two-exposures", "rls.disabled.view", "rls.trusts_user_metadata", exercise=audit),
        double("open-and-drifted", "rls.policy_always_true", "rls.drift.flag", exercise=audit),
        rls_case(
            "double/03/overridden-and-denied", "double", "confirmed", ("rls.service_role_overridden",),
            faults=(Injected("rls.service_role_overridden"), Injected("rls.no_membership")),
        ),  # the user who is denied was never meant
        rls_case(
            "double/03/profile-and-membership", "double", "confirmed", ("rls.profile_missing",),
            faults=(Injected("rls.profile_missing"),), exercise=ask_with_own_token,
        ),  # without a profile there is no membership: a consequence
    ]  # fmt: skip


CASES: tuple[Case, ...] = (*_decoys(), *_doubles())
