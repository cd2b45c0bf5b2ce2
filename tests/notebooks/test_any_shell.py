"""Any shell: `run`, `audit`, `verify` and `doctor` under environments that are not ours. Each works, or ends with 2 or 5 and one
clear message; nothing half-written stays. `demo` in the same shells is left to `make drills` (tests/heavy).
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runbook_lib.run.home import CHECKOUT
from tests.notebooks.conftest import RUNBOOK, House, Lamp

Row = tuple[dict[str, str | None], str]  # variables (None: not set), and what the shell does before the command
DRAFT = re.compile(r"\..+\.\w{8}$")
MB = 1024
SHELLS: dict[str, Row] = {
    "nothing but PATH": ({"HOME": None, "LANG": None, "XDG_STATE_HOME": None, "TMPDIR": None}, ""),
    "the C locale": ({"LC_ALL": "C", "LANG": None, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, ""),
    "the POSIX locale": ({"LC_ALL": "POSIX", "LANG": None, "PYTHONUTF8": "0"}, ""),
    "ASCII output": ({"PYTHONIOENCODING": "ascii"}, ""),
    "no HOME": ({"HOME": None, "XDG_STATE_HOME": None}, ""),
    "a HOME that nobody can write to": ({"HOME": "/proc", "XDG_STATE_HOME": None}, ""),
    "nobody else may read": ({}, "umask 077"),
    "Kolkata": ({"TZ": "Asia/Kolkata"}, ""),
    "St. John's": ({"TZ": "America/St_Johns"}, ""),
    "Kathmandu": ({"TZ": "Asia/Kathmandu"}, ""),
    "twenty columns": ({"COLUMNS": "20"}, ""),
    "no terminal": ({"TERM": None}, ""),
    "64 files": ({}, "ulimit -n 64"),
    "256 files": ({}, "ulimit -n 256"),
    "600 MB of memory": ({}, f"ulimit -v {600 * MB}"),
    "files of 16 KB": ({}, "ulimit -f 16"),
    "no git": ({"PATH": "/nonexistent"}, ""),
    "variables of Python's": ({"PYTHONPATH": "/nonexistent", "PYTHONOPTIMIZE": "1", "PYTHONUNBUFFERED": "1"}, ""),
}
COMMANDS = {
    "run": (["run", "90", "--target", "fix", "--incident", "INC-7"], {1}),
    "audit": (["audit", "90", "--target", "fix"], {1}),
    "doctor": (["doctor", "90", "--target", "fix"], {0, 1}),
    "verify": (["verify", "ARTIFACT"], {0}),
}
ALL = [(row, command) for row in SHELLS for command in ("run", "verify", "doctor")]
ALL += [(row, "audit") for row in ("nothing but PATH", "the C locale", "64 files", "no git", "nobody else may read")]


@pytest.fixture
def artifact() -> Path:
    """The committed example."""
    (found,) = (CHECKOUT / "outputs" / "example" / "01_failed_request").iterdir()
    return found


def told(house: House, row: Row, command: str, artifact: Path, *, through: list[str] | None = None) -> tuple[int, str]:
    """Exit code and standard error of a command in that shell."""
    variables, before = row
    environment = {name: value for name, value in {**house.env, **variables}.items() if value is not None}
    arguments = [str(artifact) if each == "ARTIFACT" else each for each in COMMANDS[command][0]]
    done = subprocess.run(
        [*(through or []), "/bin/bash", "-c", f'{before or ":"}; exec "$@"', "bash", str(RUNBOOK), *arguments],
        env=environment, cwd=house.cwd, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr.decode("utf-8", "replace")


def see(house: House, command: str, code: int, err: str) -> None:
    """That it is right: the result, or 2 or 5 with a clear message; and nothing half-written is left untold."""
    assert "Traceback" not in err, err
    if code not in COMMANDS[command][1]:
        assert code in (2, 5), (code, err)
        assert "runbook: " in err, err
    left = list(house.outputs.rglob("*")) if house.outputs.exists() else []
    assert [path for path in left if DRAFT.search(path.name)] == []
    partials = [path for path in left if path.name.endswith(".partial")]
    assert all(path.name in err for path in partials), (partials, err)


@pytest.mark.parametrize(("row", "command"), ALL, ids=lambda each: str(each).replace(" ", "-"))
def test_each_command_in_each_shell(house: House, lamp: Lamp, artifact: Path, row: str, command: str) -> None:
    del lamp
    code, err = told(house, SHELLS[row], command, artifact)
    see(house, command, code, err)
    if row not in ("64 files", "600 MB of memory", "files of 16 KB"):
        assert code in COMMANDS[command][1], (code, err)


@pytest.mark.parametrize("command", ["run", "verify", "doctor"])
def test_a_disk_of_one_megabyte(house: House, artifact: Path, tmp_path: Path, command: str) -> None:
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a small disk is mounted by root alone, in a mount namespace of its own")
    house.outputs.mkdir(exist_ok=True)
    filled = f"mount -t tmpfs -o size=1m tmpfs '{house.outputs}' && head -c 1040000 /dev/zero > '{house.outputs}/full'"
    code, err = told(house, ({}, filled), command, artifact, through=["unshare", "-m"])
    see(house, command, code, err)
    if command == "run":
        assert code in (2, 5), err
        assert "No space left on device" in err
        assert "disk" in err


@pytest.mark.parametrize("command", ["run", "verify", "doctor"])
def test_paths_with_spaces_umlauts_and_two_hundred_characters(
    house: House, artifact: Path, tmp_path: Path, command: str
) -> None:
    root = tmp_path / "a folder für alle" / ("sehr_lang_" * 15)
    shutil.copytree(house.root, root)
    moved = House(root, root, {**house.env, "RUNBOOK_HOME": str(root)})
    copied = shutil.copytree(artifact, root / "an artifact für alle")
    code, err = told(moved, ({}, ""), command, Path(copied))
    see(moved, command, code, err)
    assert code in COMMANDS[command][1], err


def test_another_user_than_root(house: House, artifact: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("whoever runs this is another user already")
    asked = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    reading = (
        "+dac_read_search"  # may read what root may, for this Python may lie in a folder of root's; may write nothing
    )
    asked += [f"--inh-caps={reading}", f"--ambient-caps={reading}"]
    if subprocess.run(
        [*asked, "/bin/bash", "-c", f"exec {RUNBOOK} --version"], capture_output=True, check=False
    ).returncode:
        pytest.skip("no other user may start this Python, even with root's right to read")
    code, err = told(house, ({"HOME": None, "XDG_STATE_HOME": None}, ""), "verify", artifact, through=asked)
    see(house, "verify", code, err)
    assert code == 0


@pytest.fixture
def without_git(tmp_path: Path) -> Path:
    """A copy of the checkout as `git archive` makes it."""
    if not (CHECKOUT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this checkout is an archive itself")
    folder = tmp_path / "from an archive"
    folder.mkdir()
    packed = subprocess.run(["git", "-C", str(CHECKOUT), "archive", "HEAD"], capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
    return folder


def test_a_checkout_without_git(without_git: Path, house: House) -> None:
    (artifact,) = (without_git / "outputs" / "example" / "01_failed_request").iterdir()
    for arguments in (["verify", str(artifact)], ["list"], ["replay", str(artifact), "--no-kernel"]):
        done = subprocess.run(
            [sys.executable, "-c", "from runbook_lib.cli import main; main()", *arguments],
            env={**house.env, "PYTHONPATH": str(without_git), "RUNBOOK_HOME": str(without_git)},
            cwd=without_git, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stderr
