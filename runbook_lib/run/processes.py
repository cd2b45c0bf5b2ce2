"""Telling processes apart, and ending what carries a mark: by id and start time, never by name."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

MARK = "RUNBOOK_KERNEL"


def pid_namespace() -> int:
    """The number of the namespace in which this process's ids count; 0 where the system has none.

    Two containers that share a folder have two: an id of the one names another process, or none, in the other.
    """
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def process_started(pid: int) -> float | None:
    """When a process was started, by the system's own clock ticks; None where it does not run. Tells reused ids apart."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
        state, *rest = stat.rpartition(")")[2].split()
        return None if state in "ZX" else float(rest[18])
    except (IndexError, ValueError):
        return None
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
    import psutil  # no /proc: macOS

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def end_marked(mark: str, *, patience_s: float = 2.0) -> None:
    """End every process that carries a kernel's mark in its environment, and those that they start while being ended."""
    ends = time.monotonic() + patience_s
    while True:
        left = list(_marked(mark))
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if not left or time.monotonic() > ends:
            return
        time.sleep(0.005)


def _marked(mark: str) -> Iterator[int]:
    needle = f"{MARK}={mark}".encode()
    proc = Path("/proc")
    if not (proc / "self" / "environ").exists():
        yield from _marked_without_proc(mark)
        return
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if needle in (entry / "environ").read_bytes():
                yield int(entry.name)
        except OSError:
            continue


def _marked_without_proc(mark: str) -> Iterator[int]:
    import psutil  # macOS

    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(MARK) == mark:
                yield process.pid
        except (psutil.Error, OSError):
            continue
