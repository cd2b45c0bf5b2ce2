"""The house keeps its floors: imports go down only, and only `observe` touches the world."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "runbook_lib"

WORDS = {"core"}
DOORS = {"settings", "io"}
THINKING = {"judging", "reading"}
ALLOWED: dict[str, set[str]] = {
    # room: the rooms it may import from (its own is always allowed)
    **dict.fromkeys(WORDS, WORDS),
    **dict.fromkeys(DOORS, WORDS | DOORS),
    "judging": WORDS,
    "reading": WORDS | {"judging", "procedures"},
    "sources": WORDS | DOORS,
    "procedures": WORDS | DOORS | THINKING | {"sources"},
    "show": WORDS | THINKING | {"procedures"},
    "artifact": WORDS | DOORS | THINKING | {"procedures", "show"},
    "sandbox": WORDS,
    "run": WORDS | DOORS | THINKING | {"sources", "procedures", "show", "artifact", "sandbox"},
    "drills": WORDS | DOORS | THINKING | {"sources", "procedures", "show", "artifact", "run", "sandbox"},
}
TOUCHING_THE_WORLD = {
    "httpx", "requests", "socket", "subprocess", "psycopg", "urllib.request", "http.client", "time", "os", "shutil",
    "tempfile", "asyncio",
    "websockets", "sqlite3", "random", "secrets",
}  # fmt: skip
TOUCHING_NAMES = {"open", "input", "datetime.now", "datetime.utcnow", "date.today", "Path.cwd", "Path.home"}
PURE_ROOMS = ("judging", "reading", "procedures", "show")


def room_of(path: Path) -> str:
    """The first folder, or the module, below runbook_lib."""
    return path.relative_to(LIBRARY).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import of a file with its line, type-checking imports left out: they vanish at run time."""
    tree = ast.parse(path.read_text("utf-8"))
    hidden = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "runbook_lib":
                yield from ((node.lineno, f"runbook_lib.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


FILES = sorted(path for path in LIBRARY.rglob("*.py") if room_of(path) not in ("__init__", "cli"))


def test_every_room_has_its_floor() -> None:
    assert {room_of(path) for path in FILES} <= set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(LIBRARY)))
def test_imports_go_down_only(path: Path) -> None:
    room = room_of(path)
    wrong = [
        f"line {line}: {name}"
        for line, name in imports(path)
        if name.startswith("runbook_lib.")
        and name.split(".")[1] not in ALLOWED[room] | {room}
        and name != "runbook_lib.__version__"
    ]
    assert wrong == []


def test_no_vendor_imports_the_looks_of_another() -> None:
    """A vendor's way of asking may serve another (Fly.io answers as Prometheus does); its looks may not."""
    files = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in (LIBRARY / "sources").rglob("*.py")
    }
    looking = {name for name, path in files.items() if "-> Look:" in path.read_text("utf-8")}
    wrong = [
        f"{path.relative_to(LIBRARY)}: {name}"
        for path in files.values()
        for _, name in imports(path)
        if name in looking and name.split(".")[2] != path.parent.name
    ]
    assert looking
    assert wrong == []


@pytest.mark.parametrize("room", PURE_ROOMS)
def test_pure_rooms_touch_no_network_file_process_or_clock(room: str) -> None:
    wrong = []
    for path in (LIBRARY / room).rglob("*.py"):
        wrong += [
            f"{path.name} line {line}: import {name}" for line, name in imports(path) if name in TOUCHING_THE_WORLD
        ]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in TOUCHING_NAMES:
                wrong.append(f"{path.name} line {node.lineno}: {ast.unparse(node.func)}")
    assert wrong == []


def test_sources_touch_the_world_through_their_door_alone() -> None:
    """A fetch gets a Door; what it opens itself escapes deadline, status and record."""
    forbidden = {"requests", "socket", "subprocess", "urllib.request", "http.client", "os", "shutil", "tempfile"}
    wrong = [
        f"{path.name} line {line}: import {name}"
        for path in (LIBRARY / "sources").rglob("*.py")
        for line, name in imports(path)
        if name in forbidden
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
