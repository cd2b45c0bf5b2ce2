"""Notebook 06 itself, on a sandbox: under nbval, headless to an artifact that verifies and replays, and without leaks."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.drills.failed_request.faults_parts import make_history
from runbook_lib.drills.kit import faults
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from tests.notebooks.on_a_sandbox import environment_of, leaks, nbval, run, secrets_of

CANARY = "canary-7f3a9c21d4"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.up(f"notebooks-{uuid.uuid4().hex[:6]}", foreground=True) as made:
        make_history(made)
        yield made


def test_nbval_runs_a_parameterised_copy(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = environment_of(sandbox, tmp_path / "out")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = nbval("06", environment, tmp_path, {"part": "web"})
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/06_deploy_web_api/*.partial")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert (verdict["status"], verdict["parameters"]["part"]) == ("ruled_out", "web")


def test_a_fault_is_found_kept_verified_and_replayed_and_no_secret_is_written(sandbox: Sandbox, tmp_path: Path) -> None:
    """Secrets stand in a build's log, in a variable, in a commit's message and in what the part answers."""
    log = [
        "Error: connect failed",
        f"password={CANARY}x postgres://u:{CANARY}p@db.example/x",
        "Error: the build failed",
    ]
    sandbox.inject(
        "deploy", part="web", state="ERROR", error=f"exited with 1, token sk_live_{CANARY.replace('-', '')}", serve=False,
        build_log=log, message=f"Bearer {CANARY}bearer",
    )  # fmt: skip
    sandbox.inject("env", part="api", name="STRIPE_WEBHOOK_SECRET", restart=False)
    sandbox.inject("env", part="api", name="EXTRA_SECRET", value=f"whsec_{CANARY.replace('-', '')}", restart=False)
    code, said, _ = run("06", environment_of(sandbox, tmp_path / "out"), tmp_path)
    sandbox.heal()
    assert code == 1, said
    assert [cause["code"] for cause in said["causes"]] == [
        "deploy.env_missing",
        "deploy.build_failed",
        "deploy.env_stale",
    ]
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    planted = [f"{CANARY}x", f"{CANARY}p", f"{CANARY}bearer", CANARY.replace("-", "")]
    assert leaks(tmp_path / "out", [*secrets_of(sandbox), *planted]) == []


def test_the_same_evidence_gives_the_same_verdict_in_twenty_replays(sandbox: Sandbox, tmp_path: Path) -> None:
    faults.find("deploy.alias_stale.staged")(sandbox)
    code, said, _ = run("06", environment_of(sandbox, tmp_path / "out"), tmp_path)
    sandbox.heal()
    assert code == 1
    again = [replay(Path(said["artifact"]), with_kernel=False) for _ in range(20)]
    assert all(each.same for each in again)
    facts = json.loads((Path(said["artifact"]) / "facts.json").read_text())
    assert facts["plans"][0]["steps"][0]["request"].startswith("POST https://api.vercel.com/v10/projects/")


def test_bad_input_is_refused_with_one_message_before_anything_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    """Every refusal is in tests/unit/procedures; here: what it comes to on the command line."""
    code, said, complaint = run("06", environment_of(sandbox, tmp_path / "out"), tmp_path, commit="main; rm -rf /")
    assert (code, "hex digits" in complaint + json.dumps(said), "Traceback" in complaint) == (2, True, False)
    assert not list((tmp_path / "out").rglob("notebook.ipynb"))
