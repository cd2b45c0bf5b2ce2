"""Notebook 05 on a sandbox: as an audit under nbval, and headless to an artifact that verifies, replays and holds no secret."""

import json
import os
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
from tests.notebooks.on_a_sandbox import nbval

CANARIES = {
    "STRIPE_WEBHOOK_SECRET": "whsec_canary00000000000000000000000000000000",
    "OPENAI_API_KEY": "sk-proj-canary000000000000000000000000000000",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox.up(f"notebooks-05-{uuid.uuid4().hex[:6]}", foreground=True)
    yield made
    made.down()


@pytest.fixture
def environment(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    """As a user's, with secrets of the sandbox's own and planted ones beside them."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    settings = tmp_path / "settings.env"
    settings.write_text("".join(f"{name}='{value}'\n" for name, value in {**sandbox.env, **CANARIES}.items()))
    settings.chmod(0o600)
    return {
        **kept,
        "RUNBOOK_SANDBOX": str(settings),
        "RUNBOOK_TARGET": "sandbox",
        "RUNBOOK_OUTPUTS": str(tmp_path / "out"),
    }


def test_nbval_runs_the_audit(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = nbval("05", environment, tmp_path, {})
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/05_quota_enforcement/*.partial")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (verdict["status"], [state["code"] for state in verdict["states"]]) == ("ruled_out", ["quota.within_limits"])


def test_a_lost_report_is_found_kept_verified_and_replayed_and_no_secret_is_written(
    sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    faults.find("usage.unreported")(sandbox)
    command = [str(RUNBOOK), "run", "05", "-p", "org=Globex", "--incident", "INC-7", "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    sandbox.heal()
    said = json.loads(done.stdout)
    assert done.returncode == 1, said
    assert [cause["code"] for cause in said["causes"]] == ["usage.unreported"]
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    report = (folder / "report.html").read_text()
    assert "Recorded and reported tokens by day" in report
    secrets = [
        v for name, v in {**sandbox.env, **CANARIES}.items() if "KEY" in name or "SECRET" in name or "TOKEN" in name
    ]
    secrets.append(sandbox.env["RUNBOOK_DATABASE_URL"].split(":")[2].split("@")[0])
    written = [path for path in folder.rglob("*") if path.is_file()]
    for secret in (secret for secret in secrets if len(secret) > 7):
        assert not [path for path in written if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("report_within=soon", "26h"),
        ("report_within=0h", "no time at all"),
        ("since=yesterday", "since"),
        ("until=2099-01-01T00:00:00Z", "future"),
        (f"org={'x' * 300}", "300 characters"),
        ("rout=/api/chat", "route"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(
    environment: dict[str, str], tmp_path: Path, given: str, words: str
) -> None:
    command = [str(RUNBOOK), "run", "05", "-p", given, "--json"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2, done.stdout
    assert words in done.stdout + done.stderr
    assert not list((tmp_path / "out").rglob("verdict.json"))
