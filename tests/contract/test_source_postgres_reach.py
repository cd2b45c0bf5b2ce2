"""What the database's role may do is told by Postgres itself, against a real one."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import psycopg
import pytest

from runbook_lib.core.model import Status
from runbook_lib.io.observe import Observer
from runbook_lib.settings import Settings
from runbook_lib.sources.postgres.reach import reach


@pytest.fixture
def role(new_database: Callable[[], str]) -> Iterator[tuple[psycopg.Connection, str]]:
    """The owner's connection, and the address of a role that may log in and nothing else."""
    owner = new_database()
    parts = urlsplit(owner)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute("create role looks_only login password 'b7Qz-8fK2mX' noinherit valid until '2099-01-02 UTC'")
        connection.execute("revoke create on schema public from public")
        host = parts.netloc.rpartition("@")[2]
        yield connection, owner.replace(parts.netloc, f"looks_only:b7Qz-8fK2mX@{host}")
        connection.execute("drop owned by looks_only")
        connection.execute("drop role looks_only")


def told(dsn: str) -> dict[str, object]:
    settings = Settings.from_mapping({"RUNBOOK_DATABASE_URL": dsn})
    seen = Observer(active=True, now=datetime.now(UTC), settings=settings).together(reach())[0]
    assert seen.status == Status.ok, seen.why
    return dict(seen.value)


def test_a_role_that_only_reads_cannot_write_and_says_until_when_it_lives(
    role: tuple[psycopg.Connection, str],
) -> None:
    owner, dsn = role
    owner.execute("grant select on public.profiles to looks_only")
    said = told(dsn)
    assert said["can_write"] is False, said
    assert said["opens"] == "as looks_only, writes to no table"
    assert said["expires_at"] == "2099-01-02T00:00:00.000Z"


@pytest.mark.parametrize(
    ("grant", "take"),
    [
        ("grant update on public.profiles to looks_only", "revoke update on public.profiles from looks_only"),
        ("grant authenticated to looks_only", "revoke authenticated from looks_only"),  # which it may become
        ("grant create on schema public to looks_only", "revoke create on schema public from looks_only"),
        ("grant pg_write_server_files to looks_only", "revoke pg_write_server_files from looks_only"),
        ("alter role looks_only createrole", "alter role looks_only nocreaterole"),
    ],
)
def test_one_right_to_write_is_enough(role: tuple[psycopg.Connection, str], grant: str, take: str) -> None:
    owner, dsn = role
    owner.execute(grant)
    try:
        assert told(dsn)["can_write"] is True
    finally:
        owner.execute(take)


def test_an_owner_writes_everywhere(role: tuple[psycopg.Connection, str]) -> None:
    owner, _ = role
    info = owner.info
    dsn = f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"
    assert told(dsn)["can_write"] is True
