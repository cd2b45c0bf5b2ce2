"""`demo` in the shells of tests/notebooks/test_any_shell.py: minutes, so `make drills` runs it and `make test` does not."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebooks.conftest import RUNBOOK
from tests.notebooks.test_any_shell import DRAFT, SHELLS

SCARCE = ("64 files", "600 MB of memory", "files of 16 KB", "nobody else may read")
KEPT = ("PATH", "HOME", "LANG")


@pytest.fixture
def sandboxes() -> Iterator[Path]:
    """A folder that the unprivileged user can get through, as whom Postgres runs under root; pytest's own are closed to it."""
    folder = Path(tempfile.mkdtemp(prefix="runbook-heavy-"))
    folder.chmod(0o711)
    yield folder / "sandboxes"
    shutil.rmtree(folder)


@pytest.mark.parametrize("row", [row for row in SHELLS if row != "no git"])
def test_the_demo_works_or_says_clearly_why_not(row: str, tmp_path: Path, sandboxes: Path) -> None:
    variables, before = SHELLS[row]
    own = {"RUNBOOK_OUTPUTS": str(tmp_path / "out"), "RUNBOOK_SANDBOX_HOME": str(sandboxes)}
    environment = {**{name: os.environ[name] for name in KEPT if name in os.environ}, **own, **variables}
    done = subprocess.run(
        ["/bin/bash", "-c", f'{before or ":"}; exec "$@"', "bash", str(RUNBOOK), "demo"],
        env={name: value for name, value in environment.items() if value is not None},
        cwd=tmp_path, capture_output=True, timeout=240, check=False,
    )  # fmt: skip
    err = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in err, err
    assert done.returncode in ((0, 2, 5) if row in SCARCE else (0,)), (done.returncode, err)
    assert done.returncode == 0 or "runbook: " in err, err
    assert list(sandboxes.glob("*")) == [], "the sandbox is down, whatever happened"
    assert [path for path in (tmp_path / "out").rglob("*") if DRAFT.search(path.name)] == []


LOOPBACK_OF_IPV4 = """
import fcntl, os, socket, struct, sys
from pathlib import Path

Path("/proc/sys/net/ipv6/conf/all/disable_ipv6").write_text("1")
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh22x", b"lo", 0x41))  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_the_demo_works_without_ipv6_and_without_a_network(tmp_path: Path, sandboxes: Path) -> None:
    """A network namespace in which there is nothing but 127.0.0.1."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network namespace is made by root alone")
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-c", LOOPBACK_OF_IPV4, str(RUNBOOK), "demo"],
        env={**kept, "RUNBOOK_OUTPUTS": str(tmp_path / "out"), "RUNBOOK_SANDBOX_HOME": str(sandboxes)},
        cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
