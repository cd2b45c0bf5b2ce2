"""`demo` in the shells of tests/notebooks/test_any_shell.py: minutes, so `make drills` runs it and `make test` does not."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.notebooks.conftest import RUNBOOK
from tests.notebooks.test_any_shell import DRAFT, SHELLS

KEPT = ("PATH", "HOME", "LANG")


@pytest.mark.parametrize("row", [row for row in SHELLS if row != "no git"])
def test_the_demo_works_or_says_clearly_why_not(row: str, tmp_path: Path) -> None:
    variables, before = SHELLS[row]
    own = {"RUNBOOK_OUTPUTS": str(tmp_path / "out"), "RUNBOOK_SANDBOX_HOME": str(tmp_path / "sandboxes")}
    environment = {**{name: os.environ[name] for name in KEPT if name in os.environ}, **own, **variables}
    done = subprocess.run(
        ["/bin/bash", "-c", f'{before or ":"}; exec "$@"', "bash", str(RUNBOOK), "demo"],
        env={name: value for name, value in environment.items() if value is not None},
        cwd=tmp_path, capture_output=True, timeout=240, check=False,
    )  # fmt: skip
    err = done.stderr.decode("utf-8", "replace")
    assert "Traceback" not in err, err
    assert done.returncode in (0, 2, 5), (done.returncode, err)
    assert done.returncode == 0 or "runbook: " in err, err
    assert list((tmp_path / "sandboxes").glob("*")) == [], "the sandbox is down, whatever happened"
    assert [path for path in (tmp_path / "out").rglob("*") if DRAFT.search(path.name)] == []
