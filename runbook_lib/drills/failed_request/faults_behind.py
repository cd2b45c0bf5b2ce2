"""Faults of what lies behind NexusCore's own parts: model providers, database, Auth, Stripe, and the plan's limits.

Error bodies are the vendors' own (documented shapes of November 2026).
"""

import json
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg

from runbook_lib.drills.kit.fault import Fault, Result, Step, Variant, alias, fault, use, visit
from runbook_lib.sandbox import plain_http

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

_MODELS = {
    "openai": "openai/gpt-4o-mini",
    "anthropic": "anthropic/claude-haiku-4-5-20251001",
    "together": "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
}
_FREE = "Initech"  # an organization on the free plan: no customer at Stripe
_PAYING = "Acme Rockets"


def _providers(sub: str, mode: str, **others: str) -> Fault:
    """A provider in one of its modes, and nobody to fall back to. One variant a provider, and one for each other mode."""
    variants = {name: _by(name, use("dial", of=name, field="mode", value=mode)) for name in _MODELS}
    variants |= {
        name: _by("openai", use("dial", of="openai", field="mode", value=each)) for name, each in others.items()
    }
    return Fault(f"request.provider_failed.{sub}", variants)


def _by(provider: str, *steps: Step, **how: Any) -> Variant:
    model = {} if provider == "openai" else {"model": _MODELS[provider]}
    return Variant((use("code", part="gateway", no_fallback=True), *steps), visit("chat", **model, **how))


def _sql(statement: str, undo: str, **more: Any) -> Step:
    return use("sql", statement=statement, undo=undo, **more)


def _role_setting(role: str, name: str, value: str, usual: str = "") -> Step:
    reload = "; notify pgrst, 'reload config'"
    back = f"set {name} = '{usual}'" if usual else "reset all"  # some settings cannot be reset by name
    return _sql(f"alter role {role} set {name} = '{value}'{reload}", f"alter role {role} {back}{reload}")


def _crowded(sandbox: "Sandbox") -> Result:
    """Somebody's slow page holds the only connection while a user chats."""
    other = threading.Thread(target=lambda: sandbox.visit("dashboard", timeout_s=10), daemon=True)
    other.start()
    time.sleep(0.3)
    return sandbox.visit("chat")


def _renamed_back(sandbox: "Sandbox") -> Result:
    """PostgREST has learned the table's absence; the table comes back, and nobody tells PostgREST."""
    sandbox.visit("usage")
    sandbox.inject(
        "sql", statement="alter table if exists public.usage_records_old rename to usage_records", undo="select 1"
    )
    return sandbox.visit("chat")


_SLOW_POLICY = (
    "create function private.audited() returns boolean language plpgsql as "
    "$$ begin perform pg_sleep({seconds}); return true; end $$; "
    "grant execute on function private.audited() to authenticated; "
    "alter policy {table}_select_member on public.{table} using (private.audited() and private.is_member({org}))"
)
_SLOW_POLICY_UNDO = (
    "alter policy {table}_select_member on public.{table} using (private.is_member({org})); "
    "drop function private.audited()"
)


def slow_reads(seconds: float, table: str = "memberships", org: str = "org_id") -> Step:
    """Every read of a table by a user takes so long; `org` is its column of the organization."""
    return _sql(
        _SLOW_POLICY.format(seconds=seconds, table=table, org=org), _SLOW_POLICY_UNDO.format(table=table, org=org)
    )


# What building an index without CONCURRENTLY holds: reads go on, writes wait.
_HELD = use("sql", statement="lock table public.usage_records in share mode", hold=True)
_WATCHES = ("pgrst_ddl_watch", "pgrst_drop_watch")
_UNWATCHED = "; ".join(f"alter event trigger {name} disable" for name in _WATCHES)
_WATCHED = "; ".join(f"alter event trigger {name} enable" for name in _WATCHES)
_COUNTING_TRIGGER = (
    "create function private.count_usage() returns trigger language plpgsql security definer as "
    "$$ begin update public.usage_totals set tokens = tokens + new.tokens where org_id = new.org_id; return new; end $$; "
    "create trigger count_usage after insert on public.usage_records for each row execute function private.count_usage()"
)
_NO_ROOM = "alter table public.usage_records add constraint usage_records_tokens_check check (tokens < 0) not valid"

