"""A real Postgres with two users in two organizations, and the looks of 03 at it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import psycopg

from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.postgres import rls as postgres_rls

ADA, BOB = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
ACME, OTHER = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
ROWS = f"""
insert into auth.users (id, email) values ('{ADA}', 'Ada@acme.example'), ('{BOB}', 'bob@other.example');
insert into public.profiles (id, email) values ('{ADA}', 'ada@acme.example'), ('{BOB}', 'bob@other.example');
insert into public.organizations (id, name, owner_id) values ('{ACME}', 'Acme', '{ADA}'), ('{OTHER}', 'Other', '{BOB}');
insert into public.memberships values ('{ACME}', '{ADA}', 'admin'), ('{OTHER}', '{BOB}', 'owner');
insert into public.usage_records (org_id, tokens, provider) select '{ACME}', n, 'openai' from generate_series(1, 5) n;
insert into public.usage_records (org_id, tokens, provider) values ('{OTHER}', 7, 'openai');
insert into public.invitations (org_id, email, token) values ('{OTHER}', 'ADA@acme.example', 'open');
"""


def members_database(new_database: Callable[[], str]) -> str:
    """The address of a new database that holds them."""
    made = new_database()
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(ROWS.encode())
    return made


def change(dsn: str, statement: str) -> None:
    """Change something in the database."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def see(look: Look, dsn: str, **more: str) -> Observation:
    """What a look at the database brings; `more` settings besides its address."""
    settings = Settings.from_mapping({"RUNBOOK_DATABASE_URL": dsn, **more})
    return Observer(now=datetime.now(UTC), settings=settings).together(look)[0]


def as_ada(
    dsn: str, table: str = "usage_records", command: str = "select", row: str = "", org: str = ACME
) -> dict[str, Any]:
    """What the first user meets there."""
    seen = see(postgres_rls.as_user("ada@acme.example", org, table, command, row), dsn)
    assert seen.status == Status.ok, (seen.status, seen.why)
    return dict(seen.value)
