"""Files that a look writes: in a private folder that is gone with the look, and given a name that looks whole only when it is."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status

PARTIAL = ".partial"
_CHECK = "check the path, and whether the disk that it lies on is mounted"


@contextlib.contextmanager
def private_folder(base: str | None, *, setting: str, mode: int = 0o700) -> Iterator[Path]:
    """A new folder that only this user may enter, gone at the end of the block, whatever ended it.

    Args:
        base: where it is made; None is the system's temporary folder.
        setting: the variable that names `base`, for the error.
        mode: its permissions, where another user's process has to get in.

    Raises LookError: not_configured where nothing can be made there.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix="runbook-", dir=Path(base).expanduser() if base else None))
    except OSError as error:
        why = f"no folder can be made there: {error.strerror or error}"
        raise LookError(
            Status.not_configured, why, where=str(base or tempfile.gettempdir()), do_next=f"set {setting}"
        ) from error
    folder.chmod(mode)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_kept_folder(given: str) -> Path:
    """The folder in which files are to be kept, made where it is missing. Raises LookError(denied) where nobody may write."""
    folder = Path(given).expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise LookError(
            Status.denied,
            f"nothing can be written into {folder}: {error.strerror or error}",
            do_next="give keep_in a folder that this user may write to, on a disk with room",
        ) from error


def free_bytes(folder: Path) -> int:
    """How much this user can still write there."""
    return shutil.disk_usage(folder).free


@contextlib.contextmanager
def write_then_rename(path: Path) -> Iterator[Path]:
    """A path to write to, `….partial` beside the wanted one, that takes the wanted name at the end of the block.

    What is not whole never has the name of something whole: when the block raises, what was written is removed.

    Raises LookError: denied where it cannot be written there.
    """
    draft = path.with_name(path.name + PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.touch(mode=0o600)
    except OSError as error:
        raise LookError(Status.denied, f"cannot be written: {error.strerror or error}", where=str(path)) from error
    try:
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def append_line(path: Path, line: str) -> None:
    """Add one line to a file, whole or not at all. Raises LookError(denied) where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        with os.fdopen(descriptor, "ab") as file:
            file.write(line.rstrip("\n").encode() + b"\n")
    except OSError as error:
        raise LookError(Status.denied, f"cannot be written: {error.strerror or error}", where=str(path)) from error


def list_files(folder: Path) -> list[tuple[str, int, float]]:
    """(name, bytes, last change in epoch seconds) of the plain files in a folder, oldest first; of a file: itself alone.

    Raises LookError: unreachable where there is no such place (a folder that is not mounted proves nothing), denied.
    """
    try:
        paths = [folder] if folder.is_file() else [path for path in folder.iterdir() if path.is_file()]
        found = [(path.name, path.stat().st_size, path.stat().st_mtime) for path in paths]
    except FileNotFoundError as error:
        raise LookError(Status.unreachable, "no such folder or file", where=str(folder), do_next=_CHECK) from error
    except OSError as error:
        raise LookError(Status.denied, error.strerror or type(error).__name__, where=str(folder)) from error
    return sorted(found, key=lambda row: (row[2], row[0]))


def read_ends(path: Path, count: int = 4096) -> tuple[bytes, bytes]:
    """The first and the last bytes of a file. Raises LookError: unreachable where there is none, denied."""
    try:
        with path.open("rb") as file:
            head = file.read(count)
            file.seek(max(0, file.seek(0, os.SEEK_END) - count))
            return head, file.read()
    except FileNotFoundError as error:
        raise LookError(Status.unreachable, "no such file", where=str(path), do_next=_CHECK) from error
    except OSError as error:
        raise LookError(Status.denied, error.strerror or type(error).__name__, where=str(path)) from error
