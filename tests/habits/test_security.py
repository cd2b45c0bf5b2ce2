"""What SECURITY.md promises is held by tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")


def threats() -> list[tuple[str, list[str]]]:
    """Each line of the table: the threat, and the tests that it names."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("|")]
    assert rows[0] == ["threat", "what holds", "test that holds it"]
    assert all(len(row) == 3 and all(row) for row in rows), "three cells, none empty"
    return [(row[0], re.findall(r"`([^`]+)`", row[2])) for row in rows[2:]]


def names_in(path: Path) -> set[str]:
    """The names of a file's tests."""
    tree = ast.parse(path.read_text("utf-8"))
    return {each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")}


@pytest.mark.parametrize(("threat", "named"), threats(), ids=lambda each: each if isinstance(each, str) else "")
def test_every_test_that_a_line_names_exists(threat: str, named: list[str]) -> None:
    assert named, f"no test holds: {threat}"
    for each in named:
        path, _, name = each.partition("::")
        assert path.startswith("tests/")
        assert (ROOT / path).is_file(), each
        assert name in names_in(ROOT / path) if name else names_in(ROOT / path), each


def test_no_threat_is_told_twice() -> None:
    told = [threat for threat, _ in threats()]
    assert len(set(told)) == len(told)


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", TEXT)
    assert [link for link in links if not (ROOT / link).exists()] == []
