"""Each of the ten notebooks on a sandbox: under nbval cell by cell, and headless to an artifact that verifies and replays.

No secret of the sandbox, and none that was planted in it, is in any byte that was written.
"""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from runbook_lib.artifact.verify import verify
from runbook_lib.run.replay import replay
from runbook_lib.sandbox import Sandbox
from tests.notebooks.notebook_cases import CASES, Case, Fault, Kept, passwords_of
from tests.notebooks.on_a_sandbox import environment_of, leaks, nbval, run, secrets_of


@pytest.fixture(
    scope="module",
    params=[pytest.param(each, id=each.number) for each in CASES],
)
def case(request: pytest.FixtureRequest) -> Case:
    """The notebook in question."""
    found: Case = request.param
    return found


@pytest.fixture(scope="module")
def sandbox(case: Case, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Its sandbox; one for all its tests."""
    if case.up.get("webhooks") == "cli":
        request.getfixturevalue("stripe_cli")
    with Sandbox.up(f"notebook-{case.number}-{uuid.uuid4().hex[:6]}", foreground=True, **case.up) as made:
        case.prepare(made)
        yield made


def test_nbval_runs_a_parameterised_copy(
    case: Case, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = environment_of(sandbox, tmp_path / "out", **case.settings)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    done = nbval(case.number, environment, tmp_path, dict(case.given))
    assert done.returncode == 0, done.stdout[-3000:]
    (folder,) = (tmp_path / "out").glob(f"*/{case.stem}/*.partial")
    verdict = json.loads((folder / "verdict.json").read_text())
    arrived = {name: verdict["parameters"][name] for name in case.given if name != "user"}
    assert arrived == {name: value for name, value in case.given.items() if name != "user"}
    case.judged(verdict)


def test_a_fault_is_found_kept_verified_and_replayed_and_no_secret_is_written(
    case: Case, sandbox: Sandbox, tmp_path: Path
) -> None:
    for fault in case.faults:
        try:
            found_and_kept(case, fault, sandbox, tmp_path)
        finally:
            sandbox.heal()


def found_and_kept(case: Case, fault: Fault, sandbox: Sandbox, where: Path) -> None:
    """Break the sandbox, run the notebook, and hold what it left against everything that must be so."""
    asked = fault.break_it(sandbox)
    environment = environment_of(sandbox, where / "out", **{**case.settings, **fault.settings})
    code, said, complaint = run(case.number, {**environment, **asked.variables}, where, **asked.parameters)
    assert code == 1, said or complaint
    named = [cause["code"] for cause in said["causes"]]
    assert tuple(named) == fault.codes if fault.are_all else set(fault.codes) <= set(named)
    folder = Path(said["artifact"])
    fault.before_replay(sandbox)
    assert verify(folder, said["manifest_sha256"]).intact
    assert replay(folder, with_kernel=False).same
    assert replay(folder).same
    fault.look(Kept(sandbox, folder, said))
    secrets = [*secrets_of(sandbox), *passwords_of(sandbox), *asked.planted]
    assert len(secrets) > 8
    assert leaks(where / "out", secrets) == []
    assert not [each for each in secrets if len(each) > 7 and each in complaint + json.dumps(said)]


def test_what_cannot_be_asked_is_refused_with_one_clear_message_and_nothing_is_written(
    case: Case, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Every refusal is in tests/unit/procedures; here: what it comes to on the command line."""
    for given, words in case.refused:
        name, _, value = given.partition("=")
        code, said, complaint = run(case.number, environment_of(sandbox, tmp_path / "out"), tmp_path, **{name: value})
        told = " ".join((complaint + json.dumps(said)).split())
        assert (code, words in told, "Traceback" in complaint) == (2, True, False), (given, told)
        assert "eyJhbGciOiJIUzI1NiJ9" not in told
        assert not list((tmp_path / "out").rglob("*.ipynb"))
