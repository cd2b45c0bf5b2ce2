"""A drill's `runbook` command has its own exit code, words and variables; one that takes too long leaves nothing behind."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support.loopback import Loopback, Reply

from runbook_lib.drills.kit.commands import runbook
from runbook_lib.drills.kit.run_case import env_file


def test_a_command_has_its_own_variables_words_and_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNBOOK_SANDBOX", "elsewhere")
    with env_file({"RUNBOOK_BACKEND": "none"}) as (settings, folder):
        listed = runbook("list", settings=settings, limit_s=30)
        wrong = runbook("run", "99", settings=settings, limit_s=30)
        assert sorted(path.name for path in folder.iterdir()) == ["settings.env", "stderr", "stdout"]
    assert (listed.returncode, wrong.returncode) == (0, 2)
    assert "03_supabase_rls" in listed.stdout
    assert "99" in wrong.stderr
    assert os.environ["RUNBOOK_SANDBOX"] == "elsewhere"


@pytest.mark.skipif(sys.platform != "linux", reason="commands are forked on Linux only")
def test_one_that_takes_too_long_is_ended_with_its_kernel(loopback: Loopback, tmp_path: Path) -> None:
    loopback.answer = lambda _: Reply(200) if loopback.stopping.wait(60) else Reply(503)
    variables = {
        "RUNBOOK_VERCEL_TOKEN": "x" * 24,
        "RUNBOOK_VERCEL_WEB_PROJECT": "prj_x",
        "RUNBOOK_VERCEL_API_URL": loopback.url,
    }
    with env_file(variables) as (settings, _), pytest.raises(subprocess.TimeoutExpired):
        runbook("run", "06", "--target", "sandbox", "--outputs", str(tmp_path), settings=settings, limit_s=7)
    assert loopback.asked, "the kernel was at work"
    deadline = time.monotonic() + 60
    while left := _forked():
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def _forked() -> list[psutil.Process]:
    """What runs below the process that commands are forked from."""
    (server,) = (child for child in psutil.Process().children() if "multiprocessing.forkserver" in str(child.cmdline()))
    return server.children(recursive=True)
