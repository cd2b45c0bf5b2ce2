"""A run is killed before and within every single thing that it does to the disk. The next command finds a whole artifact that
verifies and replays, or a `.partial` that says how it ended; never anything in between.

The run is done by a forked child, as `runbook run` and JupyterLab do it but for the kernel; it ends itself as SIGKILL would.
"""

import ast
import io
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.artifact.files import NOTEBOOK, OBSERVATIONS, REPORT, VERDICT, write_atomic
from runbook_lib.artifact.verify import verify
from runbook_lib.core.redact import Masked
from runbook_lib.run import partials
from runbook_lib.run.audits import record as audit_record
from runbook_lib.run.audits.record import JobResult, Record, last_record, read_record, write_record
from runbook_lib.run.context import RUN_VARIABLE, make_folder, read_context
from runbook_lib.run.home import Home
from runbook_lib.run.lab.hooks import mask_before_save, seal_after_save
from runbook_lib.run.lab.working_copy import write_working_copy
from runbook_lib.run.replay import replay
from runbook_lib.run.runner import _Run, prepare
from runbook_lib.run.saving import Saver
from runbook_lib.run.stops import Stops
from tests.notebooks.conftest import House

KILLED = 137
FILES = {NOTEBOOK, OBSERVATIONS, REPORT, VERDICT, "run.json", "facts.json", "manifest.json", "manifest.sha256"}
TOUCHING = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}


