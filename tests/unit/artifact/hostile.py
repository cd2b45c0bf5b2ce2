"""Hostile artifacts: one good artifact, spoilt in every way that a stranger could think of, each named by what was done to it."""

import hashlib
import json
import os
import random
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Spoil = Callable[[Path], None]

FILES = (
    "run.json",
    "verdict.json",
    "manifest.json",
    "manifest.sha256",
    "observations.jsonl",
    "notebook.ipynb",
    "facts.json",
)
ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egpj.exe\u200b\rintact"
DEEP = b"[" * 100_000 + b"]" * 100_000
NESTED = b'{"a":' * 900 + b"1" + b"}" * 900
WIDE = b"[" + b"[]," * 12_000_000 + b"1]"
OTHER_BYTES = {
    "empty": b"",
    "a brace": b"{",
    "a list": b"[1, 2]\n",
    "a number": b"7",
    "null": b"null",
    "NUL bytes": b"\0" * 4096,
    "no UTF-8": b"\xff\xfe{}",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "deep lists": DEEP,
    "deep objects": NESTED,
    "NaN": b'{"schema": NaN}',
    "a lone surrogate": b'{"a": "\\ud800"}',
    "a huge number": b'{"schema": ' + b"9" * 100_000 + b"}",
    "one long line": b"x" * 20_000_000,
}
WRONG = {
    "null": None,
    "a number": -1,
    "a huge number": 10**30,
    "a text": "x",
    "escapes": ESCAPES,
    "a list": [[]],
    "an object": {"a": {"b": []}},
}


def artifacts() -> Iterator[tuple[str, Spoil, bool]]:
    """Name, what spoils a copy, and whether it is sealed anew afterwards, so that it looks intact."""
    for name in FILES:
        for what, data in OTHER_BYTES.items():
            yield f"{name} is {what}", _bytes(name, data), False
        for what, make in _NO_FILES.items():
            yield f"{name} is {what}", _instead(name, make), False
    yield "verdict.json has twelve million values", _bytes("verdict.json", WIDE), False
    yield "a payload has twelve million values", _payload(WIDE), True
    yield "a payload is nested deeply", _payload(NESTED), True
    yield "a payload is a hole of 8 GB", _payload_hole, False
    for field in (
        "schema",
        "procedure",
        "target",
        "status",
        "verdict_sha256",
        "causes",
        "also",
        "suspects",
        "not_seen",
    ):
        for what, value in WRONG.items():
            yield f"verdict.{field} is {what}", _field("verdict.json", field, value), True
    for field in ("code", "subject", "summary", "fingerprint", "evidence"):
        for what in ("null", "a list", "escapes"):
            yield f"verdict.causes.0.{field} is {what}", _finding(field, WRONG[what]), True
    for field in ("procedure", "now", "parameters", "executed", "state", "incident", "deadline_s", "versions"):
        for what, value in WRONG.items():
            yield f"run.{field} is {what}", _field("run.json", field, value), True
    for name in _PROCEDURES:
        yield f"run.procedure is {name!r}", _field("run.json", "procedure", name), True
    for name, value in _RUN_VALUES.items():
        yield f"run: {name}", _fields("run.json", value), True
    for field in ("source", "call", "arguments", "nth", "status", "value", "why", "at", "elapsed_ms"):
        for what, value in WRONG.items():
            yield f"observation.{field} is {what}", _observations(field, value), True
    for name in (
        "../../../../etc/passwd",
        "/etc/passwd",
        "payloads/../../x",
        "payloads/",
        "payloads/a/b",
        "payloads/\0",
    ):
        yield f"a payload called {name!r}", _observations("value", {"payload": name}), True
    for name in ("../../etc/passwd", "/etc/passwd", "a/../../b", "", ".", "a\0b", ESCAPES, "x" * 5000, "manifest.json"):
        yield f"the manifest lists {name[:20]!r}", _listed(name), False
    for seed in range(60):
        yield f"values exchanged at random, {seed}", _exchanged(seed), True
    yield "a file's name has escapes", _added("\x1b[2J\x1b[31mowned\n intact"), False
    yield "a file's name turns around", _added("report\u202elmth.exe"), False
    yield "a file's name is no UTF-8", _added(os.fsdecode(b"\xff\xfe\x80")), False
    yield "thirty thousand files", _many, False
    yield "folders forty deep", _deep_folders, False
    yield "a link to itself", _link_to(lambda folder: folder), False
    yield "a link to the root", _link_to(lambda folder: Path("/")), False
    yield "a link to /dev/zero", _link_to(lambda folder: Path("/dev/zero")), False
    for where in (
        "before the setup cell",
        "tagged as a step",
        "in the setup cell",
        "in the parameters cell",
        "as the kernel",
    ):
        yield f"foreign code {where}", _foreign_code(where), True


_PROCEDURES = (
    "01_../../evil/evil",
    "../evil",
    "01_failed_request/../../x",
    "1",
    "01",
    "failed_request",
    "01_failed_request\n",
    "99_nothing",
    "01_os",
    ESCAPES,
    "a" * 10_000,
)
_RUN_VALUES = {
    "an unknown field": {"unknown": 1},
    "a window of ages": {"parameters": {"since": "99999999999d", "until": "now"}},
    "a window of a million days": {"parameters": {"since": "1000000d", "until": "now"}},
    "the first moment": {"now": "0001-01-01T00:00:00+14:00"},
    "a moment without zone": {"now": "2026-01-01T00:00:00"},
    "steps that there are not": {"executed": ["__init__", "conclude", "../../x"]},
    "a step a hundred thousand times": {"executed": ["find_the_request"] * 100_000},
    "an unknown state": {"state": "deadline", "why": ESCAPES},
    "a replay of something": {"replay_of": "/etc"},
    "escapes everywhere": {"incident": ESCAPES, "target": ESCAPES, "run": ESCAPES, "why": ESCAPES},
}


