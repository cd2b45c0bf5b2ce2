"""The private runtime folder: of this user alone, and cleared of what killed runs left in it."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_lib.core.errors import NotebookError
from runbook_lib.run.processes import MARK, process_started
from runbook_lib.run.runtime import clear_stale, own_folder, runtime_folder


@pytest.fixture(autouse=True)
def runtime(monkeypatch: pytest.MonkeyPatch) -> Path:
    import tempfile

    base = tempfile.mkdtemp(dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", base)
    return Path(base) / f"nexuscore-runbook-{os.getuid()}"


def test_it_may_be_entered_by_its_owner_alone(runtime: Path) -> None:
    assert runtime_folder() == runtime
    assert stat.S_IMODE(runtime.stat().st_mode) == 0o700
    assert stat.S_IMODE(own_folder("x").stat().st_mode) == 0o700


def test_one_that_others_may_enter_or_that_is_a_link_is_refused(runtime: Path, tmp_path: Path) -> None:
    runtime_folder().chmod(0o755)
    with pytest.raises(NotebookError, match="not private"):
        runtime_folder()
    runtime.rmdir()
    runtime.symlink_to(tmp_path)
    with pytest.raises(NotebookError, match="not private"):
        runtime_folder()


def test_a_path_too_long_for_a_socket_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("x" * 100)))
    assert len(str(runtime_folder())) < 90


def test_a_living_owner_keeps_its_folder_and_a_dead_one_does_not(runtime: Path) -> None:
    mine, theirs = own_folder("mine"), own_folder("theirs")
    left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, MARK: "theirs"})
    (theirs / "owner.json").write_text(json.dumps({"pid": 4_000_000, "started": 1.0, "mark": "theirs"}))
    clear_stale()
    assert mine.exists()
    assert not theirs.exists()
    assert left.wait(30) != 0, "what its kernel left running was ended"


def test_a_folder_whose_maker_was_killed_while_making_it_goes_after_a_while(runtime: Path) -> None:
    young, old = own_folder("a"), own_folder("b")
    for folder in (young, old):
        (folder / "owner.json").write_text("")
    os.utime(old, (1, 1))
    clear_stale()
    assert young.exists()
    assert not old.exists()


def test_a_process_is_known_by_its_start_and_a_dead_one_has_none() -> None:
    assert process_started(os.getpid()) == process_started(os.getpid()) is not None
    gone = subprocess.Popen([sys.executable, "-c", ""])
    ends = gone.pid
    os.waitid(os.P_PID, ends, os.WEXITED | os.WNOWAIT)  # ended, not yet collected
    assert process_started(ends) is None
    gone.wait()
    assert process_started(ends) is None