class Killer:
    """Counts what is done to files below a folder, and ends the process before the one of this number; a write ends half-way."""

    def __init__(self, folder: Path, at: int) -> None:
        self._folder, self._at, self.count = str(folder), at, 0
        sys.addaudithook(self._audited)
        self._write, self._fdopen, self._fsync = os.write, os.fdopen, os.fsync
        os.write, os.fdopen, os.fsync = self._write_half, self._opened, self._synced  # type: ignore[assignment]

    def _counts(self) -> bool:
        self.count += 1
        return self.count == self._at

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            touches = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        else:
            path, touches = arguments[0] if arguments else "", event in TOUCHING
        if touches and str(path).startswith(self._folder) and self._counts():
            os._exit(KILLED)

    def _write_half(self, handle: int, data: Any) -> int:
        if self._counts():
            self._write(handle, bytes(data)[: len(data) // 2])
            os._exit(KILLED)
        return self._write(handle, data)

    def _synced(self, handle: int) -> None:
        if self._counts():
            os._exit(KILLED)
        self._fsync(handle)

    def _opened(self, handle: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        stream = self._fdopen(handle, mode, *more, **named)
        if "b" not in mode or "w" not in mode:
            return stream
        write = stream.write

        class Halving(io.RawIOBase):
            def __enter__(halving) -> Any:
                return halving

            def __exit__(halving, *_: object) -> None:
                stream.close()

            def write(halving, data: Any) -> int:
                if self._counts():
                    write(data[: len(data) // 2])
                    stream.flush()
                    os._exit(KILLED)
                return int(write(data))

            def flush(halving) -> None:
                if not stream.closed:
                    stream.flush()

            def fileno(halving) -> int:
                return int(stream.fileno())

        return Halving()


def in_a_child(folder: Path, at: int, work: Callable[[], None]) -> tuple[bool, int]:
    """Whether the work was killed at that point, and how many points it passed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, 1)
            os.dup2(devnull, 2)
            killer = Killer(folder, at)
            work()
            killer._write(writing, str(killer.count).encode())
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as told:
        count = told.read()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code in (0, KILLED), "the work itself failed"
    return code == KILLED, int(count or 0)


def cells_of(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Run a notebook's code cells; each with its output."""
    names: dict[str, Any] = {}
    for cell in document["cells"]:
        if cell["cell_type"] != "code":
            continue
        tree = ast.parse("".join(cell["source"]))
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        data = {} if value is None else value._repr_mimebundle_()
        cell["outputs"] = [{"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": {}}]
        yield cell


def stepped_through(home: Home) -> None:
    """As in JupyterLab: a working copy, its cells, and a save that seals."""
    path = write_working_copy(prepare("90", {"name": "attic"}, target="fix", incident="INC-7", home=home))
    os.environ["JPY_SESSION_NAME"] = str(path)
    notebook = json.loads(path.read_bytes())
    list(cells_of(notebook))
    model = {"type": "notebook", "content": notebook}
    mask_before_save(home)(model=model)
    write_atomic(path, Masked(json.dumps(model["content"]).encode()))
    seal_after_save(home)(os_path=str(path), model=model)


def run_headless(home: Home) -> None:
    """As `runbook run`: the folder, the cells with a save after each, the end, the seal."""
    import nbformat

    prepared = prepare("90", {"name": "attic"}, target="fix", incident="INC-7", home=home)
    _, folder = make_folder(home, prepared.context, reserve_bytes=4096)
    os.environ[RUN_VARIABLE] = str(folder)
    notebook = json.loads(json.dumps(prepared.template.document))
    saver = Saver(folder / NOTEBOOK, prepared.redactor)
    for cell in cells_of(notebook):
        saver.save_now(nbformat.from_dict(notebook), durable="conclusion" in cell["metadata"].get("tags", []))
    run = _Run(prepared, read_context(folder), folder, lambda _: None, Stops())
    run._seal("done", "")


def what_is_left(home: Home) -> str:
    """What the next command makes of the folder: `sealed`, `told`, `nothing`. Fails where it is anything else."""
    told = partials.settle_killed(home)
    again = partials.settle_killed(home)
    assert again == [], "it is told once"
    left = []
    for folder in home.outputs.glob("*/*/*"):
        if not folder.is_dir():
            continue
        if folder.name.endswith(".partial"):
            context = read_context(folder)
            assert (context.state, bool(context.why)) == ("killed", True)
            assert [each.folder for each in told] == [folder]
            left.append("told")
        else:
            assert verify(folder).intact
            assert {path.name for path in folder.iterdir()} == FILES
            assert read_context(folder).state == "done"
            assert replay(folder, with_kernel=False, home=home).same
            left.append("sealed")
    assert len(left) <= 1
    return left[0] if left else "nothing"


@pytest.mark.parametrize("work", [stepped_through, run_headless])
def test_a_run_killed_at_any_point_is_whole_or_says_so(
    house: House, work: Callable[[Home], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partials, "_YOUNG_S", -1.0)
    for name, value in house.env.items():
        monkeypatch.setenv(name, value)
    home = Home(house.root, house.outputs)
    house.outputs.mkdir(exist_ok=True)
    with monkeypatch.context() as warm:  # imports once here what every child would import
        for name in (RUN_VARIABLE, "JPY_SESSION_NAME"):
            warm.setenv(name, "")
        warm.setenv("RUNBOOK_OUTPUTS", str(house.root / "warm"))
        work(Home(house.root, house.root / "warm"))
    _, points = in_a_child(house.outputs, -1, lambda: work(home))
    assert what_is_left(home) == "sealed"
    found: dict[str, int] = {}
    for at in range(1, points + 1):
        for path in sorted(house.outputs.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        killed, _ = in_a_child(house.outputs, at, lambda: work(home))
        assert killed
        left = what_is_left(home)
        found[left] = found.get(left, 0) + 1
    print(f"crash points of {work.__name__}: {sum(found.values())} of {points}: {found}")
    assert points >= 50
    assert found["sealed"] >= 5
    assert found["told"] >= 20


def test_an_audit_killed_at_any_point_leaves_what_had_been_done(tmp_path: Path) -> None:
    jobs = [JobResult(f"0{n}_x", "fix", "", 0, None, "a test", 1.0, {}) for n in range(4)]
    parts = [Record("nightly", "20261201T000000.000Z-0001", "2026-12-01T00:00:00Z", "2026-12-01T00:00:01Z",
                    "running", tuple(jobs[:done])) for done in range(5)]  # fmt: skip
    whole = Record(**{**parts[4].__dict__, "state": "done"})

    def work() -> None:
        for part in (*parts, whole):
            write_record(tmp_path, part)

    _, points = in_a_child(tmp_path, -1, work)
    assert points >= 20
    known = -1
    for at in range(1, points + 1):
        for path in sorted(tmp_path.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        assert in_a_child(tmp_path, at, work)[0]
        settled = audit_record.settle_killed(tmp_path)
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert len(files) <= 1, "no draft is left"
        if files:
            read = read_record(files[0])
            assert read.state == "killed"
            assert settled == files
            assert last_record(tmp_path) is None
            assert len(read.results) >= known, "what had been done is never less than before"
            known = len(read.results)
    print(f"crash points of an audit: {points} of {points}")
