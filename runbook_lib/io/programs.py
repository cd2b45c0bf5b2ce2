"""Other programs within one look: found where a setting or PATH has them, under the look's deadline, ended when the look is.

A program gets the few variables that it needs and nothing else of our environment, and secrets never in its arguments,
where every user of the machine could read them.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status
from runbook_lib.io.http import Deadline

_LOOK_AROUND_S = 0.05
_TELL_S = 0.5
_LAST_WORDS = 64 * 1024
_MOST_OUTPUT = 64 * 1024 * 1024
_KERNEL_MARK = "RUNBOOK_KERNEL"  # what a kernel's children carry, so that they end with it


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended: its exit code (negative: the signal), what it said (the end of it), what it printed, seconds."""

    code: int
    said: str
    printed: str
    elapsed_s: float


class Programs:
    """Runs programs of one look.

    Args:
        deadline: the look's.
        ended: set when nobody waits for the look any more; what runs is then ended.
        may: called with a program's path before it starts; raises where the look's source has not declared it.
    """

    def __init__(self, deadline: Deadline, ended: threading.Event, may: Callable[[str], None] | None = None) -> None:
        self.deadline, self._ended, self._may = deadline, ended, may

    def find(self, name: str, folder: str | None, *, setting: str) -> str:
        """The path of a program: in a setting's folder, or on PATH. Raises LookError(not_configured) where it is not there."""
        found = shutil.which(name, path=str(Path(folder).expanduser()) if folder else None)
        if found is None:
            place = folder or "PATH"
            raise LookError(
                Status.not_configured, f"{name} was not found in {place}", do_next=f"install it, or set {setting}"
            )
        return found

    def run(
        self,
        arguments: Sequence[str],
        *,
        variables: Mapping[str, str] | None = None,
        out_of: Path | None = None,
        tick: Callable[[], None] | None = None,
        user: str | None = None,
    ) -> ProgramResult:
        """Run a program to its end.

        Args:
            arguments: the program's path and its arguments; no secrets.
            variables: what it finds in its environment besides PATH, HOME and a plain locale; secrets belong here.
            out_of: a file for its standard input; without one it reads nothing.
            tick: called about twice a second while it runs.
            user: as whom it runs; only root may choose.

        Raises LookError: timed_out when the deadline passed or the look was given up; the program is ended before.
        """
        with contextlib.ExitStack() as held:
            said = held.enter_context(tempfile.TemporaryFile())
            output: IO[bytes] = held.enter_context(tempfile.TemporaryFile())
            source = held.enter_context(out_of.open("rb")) if out_of else subprocess.DEVNULL
            before = self.deadline.remaining_s
            with self.run_within(arguments, variables, output, said, source, user) as process:
                self._wait(process, tick, (output, said))
            words, printed = _end_of(said, _LAST_WORDS), _end_of(output, _MOST_OUTPUT)
            return ProgramResult(process.returncode, words, printed, before - self.deadline.remaining_s)

    @contextlib.contextmanager
    def run_within(
        self,
        arguments: Sequence[str],
        variables: Mapping[str, str] | None,
        output: IO[bytes],
        said: IO[bytes],
        source: "IO[bytes] | int" = subprocess.DEVNULL,
        user: str | None = None,
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """A program that runs within a block and no longer. Raises LookError(not_configured) where it cannot be started."""
        if self._may is not None:
            self._may(str(arguments[0]))
        self.deadline.check()
        kept = {name: os.environ[name] for name in ("HOME", "TMPDIR", _KERNEL_MARK) if name in os.environ}
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC", **kept, **(variables or {})}
        try:
            process = subprocess.Popen(
                list(arguments),
                env=environment,
                stdin=source,
                stdout=output,
                stderr=said,
                cwd="/",
                start_new_session=True,
                user=user,
                group=_group_of(user) if user else None,
                extra_groups=[] if user else None,
            )
        except OSError as error:
            why = f"cannot be started: {error.strerror or error}"
            raise LookError(Status.not_configured, why, where=str(arguments[0])) from error
        try:
            yield process
        finally:
            _end(process)

    def pause(self, seconds: float) -> None:
        """Wait a moment. Raises LookError(timed_out) when the look is over meanwhile."""
        self.deadline.check()
        if self._ended.wait(min(seconds, self.deadline.remaining_s)):
            raise LookError(Status.timed_out, "the look was given up")
        self.deadline.check()

    def _wait(
        self, process: "subprocess.Popen[bytes]", tick: Callable[[], None] | None, written: Sequence[IO[bytes]]
    ) -> None:
        told_at = self.deadline.remaining_s
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_AROUND_S)
                return
            self.deadline.check()
            if any(os.fstat(file.fileno()).st_size > _MOST_OUTPUT for file in written):
                raise LookError(Status.malformed, f"what it writes does not end: more than {_MOST_OUTPUT >> 20} MB")
            if self._ended.is_set():
                raise LookError(Status.timed_out, "the look was given up")
            if tick is not None and told_at - self.deadline.remaining_s > _TELL_S:
                told_at = self.deadline.remaining_s
                tick()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it if it still runs: asked first, made to two seconds later."""
    if process.poll() is not None:
        return
    for end in (process.terminate, process.kill):
        with contextlib.suppress(ProcessLookupError):
            end()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
            return


def _end_of(file: IO[bytes], most: int) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - most))
    return file.read().decode("utf-8", "replace")


def _group_of(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid
