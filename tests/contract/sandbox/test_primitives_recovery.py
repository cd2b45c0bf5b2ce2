"""What lies ready for a recovery can be spoilt: the vendor's list, the team's files, programs and dumps; healing undoes it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.sandbox_eyes import Eyes

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import Sandbox


def _backups(eyes: Eyes, path: str = "") -> Any:
    env = eyes.sandbox.env
    headers = {"Authorization": f"Bearer {env['RUNBOOK_SUPABASE_ACCESS_TOKEN']}"}
    ref = env["RUNBOOK_SUPABASE_PROJECT_REF"]
    return eyes.get("supabase-management", f"/v1/projects/{ref}/database/backups{path}", headers=headers)


def test_supabase_tells_of_other_backups(sandbox: Sandbox, eyes: Eyes) -> None:
    before = _backups(eyes).json()
    sandbox.inject("vendor_backups", hours_ago=[5, 29], statuses=["FAILED", "COMPLETED"], pitr=True, reaches_back_h=48, lags_h=1,
            schedule="04:00:00")  # fmt: skip
    told = _backups(eyes).json()
    assert [row["status"] for row in told["backups"]] == ["FAILED", "COMPLETED"]
    window = told["physical_backup_data"]
    assert window["latest_physical_backup_date_unix"] - window["earliest_physical_backup_date_unix"] == 47 * 3600
    assert _backups(eyes, "/schedule").json()["schedule_for"] == "04:00:00"
    sandbox.heal()
    assert _backups(eyes).json() == before
    assert _backups(eyes, "/schedule").status_code == 402
    with pytest.raises(UsageError, match="one status"):
        sandbox.inject("vendor_backups", hours_ago=[5], statuses=["FINE"])


def test_a_file_of_the_teams_holds_something_else(sandbox: Sandbox) -> None:
    path = Path(sandbox.env["RUNBOOK_RECOVERY_OBJECTIVES"])
    before = path.read_text()
    sandbox.inject("team_file", name="recovery_objectives.toml", text="[objectives]\n")
    assert path.read_text() == "[objectives]\n"
    sandbox.inject("team_file", name="recovery_objectives.toml")
    assert not path.exists()
    sandbox.heal()
    assert path.read_text() == before
    for name in ("../elsewhere", "state.json", "postgres/data/PG_VERSION", "/etc/passwd"):
        with pytest.raises(UsageError, match="no file of the team's"):
            sandbox.inject("team_file", name=name, text="x")


def test_a_program_is_another_one(sandbox: Sandbox) -> None:
    path = Path(sandbox.env["RUNBOOK_PG_BIN"]) / "pg_dump"
    sandbox.inject("program", name="pg_dump", script='echo before; exec {real} "$@"')
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    assert said.startswith("before\npg_dump (PostgreSQL)")
    sandbox.heal()
    assert path.is_symlink()
    assert subprocess.run([path, "--version"], capture_output=True, text=True).stdout.startswith("pg_dump (PostgreSQL)")
    with pytest.raises(UsageError, match="no program"):
        sandbox.inject("program", name="rm", script="true")


def test_the_teams_job_leaves_a_dump(sandbox: Sandbox) -> None:
    whole = Path(sandbox.inject("dump_file", name="a.dump", hours_ago=5.0))
    half = Path(sandbox.inject("dump_file", name="b.dump", keep_bytes=1000))
    plain = Path(sandbox.inject("dump_file", name="c.sql", options=["--format=plain"], script="{dump} | head -n 3"))
    assert whole.read_bytes().startswith(b"PGDMP")
    assert half.stat().st_size == 1000
    assert half.stat().st_mtime - whole.stat().st_mtime > 4.9 * 3600
    assert "PostgreSQL database dump" in plain.read_text()
    sandbox.heal()
    assert not any(path.exists() for path in (whole, half, plain))
