"""Procedure 05 at size: an organization with millions of usage records, and a fleet of ten thousand organizations.

An organization: the look that adds its period up by hour, provider and model, through the whole corridor (SQL, redaction, record),
against the bare SQL aggregate by the hour on the same rows, in turns; aim: within 2 times. Memory is the peak of Python's own
allocations during the look; with ten times the records it must stay what it was, for only hours come back.

A fleet: the one query for all organizations against the bare aggregate by organization, and the whole audit, with a Stripe on
loopback that answers at once, against the bare requests that the audit cannot do without.

    .venv/bin/python benchmarks/quota.py [records] [organizations]
"""

import asyncio
import platform
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.loopback import Asked, Loopback, Reply

from runbook_lib.core.clock import Window
from runbook_lib.io.observe import Look, Observer
from runbook_lib.run.headless import run_procedure
from runbook_lib.run.targets import Target
from runbook_lib.sandbox.postgres import SCHEMA, Postgres
from runbook_lib.settings import Settings
from runbook_lib.sources.postgres import usage as postgres_usage

ROUNDS = 5
OWNER = "00000000-0000-4000-8000-000000000001"
ORG = "13ebd848-65e2-449b-8d7c-89378b2f3c6d"
NOW = datetime.now(UTC).replace(microsecond=0)
PERIOD = Window(NOW - timedelta(days=29), NOW)
MODELS = "array['gpt-4o-mini', 'gpt-4o', 'claude-haiku-4-5', 'claude-sonnet-4-5', 'llama-3.3-70b']"
BARE = (
    "select date_trunc('hour', at), sum(tokens), sum(requests), count(*) from public.usage_records "
    "where org_id = %s and at >= %s and at < %s group by 1"
)
BARE_FLEET = "select org_id, sum(tokens), sum(requests), count(*) from public.usage_records where at >= %s group by 1"


async def start(folder: Path) -> Postgres:
    """A database with NexusCore's schema and one owner."""
    postgres = Postgres(folder / "postgres")
    await postgres.create()
    await postgres.start()
    await postgres.load(SCHEMA / "supabase.sql", "supabase_admin")
    async with postgres.connect() as connection:
        password = postgres.passwords["postgres"]
        await connection.execute(f"alter role postgres password '{password}'".encode())
    await postgres.load(SCHEMA / "nexuscore.sql", "postgres")
    async with postgres.connect() as connection:
        await connection.execute(
            b"insert into auth.users (id, email, created_at) values ('00000000-0000-4000-8000-000000000001', 'o@x.example', now())"
        )
        await connection.execute(
            b"insert into public.profiles (id, email) values ('00000000-0000-4000-8000-000000000001', 'o@x.example')"
            b" on conflict do nothing"
        )
    return postgres


def fill(dsn: str, records: int) -> None:
    """One organization with so many records, spread over four weeks and five models."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("delete from public.organizations where id = %s", [ORG])
        connection.execute(
            "insert into public.organizations (id, name, owner_id) values (%s, 'Large', %s)",
            [ORG, OWNER],
        )
        connection.execute("alter table public.usage_records disable trigger all")
        connection.execute(
            f"insert into public.usage_records (id, org_id, tokens, requests, provider, model, at) "
            f"select gen_random_uuid(), %s, 200 + n %% 900, 1, 'openai', ({MODELS})[1 + n %% 5], "
            "%s::timestamptz - n * (interval '28 days' / %s) from generate_series(1, %s) n",
            [ORG, NOW, records, records],
        )
        connection.execute("vacuum analyze public.usage_records")


def look_at(dsn: str, look: Look) -> Any:
    """A look through the whole corridor."""
    settings = Settings.from_mapping({"RUNBOOK_DATABASE_URL": dsn})
    seen = Observer(now=NOW, settings=settings).together(look)[0]
    assert seen.status.answered, seen.why
    return seen.value


def bare(dsn: str, statement: str, parameters: list[Any]) -> int:
    """The bare aggregate with the driver alone."""
    with psycopg.connect(dsn) as connection:
        return len(connection.execute(statement.encode(), parameters).fetchall())


def in_turns(first: Callable[[], object], second: Callable[[], object]) -> tuple[float, float]:
    """Median seconds of both, measured in turns after one round that does not count."""
    first_s, second_s = [], []
    for number in range(ROUNDS + 1):
        for work, taken in ((first, first_s), (second, second_s)):
            begun = time.perf_counter()
            work()
            if number:
                taken.append(time.perf_counter() - begun)
    return statistics.median(first_s), statistics.median(second_s)


def peak_bytes(work: Callable[[], object]) -> int:
    """The peak of Python's own allocations."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def one_organization(dsn: str, records: int) -> None:
    """Print the line for an organization with so many records."""
    fill(dsn, records)
    look = postgres_usage.by_hour(ORG, PERIOD, [NOW - timedelta(days=15, minutes=7)])
    bare_s, look_s = in_turns(lambda: bare(dsn, BARE, [ORG, PERIOD.since, PERIOD.until]), lambda: look_at(dsn, look))
    peak = peak_bytes(lambda: look_at(dsn, look))
    rows = len(look_at(dsn, look))
    print(
        f"| {records:,} records | {bare_s:.2f} s | {look_s:.2f} s | {look_s / bare_s:.2f} | {peak / 1e6:.1f} MB | {rows:,} |"
    )


