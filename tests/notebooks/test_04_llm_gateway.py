"""Notebook 04 itself, on a sandbox: under nbval cell by cell, and headless to an artifact that verifies and replays."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.drills.llm_gateway.faults import chats
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from tests.notebooks.conftest import RUNBOOK
from tests.notebooks.on_a_sandbox import environment_of, nbval

CODE = "provider.key_invalid"
CANARY = "sk-proj-canary-of-the-gateways-own-key-0123456789"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox.up(f"notebooks-04-{uuid.uuid4().hex[:6]}", traffic=False)
    yield made
    made.down()


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return environment_of(sandbox, tmp_path / "out")


def run(environment: dict[str, str], cwd: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(RUNBOOK), "run", "04", "--incident", "INC-7", "--json", *arguments]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_nbval_runs_a_parameterised_copy(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = nbval("04", environment, tmp_path, {"since": "5m"})
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/04_llm_gateway/*.partial")
    assert json.loads((folder / "verdict.json").read_text())["parameters"]["since"] == "5m"


def test_a_refused_key_is_found_kept_verified_and_replayed_and_no_key_is_written_anywhere(
    sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    sandbox.inject("env", part="gateway", name="OPENAI_API_KEY", value=CANARY)
    chats(4)(sandbox)
    done = run(environment, tmp_path, "-p", "paid_probe=true")
    sandbox.heal()
    said = json.loads(done.stdout)
    assert done.returncode == 1, said
    assert CODE in [cause["code"] for cause in said["causes"]]  # on a busy machine a call may be late besides
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    report = (folder / "report.html").read_text()
    assert "LLM_FALLBACK_CHAIN" in report
    assert "Plan, not carried out" in report
    planted = [value for name, value in sandbox.env.items() if any(word in name for word in ("KEY", "SECRET", "TOKEN"))]
    for secret in (CANARY, *planted):
        assert not [path for path in folder.rglob("*") if len(secret) > 7 and secret.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-p", "probe_model=openai"), "probe_model"),
        (("-p", "probe_model=mistral/large"), "probe_model"),
        (("-p", "paid_probe=perhaps"), "paid_probe"),
        (("-p", "since=2026-11-23T08:00:00"), "no zone"),
        (("-p", "until=2099-01-01T00:00:00Z"), "future"),
        (("-p", "sinse=1h"), "since"),
    ],
)
def test_bad_input_is_refused_with_one_clear_message_and_leaves_nothing(
    environment: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = run(environment, tmp_path, *arguments)
    assert done.returncode == 2
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out/**/*.ipynb"))
