"""The sandbox's advisors against the real ones: the lints that the Supabase CLI runs on the very same database."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from runbook_lib.sandbox.facades.supabase.management import create_management_app
from runbook_lib.sandbox.postgres import Postgres
from runbook_lib.sandbox.world import World

VERSION = "3.1.0"
# one object for each lint, and beside it the look-alike that must stay silent
FAULTS = """
create table public.loose (id int primary key, owner uuid);
create policy own on public.loose using (owner = auth.uid());
create table public.shut (id int primary key);
alter table public.shut enable row level security;
create view public.people as select id, email from public.profiles;
create view public.invoked with (security_invoker = on) as select id from public.profiles;
create view public.leaky as select id, email from auth.users;
grant select on public.leaky to anon;
create policy meta on public.organizations using ((auth.jwt() -> 'user_metadata' ->> 'org') = id::text);
create policy two on public.profiles for select using (true);
create policy planned on public.api_keys for select using (created_by = (select auth.uid()));
create policy unplanned on public.api_keys for update using (created_by = auth.uid());
create materialized view public.snapshot as select 1 as x;
create table public.keyless (a int);
create table public.indexed (a int primary key, b int);
create index first on public.indexed (b);
create index again on public.indexed (b);
create function public.pinned() returns int language sql set search_path = '' as 'select 1';
create function public.loose_path() returns int language sql as 'select 1';
"""


@pytest.fixture
def faulty(supabase_world: World) -> World:
    """A world whose database breaks every lint once."""
    assert supabase_world.database is not None
    with psycopg.connect(supabase_world.database, autocommit=True) as connection:
        connection.execute("grant all on auth.users to postgres with grant option")
        connection.execute("set role postgres")
        connection.execute(FAULTS.encode())
    return supabase_world


@pytest.fixture
def real(
    faulty: World, postgres_server: Postgres, npm_package: Callable[[str, str], Path], tmp_path: Path
) -> list[dict[str, Any]]:
    """What `supabase db advisors` says of that database."""
    program = npm_package("supabase", VERSION) / ".bin" / "supabase"
    name = str(faulty.database).rsplit("/", 1)[1]
    target = postgres_server.dsn("postgres", name)
    asked = [
        str(program),
        "db",
        "advisors",
        f"--remote={target}",
        "--type",
        "all",
        "--level",
        "info",
        "--output-format",
        "json",
    ]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {"PATH": path, "HOME": str(tmp_path), "DO_NOT_TRACK": "1", "SUPABASE_TELEMETRY_DISABLED": "1"}
    done = subprocess.run(
        asked, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-1000:]
    return list(json.loads(done.stdout)["results"])


def _comparable(lint: dict[str, Any]) -> dict[str, Any]:
    kept = {k: v for k, v in lint.items() if k not in ("cacheKey", "cache_key")}
    # the vendor's own specification has no "materialized view" among the types
    kind = kept["metadata"]["type"].removeprefix("materialized ")
    return {**kept, "metadata": {**kept["metadata"], "type": kind}}


def test_the_advisors_say_what_the_vendors_lints_say_of_the_same_database(
    faulty: World, real: list[dict[str, Any]], in_process: Callable[..., httpx.Client]
) -> None:
    headers = {"Authorization": f"Bearer {faulty.keys.supabase_access_token}"}
    api = in_process(create_management_app(faulty), headers=headers)
    ours: dict[str, Any] = {}
    for advisor in ("security", "performance"):
        found = api.get(f"/v1/projects/{faulty.ids.supabase_ref}/advisors/{advisor}").json()["lints"]
        ours |= {lint["cache_key"]: _comparable(lint) for lint in found}
    theirs = {lint["cacheKey"]: _comparable(lint) for lint in real}
    assert len({lint["name"] for lint in theirs.values()}) == 15
    assert ours == theirs