def fill_fleet(dsn: str, organizations: int, a_month: int) -> list[tuple[str, str]]:
    """So many organizations with a customer each, and so many records a month; returns (organization, customer)."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("delete from public.organizations where id = %s", [ORG])
        connection.execute(
            "insert into public.organizations (id, name, owner_id) select gen_random_uuid(), 'Org ' || n, "
            "'00000000-0000-4000-8000-000000000001' from generate_series(1, %s) n",
            [organizations],
        )
        connection.execute(
            "insert into public.billing_customers (org_id, stripe_customer_id, plan, status, current_period_end) "
            "select id, 'cus_' || replace(id::text, '-', ''), 'pro', 'active', %s from public.organizations",
            [period_end()],
        )
        connection.execute(
            "insert into public.usage_records (id, org_id, tokens, requests, provider, model, at) "
            "select gen_random_uuid(), o.id, 500, 1, 'openai', 'gpt-4o', "
            "%s::timestamptz - interval '1 hour' - n * (interval '27 days' / %s) "
            "from public.organizations o, generate_series(1, %s) n",
            [NOW, a_month, a_month],
        )
        connection.execute("vacuum analyze public.usage_records")
        found = connection.execute("select org_id::text, stripe_customer_id from public.billing_customers").fetchall()
    return [(str(org), str(customer)) for org, customer in found]


def period_end() -> datetime:
    """The end of everybody's period: the midnight in two days."""
    return (NOW + timedelta(days=2)).replace(hour=0, minute=0, second=0)


class Stripe:
    """Stripe's answers for a fleet: subscriptions and customers by pages, and for each customer what the database holds."""

    def __init__(self, customers: list[str], reported: dict[str, int]) -> None:
        self.customers, self.reported = customers, reported
        end = int(period_end().timestamp())
        start = int((period_end() - timedelta(days=30)).timestamp())
        items = [("price_pro", "pro", "licensed"), ("price_tokens", None, "metered")]
        self.subscriptions = [
            {
                "id": f"sub_{nth}", "object": "subscription", "status": "active", "customer": customer, "created": start,
                "current_period_start": start, "current_period_end": end, "cancel_at_period_end": False, "livemode": False,
                "items": {"object": "list", "data": [
                    {"id": f"si_{nth}_{price}", "quantity": 1, "price": {
                        "id": price, "lookup_key": key, "nickname": None, "product": "prod", "recurring": {"usage_type": kind},
                    }} for price, key, kind in items
                ]},
            }
            for nth, customer in enumerate(customers)
        ]  # fmt: skip
        self.rows = [
            {"id": c, "object": "customer", "created": start, "livemode": False, "metadata": {}} for c in customers
        ]

    def answer(self, asked: Asked) -> Reply:
        """One reply."""
        if asked.path.endswith("/event_summaries"):
            customer = asked.query["customer"][0]
            start, end = int(asked.query["start_time"][0]), int(asked.query["end_time"][0])
            row = {"id": "s", "object": "billing.meter_event_summary", "aggregated_value": self.reported[customer],
                   "start_time": start, "end_time": end, "livemode": False, "meter": "mtr_1"}  # fmt: skip
            return Reply(200, {"object": "list", "data": [row], "has_more": False})
        if asked.path == "/v1/billing/meters":
            meter = {"id": "mtr_1", "event_name": "nexus_tokens", "display_name": "Tokens", "status": "active",
                     "default_aggregation": {"formula": "sum"}}  # fmt: skip
            return Reply(200, {"object": "list", "data": [meter], "has_more": False})
        if asked.path == "/api/search":
            return Reply(200, {"traces": []})
        rows = {"/v1/subscriptions": self.subscriptions, "/v1/customers": self.rows}.get(asked.path)
        if rows is None:
            return Reply(404, {"error": {"message": "not here"}})
        after = asked.query.get("starting_after", [""])[0]
        at = next((n + 1 for n, row in enumerate(rows) if row["id"] == after), 0)
        return Reply(200, {"object": "list", "data": rows[at : at + 100], "has_more": at + 100 < len(rows)})


