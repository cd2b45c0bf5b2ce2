"""Notebook 01 itself, on a sandbox: under nbval cell by cell, and headless to an artifact that verifies and replays."""

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

CODE = "request.provider_failed.overloaded"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox.up(f"notebooks-{uuid.uuid4().hex[:6]}")
    yield made
    made.down()


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return environment_of(sandbox, tmp_path / "out")


def test_nbval_runs_a_parameterised_copy(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = nbval("01", environment, tmp_path, {"since": "5m"})
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/01_failed_request/*.partial")
    assert json.loads((folder / "verdict.json").read_text())["parameters"]["since"] == "5m"


def test_a_failed_request_is_found_kept_verified_and_replayed(
    sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    faults.find(CODE)(sandbox)
    request_id = sandbox.visit("chat")["request_id"]
    command = [str(RUNBOOK), "run", "01", "-p", f"request_id={request_id}", "--incident", "INC-7", "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    sandbox.heal()
    said = json.loads(done.stdout)
    assert done.returncode == 1, said
    assert [cause["code"] for cause in said["causes"]] == [CODE]
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    for secret in (
        value for name, value in sandbox.env.items() if "KEY" in name or "SECRET" in name or "TOKEN" in name
    ):
        assert not [path for path in folder.rglob("*") if len(secret) > 7 and secret.encode() in path.read_bytes()]
