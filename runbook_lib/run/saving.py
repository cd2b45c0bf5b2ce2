"""Saves a notebook while it runs: atomically, redacted, and at a bounded cost whatever its size."""

import time
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import write_atomic
from runbook_lib.core.redact import Redactor

_APART_S = 1.0
_SHARE = 0.05


class Saver:
    """Saves at most once a second and in at most a twentieth of the wall time; the last save always happens.

    Args:
        path: where; None keeps nothing.
        redactor: masks what is written, the outputs included.
    """

    def __init__(self, path: Path | None, redactor: Redactor) -> None:
        self._path, self._redactor = path, redactor
        self._started = time.monotonic()
        self._last = float("-inf")
        self._spent_s = 0.0
        self.notebook: Any = None  # the last one that came by: papermill hands out none where a cell failed

    def save_if_due(self, notebook: Any) -> None:
        """Save when it is time and within the budget."""
        self.notebook = notebook
        now = time.monotonic()
        if now - self._last >= _APART_S and self._spent_s <= _SHARE * (now - self._started):
            self.save_now(notebook)

    def save_now(self, notebook: Any, *, durable: bool = False) -> None:
        """Save in any case. Raises OSError when the disk refuses."""
        self.notebook = notebook
        if self._path is None:
            return
        started = time.monotonic()
        write_atomic(self._path, self._redactor.data(notebook_bytes(notebook), words=False), durable=durable)
        self._last = time.monotonic()
        self._spent_s += self._last - started


def notebook_bytes(notebook: Any) -> bytes:
    """A notebook in the form of the format's own writer: sources and texts in lines, sorted keys, one space."""
    from nbformat.v4.nbjson import JSONWriter

    text: str = JSONWriter().writes(notebook)  # type: ignore[no-untyped-call]
    return (text if text.endswith("\n") else text + "\n").encode("utf-8", "surrogatepass")
