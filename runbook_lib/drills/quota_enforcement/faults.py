"""The faults of 05: limits, the daily usage report, subscriptions, customers. Most strike the one customer that is asked about."""

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from runbook_lib.drills.failed_request.faults_behind import write_usage
from runbook_lib.drills.kit.fault import Fault, Result, Step, Variant, alias, fault, no_action, use
from runbook_lib.sandbox import plain_http

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

FREE = "Initech"  # on the free plan: no customer at Stripe
PAYING = "Acme Rockets"
_PATIENCE_S = 10.0
LARGE = "Globex"  # on the enterprise plan
_METER = "/v1/billing/meters/mtr_test_nexus_tokens"


def _sql(statement: str, undo: str) -> Step:
    return use("sql", statement=statement, undo=undo)


def billing(change: str, org: str = LARGE) -> Step:
    """An organization's billing record is changed (`status = 'past_due'`), and put back when healed."""
    here = f"where org_id = (select id from public.organizations where name = '{org}')"

    def as_it_is(sandbox: "Sandbox") -> str:
        columns = ("stripe_customer_id", "plan", "status", "current_period_end")
        with psycopg.connect(sandbox.superuser) as connection:
            query = sql.SQL("select {} from public.billing_customers {}").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), sql.SQL(here)
            )
            held = connection.execute(query).fetchone() or ()
            values = ", ".join(
                f"{name} = {sql.Literal(value).as_string(connection)}"
                for name, value in zip(columns, held, strict=True)
            )
        return f"update public.billing_customers set {values} {here}"

    return use("sql", statement=f"update public.billing_customers set {change} {here}", undo=as_it_is)


def records(
    tokens: str, count: int = 1, at: str = "now()", org: str = LARGE, model: str = "gpt-4o-bulk", requests: int = 1
) -> Step:
    """Usage records of an organization; `tokens` and `at` are SQL, in which n counts from 1."""
    return _sql(
        "insert into public.usage_records (org_id, tokens, requests, provider, model, at) "
        f"select id, {tokens}, {requests}, 'openai', '{model}', {at} from public.organizations, generate_series(1, {count}) n "
        f"where name = '{org}'",
        f"delete from public.usage_records where model = '{model}'",
    )


def ledger(customer: str = LARGE, **how: Any) -> Step:
    """What Stripe holds of a customer's reports."""
    return use("ledger", customer=customer, **how)


def use_up_tokens(at: str = "now()") -> tuple[Step, ...]:
    """The free organization reaches its limit of tokens at a moment, and without a spike: there were such days before, and on the
    first of a month, when all of it is one day's, that is less than twice the highest of them."""
    model = "gpt-4o-limit"
    return (
        records("60000", at="now() - interval '20 days'", org=FREE, model="gpt-4o-before"),
        records("20000", at="now() - interval '15 days'", org=FREE, model="gpt-4o-earlier"),
        _sql(
            "insert into public.usage_records (org_id, tokens, requests, provider, model, at) "
            f"select o.id, 101000 - coalesce((select sum(u.tokens) from public.usage_records u where u.org_id = o.id "
            f"and u.at >= date_trunc('month', now())), 0), 1, 'openai', '{model}', {at} from public.organizations o "
            f"where o.name = '{FREE}'",
            f"delete from public.usage_records where model = '{model}'",
        ),
    )


_NO_RUNS = use("cron", forget=True)
TWO_DAYS_AGO: dict[str, Any] = {"since_h": lambda _: hours_since_midnight(newest_due_day()), "until_h": 0.0}
LAST_WEEK: dict[str, Any] = {
    "since_h": lambda _: hours_since_midnight(6),
    "until_h": lambda _: hours_since_midnight(4),
}


def newest_due_day() -> int:
    """How many midnights before the last one the newest day begins whose report is due: reports have two hours after midnight, and
    until then what yesterday's lacks is no fault yet."""
    return 1 if datetime.now(UTC).hour >= 2 else 2