_PROVIDER = (
    _providers("down", "down", server_error="server_error"),
    _providers("rate_limited", "throttled"),
    _providers("overloaded", "overloaded"),
    _providers("key_invalid", "bad_key"),
    _providers("access_denied", "forbidden"),
    _providers("out_of_credit", "insufficient_quota", spending_limit="spending_limit", billing="billing"),
    _providers("model_gone", "model_gone"),
    Fault(
        "request.provider_failed.timeout",
        {
            name: _by(
                name, use("http", part=name, method="POST", hang=True), use("code", part="gateway", timeout_s=0.8)
            )
            for name in _MODELS
        },
    ),
    Fault(
        "request.provider_failed.stream_broken",
        {name: _by(name, use("dial", of=name, field="mode", value="stream_error"), stream=True) for name in _MODELS},
    ),
    Fault(
        "request.provider_failed.content_filtered",
        {
            name: _by(name, use("dial", of=name, field="mode", value="content_filtered"))
            for name in ("openai", "anthropic")
        },
    ),
    _providers("request_rejected", "bad_request", too_large="too_large"),
)

_REST_DOWN = json.dumps(
    {"code": "PGRST001", "details": "connection refused", "hint": None, "message": "Database client error"}
)

_DATABASE = (
    fault(
        "request.db_failed.rls",
        _sql(
            "create policy memberships_read_team on public.memberships for select using "
            "(exists (select 1 from public.memberships m where m.org_id = memberships.org_id and m.user_id = auth.uid()))",
            "drop policy memberships_read_team on public.memberships",
        ),
    ),
    fault(
        "request.db_failed.grant",
        _sql(
            "revoke select on public.memberships from authenticated",
            "grant select on public.memberships to authenticated",
        ),
        schema=Variant(
            (
                _sql(
                    "revoke usage on schema public from authenticated, public",
                    "grant usage on schema public to authenticated, public",
                ),
            )
        ),
    ),
    fault(
        "request.db_failed.statement_timeout",
        _role_setting("authenticated", "statement_timeout", "300ms", "8s"),
        slow_reads(2),
    ),
    fault(
        "request.db_failed.lock",
        _role_setting("service_role", "lock_timeout", "300ms"),
        _HELD,
        statement_timeout=Variant((_role_setting("service_role", "statement_timeout", "900ms"), _HELD)),
    ),
    fault(
        "request.db_failed.pool",
        use("dial", of="SupabaseState", field="rest.pool_size", value=1),
        use("dial", of="SupabaseState", field="rest.pool_wait_s", value=0.6),
        slow_reads(3, "organizations", "id"),
        by=_crowded,
    ),
    fault(
        "request.db_failed.read_only",
        # PostgREST begins its writes with READ WRITE, so a default alone would not reach them
        _role_setting("service_role", "transaction_read_only", "on"),
    ),
    fault("request.db_failed.paused", use("dial", of="SupabaseState", field="project_status", value="INACTIVE")),
    fault(
        "request.db_failed.schema_cache",
        # the watch that tells PostgREST of changes is off, and it was told of the table while that had another name
        _sql(
            f"{_UNWATCHED}; alter table public.usage_records rename to usage_records_old; notify pgrst, 'reload schema'",
            f"alter table if exists public.usage_records_old rename to usage_records; {_WATCHED}; notify pgrst, 'reload schema'",
        ),
        by=_renamed_back,
        not_exposed=Variant(
            (
                _sql(
                    "alter role authenticator set pgrst.db_schemas = 'graphql_public'; notify pgrst, 'reload config'",
                    "alter role authenticator reset pgrst.db_schemas; notify pgrst, 'reload config'",
                ),
            )
        ),
    ),
    fault(
        "request.db_failed.constraint",
        _sql(_NO_ROOM, "alter table public.usage_records drop constraint usage_records_tokens_check"),
    ),
    fault(
        "request.db_failed.schema",
        _sql(
            _COUNTING_TRIGGER,
            "drop trigger count_usage on public.usage_records; drop function private.count_usage()",
        ),
    ),
    fault(
        "request.db_failed.timeout",
        use("http", part="supabase", path="/rest/*", hang=True),
        use("code", part="api", timeout_s=0.8),
    ),
    fault(
        "request.db_failed.down",
        use("http", part="supabase", path="/rest/*", status=503, body=_REST_DOWN),
        postgres=Variant((use("process", part="postgres", action="stop"),)),
    ),
)


def _stripe(sub: str, status: int, kind: str, message: str, code: str = "") -> Fault:
    """Stripe refuses a checkout in its own words."""
    error = {"type": kind, "message": message, **({"code": code} if code else {})}
    body = json.dumps({"error": error})
    return fault(
        f"request.stripe_failed.{sub}",
        use("http", part="stripe", path="/v1/checkout/sessions", status=status, body=body),
        by=visit("checkout"),
    )