def _bytes(name: str, data: bytes) -> Spoil:
    return lambda folder: (folder / name).write_bytes(data) and None


def _instead(name: str, make: Callable[[Path], object]) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return spoil


def _socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path may have about a hundred bytes
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(here)


def _hole(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)


_NO_FILES: dict[str, Callable[[Path], object]] = {
    "gone": lambda path: None,
    "a FIFO": os.mkfifo,
    "a socket": _socket,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path),
    "a link out of it": lambda path: path.symlink_to("/etc/passwd"),
    "a link to nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "a link to /dev/zero": lambda path: path.symlink_to("/dev/zero"),
    "a hole of 8 GB": _hole,
}


def _field(name: str, field: str, value: Any) -> Spoil:
    return _fields(name, {field: value})


def _fields(name: str, values: dict[str, Any]) -> Spoil:
    def spoil(folder: Path) -> None:
        document = json.loads((folder / name).read_bytes())
        (folder / name).write_text(json.dumps({**document, **values}))

    return spoil


def _finding(field: str, value: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        document = json.loads((folder / "verdict.json").read_bytes())
        document["causes"][0][field] = value
        (folder / "verdict.json").write_text(json.dumps(document))

    return spoil


def _observations(field: str, value: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "observations.jsonl"
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        path.write_text("".join(json.dumps({**line, field: value}) + "\n" for line in lines))

    return spoil


def _exchanged(seed: int) -> Spoil:
    """Some values deep in what was seen become something else: numbers without end, lists for texts, texts for numbers."""

    def exchange(value: Any, chance: random.Random) -> Any:
        if chance.random() < 0.05:
            return chance.choice([*WRONG.values(), 1e300, -1, 10**18, "9999-12-31T23:59:59.999Z", "<b>", True])
        if isinstance(value, list):
            return [exchange(each, chance) for each in value]
        if isinstance(value, dict):
            return {key: exchange(each, chance) for key, each in value.items()}
        return value

    def spoil(folder: Path) -> None:
        path, chance = folder / "observations.jsonl", random.Random(seed)
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        path.write_text(
            "".join(json.dumps({**line, "value": exchange(line["value"], chance)}) + "\n" for line in lines)
        )

    return spoil


def _payload(data: bytes) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "payloads").mkdir(exist_ok=True)
        (folder / "payloads" / "a.json").write_bytes(data)
        _observations("value", {"payload": "payloads/a.json"})(folder)

    return spoil


def _payload_hole(folder: Path) -> None:
    _payload(b"")(folder)
    _hole(folder / "payloads" / "a.json")


def _listed(name: str) -> Spoil:
    def spoil(folder: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        manifest["files"][name] = {"sha256": "0" * 64, "bytes": 1}
        _sealed(folder, manifest)

    return spoil


def _added(name: str) -> Spoil:
    return lambda folder: (folder / name).write_text("x") and None


def _many(folder: Path) -> None:
    (folder / "payloads").mkdir(exist_ok=True)
    for number in range(30_000):
        (folder / "payloads" / str(number)).touch()


def _deep_folders(folder: Path) -> None:
    (folder / "/".join(["d"] * 40)).mkdir(parents=True)


def _link_to(target: Callable[[Path], Path]) -> Spoil:
    return lambda folder: (folder / "more").symlink_to(target(folder))


def _foreign_code(where: str) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "notebook.ipynb"
        notebook = json.loads(path.read_bytes())
        mark = folder.parent / "it ran"
        evil = f"open({str(mark)!r}, 'w').write('x')\n"
        cell = {
            "cell_type": "code",
            "id": "evil",
            "metadata": {},
            "source": evil,
            "outputs": [],
            "execution_count": None,
        }
        tagged = {
            each["metadata"].get("tags", [""])[0]: each for each in notebook["cells"] if each["cell_type"] == "code"
        }
        if where == "tagged as a step":
            notebook["cells"].insert(4, {**cell, "metadata": {"tags": ["step", "step:find-the-request"]}})
        elif where == "in the setup cell":
            tagged["setup"]["source"] = evil + "".join(tagged["setup"]["source"])
        elif where == "in the parameters cell":
            tagged["parameters"]["source"] = evil
        elif where == "as the kernel":
            notebook["metadata"]["kernelspec"] = {"name": "../../evil", "display_name": "x", "language": "evil"}
        else:
            notebook["cells"].insert(0, {**cell, "metadata": {"tags": ["setup"]}})
        path.write_text(json.dumps(notebook))

    return spoil


def seal_anew(folder: Path) -> None:
    """Make manifest and seal fit what lies there, as whoever made the folder would."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"] = {
        path.relative_to(folder).as_posix(): {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": 1}
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith("manifest.")
    }
    _sealed(folder, manifest)


def _sealed(folder: Path, manifest: dict[str, Any]) -> None:
    content = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(content)
    (folder / "manifest.sha256").write_text(f"{hashlib.sha256(content).hexdigest()}  manifest.json\n")


def copy_of(good: Path, to: Path) -> Path:
    """A fresh copy of the good artifact."""
    shutil.copytree(good, to)
    return to
