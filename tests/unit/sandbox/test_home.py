"""Folders and records: what is claimed, what is left over, what is never touched."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runbook_lib.core.errors import SandboxError, UsageError
from runbook_lib.sandbox import children, home


@pytest.fixture(autouse=True)
def _own_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNBOOK_SANDBOX_HOME", str(tmp_path / "sandboxes"))
    return tmp_path


def _sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_a_claimed_home_is_ours_from_the_first_moment() -> None:
    claimed = home.claim("one")
    assert claimed.is_alive()
    assert claimed.folder.stat().st_mode & 0o066 == 0
    with pytest.raises(UsageError, match="is up already"):
        home.claim("one")


def test_a_home_of_another_container_is_alive_and_none_of_its_processes_is_ended() -> None:
    """Its ids count in a namespace of its own; here they name somebody else: this very test, for one."""
    foreign = home.claim("one")
    bystander = _sleeper()
    row = {"pid": bystander.pid, "started_at": children.started_at(bystander.pid), "what": "supervisor", "namespace": 1}
    (foreign.folder / "processes.json").write_text(json.dumps([row]))
    assert foreign.is_alive()
    assert foreign.everything_that_runs() == []
    foreign.clear()
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_dead_home_is_cleared_with_the_processes_it_recorded() -> None:
    dead = home.claim("one")
    left = _sleeper()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone_row = {"pid": gone.pid, "started_at": time.time(), "what": "supervisor"}
    gone.wait()
    started = children.started_at(left.pid)
    rows = [gone_row, {"pid": left.pid, "started_at": started, "what": "api"}]
    (dead.folder / "processes.json").write_text(json.dumps(rows))
    assert not dead.is_alive()
    home.claim("two")
    assert left.wait(5) != 0
    assert not dead.folder.exists()


def test_a_process_whose_id_was_given_out_again_is_left_alone() -> None:
    other = _sleeper()
    try:
        children.end(other.pid, (children.started_at(other.pid) or 0) - 1000)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_living_home_is_never_cleared() -> None:
    first = home.claim("one")
    home.claim("two")
    assert first.folder.exists()


def test_no_folder_is_made_by_only_looking(tmp_path: Path) -> None:
    assert home.homes() == []
    assert not (tmp_path / "sandboxes").exists()


def test_a_folder_that_others_may_write_into_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sandboxes").mkdir()
    (tmp_path / "sandboxes").chmod(0o777)
    with pytest.raises(SandboxError, match="not safe"):
        home.claim("one")


def test_a_private_file_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    os.umask(os.umask(0o022))
    home.write_private(path, "x")
    assert (path.read_text(), path.stat().st_mode & 0o777, [p.name for p in tmp_path.iterdir()]) == (
        "x",
        0o600,
        ["secret"],
    )


def test_state_of_a_sandbox_that_is_not_up_says_how_to_start_it() -> None:
    with pytest.raises(UsageError, match="runbook sandbox up --name gone"):
        home.home_of("gone").state()


_CLAIMS = """
import shutil
from runbook_lib.sandbox import home
for number in range(60):
    claimed = home.claim(f"{NAME}-{number}")
    shutil.rmtree(claimed.folder, ignore_errors=True)
    home.remove_empty_root(claimed.folder.parent)
"""


@pytest.mark.slow
def test_many_that_come_and_go_at_once_do_not_stumble_over_each_other(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "RUNBOOK_SANDBOX_HOME"}
    at_once = [
        subprocess.Popen(
            [sys.executable, "-c", f"NAME = 'n{number}'\n{_CLAIMS}"],
            env={**environment, "TMPDIR": str(tmp_path)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    assert [process.communicate(timeout=60)[1] for process in at_once] == [""] * 4
