"""This machine within one look: its processes, and what listens on its ports; all under the look's deadline.

What the operating system hides is told, never taken for absent: a process whose arguments may not be read is counted.
"""

import contextlib
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.io.http import Deadline

_CONNECT_S = 2.0


@dataclass(frozen=True)
class Process:
    """One process. `arguments` begin with the program; `started_at` and `user` are None where they may not be read.

    Attributes:
        own_network: False where it lives in another network (a container): its localhost is not ours. None: not told.
    """

    pid: int
    parent: int
    arguments: tuple[str, ...]
    started_at: datetime | None
    user: str | None
    own_network: bool | None


@dataclass(frozen=True)
class Processes:
    """Processes, and how many there are whose arguments this user may not read."""

    rows: tuple[Process, ...]
    hidden: int


@dataclass(frozen=True)
class Listener:
    """A listening TCP socket; `pid` None where this user may not know whose it is."""

    address: str
    pid: int | None


class Machine:
    """What this machine runs and listens on, for one look."""

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline

    def processes(
        self, session: int | None = None, matching: Callable[[Sequence[str]], bool] = lambda _: True
    ) -> Processes:
        """The processes of every user whose arguments match.

        Args:
            session: only those of one session (setsid), where several worlds share a machine.
        """
        import psutil  # here, for a run that looks at no process should not pay for it

        rows, hidden = [], 0
        pids = psutil.pids()
        if os.name == "posix" and session is None and 1 not in pids:
            hidden += 1  # /proc is mounted with hidepid: other users' processes are not even listed
        for pid in pids:
            self.deadline.check()
            if session is not None and _session_of(pid) != session:
                continue
            try:
                process = psutil.Process(pid)
                arguments = tuple(process.cmdline())
                if arguments and matching(arguments):
                    rows.append(_process(process, arguments))
            except psutil.AccessDenied:
                hidden += 1
            except psutil.NoSuchProcess:
                continue
        return Processes(tuple(rows), hidden)

    def process(self, pid: int) -> Process | None:
        """One process by its id; None where it is gone or may not be read."""
        import psutil

        try:
            process = psutil.Process(pid)
            return _process(process, tuple(process.cmdline()))
        except psutil.Error:
            return None

    def environment_of(self, pid: int) -> dict[str, str] | None:
        """The variables with which a process was started; None where this user may not read them, or it is gone."""
        import psutil

        try:
            found: dict[str, str] = psutil.Process(pid).environ()
        except (psutil.Error, OSError):
            return None
        return found

    def listeners(self, port: int) -> tuple[list[Listener], bool]:
        """What listens on a TCP port, on any address, and whether all of it may be seen (macOS shows other users' to root only)."""
        import psutil

        try:
            connections, is_whole = list(psutil.net_connections("tcp")), True
        except psutil.AccessDenied:
            connections, is_whole = list(_own_connections(psutil)), False
        found = {
            Listener(row.laddr.ip, row.pid)
            for row in connections
            if row.status == psutil.CONN_LISTEN and row.laddr and row.laddr.port == port
        }
        return sorted(found, key=lambda each: (each.address, each.pid or 0)), is_whole

    def accepts(self, address: str, port: int) -> str:
        """What becomes of a connection: accepted, refused (nothing listens there), or silent (no answer, or no such network)."""
        try:
            with socket.create_connection((address, port), min(_CONNECT_S, max(0.05, self.deadline.remaining_s))):
                return "accepted"
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "silent"

    def own_variables(self, *names: str) -> dict[str, str]:
        """Those of these variables that this process has, to start a program with."""
        return {name: os.environ[name] for name in names if name in os.environ}


def changed_at(path: str) -> datetime | None:
    """When a file was last changed; None where it cannot be told."""
    try:
        return datetime.fromtimestamp(Path(path).expanduser().stat().st_mtime, UTC)
    except OSError:
        return None


def _process(process: Any, arguments: tuple[str, ...]) -> Process:
    import psutil

    user, started_at = None, None
    with contextlib.suppress(psutil.Error, KeyError):
        user = process.username()
    with contextlib.suppress(psutil.Error):
        started_at = datetime.fromtimestamp(process.create_time(), UTC)
    return Process(process.pid, process.ppid(), arguments, started_at, user, _is_own_network(process.pid))


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _is_own_network(pid: int) -> bool | None:
    """Whether a process shares our network namespace; None without namespaces, or where they may not be read."""
    try:
        return Path(f"/proc/{pid}/ns/net").readlink() == Path("/proc/self/ns/net").readlink()
    except OSError:
        return None


def _own_connections(psutil: Any) -> Iterator[Any]:
    """The connections of the processes that this user may look into, each with its process's id."""
    for process in psutil.process_iter():
        try:
            for row in process.net_connections("tcp"):
                yield _Owned(row.laddr, row.status, process.pid)
        except psutil.Error:
            continue


@dataclass(frozen=True)
class _Owned:
    laddr: Any
    status: str
    pid: int
