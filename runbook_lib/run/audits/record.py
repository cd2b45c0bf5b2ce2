"""What an audit leaves beside its artifacts: one record of what each job came to; the last one; and what is old is cleared.

outputs/audit-<name>/audits/<audit id>.json
outputs/audit-<name>/<procedure>/<run id>/        the artifacts
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import remove_drafts, write_atomic
from runbook_lib.artifact.forms import FindingsForm, fault_of, typed
from runbook_lib.artifact.stranger import StrangersFolder
from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.errors import ArtifactError, UsageError
from runbook_lib.core.model import Json
from runbook_lib.core.redact import our_own

SCHEMA = "runbook-audit/1"
RECORDS = "audits"
RUNNING, KILLED = "running", "killed"
_LOCK = ".lock"


@dataclass(frozen=True)
class JobResult:
    """What one job came to.

    Attributes:
        exit_code: as `runbook run` or `runbook doctor` gave it; 5 where it hung and was ended.
        status: the verdict's; None without a verdict.
        why: how it ended, where it ended otherwise than with a verdict.
        verdict: what `artifact.diff` compares: procedure, target, status, causes, also, states, blind.
        artifact: the folder it left, from the audit's own folder; None where it left none.
    """

    procedure: str
    target: str
    org: str
    exit_code: int
    status: str | None
    why: str
    seconds: float
    verdict: Mapping[str, Any]
    artifact: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes results of two audits comparable."""
        return (self.target, self.procedure, self.org)


@dataclass(frozen=True)
class Record:
    """One audit. `state`: running, done, cancelled, or killed; but for done, `results` are those of the jobs that had ended."""

    name: str
    id: str
    started_at: str
    ended_at: str
    state: str
    results: tuple[JobResult, ...]
    runbook_version: str = ""
    library_sha256: str = ""

    def as_dict(self) -> dict[str, Json]:
        """The file's form."""
        return {"schema": SCHEMA, **asdict(self)}


def write_record(folder: Path, record: Record) -> Path:
    """Keep a record below the audit's folder; returns its file. Raises UsageError where it cannot be written."""
    path = folder / RECORDS / f"{record.id}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, our_own(json.dumps(record.as_dict(), indent=1, ensure_ascii=False).encode()))
    except OSError as error:
        raise UsageError(
            "Cannot write the audit's record",
            where=str(path),
            came_back=error.strerror or type(error).__name__,
            do_next="Make the outputs folder writable, or free some space.",
        ) from error
    return path


def is_record(path: Path) -> bool:
    """Whether a file may be an audit's record."""
    return path.is_file() and path.suffix == ".json"


def read_record(path: Path) -> Record:
    """The record in a file.

    Raises:
        UsageError: it cannot be read, or is not an audit record.
    """
    try:
        document = StrangersFolder(path.parent).json(path.name)
        if not isinstance(document, dict) or document.pop("schema", None) != SCHEMA:
            raise ValueError(f"its schema is not {SCHEMA}")
        read: Record = typed(Record, document)
        for number, each in enumerate(read.results):
            if each.status is not None and (why := fault_of(FindingsForm, dict(each.verdict))):
                raise ValueError(f"results.{number}.verdict.{why}")
        return read
    except (ArtifactError, ValueError) as error:
        raise UsageError(
            "This is no record of an audit",
            where=str(path),
            came_back=error.came_back if isinstance(error, ArtifactError) else str(error)[:200],
            do_next="Give a file below outputs/audit-<name>/audits/, as `runbook audit` printed it.",
        ) from error


def last_record(folder: Path) -> Record | None:
    """The newest whole audit of a folder; None without any. One that cannot be read is passed over."""
    for path in sorted((folder / RECORDS).glob("*.json"), reverse=True):
        with contextlib.suppress(UsageError):
            record = read_record(path)
            if record.state == "done":
                return record
    return None


@contextlib.contextmanager
def hold_folder(folder: Path, now: datetime) -> Iterator[None]:
    """Hold an audit's folder: within, no other audit of this name begins.

    Raises:
        UsageError: one is running, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UsageError(
            "Cannot write into the outputs folder",
            where=str(folder),
            came_back=error.strerror or type(error).__name__,
            do_next="Make it writable, or choose another with --outputs.",
        ) from error
    with os.fdopen(handle, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(
                "An audit of this name is running already",
                where=folder.name,
                came_back=lock.read(200).strip(),
                do_next="Wait for it, end it, or give this one another name with --name.",
            ) from error
        lock.truncate(0)
        lock.write(f"process {os.getpid()} since {to_iso(now)}")
        lock.flush()
        yield


def settle_killed(folder: Path) -> list[Path]:
    """Write down of each audit that was killed that it was; their records' files. Only while the folder is held."""
    settled = []
    for path in sorted((folder / RECORDS).glob("*.json")):
        with contextlib.suppress(UsageError):
            record = read_record(path)
            if record.state == RUNNING:
                write_record(folder, replace(record, state=KILLED))
                settled.append(path)
    if (folder / RECORDS).is_dir():
        remove_drafts(folder / RECORDS)
    return settled


def clear_old(folder: Path, keep_days: float, now: datetime) -> list[Path]:
    """Remove the records, and the artifacts that they name, of audits that ended longer ago; returns what was removed.

    The newest whole audit stays, whatever its age, and so does every folder that no record of this audit names.
    """
    removed: list[Path] = []
    newest = last_record(folder)
    for path in sorted((folder / RECORDS).glob("*.json")):
        try:
            record = read_record(path)
        except UsageError:
            continue
        if (newest is not None and record.id == newest.id) or now - from_iso(record.ended_at) <= timedelta(
            days=keep_days
        ):
            continue
        for result in record.results:
            artifact = folder / result.artifact if result.artifact else None
            if artifact is not None and artifact.is_dir() and folder in artifact.resolve().parents:
                shutil.rmtree(artifact)
                removed.append(artifact)
        path.unlink()
        removed.append(path)
    return removed
