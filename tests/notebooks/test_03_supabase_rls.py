"""Notebook 03 itself, on a sandbox: under nbval cell by cell, and headless to an artifact that verifies and replays."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.drills.kit import faults
from runbook_lib.drills.supabase_rls.faults_session import org_id, sign_in
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from tests.notebooks.conftest import RUNBOOK
from tests.notebooks.on_a_sandbox import environment_of, nbval

CODE = "rls.no_membership"
TOKEN = "RUNBOOK_TEST_USER_TOKEN"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox.up(f"notebooks-{uuid.uuid4().hex[:6]}", traffic=False)
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
    given = {"user": "ada@acme.example", "table": "usage_records"}
    done = nbval("03", environment, tmp_path, given)
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob("*/03_supabase_rls/*.partial")
    verdict = json.loads((folder / "verdict.json").read_text())
    assert verdict["parameters"]["table"] == "usage_records"
    assert verdict["parameters"]["user"].startswith("<email:"), "an address is written down as a pseudonym"
    assert verdict["status"] == "ruled_out"


def test_a_denied_user_is_explained_kept_verified_and_replayed_and_no_secret_is_written(
    sandbox: Sandbox, environment: dict[str, str], tmp_path: Path
) -> None:
    """The user's token is given by reference; neither it nor any part of it, nor a password of the database, is in any byte."""
    token = sign_in(sandbox)
    faults.find(CODE)(sandbox)
    org = org_id(sandbox)
    command = [str(RUNBOOK), "run", "03", "-p", f"jwt=env:{TOKEN}", "-p", f"org={org}", "-p", "table=usage_records"]
    command += ["--incident", "INC-7", "--json"]
    done = subprocess.run(
        command, env={**environment, TOKEN: token}, cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    sandbox.heal()
    said = json.loads(done.stdout)
    assert done.returncode == 1, said
    assert [cause["code"] for cause in said["causes"]] == [CODE]
    assert said["parameters"]["jwt"] == f"env:{TOKEN}"
    folder = Path(said["artifact"])
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same, "a replay needs neither the token nor the sandbox"
    passwords = [urlsplit(sandbox.env[name]).password for name in sandbox.env if name.endswith("DATABASE_URL")]
    keys = [value for name, value in sandbox.env.items() if "KEY" in name or "SECRET" in name or "TOKEN" in name]
    secrets = [token, *token.split("."), *keys, *(password for password in passwords if password)]
    written = [path.read_bytes() for path in folder.rglob("*") if path.is_file()] + [done.stderr.encode()]
    assert len(secrets) > 10
    for secret in secrets:
        assert not any(secret.encode() in data for data in written if len(secret) > 7)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["table=public.memberships"], "table"),
        (["jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhYmMifQ.c2lnbmF0dXJlLW9mLWEtdG9rZW4"], "takes a reference to a secret"),
        (["jwt=env:NO_SUCH_VARIABLE_AT_ALL"], "NO_SUCH_VARIABLE_AT_ALL"),
    ],
)
def test_a_question_that_cannot_be_is_refused_before_anything_runs(
    environment: dict[str, str], tmp_path: Path, given: list[str], words: str
) -> None:
    options = [word for each in given for word in ("-p", each)]
    done = subprocess.run(
        [str(RUNBOOK), "run", "03", *options],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    told = " ".join((done.stdout + done.stderr).split())
    assert words in told
    assert "eyJhbGciOiJIUzI1NiJ9" not in told
    assert not list((tmp_path / "out").rglob("*.partial")) if (tmp_path / "out").exists() else True
