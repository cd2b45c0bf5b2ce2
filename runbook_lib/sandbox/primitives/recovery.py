"""General ways of breaking what lies ready for the day when data must come back: files, programs, the vendor's list, dumps."""

import asyncio
import contextlib
import os
import re
from datetime import timedelta
from pathlib import Path

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import recovery
from runbook_lib.sandbox.facades.supabase.state import Backup, BackupPlan, SupabaseState
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive

_STATUSES = ("COMPLETED", "FAILED", "PENDING", "REMOVED", "ARCHIVED", "CANCELLED")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")

_SPOILT = 8  # few enough to stay within a block: a spoilt length of one reads like a dump that was cut off


@primitive
async def team_file(breakage: Breakage, name: str, text: str | None = None, days_ago: float | None = None) -> None:
    """A file of the team's, in the sandbox's folder, holds this text instead; without text it is gone.

    name: plan_limits.toml, recovery_objectives.toml, restore_drills.jsonl, or any file of the checkout (repository/…).
    days_ago: besides, a rehearsed restore of so long ago is the only line (restore_drills.jsonl).
    """
    path = _inside(breakage, name)
    if days_ago is not None:
        text = recovery.ledger_line(breakage.system.world.now() - timedelta(days=days_ago))
    before = path.read_bytes() if path.exists() else None

    async def undo() -> None:
        _write(path, before)

    breakage.on_heal(undo)
    _write(path, None if text is None else text.encode())


@primitive
async def program(breakage: Breakage, name: str, script: str) -> None:
    """One of PostgreSQL's client programs is another one: this shell script, in which {real} stands for the real one.

    name: pg_dump, pg_restore, psql, pg_basebackup, pg_verifybackup, pg_ctl, initdb, postgres. The script gets the same
    arguments ("$@").
    """
    if name not in recovery.PROGRAMS:
        raise UsageError(f"There is no program {name}", do_next=f"Known: {', '.join(recovery.PROGRAMS)}.")
    path, real = breakage.system.folder / recovery.PROGRAMS_FOLDER / name, breakage.system.postgres.program(name)

    async def undo() -> None:
        path.unlink(missing_ok=True)
        path.symlink_to(real)

    breakage.on_heal(undo)
    path.unlink(missing_ok=True)
    path.write_text("#!/bin/sh\n" + script.replace("{real}", str(real)) + "\n")
    path.chmod(0o755)


@primitive
async def vendor_backups(
    breakage: Breakage,
    hours_ago: list[float] | None = None,
    statuses: list[str] | None = None,
    pitr: bool = False,
    reaches_back_h: float | None = None,
    lags_h: float | None = None,
    schedule: str | None = None,
) -> None:
    """Supabase tells of these backups.

    hours_ago: when each was made. statuses: COMPLETED (all, where nothing is said), FAILED, PENDING, REMOVED, ARCHIVED,
    CANCELLED, in the same order. pitr: point-in-time recovery is on; it reaches back so far and lags so much (hours; without
    them the vendor tells no window). schedule: HH:MM:SS, where the plan lets the project choose one.
    """
    ages, told = hours_ago or [], statuses or ["COMPLETED"] * len(hours_ago or [])
    if len(ages) != len(told) or set(told) - set(_STATUSES):
        raise UsageError("Each backup has one status", came_back=str(told), do_next=f"Of: {', '.join(_STATUSES)}.")
    world = breakage.system.world
    now = world.now()
    made = [
        Backup(2000 - place, now - timedelta(hours=age), status)
        for place, (age, status) in enumerate(zip(ages, told, strict=True))
    ]
    earliest = None if reaches_back_h is None else now - timedelta(hours=reaches_back_h)
    latest = None if lags_h is None else now - timedelta(hours=lags_h)
    state = world.state(SupabaseState)
    await breakage.replace_attribute(state, "backups", BackupPlan(made, pitr, True, earliest, latest))
    await breakage.replace_attribute(state, "backup_schedule", schedule)


@primitive
async def dump_file(
    breakage: Breakage,
    name: str,
    options: list[str] | None = None,
    hours_ago: float = 0.0,
    keep_bytes: int | None = None,
    spoil_at: float | None = None,
    as_role: str = "postgres",
    script: str = "",
) -> str:
    """The team's job leaves a dump of the database in the folder `backups`.

    options: what pg_dump is told (none: --format=custom). hours_ago: when the file was written. keep_bytes: it was cut off
    after so many. spoil_at: a few bytes are overwritten at this share of its length. as_role: supabase_admin or postgres. script:
    in place of pg_dump, a shell script that prints the file; {dump} stands for the whole call. Returns the file's path.
    """
    system = breakage.system
    path = _inside(breakage, f"{recovery.BACKUPS_FOLDER}/{name}")
    real = system.postgres.program("pg_dump")
    call = [str(real), *(options if options is not None else ["--format=custom"])]
    environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", "PGDATABASE": system.postgres.dsn(as_role)}
    command = (
        ["/bin/sh", "-c", script.replace("{dump}", f'{" ".join(call)} -d "$PGDATABASE"')]
        if script
        else [*call, "-d", environment["PGDATABASE"]]
    )
    made = await asyncio.create_subprocess_exec(
        *command, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    content, said = await made.communicate()
    if made.returncode:
        raise UsageError("pg_dump refused", came_back=said.decode(errors="replace").strip()[-300:])
    if keep_bytes is not None:
        content = content[:keep_bytes]
    if spoil_at is not None:
        place = int(len(content) * spoil_at)
        content = content[:place] + b"\xa5" * _SPOILT + content[place + _SPOILT :]

    async def undo() -> None:
        path.unlink(missing_ok=True)

    breakage.on_heal(undo)
    path.write_bytes(content)
    at = system.world.now().timestamp() - hours_ago * 3600
    os.utime(path, (at, at))
    return str(path)


def _inside(breakage: Breakage, name: str) -> Path:
    """A path in the sandbox's folder. Raises UsageError for one that leads out of it, or to the sandbox's own records."""
    folder = breakage.system.folder.resolve()
    path = (folder / name).resolve()
    own = {"state.json", "processes.json", "options.json", "sandbox.env"}
    if not _NAME.fullmatch(name) or not path.is_relative_to(folder) or name in own or name.startswith("postgres"):
        raise UsageError("That is no file of the team's", came_back=name)
    return path


def _write(path: Path, content: bytes | None) -> None:
    if content is None:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