_STRIPE = (
    _stripe(
        "key_invalid",
        401,
        "invalid_request_error",
        "Invalid API Key provided: sk_test_****************************Zk1x",
    ),
    _stripe(
        "access_denied",
        403,
        "invalid_request_error",
        "The provided key does not have the required permissions for this endpoint on account 'acct_1'. "
        "Having the 'rak_checkout_session_write' permission would allow this request to continue.",
    ),
    _stripe("rate_limited", 429, "invalid_request_error", "Too many requests hit the API too quickly.", "rate_limit"),
    fault(
        "request.stripe_failed.timeout",
        use("http", part="stripe", path="/v1/checkout/*", hang=True),
        use("code", part="api", timeout_s=0.8),
        by=visit("checkout"),
    ),
    _stripe("request_rejected", 400, "invalid_request_error", "No such price: 'price_pro_monthly'", "resource_missing"),
    fault(
        "request.stripe_failed.down",
        use(
            "http",
            part="stripe",
            path="/v1/*",
            status=500,
            body='{"error":{"type":"api_error","message":"An error occurred"}}',
        ),
        by=visit("checkout"),
        refused=Variant((use("http", part="stripe", refuse=True),), visit("checkout")),
    ),
)

_AUTH = (
    fault(
        "request.auth_failed.session_expired",
        by=visit("chat", session="expired"),
        forged=Variant((), visit("chat", session="forged")),
        none=Variant((), visit("chat", session="none")),
    ),
    fault(
        "request.auth_failed.down",
        use("http", part="supabase", path="/auth/v1/user", status=503, body="upstream connect error"),
        refused=Variant((use("http", part="supabase", refuse=True),)),
    ),
)


def _plan(status: str) -> Fault:
    """The organization may not: by its own record where it is no customer of Stripe, else by its subscription."""
    here = f"where org_id = (select id from public.organizations where name = '{_FREE}')"
    own = _sql(
        f"update public.billing_customers set status = '{status}' {here}",
        f"update public.billing_customers set status = 'active' {here}",
    )
    billed = use("dial", of="StripeState", field=_subscription_status, value=status)
    variants = {
        "usual": Variant((own,), visit("chat", org=_FREE)),
        "stripe": Variant((billed,), visit("chat", org=_PAYING)),
    }
    return Fault(f"request.quota_blocked.{status}", variants)


def _subscription_status(sandbox: "Sandbox") -> str:
    """Where the paying organization's subscription keeps its status in the façade's memory."""
    query = (
        "select stripe_customer_id from public.billing_customers b join public.organizations o on o.id = b.org_id "
        "where o.name = %s"
    )
    with psycopg.connect(sandbox.superuser) as connection:
        row = connection.execute(query, [_PAYING]).fetchone()
    answer = plain_http.request(
        "GET",
        f"{sandbox.endpoints['stripe']}/v1/subscriptions",
        params={"customer": str(row[0] if row else "")},
        headers={"Authorization": f"Bearer {sandbox.env['STRIPE_SECRET_KEY']}"},
        timeout=5,
    )
    found = answer.raise_for_status().json()["data"]
    return f"books.false.objects.subscription.{found[0]['id']}.status"


def write_usage(tokens: int, requests: int, rows: int) -> Step:
    """Usage of the free organization, written now."""
    return _sql(
        "insert into public.usage_records (org_id, tokens, requests, provider, model, at) "
        f"select id, {tokens}, {requests}, 'openai', 'gpt-4o-batch', now() from public.organizations, "
        f"generate_series(1, {rows}) where name = '{_FREE}'",
        "delete from public.usage_records where model = 'gpt-4o-batch'",
    )


_QUOTA = (
    fault("request.quota_blocked.over_limit", write_usage(200_000, 1, 1), by=visit("chat", org=_FREE)),
    _plan("past_due"),
    _plan("canceled"),
    # the API counts rows where the plan counts requests: rows that stand for none use the plan up
    fault("request.quota_blocked.wrongly", write_usage(0, 0, 1_000), by=visit("chat", org=_FREE)),
)

FAULTS: tuple[Fault, ...] = (
    alias("request.provider_failed", _PROVIDER[0]),
    *_PROVIDER,
    alias("request.db_failed", _DATABASE[1]),
    *_DATABASE,
    alias("request.stripe_failed", _STRIPE[-1]),
    *_STRIPE,
    alias("request.auth_failed", _AUTH[1]),
    *_AUTH,
    alias("request.quota_blocked", _QUOTA[0]),
    *_QUOTA,
)
