"""The private runtime folder: one folder in it for each kernel and server, gone with whoever made it, or with the next command.

Sockets, connection files and typed secrets lie in it. Its path is short, for a socket's may have about a hundred bytes.
"""

import contextlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from runbook_lib.artifact.files import write_atomic
from runbook_lib.core.errors import NotebookError
from runbook_lib.core.redact import our_own
from runbook_lib.run.processes import end_marked, pid_namespace, process_started

_LONGEST_SOCKET_PATH = 90  # of about 104 to 108 bytes; the port's number comes after it
_OWNER = "owner.json"
STATE = "state"  # what outlives every kernel, where this user has no home: see run.people
_YOUNG_S = 60.0


def own_folder(mark: str) -> Path:
    """A new folder in the runtime folder that belongs to this process.

    Args:
        mark: what everything that is started for it carries in its environment.
    """
    folder = Path(tempfile.mkdtemp(dir=runtime_folder()))
    owner = {"pid": os.getpid(), "started": process_started(os.getpid()), "namespace": pid_namespace(), "mark": mark}
    write_atomic(folder / _OWNER, our_own(json.dumps(owner).encode()))
    return folder


def clear_stale() -> None:
    """Remove the folders whose owners were killed, and end what their kernels left running."""
    with contextlib.suppress(NotebookError, OSError):
        for folder in (each for each in runtime_folder().iterdir() if each.name != STATE):
            with contextlib.suppress(OSError):
                _clear(folder)


def _clear(folder: Path) -> None:
    try:
        owner = json.loads((folder / _OWNER).read_bytes())
        if owner.get("namespace", 0) not in (0, pid_namespace()):
            return  # of another container that shares this folder: it clears its own
        gone, mark = process_started(int(owner["pid"])) != owner["started"], str(owner["mark"])
    except (OSError, ValueError, KeyError, TypeError):
        gone, mark = time.time() - folder.stat().st_mtime > _YOUNG_S, ""  # its maker was killed while making it
    if gone:
        if mark:
            end_marked(mark)
        shutil.rmtree(folder, ignore_errors=True)


def runtime_folder() -> Path:
    """A folder of this user alone, with a path short enough for sockets.

    Raises:
        NotebookError: it exists and belongs to somebody else, or others may enter it.
    """
    for base in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108 (checked below)
        if not base:
            continue
        folder = Path(base) / f"nexuscore-runbook-{os.getuid()}"
        if len(str(folder).encode()) + 24 > _LONGEST_SOCKET_PATH:
            continue
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            found = folder.lstat()
        except OSError:
            continue
        if folder.is_symlink() or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise NotebookError(
                "The runtime folder is not private",
                where=str(folder),
                came_back="it belongs to somebody else, is a link, or others may enter it",
                do_next="Remove it, or set XDG_RUNTIME_DIR to a folder of your own.",
            )
        return folder
    raise NotebookError(
        "There is no place for the kernel's sockets",
        came_back="no runtime or temporary folder with a short path can be written",
        do_next="Set XDG_RUNTIME_DIR to a short path of your own.",
    )
