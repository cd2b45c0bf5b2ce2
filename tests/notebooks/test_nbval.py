"""nbval runs a parameterised copy of notebook 01 against a sandbox, and is seen to fail when a cell fails."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import papermill
import pytest

from runbook_lib.run.home import CHECKOUT
from runbook_lib.sandbox import Sandbox

TEMPLATE = CHECKOUT / "notebooks" / "01_failed_request.ipynb"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox.up(f"nbval-{uuid.uuid4().hex[:6]}", foreground=True) as made:
        yield made


@pytest.fixture
def copy(sandbox: Sandbox, tmp_path: Path) -> Path:
    """The notebook with the parameters of one visit, as papermill prepares it: injected, not run."""
    path = tmp_path / "01_failed_request.ipynb"
    given = {"request_id": sandbox.visit("chat")["request_id"]}
    papermill.execute_notebook(TEMPLATE, path, parameters=given, prepare_only=True, progress_bar=False)
    return path


def nbval(sandbox: Sandbox, copy: Path) -> tuple[int, list[ElementTree.Element]]:
    """The exit code of pytest with nbval on this notebook, and its result for each cell."""
    folder = copy.parent
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
    env = {
        **kept,
        "RUNBOOK_SANDBOX": str(sandbox.env_file),
        "RUNBOOK_TARGET": "sandbox",
        "RUNBOOK_OUTPUTS": str(folder / "outputs"),
    }
    settings = [
        "-c",
        os.devnull,
        f"--rootdir={folder}",
        "-p",
        "no:cacheprovider",
        "--junitxml",
        str(folder / "cells.xml"),
    ]
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-cell-timeout=60", *settings, str(copy)]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=180)
    assert (folder / "cells.xml").exists(), done.stdout + done.stderr
    return done.returncode, list(ElementTree.parse(folder / "cells.xml").iter("testcase"))


def test_every_cell_of_a_parameterised_copy_runs(sandbox: Sandbox, copy: Path) -> None:
    cells = json.loads(copy.read_bytes())["cells"]
    (injected,) = [cell for cell in cells if "injected-parameters" in cell["metadata"].get("tags", [])]
    code, results = nbval(sandbox, copy)
    assert code == 0
    assert len(results) == sum(cell["cell_type"] == "code" for cell in cells)
    assert all(len(result) == 0 for result in results), "no cell failed and none was skipped"
    (verdict,) = (copy.parent / "outputs").glob("*/01_failed_request/*/verdict.json")
    written = json.loads(verdict.read_bytes())
    assert written["parameters"]["request_id"] in "".join(injected["source"])
    assert written["looked_at"]
    record = json.loads(verdict.with_name("run.json").read_bytes())
    steps = [tag for cell in cells for tag in cell["metadata"].get("tags", []) if tag.startswith("step:")]
    assert [f"step:{name.replace('_', '-')}" for name in record["executed"]] == steps


def test_a_cell_that_fails_fails_it(sandbox: Sandbox, copy: Path) -> None:
    notebook = json.loads(copy.read_bytes())
    (step,) = [cell for cell in notebook["cells"] if "step:read-the-logs" in cell["metadata"].get("tags", [])]
    step["source"] = "run.read_the_lgos()"
    copy.write_text(json.dumps(notebook))
    code, results = nbval(sandbox, copy)
    assert code == 1
    (failed,) = [result for result in results if result.find("failure") is not None]
    assert "Did you mean read_the_logs" in str(failed.find("failure").text)
