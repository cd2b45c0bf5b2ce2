"""Notebook 00 itself, on a sandbox: under nbval cell by cell, and headless to an artifact that replays and holds no value."""

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

STEM = "00_operations_checklist"
CANARY = "c4na7y00c4na7y00c4na7y00c4na7y00c4na7y00c4na7y00c4na7y00c4na7y00"  # a key without a shape to redact by


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.up(f"checklist-{uuid.uuid4().hex[:6]}", foreground=True) as made:
        yield made


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return environment_of(sandbox, tmp_path / "out")


def run(environment: dict[str, str], cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(RUNBOOK), "run", "00", *arguments, "--incident", "INC-7", "--json"]
    return subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=300)


def test_nbval_runs_a_parameterised_copy(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = nbval("00", environment, tmp_path, {"since": "20m"})
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob(f"*/{STEM}/*.partial")
    assert json.loads((folder / "verdict.json").read_text())["parameters"]["since"] == "20m"


def test_faults_are_found_kept_verified_and_replayed_and_no_value_is_in_any_written_byte(
    sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    sandbox.inject("env", part="gateway", name="TOGETHER_API_KEY", value=CANARY)
    sandbox.inject("env", part="web", name="NEXT_PUBLIC_TOGETHER_KEY", value=CANARY[::-1])
    faults.find("env.missing")(sandbox)
    done = run(environment, tmp_path, "-p", "slow_ms=20000")  # how busy this machine is does not matter here
    sandbox.heal()
    said = json.loads(done.stdout)
    assert done.returncode == 1, said
    assert [cause["code"] for cause in said["causes"]] == ["env.missing", "env.rejected"]
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    secrets = [
        CANARY,
        CANARY[::-1],
        *(v for n, v in sandbox.env.items() if any(w in n for w in ("KEY", "SECRET", "TOKEN"))),
    ]
    written = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for secret in (each.encode() for each in secrets if len(each) > 7):
        assert not [path for path, content in written.items() if secret in content]
        assert secret.decode() not in done.stdout + done.stderr
    table = json.loads((folder / "notebook.ipynb").read_text())
    shown = "".join(
        "".join(o.get("data", {}).get("text/plain", "")) for c in table["cells"] for o in c.get("outputs", [])
    )
    assert "✖ STRIPE_WEBHOOK_SECRET missing" in shown
    assert "vercel env add STRIPE_WEBHOOK_SECRET production" in shown


@pytest.mark.parametrize(
    ("parameter", "word"),
    [
        ("since=yesterday", "since"), ("slow_ms=-5", "slow_ms"), ("slow_ms=soon", "slow_ms"),
        ("expires_within_days=0", "expires_within_days"), ("env_exmple=x", "env_example"),
    ],
)  # fmt: skip
def test_a_bad_parameter_is_one_clear_message_and_nothing_is_written(
    parameter: str, word: str, environment: dict[str, str], tmp_path: Path
) -> None:
    done = run(environment, tmp_path, "-p", parameter)
    assert done.returncode == 2, done.stdout
    assert word in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
