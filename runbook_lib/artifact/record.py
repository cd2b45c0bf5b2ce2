"""Keeps observations while a run goes on, one line each, so that a killed run still has what it saw; and reads them back.

A value above 256 KiB lies beside its line: `{"payload": "payloads/<sha256>.json"}` in the place of the value.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from runbook_lib.artifact.files import OBSERVATIONS, PAYLOADS, RESTORE, why_unreadable, write_atomic
from runbook_lib.core.errors import ArtifactError
from runbook_lib.core.model import Json, Observation
from runbook_lib.core.redact import Masked, Redactor

INLINE_MAX_BYTES = 256 * 1024


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
        ArtifactError: a line or a payload cannot be read; the line's number is named.
    """
    return list(_lines(folder, _value))


def read_looks(folder: Path) -> list[Observation]:
    """The same without what lies beside: enough to list the looks. Raises ArtifactError."""
    return list(_lines(folder, lambda _, value: value))


def _lines(folder: Path, value_of: Callable[[Path, Json], Json]) -> Iterator[Observation]:
    path = folder / OBSERVATIONS
    number = 0
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(stream, 1):  # noqa: B007 (the number is used where a line cannot be read)
                data = orjson.loads(line)
                data["value"] = value_of(folder, data["value"])
                yield Observation.from_dict(data)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            "Cannot read the recorded observations",
            where=f"{path} line {number}" if number else str(path),
            came_back=why_unreadable(error),
            do_next=RESTORE,
        ) from error


def _value(folder: Path, value: Json) -> Json:
    """A line's value, fetched from beside where it was too large to stand in it."""
    if not (isinstance(value, dict) and set(value) == {"payload"} and isinstance(value["payload"], str)):
        return value
    name = value["payload"]
    if not name.startswith(f"{PAYLOADS}/") or "/" in name.removeprefix(f"{PAYLOADS}/"):
        return value
    return orjson.loads((folder / name).read_bytes())