def fleet(dsn: str, organizations: int) -> None:
    """Print the lines for a fleet."""
    known = fill_fleet(dsn, organizations, 100)
    since = period_end() - timedelta(days=30)
    asked = [
        {"org_id": org, "since": since.isoformat(), "until": NOW.isoformat(), "counted_since": since.isoformat()}
        for org, _ in known
    ]
    look = postgres_usage.fleet(asked, NOW, NOW - timedelta(days=1))
    bare_s, look_s = in_turns(lambda: bare(dsn, BARE_FLEET, [since]), lambda: look_at(dsn, look))
    print(
        f"| {organizations:,} organizations, one query | {bare_s:.2f} s | {look_s:.2f} s | {look_s / bare_s:.2f} | | |"
    )
    settled = (NOW - timedelta(hours=2)).replace(hour=0, minute=0, second=0)
    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            "select b.stripe_customer_id, sum(u.tokens)::bigint "
            "from public.billing_customers b join public.usage_records u using (org_id) where u.at >= %s and u.at < %s group by 1",
            [since, settled],
        ).fetchall()
    stripe = Stripe([customer for _, customer in known], {str(customer): int(str(tokens)) for customer, tokens in rows})
    server = Loopback()
    server.answer = stripe.answer
    limits = Path(tempfile.gettempdir()) / "benchmark_plan_limits.toml"
    limits.write_text("[plans.pro]\ntokens = 5_000_000\nrequests = 50_000\n")
    variables = {
        "RUNBOOK_DATABASE_URL": dsn, "RUNBOOK_STRIPE_API_URL": server.url, "RUNBOOK_STRIPE_KEY": "rk_test_forBenchmarks1234",
        "RUNBOOK_PLAN_LIMITS": str(limits), "RUNBOOK_TEMPO_URL": server.url,
    }  # fmt: skip
    target = Target("live", Settings.from_mapping(variables), "a benchmark", variables)
    needed_s = bare_requests(server.url, [customer for _, customer in known]) + bare_s
    begun = time.perf_counter()
    run = run_procedure("05_quota_enforcement", {}, target=target, incident="benchmark")
    audit_s = time.perf_counter() - begun
    found = [each["code"] for each in (*run.verdict["states"], *run.verdict["causes"])]
    said = f"{run.verdict['status']} {', '.join(found)}"
    ratio = audit_s / needed_s
    print(
        f"| {organizations:,} organizations, whole audit | {needed_s:.1f} s | {audit_s:.1f} s | {ratio:.2f} | | {said} |"
    )
    limits.unlink()
    server.stop()


def bare_requests(url: str, customers: list[str]) -> float:
    """Seconds for the requests that cannot be done without: one a customer, eight at a time, with an HTTP client alone."""
    start = int((period_end() - timedelta(days=30)).timestamp())
    begun = time.perf_counter()
    with httpx.Client(trust_env=False) as client, ThreadPoolExecutor(8) as pool:

        def ask(customer: str) -> int:
            asked = {"customer": customer, "start_time": start, "end_time": start + 3600, "limit": 1}
            return client.get(f"{url}/v1/billing/meters/mtr_1/event_summaries", params=asked).status_code

        list(pool.map(ask, customers))
    return time.perf_counter() - begun


def main() -> None:
    """Measure and print a table of ratios."""
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    organizations = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {ROUNDS} rounds, medians\n")
    print("| what | bare | runbook | ratio | peak memory | rows back |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="runbook-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        asyncio.run(measured(folder, records, organizations))


async def measured(folder: Path, records: int, organizations: int) -> None:
    """Everything on one database, which is taken down whatever happens."""
    postgres = await start(folder)
    try:
        dsn = postgres.dsn()
        for count in (records // 10, records):
            await asyncio.to_thread(one_organization, dsn, count)
        await asyncio.to_thread(fleet, dsn, organizations)
    finally:
        await postgres.stop()


if __name__ == "__main__":
    main()