def hours_since_midnight(days_ago: int) -> float:
    """Hours since a quarter before the UTC midnight so many days before the last one: reports stand at full hours, and time
    passes until this is used."""
    now = datetime.now(UTC)
    return days_ago * 24 + 0.25 + (now - now.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds() / 3600


def visits(*orgs: str, count: int = 1, action: str = "chat") -> Any:
    """Chats of these organizations, one after the other; done when their spans have arrived, however slow the machine is."""

    def act(sandbox: "Sandbox") -> Result:
        got: Result = {}
        begun = time.time()
        for org in orgs:
            for _ in range(count):
                got = sandbox.visit(action, org=org)
        for org in orgs:
            _until_traced(sandbox, org_id_of(sandbox, org), begun, count)
        return got

    return act


def _until_traced(sandbox: "Sandbox", org_id: str, since: float, count: int) -> None:
    """Return when so many requests of an organization can be found, or after ten seconds."""
    end = time.monotonic() + _PATIENCE_S
    while time.monotonic() < end:
        asked: dict[str, str | int] = {
            "q": f'{{ span.nexuscore.org_id = "{org_id}" }}',
            "start": int(since),
            "end": int(time.time()) + 1,
            "limit": 500,
        }
        found = plain_http.request("GET", f"{sandbox.endpoints['tempo']}/api/search", params=asked, timeout=5)
        traces = found.json().get("traces", []) if found.is_success else []
        if sum(int(trace["startTimeUnixNano"]) >= (since - 0.01) * 1e9 for trace in traces) >= count:
            return
        time.sleep(0.05)


def customer_of(sandbox: "Sandbox", org: str = LARGE) -> str:
    """An organization's customer at Stripe."""
    query = (
        "select stripe_customer_id from public.billing_customers b join public.organizations o on o.id = b.org_id "
        "where o.name = %s"
    )
    with psycopg.connect(sandbox.superuser) as connection:
        row = connection.execute(query, [org]).fetchone()
    return str(row[0]) if row else ""


def org_id_of(sandbox: "Sandbox", org: str = LARGE) -> str:
    """An organization's id."""
    return next(str(each["id"]) for each in sandbox.organizations if each["name"] == org)


def _at_stripe(sandbox: "Sandbox", path: str, **params: str) -> Any:
    answer = plain_http.request(
        "GET",
        f"{sandbox.endpoints['stripe']}{path}",
        params=params,
        headers={"Authorization": f"Bearer {sandbox.env['STRIPE_SECRET_KEY']}", "Stripe-Version": "2026-10-28.endive"},
        timeout=5,
    )
    return answer.raise_for_status().json()


def email_of(sandbox: "Sandbox") -> str:
    """The address of an organization's customer at Stripe."""
    return str(_at_stripe(sandbox, f"/v1/customers/{customer_of(sandbox)}")["email"])


def subscription_of(sandbox: "Sandbox", org: str = LARGE) -> dict[str, Any]:
    """An organization's subscription, as the newest version shows it."""
    found = _at_stripe(sandbox, "/v1/subscriptions", customer=customer_of(sandbox, org), status="all")["data"]
    return dict(found[0])


def subscription_field(field: str, org: str = LARGE) -> Any:
    """Where a field of an organization's subscription is kept in the façade's memory."""
    return lambda sandbox: f"books.false.objects.subscription.{subscription_of(sandbox, org)['id']}.{field}"


def subscription_is(status: str, org: str = LARGE) -> tuple[Step, ...]:
    """The subscription's status at Stripe, and in the database, as after the webhook."""
    known = status if status != "incomplete_expired" else "canceled"
    return (
        use("dial", of="StripeState", field=subscription_field("status", org), value=status),
        billing(f"status = '{known}'", org),
    )


def another_subscription(status: str = "active", org: str = LARGE) -> Step:
    """A second subscription of the same customer, like the first."""

    def like(sandbox: "Sandbox") -> dict[str, Any]:
        first = subscription_of(sandbox, org)
        return {**first, "id": "sub_1Second000000000000000A", "status": status, "created": first["created"] - 86_400}

    field = "books.false.objects.subscription.sub_1Second000000000000000A"
    return use("dial", of="StripeState", field=field, value=like)


def _known_elsewhere(sandbox: "Sandbox") -> str:
    """Stripe's words for a customer of the other mode."""
    message = (
        f"No such customer: '{customer_of(sandbox)}'; a similar object exists in live mode, but a test mode key was used to "
        "make this request."
    )
    error = {"type": "invalid_request_error", "code": "resource_missing", "message": message, "param": "id"}
    return json.dumps({"error": error})


def _subscription(code: str, status: str) -> Fault:
    return fault(f"subscription.{code}", *subscription_is(status), by=no_action)


_QUOTA = (
    fault("quota.within_limits", by=no_action),
    fault("quota.over_limit", *use_up_tokens(), by=visits(FREE)),
    fault(
        "quota.period_mismatch.calendar_month",
        billing("current_period_end = null"),
        by=no_action,
    ),
    fault(
        "quota.period_mismatch.stale",
        billing("current_period_end = current_period_end - interval '1 month'"),
        by=no_action,
    ),
    fault(
        "quota.period_mismatch.zone",
        billing("current_period_end = current_period_end + interval '5 hours'"),
        by=no_action,
    ),
    fault(
        "quota.period_mismatch.edge",
        billing("current_period_end = current_period_end + interval '3 days 7 seconds'"),
        by=no_action,
        second=Variant((billing("current_period_end = current_period_end - interval '1 second'"),), no_action),
    ),
    # the API counts rows where the plan counts requests: rows that stand for none use the plan up
    fault("quota.blocked_wrongly", write_usage(0, 0, 1_000), by=visits(FREE, count=2)),
    fault(
        "quota.not_enforced",
        use("env", part="api", name="QUOTA_ENFORCED", value="false"),
        *use_up_tokens("now() - interval '10 minutes'"),
        by=visits(FREE, count=2),
    ),
)

_DROPPED = {"customer": "meter_event_customer_not_found", "value": "meter_event_invalid_value"}
_RUN_FAILS = (
    use(
        "http",
        part="stripe",
        path="/v1/billing/meter_events",
        method="POST",
        status=500,
        body='{"error":{"type":"api_error"}}',
    ),
    use("cron", run=True),
)

_REPORT = (
    fault("usage.no_job", ledger("*", times=0.0), use("cron", off=True, forget=True), by=no_action),
    fault(
        "usage.report_stale",
        ledger("*", times=0.0, **TWO_DAYS_AGO),
        use("cron", off=True, forget=True),
        by=no_action,
        failing=Variant((ledger("*", times=0.0, **TWO_DAYS_AGO), _NO_RUNS, *_RUN_FAILS), no_action),
    ),
    *(
        fault(f"usage.rejected.{sub}", ledger(dropped=code, **LAST_WEEK), by=no_action)
        for sub, code in _DROPPED.items()
    ),
    fault(
        "usage.rejected.meter",
        use("stripe", method="POST", path=f"{_METER}/deactivate"),
        ledger("*", dropped="archived_meter", **TWO_DAYS_AGO),
        by=no_action,
    ),
    fault(
        "usage.report_partial.broken_off",
        # a record in every hour of the newest day that is due, reported anew up to noon
        records(
            "1000",
            24,
            "date_trunc('day', now() - interval '2 hours') - interval '1 day' + n * interval '1 hour' - interval '5 minutes'",
        ),
        ledger("*", times=0.0, since_h=lambda _: hours_since_midnight(newest_due_day())),
        use("cron", run=True, day=lambda _: f"{datetime.now(UTC) - timedelta(days=newest_due_day()):%Y-%m-%d}"),
        ledger("*", times=0.0, since_h=lambda _: hours_since_midnight(newest_due_day()) - 12),
        _NO_RUNS,
        by=no_action,
    ),
    fault("usage.report_partial.left_out", ledger(times=0.0, **TWO_DAYS_AGO), by=no_action),
    fault("usage.report_partial.short", ledger(times=0.5, **LAST_WEEK), by=no_action),
    fault("usage.unreported", ledger(times=0.0, **LAST_WEEK), by=no_action),
    fault("usage.double_reported", ledger(times=2.0, **LAST_WEEK), by=no_action),
    fault("usage.shifted", ledger(shift_h=5.0), by=no_action),
    fault(
        "usage.unrecorded",
        _sql(
            "create function private.lose() returns trigger language plpgsql as $$ begin return null; end $$; "
            "create trigger lose before insert on public.usage_records for each row execute function private.lose()",
            "drop trigger lose on public.usage_records; drop function private.lose()",
        ),
        by=visits(PAYING, count=4),
    ),
    fault("usage.unmetered", records("null", 5, "now() - n * interval '1 minute'"), by=no_action),
    fault("usage.spike", records("1500000", 12, "now() - n * interval '5 minutes'"), by=no_action),
)

_BILLING = (
    _subscription("past_due", "past_due"),
    _subscription("canceled", "canceled"),
    _subscription("unpaid", "unpaid"),
    _subscription("incomplete", "incomplete"),
    _subscription("incomplete.expired", "incomplete_expired"),
    _subscription("paused", "paused"),
    fault(
        "subscription.paused.collection",
        use(
            "dial",
            of="StripeState",
            field=subscription_field("pause_collection"),
            value={"behavior": "void", "resumes_at": None},
        ),
        by=no_action,
    ),
    fault("subscription.multiple", another_subscription(), by=no_action),
    fault(
        "subscription.missing",
        use(
            "http",
            part="stripe",
            path="/v1/subscriptions",
            status=200,
            body='{"object":"list","data":[],"has_more":false,"url":"/v1/subscriptions"}',
        ),
        by=no_action,
    ),
    fault("subscription.status_mismatch", billing("status = 'past_due'"), by=no_action),
    fault("plan.mismatch", billing("plan = 'pro'"), by=no_action),
    fault(
        "limits.missing",
        use("limits", text="[plans.free]\ntokens = 100_000\n\n[plans.pro]\ntokens = 5_000_000\n"),
        by=no_action,
        gone=Variant((use("limits"),), no_action),
    ),
    fault("customer.missing", billing("stripe_customer_id = 'cus_NoneOfThisId01'"), by=no_action),
    fault("customer.missing.no_id", billing("stripe_customer_id = null"), by=no_action),
    fault(
        "customer.missing.wrong_mode",
        use(
            "http",
            part="stripe",
            path=lambda sandbox: f"/v1/customers/{customer_of(sandbox)}",
            status=404,
            body=_known_elsewhere,
        ),
        use("http", part="stripe", path="/v1/subscriptions", status=400, body=_known_elsewhere),
        by=no_action,
    ),
    fault(
        "customer.deleted",
        use(
            "dial",
            of="StripeState",
            field=lambda sandbox: f"books.false.objects.customer.{customer_of(sandbox)}.deleted",
            value=True,
        ),
        *subscription_is("canceled"),  # as Stripe does with the subscriptions of a customer that is deleted
        by=no_action,
    ),
    fault(
        "customer.duplicate",
        use(
            "stripe",
            method="POST",
            path="/v1/customers",
            form=lambda sandbox: {
                "email": email_of(sandbox),
                "metadata[org_id]": org_id_of(sandbox),
            },
        ),
        by=no_action,
    ),
)

FAULTS: tuple[Fault, ...] = (
    *_QUOTA[:2],
    alias("quota.period_mismatch", _QUOTA[2]),
    *_QUOTA[2:],
    *_REPORT[:2],
    alias("usage.rejected", _REPORT[2]),
    *_REPORT[2:5],
    alias("usage.report_partial", _REPORT[6]),
    *_REPORT[5:],
    *_BILLING,
)
