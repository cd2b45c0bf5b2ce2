"""Whatever becomes of the standard streams, exit 1 means confirmed and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_lib.run.home import CHECKOUT

RUNBOOK = Path(sys.executable).with_name("runbook")
(GOOD,) = (CHECKOUT / "outputs" / "example" / "01_failed_request").iterdir()
WITH_FAULT = """
import sys
sys.argv = ["runbook", *{arguments!r}]
{fault}
from runbook_lib.cli import main
main()
"""


def python(fault: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, after something was broken in its process."""
    code = WITH_FAULT.format(fault=fault, arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A line of shell in which $R is the command and $A the example artifact."""
    environment = {**os.environ, "R": str(RUNBOOK), "A": str(GOOD), **variables}
    return subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "package", ["typer", "pydantic", "orjson", "re2", "runbook_lib.core.errors", "runbook_lib.cli.streams"]
)
@pytest.mark.parametrize("how", ["ImportError('broken')", "RuntimeError('half an install')", "SystemExit(1)"])
def test_an_import_that_fails_is_5_and_says_what_to_do(package: str, how: str) -> None:
    fault = (
        "class Broken:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {package!r} or name.startswith({package + '.'!r}): raise {how}\n"
        "sys.meta_path.insert(0, Broken())"
    )
    done = python(fault, "verify", str(GOOD))
    assert done.returncode == 5, (done.stdout, done.stderr)
    assert "runbook: " in done.stderr
    if how.startswith("ImportError"):
        assert done.stderr.startswith("runbook: the runbook cannot start: "), done.stderr
        assert "make setup" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [
        "sys.exit(1)",
        "raise SystemExit('gone')",
        "raise MemoryError",
        "raise RecursionError",
        "import os; raise OSError(28, 'full')",
    ],
)
def test_what_ends_a_command_otherwise_is_5(fault: str) -> None:
    patched = f"import runbook_lib.artifact.verify as module\ndef check(*_):\n    {fault}\nmodule.verify = check"
    done = python(patched, "verify", str(GOOD))
    assert done.returncode == 5, done.stderr
    assert "runbook:" in done.stderr


LINES = {
    "nobody reads the notes": ('$R replay --no-kernel "$A" 2> >(true) >/dev/null', 1),
    "the notes' disk is full": ('$R replay --no-kernel "$A" 2>/dev/full >/dev/null', 1),
    "no standard error": ('$R replay --no-kernel "$A" 2>&- >/dev/null', 1),
    "no standard output": ('$R verify "$A" >&-', 0),
    "no standard input": ('$R verify "$A" <&-', 0),
    "no stream at all": ('$R verify "$A" <&- >&- 2>&-', 0),
    "nobody reads the result": ("set -o pipefail; $R list | true; exit ${PIPESTATUS[0]}", 141),
    "the result's disk is full": ('$R verify "$A" >/dev/full', 5),
    "an error's disk is full": ("$R verify /nowhere >/dev/full 2>/dev/full", 2),
    "an error as JSON on a full disk": ("$R verify --json /nowhere >/dev/full 2>/dev/full", 5),
    "a table on a full disk": ("$R list >/dev/full", 5),
    "ASCII alone": (
        "PYTHONIOENCODING=ascii $R list >/dev/null && LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 $R show 01 >/dev/null",
        0,
    ),
    "help on a full disk": ("$R --help >/dev/full", 5),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_a_stream_that_is_lost_decides_nothing(name: str) -> None:
    line, code = LINES[name]
    done = shell(line)
    if name == "nobody reads the result" and done.returncode == 0:
        return  # all of it fitted into the pipe before its reader went
    assert done.returncode == code, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    if name == "the result's disk is full":
        assert "could not be written to standard output" in done.stderr


@pytest.mark.slow
def test_a_summary_into_nowhere_is_refused_before_the_work(tmp_path: Path) -> None:
    done = shell(f"$R audit 01 --outputs {tmp_path}/out --summary {tmp_path}/no/such/folder.md")
    assert done.returncode == 2, done.stderr
    assert "Cannot write the summary" in done.stderr
    assert not (tmp_path / "out").exists()
