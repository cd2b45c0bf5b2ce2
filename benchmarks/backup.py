"""A rehearsed restore (dump, restore, compare) against bare `pg_dump | pg_restore` of the same database: wall time and memory.

Both are measured in turn in one run, several times, on a server of the benchmark's own; the ratio of the medians is what
counts. The bare pipe is measured as its users type it (custom format, compressed) and in its fastest form (uncompressed);
the aim is within 1.5 times. Memory is the largest resident size of this process while it rehearses, over what it had before.

    .venv/bin/python benchmarks/backup.py [megabytes] [rounds]
"""

import itertools
import platform
import resource
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.loop_thread import LoopThread

from runbook_lib.io.observe import Observer
from runbook_lib.sandbox.postgres import SCHEMA, Postgres
from runbook_lib.settings import Settings
from runbook_lib.sources.recovery import restore_drill

AIM = 1.5
_NUMBERS = itertools.count(1)


def filled(server: Postgres, megabytes: int) -> int:
    """Usage records and log lines of about so many megabytes, with their indexes; returns the database's size in bytes."""
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(
            "insert into auth.users (id, email) select gen_random_uuid(), i || '@x.test' from generate_series(1, 500) i"
        )
        connection.execute("insert into public.profiles (id, email) select id, email from auth.users")
        connection.execute("insert into public.organizations (name, owner_id) select email, id from public.profiles")
        connection.execute(
            "create table public.journal (id bigserial primary key, org uuid, at timestamptz, entry text, detail jsonb)"
        )
        for _ in range(megabytes // 10):
            connection.execute(
                "insert into public.usage_records (org_id, tokens, requests, provider, model, at) select"
                " (select id from public.organizations offset i % 500 limit 1), i, 1, 'openai', 'gpt-4o-mini',"
                " now() - i * interval '1 s' from generate_series(1, 17000) i"
            )
            connection.execute(
                "insert into public.journal (org, at, entry, detail) select gen_random_uuid(), now(), repeat(md5(i::text), 5),"
                " jsonb_build_object('n', i, 'm', md5(i::text)) from generate_series(1, 21000) i"
            )
        connection.execute("vacuum analyze")
        row = connection.execute("select pg_database_size('postgres')").fetchone()
        assert row is not None
        return int(row[0])


def fresh(server: Postgres) -> str:
    """The URL of a new, empty database."""
    name = f"target_{next(_NUMBERS)}"
    with psycopg.connect(server.dsn(database="template1"), autocommit=True) as connection:
        connection.execute(f"create database {name} template template0")
    return server.dsn(database=name)


def dropped(server: Postgres, dsn: str) -> None:
    """Drop a database, and let its pages be written before the next round."""
    with psycopg.connect(server.dsn(database="template1"), autocommit=True) as connection:
        connection.execute(f"drop database {dsn.rpartition('/')[2]} with (force)")
        connection.execute("checkpoint")


def bare(server: Postgres, target: str, *options: str) -> float:
    """Seconds of `pg_dump | pg_restore`."""
    dump, restore = (shlex.quote(str(server.program(name))) for name in ("pg_dump", "pg_restore"))
    told = " ".join(["--format=custom", *options])
    begun = time.perf_counter()
    subprocess.run(
        f"{dump} {told} {shlex.quote(server.dsn())} | {restore} --dbname={shlex.quote(target)}", shell=True, check=True
    )
    return time.perf_counter() - begun


def rehearsed(server: Postgres, target: str, folder: Path) -> tuple[float, dict[str, Any]]:
    """Seconds of the whole rehearsal, and what it brought."""
    settings = Settings.from_mapping(
        {
            "RUNBOOK_DATABASE_URL": server.dsn(),
            "RUNBOOK_SCRATCH_DATABASE_URL": target,
            "RUNBOOK_PG_BIN": str(server.program("pg_dump").parent),
            "RUNBOOK_WORK_FOLDER": str(folder),
        }
    )
    begun = time.perf_counter()
    seen = Observer(now=datetime.now(UTC), settings=settings).together(restore_drill.rehearse())[0]
    took = time.perf_counter() - begun
    assert seen.value, (seen.status, seen.why)
    compared = seen.value["compared"]
    assert (compared["tables"], compared["schema"]) == ([], []), "what came back is what was there"
    return took, seen.value


def memory_kb() -> int:
    """The largest resident size that this process has had."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return held // 1024 if sys.platform == "darwin" else held


def main() -> None:
    """Measure and print a table of ratios."""
    megabytes = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    loop = LoopThread()
    with tempfile.TemporaryDirectory(prefix="runbook-benchmark-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = Postgres(folder / "cluster")
        loop.run(server.create())
        loop.run(server.start())
        loop.run(server.load(SCHEMA / "supabase.sql", "supabase_admin"))
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f"alter role postgres password '{server.passwords['postgres']}'")
        loop.run(server.load(SCHEMA / "nexuscore.sql", "postgres"))
        size = filled(server, megabytes)
        try:
            measure(server, folder, size, rounds)
        finally:
            loop.run(server.stop())
            loop.end()


def measure(server: Postgres, folder: Path, size: int, rounds: int) -> None:
    """Every way once a round, in turn; then the table."""
    small, _ = memory_kb(), None
    took: dict[str, list[float]] = {"typed": [], "fastest": [], "rehearsed": []}
    stages: dict[str, list[float]] = {"dump": [], "restore": [], "compare": []}
    ways: dict[str, Callable[[str], float]] = {
        "typed": lambda target: bare(server, target),
        "fastest": lambda target: bare(server, target, "--compress=0"),
    }
    for _ in range(rounds):
        for way, work in ways.items():
            target = fresh(server)
            took[way].append(work(target))
            dropped(server, target)
        target = fresh(server)
        seconds, value = rehearsed(server, target, folder)
        took["rehearsed"].append(seconds)
        stages["dump"].append(value["backup"]["dump_s"])
        stages["restore"].append(value["restored_s"])
        stages["compare"].append(value["compared"]["seconds"])
        dropped(server, target)
    grown = memory_kb() - small
    middle = {way: statistics.median(each) for way, each in took.items()}
    ratios = [a / b for a, b in zip(took["rehearsed"], took["fastest"], strict=True)]
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {rounds} rounds, medians")
    print(f"database {size / 1e6:,.0f} MB\n")
    print("| way | seconds | rehearsal / it |\n|---|---|---|")
    for way, words in (("typed", "pg_dump -Fc, pg_restore"), ("fastest", "the same, --compress=0")):
        print(f"| {words} | {middle[way]:.1f} | {middle['rehearsed'] / middle[way]:.2f} |")
    parts = ", ".join(f"{stage} {statistics.median(each):.1f}" for stage, each in stages.items())
    print(f"| rehearsal ({parts}) | {middle['rehearsed']:.1f} | |")
    print(f"\nratio to the fastest, round by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)} (aim {AIM})")
    print(f"memory of this process grew by {grown / 1024:,.0f} MB over all rounds")


if __name__ == "__main__":
    main()
