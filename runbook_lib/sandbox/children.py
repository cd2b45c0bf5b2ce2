"""Child processes that cannot outlive their parent, started with nothing but the environment they are given."""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

CHECKOUT = Path(__file__).resolve().parents[2]
_PR_SET_PDEATHSIG = 1


def tie_to_parent(signal_number: int = signal.SIGKILL) -> Callable[[], None] | None:
    """A function for the child, between fork and exec, that ties its life to its parent's; None where the kernel cannot.

    Linux sends `signal_number` when the parent's thread ends, whatever ended it, kill -9 included. Elsewhere the parts
    notice that their control pipe closed, and the next `up` ends a left-over Postgres by its record.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent:  # the parent was gone before the tie was made
            os.kill(os.getpid(), signal.SIGKILL)

    return tie


async def spawn(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    user: str | None = None,
    pass_fds: Sequence[int] = (),
    stdout: int | None = asyncio.subprocess.DEVNULL,
    stderr: int | None = asyncio.subprocess.DEVNULL,
    end_signal: int = signal.SIGKILL,
    cwd: Path = CHECKOUT,
) -> asyncio.subprocess.Process:
    """Start a child that dies with this process. `user` None: as ourselves."""
    return await asyncio.create_subprocess_exec(
        *arguments,
        env=dict(environment),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        pass_fds=tuple(pass_fds),
        preexec_fn=tie_to_parent(end_signal),
        cwd=cwd,
        limit=1 << 20,
        user=user,
        group=_group_of(user) if user else None,
        extra_groups=[] if user else None,
    )


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def pid_namespace() -> int:
    """The number of the namespace in which this process's ids count (a container has its own); 0 where the system has none."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


def started_at(pid: int) -> float | None:
    """When the process with this id started (epoch seconds), or None when there is no such process or only its corpse."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def end(pid: int, start: float, signal_number: int = signal.SIGKILL) -> None:
    """Signal a process, but only the very one that was recorded: an id that was given out again is left alone."""
    found = started_at(pid)
    if found is not None and abs(found - start) < 1.0:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return


def descendants(pid: int) -> list[int]:
    """The ids of a process's children, their children and so on; empty when it is gone."""
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def await_end(processes: Iterable[tuple[int, float]], seconds: float) -> None:
    """Return when none of these (id, start time) runs any more; those that still do after so many seconds are killed."""
    left, until = list(processes), time.monotonic() + seconds
    while left := [(pid, start) for pid, start in left if is_the_same(pid, start)]:
        if time.monotonic() > until:
            for pid, start in left:
                end(pid, start)
        time.sleep(0.02)


def is_the_same(pid: int, start: float) -> bool:
    """Whether the very process runs that had this id and start time when it was recorded."""
    found = started_at(pid)
    return found is not None and abs(found - start) < 1.0


def end_now(pid: int) -> None:
    """Kill a process that we know to be ours."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
