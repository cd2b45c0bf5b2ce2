"""Notebook 09 itself, on a sandbox: under nbval cell by cell, headless to an artifact that verifies and replays; refusals."""

import json
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.drills.kit import faults
from runbook_lib.run.home import CHECKOUT
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from tests.notebooks.conftest import RUNBOOK
from tests.notebooks.on_a_sandbox import nbval

CODES = ["slo.availability_missed", "alert.silenced"]
WEEK = CHECKOUT / "runbook_lib" / "drills" / "service_levels" / "week.toml"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox.up(f"notebooks-09-{uuid.uuid4().hex[:6]}", traffic=False, foreground=True)
    yield made
    made.down()


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    settings = tmp_path / "settings.env"
    more = {"RUNBOOK_SERVICE_LEVELS": str(WEEK), "RUNBOOK_TRACE_RETENTION_H": "840"}
    settings.touch(mode=0o600)
    settings.write_text("".join(f"{name}='{value}'\n" for name, value in {**sandbox.env, **more}.items()))
    return {
        **kept,
        "RUNBOOK_SANDBOX": str(settings),
        "RUNBOOK_TARGET": "sandbox",
        "RUNBOOK_OUTPUTS": str(tmp_path / "out"),
    }


def run(environment: dict[str, str], folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    """The notebook, as a user runs it."""
    command = [str(RUNBOOK), "run", "09", *options, "--incident", "REVIEW-47", "--json"]
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=300)


def test_nbval_runs_a_parameterised_copy(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    given = {"objectives": "API availability"}
    done = nbval("09", environment, tmp_path, given)
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/09_service_levels/*.partial")
    assert json.loads((folder / "verdict.json").read_text())["parameters"]["objectives"] == "API availability"


def test_broken_promises_are_found_kept_verified_and_replayed(
    sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    faults.find(CODES[0])(sandbox)
    sandbox.inject("silence", matchers=[{"name": "alertname", "value": "ApiErrorBudgetBurn"}], hours=48.0)
    done = run(environment, tmp_path)
    sandbox.heal()
    said = json.loads(done.stdout)
    assert done.returncode == 1, said
    assert [cause["code"] for cause in said["causes"]] == CODES
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    report = (folder / "report.html").read_text()
    for words in ("Error budget left", "Where the budget went", "API p95 latency", "Who is told"):
        assert words in report
    secrets = [value for name, value in sandbox.env.items() if "KEY" in name or "SECRET" in name or "TOKEN" in name]
    for secret in secrets:
        assert not [path for path in folder.rglob("*") if len(secret) > 7 and secret.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("period_days=400", "Give whole days from 1 to 92"),
        ("period_days=soon", "period_days"),
        ("until=2026-11-23", "no zone"),
        ("colour=red", "colour"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    option: str, words: str, environment: dict[str, str], tmp_path: Path
) -> None:
    done = run(environment, tmp_path, "-p", option)
    assert done.returncode == 2
    assert words in done.stdout + done.stderr
    assert not list((tmp_path / "out").rglob("verdict.json"))
