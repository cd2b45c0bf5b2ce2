"""How an artifact's files are written: beside and renamed into place, so that no reader ever sees half of one."""

import hashlib
import os
import tempfile
from pathlib import Path

from runbook_lib.core.redact import Masked

PARTIAL = ".partial"
NOTEBOOK, REPORT, VERDICT = "notebook.ipynb", "report.html", "verdict.json"
OBSERVATIONS, PAYLOADS = "observations.jsonl", "payloads"
MANIFEST, SEAL = "manifest.json", "manifest.sha256"

_mask = os.umask(0o022)  # asking is setting; once, at import, before there are threads
os.umask(_mask)
_MODE = 0o666 & ~_mask


def write_atomic(path: Path, content: Masked, *, durable: bool = False) -> None:
    """Write a file so that it holds either all of the new content or all of the old.

    Args:
        path: where; its folder exists.
        content: the whole of it, masked: this is the one door through which an artifact's files go.
        durable: wait until the disk has it.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            if durable:
                os.fsync(stream.fileno())
        Path(temporary).chmod(_MODE)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def remove_drafts(folder: Path) -> None:
    """Remove what a killed `write_atomic` left beside its files: a draft that never got its name."""
    for path in folder.rglob(".*.????????"):
        if path.is_file() and not path.is_symlink():
            path.unlink()


RESTORE = "`runbook verify` names what was changed; restore the artifact from where it was attached."


def why_unreadable(error: Exception) -> str:
    """Why a file could not be read, in words: the disk's own with the file's name, else the kind of the error and what it says."""
    if isinstance(error, OSError):
        name = f"{Path(error.filename).name}: " if error.filename else ""
        return f"{name}{error.strerror or type(error).__name__}"
    return f"{type(error).__name__}: {error}"[:200]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
