"""Stepping through by hand: the same kernel, any order, steps again; an artifact each time a conclusion is saved."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from runbook_lib.artifact.files import write_atomic
from runbook_lib.artifact.verify import verify
from runbook_lib.run.home import Home
from runbook_lib.run.lab.hooks import mask_before_save, seal_after_save
from tests.notebooks.conftest import House, Lamp

SECRET = "canary_value_of_a_secret_1234"


class Bench:
    """A front end in small: a notebook on disk, a kernel that serves it, cells run one by one, and saving."""

    def __init__(self, house: House, path: Path) -> None:
        self.house, self.path = house, path
        self.notebook = json.loads(path.read_text())
        self._manager = KernelManager(kernel_name="runbook-python")
        self._manager.start_kernel(env={**house.env, "JPY_SESSION_NAME": str(path)}, cwd=str(path.parent))
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, *tags: str) -> None:
        """Run the cells with these tags, or all of them, in order of the call."""
        cells = [cell for cell in self.notebook["cells"] if cell["cell_type"] == "code"]
        for cell in cells if not tags else [c for tag in tags for c in cells if tag in c["metadata"].get("tags", [])]:
            outputs: list[Any] = []
            cell["outputs"] = outputs
            self._client.execute_interactive(
                "".join(cell["source"]), timeout=60, output_hook=lambda m, o=outputs: self._keep(m, o)
            )
            assert not any(out["output_type"] == "error" for out in outputs), outputs

    def _keep(self, message: dict[str, Any], outputs: list[Any]) -> None:
        if message["msg_type"] in ("execute_result", "display_data", "stream", "error"):
            outputs.append({"output_type": message["msg_type"], **message["content"]})

    def save(self) -> list[Path]:
        """Save as JupyterLab does, with the server's hooks; return all sealed artifacts."""
        home = Home(self.house.root, self.house.outputs)
        model = {"type": "notebook", "content": self.notebook}
        mask_before_save(home)(model=model, path="x", contents_manager=None)
        write_atomic(self.path, json.dumps(model["content"]).encode())
        seal_after_save(home)(model={"type": "notebook"}, os_path=str(self.path), contents_manager=None)
        return [folder for folder in self.house.folders() if folder.is_dir() and not folder.name.endswith(".partial")]

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


@pytest.fixture
def bench(house: House) -> Iterator[Bench]:
    from runbook_lib.run.lab.working_copy import write_working_copy
    from runbook_lib.run.runner import prepare

    home = Home(house.root, house.outputs)
    given = {"name": "jane.doe@example.com"}
    made = Bench(house, write_working_copy(prepare("90", given, target="fix", incident="INC-7", home=home)))
    yield made
    made.close()


def verdict(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "verdict.json").read_text())


def record(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run.json").read_text())


def test_a_working_copy_leaves_an_artifact_of_its_incident_when_it_is_saved(bench: Bench, house: House) -> None:
    bench.run()
    (folder,) = bench.save()
    assert folder.parent == house.outputs / "INC-7" / "90_lamp"
    assert verify(folder).intact
    assert verdict(folder)["status"] == "confirmed"
    assert verdict(folder)["target"] == "fix"
    assert "jane.doe" not in (folder / "notebook.ipynb").read_text()
    assert "jane.doe" in bench.path.read_text(), "the working copy must still run after a reload"
    assert bench.save() == [folder]
    assert house.run("replay", str(folder)).returncode == 1
    assert not house.run("list").stderr


def test_nothing_is_sealed_before_the_conclusion_or_when_a_step_ran_after_it(bench: Bench) -> None:
    bench.run("parameters", "injected-parameters", "setup", "step:look_at_the_lamp")
    assert bench.save() == []
    bench.run("conclusion", "step:look_at_the_lamp")
    assert bench.save() == []
    bench.run("conclusion")
    (folder,) = bench.save()
    assert record(folder)["executed"] == [
        "look_at_the_lamp",
        "look_at_the_switch",
        "look_at_the_lamp",
        "look_at_the_switch",
    ]


def test_a_run_that_goes_on_after_its_seal_becomes_another_artifact(bench: Bench, house: House, lamp: Lamp) -> None:
    bench.run()
    (first,) = bench.save()
    before = (first / "manifest.sha256").read_bytes()
    lamp.answer = {"lit": True}
    bench.run("step:look_at_the_lamp", "conclusion")
    first_again, second = bench.save()
    assert first_again == first
    assert (first / "manifest.sha256").read_bytes() == before
    assert verify(first).intact
    assert verify(second).intact
    assert (verdict(first)["status"], verdict(second)["status"]) == ("confirmed", "ruled_out")
    assert record(second)["continues"] == first.name
    assert house.run("replay", str(second)).returncode == 0
    assert house.run("replay", str(second), "--no-kernel").returncode == 0


def test_steps_in_another_order_conclude_and_replay(bench: Bench, house: House) -> None:
    bench.run(
        "parameters", "injected-parameters", "setup", "step:look_at_the_switch", "step:look_at_the_lamp", "conclusion"
    )
    (folder,) = bench.save()
    assert house.run("replay", str(folder), "--no-kernel").returncode == 1
    assert house.run("replay", str(folder)).returncode == 1


def test_secrets_are_masked_in_the_working_copy_too(bench: Bench) -> None:
    cell = {
        "cell_type": "code",
        "id": "own",
        "metadata": {"tags": ["own"]},
        "source": f"print('{SECRET}')",
        "outputs": [],
    }
    bench.notebook["cells"].append(cell)
    bench.run("own")
    bench.save()
    assert SECRET not in bench.path.read_text()


def test_a_notebook_that_claims_a_run_somewhere_else_seals_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.run()
    text = json.dumps(bench.notebook).replace('"incident": "INC-7"', '"incident": "../../.."')
    bench.notebook = json.loads(text)
    assert bench.save() == []


def test_a_parameter_edited_to_another_type_is_refused_in_the_setup_cell(bench: Bench) -> None:
    cell = next(c for c in bench.notebook["cells"] if "injected-parameters" in c["metadata"].get("tags", []))
    cell["source"] = "".join(cell["source"]).replace("count = 1", "count = 'one'")
    with pytest.raises(AssertionError, match="UsageError"):
        bench.run("parameters", "injected-parameters", "setup")


def test_setup_before_the_parameters_cell_says_what_is_not_set(bench: Bench) -> None:
    with pytest.raises(AssertionError, match="Run the parameters cell first"):
        bench.run("setup")


def test_a_mistyped_step_names_the_nearest(bench: Bench) -> None:
    bench.run("parameters", "injected-parameters", "setup")
    cell = next(c for c in bench.notebook["cells"] if "step:look_at_the_lamp" in c["metadata"].get("tags", []))
    cell["source"] = "run.look_at_the_lmap()"
    with pytest.raises(AssertionError, match="Did you mean look_at_the_lamp"):
        bench.run("step:look_at_the_lamp")


def test_opening_twice_writes_two_working_copies(house: House) -> None:
    from runbook_lib.run.lab.working_copy import write_working_copy
    from runbook_lib.run.runner import prepare

    home = Home(house.root, house.outputs)
    prepared = prepare("90", {}, target="fix", incident="INC-7", home=home)
    names = [write_working_copy(prepared).name for _ in range(3)]
    assert names == ["90_lamp.ipynb", "90_lamp-2.ipynb", "90_lamp-3.ipynb"]
