"""How long work gets on shows where it runs: below the cell, and to whoever runs the notebook without a screen."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from runbook_lib.run.client import CellRunner
from runbook_lib.run.kernels import Kernel
from runbook_lib.run.outcomes import mark_fresh
from runbook_lib.run.progress import KEY, show_below_the_cell

CELL = """import time
from runbook_lib.run.progress import show_below_the_cell
tell = show_below_the_cell()
for count in range(3):
    tell(f"dump: {count} of 2 MB")
    time.sleep(0.6)
"""


@pytest.mark.slow
def test_one_line_is_written_over_and_told_to_the_runner(tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    mark_fresh(notebook)
    doing: list[Any] = []
    kernel = Kernel(tmp_path, {})
    try:
        runner = CellRunner(
            notebook, kernel, deadline=None, on_change=lambda: None,
            on_cell=lambda cell: doing.append(cell.metadata["runbook"].get("doing")),
        )  # fmt: skip
        runner.run()
    finally:
        kernel.kill()
    told = [each for each in doing if each]
    assert told[0] == "dump: 0 of 2 MB"
    assert told[-1] == "dump: 2 of 2 MB"
    (output,) = notebook.cells[0].outputs
    assert output["data"]["text/plain"] == "dump: 2 of 2 MB"
    assert output["metadata"][KEY]
    assert "doing" not in notebook.cells[0].metadata["runbook"], "it is over"
    assert json.loads(nbformat.writes(notebook))


def test_outside_of_a_kernel_nothing_is_shown() -> None:
    script = "from runbook_lib.run.progress import show_below_the_cell; show_below_the_cell()('x')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    show_below_the_cell()("x")
