"""Notebook 02 itself, on a developer's machine with the real CLI: nbval cell by cell, and headless to an artifact that replays."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.drills.kit import faults
from runbook_lib.drills.stripe_webhooks.faults import OTHER_SECRET
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from tests.notebooks.conftest import RUNBOOK
from tests.notebooks.on_a_sandbox import environment_of, nbval

CODE = "webhook.secret_mismatch"


@pytest.fixture(scope="module")
def sandbox(stripe_cli: Path) -> Iterator[Sandbox]:
    made = Sandbox.up(f"notebooks-{uuid.uuid4().hex[:6]}", traffic=False, webhooks="cli")
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
    done = nbval("02", environment, tmp_path, {"via": "cli"})
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/02_stripe_webhooks/*.partial")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (verdict["parameters"]["via"], verdict["status"]) == ("cli", "ruled_out")


def test_a_wrong_secret_is_found_kept_verified_and_replayed_and_no_secret_is_written(
    sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    """Two signing secrets and every key of the sandbox are at hand: none is in any byte, and no part of a Stripe signature."""
    faults.find(CODE)(sandbox)
    command = [str(RUNBOOK), "run", "02", "--incident", "INC-7", "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    sandbox.heal()
    said = json.loads(done.stdout)
    assert done.returncode == 1, said
    assert [cause["code"] for cause in said["causes"]] == [CODE]
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same, "a replay needs no CLI, no process and no port"
    secrets = [value for name, value in sandbox.env.items() if "KEY" in name or "SECRET" in name or "TOKEN" in name]
    secrets += [OTHER_SECRET, OTHER_SECRET.removeprefix("whsec_"), "v1="]
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()] + [done.stderr.encode()]
    assert len(secrets) > 10
    for secret in secrets:
        assert not any(secret.encode() in data for data in written if len(secret) > 2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("via=smoke", "There is no such way for events"),
        ("event_id=in_1234", "it is no event's id"),
        ("event_id=evt_../../x", "it is no event's id"),
        ("since=yesterday", "yesterday"),
        ("since=2026-11-23T08:00:00", "zone"),
    ],
)
def test_a_question_that_cannot_be_is_refused_before_anything_runs(
    environment: dict[str, str], tmp_path: Path, given: str, words: str
) -> None:
    command = [str(RUNBOOK), "run", "02", "-p", given]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stdout + done.stderr
    assert words in " ".join((done.stdout + done.stderr).split())
