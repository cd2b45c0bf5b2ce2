"""Every notebook keeps the form: a question, one call, the evidence, the verdict; no logic, no outputs, no secrets."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.core.redact import Redactor
from runbook_lib.run.home import Home

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def cells(path: Path) -> list[dict[str, Any]]:
    """The cells, their sources joined."""
    return [{**cell, "source": "".join(cell["source"])} for cell in json.loads(path.read_text("utf-8"))["cells"]]


def tagged(path: Path, tag: str) -> list[dict[str, Any]]:
    """The cells with a tag."""
    return [cell for cell in cells(path) if tag in cell["metadata"].get("tags", [])]


def test_there_are_notebooks() -> None:
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
class TestForm:
    """The form of one notebook."""

    def test_outputs_are_stripped_and_ids_kept(self, path: Path) -> None:
        document = json.loads(path.read_text("utf-8"))
        assert (document["nbformat"], document["nbformat_minor"]) >= (4, 5)
        ids = [cell["id"] for cell in document["cells"]]
        assert len(set(ids)) == len(ids)
        assert not any(identity.isdigit() for identity in ids)
        code = [cell for cell in document["cells"] if cell["cell_type"] == "code"]
        assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)

    def test_code_cells_are_thin(self, path: Path) -> None:
        for cell in cells(path):
            if cell["cell_type"] != "code":
                continue
            tree = ast.parse(cell["source"])
            kinds = (
                ast.FunctionDef,
                ast.ClassDef,
                ast.For,
                ast.While,
                ast.Try,
                ast.If,
                ast.Lambda,
                ast.AsyncFunctionDef,
            )
            assert not [node for node in ast.walk(tree) if isinstance(node, kinds)]
            imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
            lines = [line for line in cell["source"].splitlines() if line]
            assert len(lines) - len(imports) <= 10

    def test_only_the_library_is_imported(self, path: Path) -> None:
        for cell in cells(path):
            if cell["cell_type"] == "code":
                for node in ast.walk(ast.parse(cell["source"])):
                    if isinstance(node, ast.ImportFrom):
                        assert (node.module or "").startswith(("runbook_lib", "typing"))
                    assert not isinstance(node, ast.Import)

    def test_it_has_one_cell_for_parameters_setup_and_conclusion(self, path: Path) -> None:
        for tag in ("parameters", "setup", "conclusion"):
            assert len(tagged(path, tag)) == 1

    def test_no_tag_changes_what_running_means(self, path: Path) -> None:
        forbidden = {"raises-exception", "skip-execution"}
        assert not [cell["id"] for cell in cells(path) if forbidden & set(cell["metadata"].get("tags", []))]

    def test_every_parameter_is_declared_with_type_default_and_help(self, path: Path) -> None:
        (cell,) = tagged(path, "parameters")
        body = ast.parse(cell["source"]).body
        declared = [node for node in body if not isinstance(node, ast.ImportFrom)]
        assert 0 < len(declared) <= 10
        for node in declared:
            line = cell["source"].splitlines()[node.lineno - 1]
            assert isinstance(node, ast.AnnAssign)
            assert node.lineno == node.end_lineno
            assert node.value is not None
            assert "  # " in line

    def test_its_setup_is_one_call_that_reads_the_parameters_cell(self, path: Path) -> None:
        (setup,) = tagged(path, "setup")
        assert [ast.unparse(line) for line in ast.parse(setup["source"]).body][1:] == [
            f"run = open_run('{path.stem}', globals())",
            "run",
        ]

    def test_the_steps_are_those_of_its_procedure_in_order_and_numbered(self, path: Path) -> None:
        procedure = Home.find({}).procedure(path.stem)
        calls = [cell["source"] for cell in tagged(path, "step")]
        assert calls == [f"run.{step.name}()" for step in procedure.steps()]
        headings = [line for cell in cells(path) for line in cell["source"].splitlines() if line.startswith("## Step ")]
        assert headings == [f"## Step {n} · {step.question}" for n, step in enumerate(procedure.steps(), 1)]

    def test_metadata_tells_what_the_readme_lists(self, path: Path) -> None:
        meta = json.loads(path.read_text("utf-8"))["metadata"]["runbook"]
        assert meta["id"] == path.stem[:2]
        assert meta["title"]
        assert meta["services"]
        assert isinstance(meta["minutes"], int)
        assert meta["changes"]

    def test_it_holds_no_secret_and_no_address_of_a_person(self, path: Path) -> None:
        assert not Redactor().finds(path.read_text("utf-8"))
