"""A forked child has its own arguments, variables, folder, session and words, and is waited for like any other."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runbook_lib.run.forked import ForkedProcess, fork_process

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux only")


def start(tmp_path: Path, work: str) -> tuple[ForkedProcess, Path]:
    """A forked child that runs a piece of Python."""
    log = tmp_path / "log"
    environment = {"SAID": "yes", "PATH": os.defpath}
    with log.open("wb") as words:
        return fork_process(
            lambda: exec(work), arguments=["-f", "x"], cwd=tmp_path, environment=environment, log=words
        ), log


def test_a_child_is_a_program_of_its_own(tmp_path: Path) -> None:
    work = """
import os, sys
print(os.environ["SAID"], "HOME" in os.environ, os.getcwd(), sys.argv[1:], os.getsid(0) == os.getpid(), sys.stdin.read())
print("and this", file=sys.stderr)
sys.stdout.flush()
"""
    child, log = start(tmp_path, work)
    assert child.wait(10) == 0
    assert log.read_text().splitlines() == [f"yes False {tmp_path} ['-f', 'x'] True ", "and this"]
    assert os.environ.get("SAID") is None
    assert os.getsid(0) != child.pid


@pytest.mark.parametrize(
    ("work", "code", "words"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit", 0, ""),
        ("raise SystemExit('no')", 1, ""),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
    ],
)
def test_how_it_ended_is_its_code(tmp_path: Path, work: str, code: int, words: str) -> None:
    child, log = start(tmp_path, work)
    assert child.wait() == code
    assert child.poll() == code, "and stays so"
    assert words in log.read_text()


def test_one_that_goes_on_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    child, _ = start(tmp_path, "import time; time.sleep(60)")
    assert child.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.1)
    os.kill(child.pid, signal.SIGTERM)
    assert child.wait(10) == -signal.SIGTERM


def test_stop_signals_are_the_usual_ones_again(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        child, log = start(tmp_path, "import time; time.sleep(60)")
    finally:
        signal.signal(signal.SIGINT, before)
    time.sleep(0.2)
    os.kill(child.pid, signal.SIGINT)
    assert child.wait(10) == 1
    assert "KeyboardInterrupt" in log.read_text()
