"""`runbook` commands as a user gives them, each in a process of its own.

A drill of a thousand cases would spend most of its time on imports: where the system allows it, the process is forked from
one that has them already, and so is the kernel that it starts.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from runbook_lib.run.kernels import start_by_forking

_PROGRAM = Path(sys.executable).with_name("runbook")
_GRACE_S = 15.0
_NURSERY = multiprocessing.get_context("forkserver") if sys.platform == "linux" else None
if _NURSERY is not None:
    _NURSERY.set_forkserver_preload(["runbook_lib.drills.kit.preload"])


def runbook(*arguments: str, settings: Path, limit_s: float) -> "subprocess.CompletedProcess[str]":
    """Run a `runbook` command on the sandbox whose settings file is given; what it writes is kept beside that file until read.

    Raises:
        subprocess.TimeoutExpired: it took longer than the limit; it has been ended.
    """
    variables = {**os.environ, "RUNBOOK_SANDBOX": str(settings)}
    if _NURSERY is None:
        return subprocess.run(
            [str(_PROGRAM), *arguments], env=variables, capture_output=True, text=True, timeout=limit_s, check=False
        )
    words = [settings.with_name(name) for name in ("stdout", "stderr")]
    process = _NURSERY.Process(target=_command, args=(arguments, variables, Path.cwd(), *words))
    process.start()
    process.join(limit_s)
    if process.exitcode is None:
        process.terminate()  # it ends its kernel before it goes
        process.join(_GRACE_S)
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired(arguments, limit_s)
    said = [path.read_text("utf-8", "replace") if path.exists() else "" for path in words]
    return subprocess.CompletedProcess(arguments, process.exitcode, *said)


def _command(arguments: Sequence[str], variables: Mapping[str, str], folder: Path, stdout: Path, stderr: Path) -> None:
    """The forked child: a command with its own arguments, variables, folder and words. Ends with the command's exit code."""
    for descriptor, path in ((1, stdout), (2, stderr)):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.argv[:] = ["runbook", *arguments]
    start_by_forking()
    runpy.run_path(str(_PROGRAM), run_name="__main__")
