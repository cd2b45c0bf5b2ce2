"""The standard streams as a command needs them: there, able to hold any text, and standard error never in the way of a result.

Imports the standard library alone, for it runs before anything that may be broken.
"""

import contextlib
import os
import sys
from typing import Any


def prepare_streams() -> None:
    """Open what is closed, write out what an encoding cannot hold, and let nobody fail who writes to standard error."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # closed: the next file that is opened would become it, and be written into
            os.open(os.devnull, os.O_RDWR)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", closefd=False))
        with contextlib.suppress(AttributeError, ValueError, OSError):
            getattr(sys, name).reconfigure(errors="backslashreplace")
    sys.stderr = _BestEffort(sys.stderr)


class _BestEffort:
    """Standard error whose reader may go away, or whose disk may be full: a note is lost then, and nothing else."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write, if that can be done."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
            self._stream.flush()
        return len(text)

    def flush(self) -> None:
        """Flush, if that can be done."""
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
