"""Notebook 08 itself, on a sandbox: under nbval cell by cell, and headless to an artifact that verifies and replays."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.drills.kit import faults
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from tests.notebooks.conftest import RUNBOOK
from tests.notebooks.on_a_sandbox import environment_of, nbval


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.up(f"notebook08-{uuid.uuid4().hex[:6]}", traffic=False, foreground=True) as made:
        yield made


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return environment_of(sandbox, tmp_path / "out")


def test_nbval_runs_a_parameterised_copy(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = nbval("08", environment, tmp_path, {"rpo": "25h"})
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/08_backup_restore/*.partial")
    assert json.loads((folder / "verdict.json").read_text())["parameters"]["rpo"] == "25h"


def test_a_rehearsal_is_kept_verified_and_replayed_without_any_database(
    sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    faults.find("schema.drift.only_in_database")(sandbox)
    command = [str(RUNBOOK), "run", "08", "-p", "rehearse=true", "--incident", "INC-8", "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    said = json.loads(done.stdout)
    assert done.returncode == 1, said
    assert [cause["code"] for cause in said["causes"]] == ["schema.drift.only_in_database"]
    folder = Path(said["artifact"])
    sandbox.inject("process", part="postgres", action="stop")
    ledger = Path(sandbox.env["RUNBOOK_RESTORE_LEDGER"])
    written = ledger.read_text()
    assert len(written.splitlines()) == 2, "the rehearsal was written down"
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    assert ledger.read_text() == written, "a replay writes nothing down"
    sandbox.heal()
    secrets = [value for name, value in sandbox.env.items() if any(word in name for word in ("KEY", "SECRET", "TOKEN"))]
    secrets += [
        sandbox.env[name].split("@")[0].rsplit(":", 1)[1] for name in sandbox.env if name.endswith("DATABASE_URL")
    ]
    written_bytes = [path.read_bytes() for path in folder.rglob("*") if path.is_file()] + [ledger.read_bytes()]
    assert len(secrets) > 8
    assert not [
        secret for secret in secrets if len(secret) > 7 and any(secret.encode() in held for held in written_bytes)
    ]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("rpo=soon", "no span"),
        ("rto=0h", "no span"),
        ("tables=organizations", "no schema.table"),
        ("rehearse=perhaps", "rehearse"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    environment: dict[str, str], tmp_path: Path, given: str, words: str
) -> None:
    done = subprocess.run(
        [str(RUNBOOK), "run", "08", "-p", given],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert not list((tmp_path / "out").rglob("verdict.json"))
