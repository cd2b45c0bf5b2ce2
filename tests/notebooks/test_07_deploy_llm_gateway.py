"""Notebook 07 itself, on a sandbox: under nbval, headless with Docker's stand-in to an artifact that verifies and replays."""

import json
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.drills.deploy_llm_gateway.faults import STAND_IN
from runbook_lib.drills.failed_request.faults_parts import make_history
from runbook_lib.drills.kit import faults
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.repository import DOCKERFILE, FILES
from tests.notebooks.on_a_sandbox import environment_of, leaks, nbval, run, secrets_of

CANARY = "canary4b1f77e09a"
USUAL = FILES[DOCKERFILE]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.up(f"notebooks-{uuid.uuid4().hex[:6]}", gateway_platform="fly", foreground=True) as made:
        make_history(made)
        made.inject("age", by_s=600.0)  # Fly's proxy counts by five minutes
        yield made


def with_docker(sandbox: Sandbox, outputs: Path, engine: str) -> dict[str, str]:
    """The environment with the sandbox's settings and those of a Docker beside them, in a file of their own."""
    settings = outputs.parent / "settings.env"
    held = {**sandbox.env, "RUNBOOK_DOCKER_FOLDER": str(STAND_IN), "DOCKER_HOST": engine}
    settings.write_text("".join(f"{name}='{value}'\n" for name, value in held.items()))
    settings.chmod(0o600)
    return environment_of(sandbox, outputs, RUNBOOK_SANDBOX=str(settings))


def test_nbval_runs_a_parameterised_copy(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = with_docker(sandbox, tmp_path / "out", "none")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = nbval("07", environment, tmp_path, {"platform": "fly"})
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/07_deploy_llm_gateway/*.partial")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["status"] == "could_not_tell", "the sandbox allows a build, and there is no Docker"
    assert {each["code"] for each in verdict["suspects"]} == {"image.build_file.fails"}
    assert ("gateway_image", "engine", "not_configured") in {
        (each["source"], each["call"], each["status"]) for each in verdict["not_seen"]
    }


def test_an_image_is_built_a_fault_found_kept_and_replayed_and_no_secret_is_written(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """A Dockerfile that holds secrets, and a machine that runs out of memory."""
    text = USUAL.replace("EXPOSE", f"ENV OPENAI_API_KEY={CANARY}env\nARG TOKEN={CANARY}arg\nEXPOSE")
    sandbox.inject("repository_file", path=DOCKERFILE, text=text)
    faults.find("machine.out_of_memory")(sandbox)
    code, said, _ = run("07", with_docker(sandbox, tmp_path / "out", f"stand-in://{sys.executable}"), tmp_path)
    sandbox.heal()
    assert code == 1, said
    assert [cause["code"] for cause in said["causes"]] == ["machine.out_of_memory"]
    assert "build_and_run" in {look["call"] for look in said["looked_at"]}
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    assert leaks(tmp_path / "out", [*secrets_of(sandbox), f"{CANARY}env", f"{CANARY}arg"]) == []
    plan = json.loads((folder / "facts.json").read_text())["plans"][0]
    assert plan["steps"][0]["request"].startswith("fly deploy --app nexus-gateway-")


def test_bad_input_is_refused_with_one_message_before_anything_runs(sandbox: Sandbox, tmp_path: Path) -> None:
    """Every refusal is in tests/unit/procedures; here: what it comes to on the command line."""
    code, said, complaint = run("07", environment_of(sandbox, tmp_path / "out"), tmp_path, regions="frankfurt")
    assert (code, "three letters" in complaint + json.dumps(said), "Traceback" in complaint) == (2, True, False)
    assert not list((tmp_path / "out").rglob("notebook.ipynb"))
