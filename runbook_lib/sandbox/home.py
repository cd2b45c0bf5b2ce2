"""Where sandboxes keep their files, and how a left-over one is found and cleared away after a kill -9.

A sandbox is a folder that only its user may look into; it holds `processes.json` (id, start time and name of every process),
`state.json` (written when the sandbox is ready), the settings file, and Postgres' data. The folders lie under
RUNBOOK_SANDBOX_HOME, or in the system's temporary folder in one of this user and checkout.
"""

import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import SandboxError, UsageError
from runbook_lib.sandbox import children

_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,39}")


@dataclass(frozen=True)
class Home:
    """One sandbox's folder."""

    name: str
    folder: Path

    @property
    def state_file(self) -> Path:
        """Present once the sandbox is ready; holds the control address and token."""
        return self.folder / "state.json"

    @property
    def env_file(self) -> Path:
        """The settings that point the runbook at this sandbox."""
        return self.folder / "sandbox.env"

    def processes(self) -> list[tuple[int, float, str]]:
        """(id, start time, name) of every process that was recorded, the supervisor first; empty when nothing was.

        Those of another namespace (a container that shares the folder) are none of ours: their ids name others here.
        """
        rows = self._recorded()
        if self._is_of_another_container(rows):
            return []
        return [(int(row["pid"]), float(row["started_at"]), str(row["what"])) for row in rows]

    def record(self, processes: list[tuple[int, str]]) -> None:
        """Write down which processes belong to this sandbox, the supervisor first."""
        found = [(pid, children.started_at(pid), what) for pid, what in processes]
        space = children.pid_namespace()
        rows = [
            {"pid": pid, "started_at": start, "what": what, "namespace": space}
            for pid, start, what in found
            if start is not None
        ]
        write_private(self.folder / "processes.json", json.dumps(rows))

    def is_alive(self) -> bool:
        """Whether the first recorded process, the supervisor or whoever is about to start it, still runs.

        One of another container cannot be seen from here, and is taken to run: it is that container's to take down.
        """
        if self._is_of_another_container(self._recorded()):
            return True
        for pid, start, _ in self.processes()[:1]:
            now = children.started_at(pid)
            return now is not None and abs(now - start) < 1.0
        return False

    def _recorded(self) -> list[dict[str, Any]]:
        try:
            rows: list[dict[str, Any]] = json.loads((self.folder / "processes.json").read_text())
        except (OSError, ValueError):
            return []
        return rows

    def _is_of_another_container(self, rows: list[dict[str, Any]]) -> bool:
        return any(row.get("namespace", 0) not in (0, children.pid_namespace()) for row in rows)

    def state(self) -> dict[str, Any]:
        """What the supervisor wrote when it was ready. Raises UsageError when it is not, or not any more."""
        try:
            state: dict[str, Any] = json.loads(self.state_file.read_text())
        except (OSError, ValueError) as error:
            raise no_such_sandbox(self.name) from error
        return state

    def everything_that_runs(self) -> list[tuple[int, float]]:
        """(id, start time) of each recorded process and of all that it has started, but for this one."""
        found = {}
        for pid, start, _ in self.processes():
            if children.is_the_same(pid, start):
                found[pid] = start
                for each in children.descendants(pid):
                    if (begun := children.started_at(each)) is not None:
                        found.setdefault(each, begun)
        return [(pid, start) for pid, start in found.items() if pid != os.getpid()]

    def clear(self) -> None:
        """End what is left of this sandbox's processes and remove its folder. Nothing else is touched."""
        runs = self.everything_that_runs()
        for pid, start, what in self.processes():
            if pid != os.getpid():
                children.end(pid, start, signal.SIGQUIT if what == "postgres" else signal.SIGKILL)
        children.await_end(runs, 5)
        for _ in range(20):  # Postgres' own children may still be writing for a moment
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                remove_empty_root(self.folder.parent)
                return
            time.sleep(0.05)
        raise SandboxError(
            "A sandbox's folder could not be removed", where=str(self.folder), do_next="Remove it by hand."
        )


