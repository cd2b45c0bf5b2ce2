"""What the house keeps beside its floors, which are import-linter's contracts in pyproject.toml (`make lint` asks them)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "runbook_lib"

# What the contracts cannot forbid: parts of packages whose other parts are pure (`urllib.parse`), and names.
TOUCHING_MODULES = {"urllib.request", "http.client"}
TOUCHING_NAMES = {"open", "input", "datetime.now", "datetime.utcnow", "date.today", "Path.cwd", "Path.home"}
PURE_ROOMS = ("judging", "reading", "procedures", "show")


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every imported module with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


@pytest.mark.parametrize("room", [*PURE_ROOMS, "sources"])
def test_only_the_door_asks_over_the_network(room: str) -> None:
    wrong = [
        f"{path.name} line {line}: import {name}"
        for path in (LIBRARY / room).rglob("*.py")
        for line, name in imports(ast.parse(path.read_text("utf-8")))
        if name in TOUCHING_MODULES
    ]
    assert wrong == []


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_pure_rooms_open_no_file_and_ask_no_clock(room: str) -> None:
    wrong = [
        f"{path.name} line {node.lineno}: {ast.unparse(node.func)}"
        for path in (LIBRARY / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in TOUCHING_NAMES
    ]
    assert wrong == []


def test_no_file_is_longer_than_one_sitting() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in LIBRARY.rglob("*.py")
        if (lines := len(path.read_text("utf-8").splitlines())) > 400
    }
    assert long == {}


def test_servers_bind_to_loopback_only() -> None:
    """No address that means every interface stands anywhere as one: not as text of its own, not as the host of a server."""
    everywhere = re.compile(r"""["']0\.0\.0\.0["']|\b(?:host|bind|address)\s*=\s*["'](?:::|)["']""")
    wrong = [
        str(path.relative_to(ROOT)) for path in LIBRARY.rglob("*.py") if everywhere.search(path.read_text("utf-8"))
    ]
    assert wrong == []
