"""What tests of every kind share: one real Postgres for the session, and fresh databases on it."""

import atexit
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from support.loop_thread import LoopThread
from support.needs import missing

from runbook_lib.core.errors import SandboxError
from runbook_lib.sandbox import npm
from runbook_lib.sandbox.facades.supabase.pool import let_go
from runbook_lib.sandbox.postgres import SCHEMA, Postgres
from runbook_lib.sandbox.world import World, make_world

# How long an example takes says how busy the machine is, and no test is about that; the same examples are tried everywhere.
hypothesis.settings.register_profile(
    "any-machine", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any-machine")

# A shell that has it would hide what a command forgets to flush into a pipe.
os.environ.pop("PYTHONUNBUFFERED", None)
# What a run remembers of people on its machine belongs into no folder of whoever runs the tests.
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="runbook-tests-state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)
# What a shell starts in the background ignores Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """The sandbox's own Postgres with Supabase's roles and NexusCore's schema in its database `postgres`."""
    # not below pytest's folders: another run closes them to the unprivileged user that the server runs as under root
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    loop, server = LoopThread(), Postgres(folder / "cluster")

    async def up() -> None:
        await server.create()
        await server.start()
        await server.load(SCHEMA / "supabase.sql", "supabase_admin")
        async with server.connect() as connection:
            await connection.execute(f"alter role postgres password '{server.passwords['postgres']}'".encode())
        await server.load(SCHEMA / "nexuscore.sql", "postgres")
        await server.load(SCHEMA / "role_settings.sql", "supabase_admin")

    loop.run(up())
    yield server
    loop.run(server.stop())
    loop.end()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def new_database(postgres_server: Postgres) -> Callable[[], str]:
    """`new_database()`: the superuser's DSN of a fresh copy of NexusCore's empty database."""
    numbers = itertools.count(1)

    def make() -> str:
        name = f"copy_{next(numbers)}"
        with psycopg.connect(postgres_server.dsn(database="template1"), autocommit=True) as connection:
            connection.execute(f"create database {name} template postgres")
            connection.execute(f"alter database {name} owner to postgres")
        return postgres_server.dsn(database=name)

    return make


@pytest.fixture(scope="session")
def npm_package() -> Callable[[str, str], Path]:
    """`npm_package(name, version)`: its node_modules folder, fetched once into the environment; skips where it cannot be had,
    which RUNBOOK_TESTS_NEED_EVERYTHING=1 makes a failure."""

    def fetch(name: str, version: str) -> Path:
        try:
            return npm.package(name, version)
        except SandboxError as error:
            missing(str(error))
            raise

    return fetch


@pytest.fixture(scope="session")
def stripe_cli(npm_package: Callable[[str, str], Path]) -> Path:
    """The real Stripe CLI's executable; skips like `npm_package`."""
    npm_package(*npm.STRIPE_CLI)
    return npm.stripe_cli()


@pytest.fixture
def supabase_world(new_database: Callable[[], str]) -> Iterator[World]:
    """A world of fixed secrets whose database is a fresh copy of NexusCore's."""
    world = make_world(seed=7)
    world.database = new_database()
    yield world
    let_go(world)
