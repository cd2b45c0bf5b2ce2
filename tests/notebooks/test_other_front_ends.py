"""The same notebook and engine under stock papermill and in a kernel that somebody else started."""

import json
import subprocess
import sys
from pathlib import Path

from runbook_lib.artifact.verify import verify
from tests.notebooks.conftest import House, outcomes


def papermill(house: House, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("papermill")), "--no-progress-bar", *arguments]
    env = {**house.env, "RUNBOOK_TARGET": "fix"}
    return subprocess.run(command, cwd=house.cwd, env=env, capture_output=True, text=True, timeout=120)


def test_stock_papermill_with_our_engine_tells_the_truth_about_a_dead_kernel(house: House, tmp_path: Path) -> None:
    house.insert("import os\nos._exit(1)", tags=("own",))
    out = tmp_path / "out.ipynb"
    done = papermill(house, "--engine", "runbook", str(house.notebook), str(out))
    assert done.returncode != 0
    document = json.loads(out.read_text())
    told = {
        cell["metadata"]["tags"][-1]: cell["metadata"]["runbook"]["outcome"]
        for cell in document["cells"]
        if cell["cell_type"] == "code"
    }
    assert told["own"] == "kernel_died"
    assert told["conclusion"] == "not_run"
    assert document["metadata"]["papermill"]["exception"] is True


def test_stock_papermill_with_our_engine_leaves_a_sealed_artifact(house: House, tmp_path: Path) -> None:
    out = tmp_path / "out.ipynb"
    done = papermill(house, "--engine", "runbook", "-p", "name", "cellar", str(house.notebook), str(out))
    assert done.returncode == 0, done.stderr
    folder = house.only_folder()
    assert verify(folder).intact
    assert json.loads((folder / "verdict.json").read_text())["parameters"]["name"] == "cellar"
    assert set(outcomes(out).values()) == {"done"}
    assert house.run("replay", str(folder)).returncode == 1


def test_the_kernel_is_installed_where_jupyter_finds_it() -> None:
    from jupyter_client.kernelspec import KernelSpecManager

    spec = KernelSpecManager().get_kernel_spec("runbook-python")
    assert spec.argv[1:4] == ["-P", "-m", "runbook_lib.run.kernel"]


def test_the_engine_works_inside_a_program_that_has_a_loop_of_its_own(house: House, tmp_path: Path) -> None:
    code = f"""
import asyncio, papermill
async def main():
    papermill.execute_notebook({str(house.notebook)!r}, {str(tmp_path / "out.ipynb")!r}, engine_name="runbook", progress_bar=False)
asyncio.run(main())
"""
    env = {**house.env, "RUNBOOK_TARGET": "fix"}
    subprocess.run([sys.executable, "-c", code], env=env, cwd=house.cwd, check=True, timeout=120, capture_output=True)
    assert set(outcomes(tmp_path / "out.ipynb").values()) == {"done"}
