"""The committed example is whole, and still leads to its verdict."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from runbook_lib.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "outputs" / "example").glob("*/*"))


def test_there_is_an_example() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_example_is_unchanged(folder: Path) -> None:
    assert CliRunner().invoke(app, ["verify", str(folder)]).exit_code == 0


@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_example_replays_to_its_verdict(folder: Path) -> None:
    verdict = json.loads((folder / "verdict.json").read_text("utf-8"))
    assert verdict["status"] == "confirmed"
    assert CliRunner().invoke(app, ["replay", str(folder), "--no-kernel"]).exit_code == 1


def test_the_example_tells_nothing_of_the_machine_it_was_made_on() -> None:
    for folder in EXAMPLES:
        for path in folder.rglob("*"):
            if path.is_file():
                assert str(ROOT).encode() not in path.read_bytes(), path.name
