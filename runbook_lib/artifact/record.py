"""Keeps observations while a run goes on, one line each, so that a killed run still has what it saw; and reads them back.

A value above 256 KiB lies beside its line: `{"payload": "payloads/<sha256>.json"}` in the place of the value.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from runbook_lib.artifact.files import OBSERVATIONS, PAYLOADS, RESTORE, write_atomic
from runbook_lib.artifact.forms import observation
from runbook_lib.artifact.stranger import StrangersFolder
from runbook_lib.core.errors import ArtifactError
from runbook_lib.core.model import Json, Observation
from runbook_lib.core.redact import Masked, Redactor

INLINE_MAX_BYTES = 256 * 1024
_LONGEST_LINE = 8 << 20  # a value that stands in its line has 256 KiB; its arguments may have a pasted log


class FileRecorder:
    """Appends to a run's observations.jsonl; a line is written by one call, so two threads never mix theirs.

    Args:
        folder: the run's folder.
        redactor: masks once more what the observer has masked, for here the bytes are written.
    """

    def __init__(self, folder: Path, redactor: Redactor) -> None:
        self._folder, self._redactor = folder, redactor
        self._lock = threading.Lock()
        self._path = folder / OBSERVATIONS
        self._path.touch()

    def keep(self, observation: Observation) -> None:
        """Write one observation down before anything is concluded from it. Raises OSError when the disk refuses."""
        data = observation.as_dict()
        value = orjson.dumps(data["value"])
        if len(value) > INLINE_MAX_BYTES:  # written once: a large trace is not masked twice
            data["value"] = {"payload": self._beside(self._redactor.own(value))}
        line = self._redactor.own(orjson.dumps(data))
        with self._lock:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                self._append(handle, line + b"\n")
            finally:
                os.close(handle)

    def _append(self, handle: int, line: bytes) -> None:
        """Write a whole line, or none of it: half a line would spoil the next one."""
        size = os.fstat(handle).st_size
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(handle, left) :]
        except OSError:
            os.ftruncate(handle, size)
            raise

    def _beside(self, payload: Masked) -> str:
        name = f"{PAYLOADS}/{hashlib.sha256(payload).hexdigest()}.json"
        (self._folder / PAYLOADS).mkdir(exist_ok=True)
        if not (self._folder / name).exists():
            write_atomic(self._folder / name, payload)
        return name


def read_observations(folder: Path) -> list[Observation]:
    """The observations of an artifact or of a `.partial`, in the order in which they were made.

    Raises:
        ArtifactError: a line or a payload cannot be read, is of another form, or is too large; the line's number is named.
    """
    holds = StrangersFolder(folder)
    return list(_lines(holds, lambda value: _value(holds, value)))


def read_looks(folder: Path) -> list[Observation]:
    """The same without what lies beside: enough to list the looks. Raises ArtifactError."""
    return list(_lines(StrangersFolder(folder), lambda value: value))


def _lines(holds: StrangersFolder, value_of: Callable[[Json], Json]) -> Iterator[Observation]:
    for number, line in enumerate(holds.read(OBSERVATIONS).splitlines(), 1):
        where = f"{OBSERVATIONS} line {number}"
        if len(line) > _LONGEST_LINE:
            raise _unreadable(holds, where, f"{len(line):,} bytes; at most {_LONGEST_LINE:,} stand in one")
        data = holds.parsed(where, line)
        if not isinstance(data, dict):
            raise _unreadable(holds, where, "no observation")
        try:
            data["value"] = value_of(data.get("value"))
            yield observation(data)
        except ArtifactError as error:
            raise _unreadable(holds, where, error.came_back) from error
        except ValueError as error:
            raise _unreadable(holds, where, str(error)) from error


def _unreadable(holds: StrangersFolder, where: str, why: str) -> ArtifactError:
    return ArtifactError(
        "Cannot read the recorded observations", where=f"{holds.path / where}", came_back=why[:200], do_next=RESTORE
    )


def _value(holds: StrangersFolder, value: Json) -> Json:
    """A line's value, fetched from beside where it was too large to stand in it."""
    if not (isinstance(value, dict) and set(value) == {"payload"} and isinstance(value["payload"], str)):
        return value
    name = value["payload"]
    if not name.startswith(f"{PAYLOADS}/") or "/" in name.removeprefix(f"{PAYLOADS}/"):
        return value
    return holds.json(name)