def no_such_sandbox(name: str, up: Sequence[str] = ()) -> UsageError:
    """The error for a sandbox that is not up; `up`: the names of those that are."""
    start = f"Start it: runbook sandbox up --name {name}"
    return UsageError(
        f"There is no sandbox named {name}",
        came_back=f"up: {', '.join(up)}" if up else "none is up",
        do_next=f"Name one of these with --name, or start it: runbook sandbox up --name {name}" if up else start,
    )


def base() -> Path:
    """The folder of all sandboxes of this user and checkout; it is there only while a sandbox is."""
    chosen = os.environ.get("RUNBOOK_SANDBOX_HOME")
    checkout = hashlib.sha256(str(children.CHECKOUT).encode()).hexdigest()[:8]
    folder = Path(chosen) if chosen else Path(tempfile.gettempdir()) / f"nexuscore-sandbox-{os.getuid()}-{checkout}"
    return folder.resolve()


def made_base() -> Path:
    """The same, made when it is missing.

    Raises:
        SandboxError: it belongs to somebody else or others may write into it.
    """
    folder = base()
    mode = 0o711 if os.geteuid() == 0 else 0o700  # root's Postgres runs as somebody else, who must get through
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=mode, parents=True)
        folder.chmod(mode)
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise SandboxError(
            "The folder for sandboxes is not safe to use",
            where=str(folder),
            came_back="it belongs to another user, or others may write into it",
            do_next="Set RUNBOOK_SANDBOX_HOME to a folder of your own.",
        )
    return folder


def remove_empty_root(folder: Path) -> None:
    """Remove the folder of all sandboxes when the last one is gone; one that the user chose stays."""
    if "RUNBOOK_SANDBOX_HOME" not in os.environ:
        with contextlib.suppress(OSError):
            folder.rmdir()


def checked_name(name: str) -> str:
    """The name, when it is one that can be a folder's. Raises UsageError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            "A sandbox's name is up to 40 letters, digits, dots, dashes and underscores, and begins with no dot",
            came_back=repr(name[:60]),
        )
    return name


def home_of(name: str) -> Home:
    """The home of a sandbox, whether or not it exists."""
    return Home(checked_name(name), base() / name)


def homes() -> list[Home]:
    """Every sandbox that has a folder, alive or not, by name."""
    try:
        paths = sorted(base().iterdir())
    except FileNotFoundError:
        return []
    return [Home(path.name, path) for path in paths if path.is_dir() and not path.name.startswith(".")]


def claim(name: str) -> Home:
    """Make a new sandbox's folder, recorded as ours from its first moment on. Dead ones are cleared away before.

    Raises:
        UsageError: a sandbox of this name is up.
    """
    for left_over in homes():
        if not left_over.is_alive():
            left_over.clear()
    _clear_half_made()
    home = home_of(name)
    draft = _draft(name)
    draft.record([(os.getpid(), "starter")])
    try:
        draft.folder.rename(home.folder)
    except OSError as error:
        shutil.rmtree(draft.folder)
        raise UsageError(
            f"A sandbox named {name} is up already",
            do_next=f"Use it, take it down (runbook sandbox down --name {name}), or choose another --name.",
        ) from error
    return home


def _draft(name: str) -> Home:
    """A fresh folder without a name yet. The folder around it may be tidied away by another process meanwhile."""
    for _ in range(10):
        with contextlib.suppress(FileNotFoundError):
            draft = Home(name, made_base() / f".{os.getpid()}-{secrets.token_hex(4)}")
            draft.folder.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700)
            return draft
    raise SandboxError("The folder for sandboxes could not be made", where=str(base()))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def _clear_half_made() -> None:
    """Remove drafts whose maker died before they had a name. One that gets its name meanwhile is no draft any more."""
    drafts: list[Path] = []
    with contextlib.suppress(FileNotFoundError):
        drafts = list(base().glob(".*-*"))
    for path in drafts:
        with contextlib.suppress(FileNotFoundError):
            if not Home(path.name, path).is_alive() and time.time() - path.stat().st_mtime > 10:
                shutil.rmtree(path, ignore_errors=True)
