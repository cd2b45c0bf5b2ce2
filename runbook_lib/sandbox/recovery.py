"""What a team has for the day when data must come back: a scratch database, PostgreSQL's programs, dumps, objectives, a ledger."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from runbook_lib.sandbox import repository
from runbook_lib.sandbox.postgres import SCHEMA, Postgres

SCRATCH = "scratch"
PROGRAMS = ("pg_dump", "pg_restore", "psql", "pg_basebackup", "pg_verifybackup", "pg_ctl", "initdb", "postgres")
PROGRAMS_FOLDER, BACKUPS_FOLDER = "client-programs", "backups"
OBJECTIVES, LEDGER = "recovery_objectives.toml", "restore_drills.jsonl"
MIGRATIONS = "packages/database/sql"
_AIMS = '[objectives]\nrpo = "24h"\nrto = "4h"\nrehearsed = "90d"\n'


async def make_scratch(postgres: Postgres) -> None:
    """An empty database beside NexusCore's, in which restores are tried."""
    async with postgres.connect("supabase_admin", "template1") as connection:
        await connection.execute(f"create database {SCRATCH} template template0".encode())


def write_team_files(folder: Path, postgres: Postgres, schema: str | None, now: datetime) -> Mapping[str, str]:
    """Write the files into the sandbox's folder; returns the settings that tell the runbook of them.

    Args:
        folder: the sandbox's own; the repository's checkout lies in it.
        schema: the file that NexusCore's schema was loaded from, where it is not the sandbox's own.
    """
    programs = folder / PROGRAMS_FOLDER
    programs.mkdir()
    for name in PROGRAMS:
        (programs / name).symlink_to(postgres.program(name))
    (folder / BACKUPS_FOLDER).mkdir()
    (folder / OBJECTIVES).write_text(_AIMS, "utf-8")
    (folder / LEDGER).write_text(ledger_line(now - timedelta(days=12)), "utf-8")
    migrations = folder / repository.FOLDER / MIGRATIONS
    migrations.mkdir(parents=True)
    (migrations / "001_init.sql").write_text(Path(schema or SCHEMA / "nexuscore.sql").read_text("utf-8"), "utf-8")
    return {
        "RUNBOOK_SCRATCH_DATABASE_URL": postgres.dsn("supabase_admin", SCRATCH),
        "RUNBOOK_PG_BIN": str(programs),
        "RUNBOOK_RECOVERY_OBJECTIVES": str(folder / OBJECTIVES),
        "RUNBOOK_RESTORE_LEDGER": str(folder / LEDGER),
        "RUNBOOK_MIGRATIONS": str(migrations),
    }


def ledger_line(at: datetime, outcome: str = "whole") -> str:
    """One rehearsed restore, as the team writes it down."""
    at_text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    row = {"at": at_text, "outcome": outcome, "restored_s": 41.2, "what": "postgres: nightly.dump"}
    return json.dumps(row, sort_keys=True) + "\n"
