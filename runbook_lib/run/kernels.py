"""Starts the kernel of one run, before anything heavy is imported, and ends it with everything that it has started.

Sockets are files in a folder of its own below a private runtime folder: no ports to race for, nothing another user can
reach, and a network namespace without loopback does not matter. Whatever the notebook starts inherits a mark in its
environment, by which it is found and ended even when it has left the kernel's process group.
"""

import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path

from runbook_lib.core.errors import NotebookError
from runbook_lib.run.forked import ForkedProcess, fork_process
from runbook_lib.run.kernel import HEADLESS_VARIABLE, READY_VARIABLE, main
from runbook_lib.run.processes import MARK, end_marked
from runbook_lib.run.runtime import own_folder

_by_forking = False
_LAST_BYTES = 4096
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


def start_by_forking() -> None:
    """From now on kernels are forked from this process, which has imported what a kernel imports and has one thread."""
    global _by_forking
    _by_forking = True


class Kernel:
    """A kernel process with its connection file; ended by `kill`, which leaves nothing behind.

    Args:
        cwd: the folder it works in.
        extra: variables it gets beside this process's own.
        without: names of variables it does not get.
    """

    def __init__(self, cwd: Path, extra: Mapping[str, str], without: Collection[str] = ()) -> None:
        self.mark = secrets.token_hex(8)
        self._folder = own_folder(self.mark)
        self.connection_file = self._folder / "kernel.json"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the kernel; no name, so no folder keeps it)
        self.ready_end, ready = os.pipe()
        try:
            self._write_connection_file()
            inherited = {name: value for name, value in os.environ.items() if name not in without}
            self.process = self._start(cwd, {**inherited, **extra}, ready)
        except BaseException:
            os.close(self.ready_end)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._log.close()
            raise
        finally:
            os.close(ready)

    @property
    def pid(self) -> int:
        """The kernel's process id, which is also its process group's."""
        return self.process.pid

    def check_ready(self, seconds: float) -> None:
        """See that the kernel has bound its sockets, once `ready_end` can be read or the time is over.

        Raises:
            NotebookError: it died before, or needs longer than the seconds it was given.
        """
        readable, _, _ = select.select([self.ready_end], [], [], 0)
        if not (readable and os.read(self.ready_end, 1)):
            raise NotebookError(
                "The kernel did not start",
                where=sys.executable,
                came_back=self.last_words() or f"nothing within {seconds:g} s",
                do_next="Run `make setup` again; see that memory and processes are not exhausted.",
            )

    def interrupt(self) -> None:
        """Interrupt what runs in the kernel, and what it waits for."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the kernel, its process group, and every process that carries its mark; remove its sockets."""
        self._signal(signal.SIGKILL)
        end_marked(self.mark)
        self.process.wait()
        if self.ready_end >= 0:
            os.close(self.ready_end)
            self.ready_end = -1
        shutil.rmtree(self._folder, ignore_errors=True)
        self._log.close()

    def last_words(self) -> str:
        """The end of what the kernel wrote to its own standard error: why it died, where it said so."""
        if self._log.closed:
            return ""
        size = os.fstat(self._log.fileno()).st_size
        said = os.pread(self._log.fileno(), _LAST_BYTES, max(0, size - _LAST_BYTES))  # at no place of the kernel's own
        text = said.decode("utf-8", "replace").strip()
        code = self.process.poll()
        if code is not None and code < 0:
            text = f"ended by signal {signal.Signals(-code).name}. {text}"
        return text[-1000:]

    def _signal(self, signum: int) -> None:
        try:
            os.killpg(self.process.pid, signum)
        except ProcessLookupError:
            return

    def _write_connection_file(self) -> None:
        info = {
            "transport": "ipc",
            "ip": str(self._folder / "s"),
            "key": secrets.token_hex(32),
            "signature_scheme": "hmac-sha256",
            "kernel_name": "runbook-python",
            **{port: number for number, port in enumerate(_PORTS, 1)},
        }
        handle = os.open(self.connection_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            json.dump(info, stream)

    def _start(self, cwd: Path, variables: Mapping[str, str], ready: int) -> subprocess.Popen[bytes] | ForkedProcess:
        environment = {
            **variables,
            "JPY_PARENT_PID": str(os.getpid()),  # the kernel ends when this process does
            "IPYTHONDIR": str(self._folder / "ipython"),  # nobody's start-up files and settings
            HEADLESS_VARIABLE: "1",
            READY_VARIABLE: str(ready),
            MARK: self.mark,
        }
        arguments = ["-f", str(self.connection_file)]
        if _by_forking:
            return fork_process(main, arguments=arguments, cwd=cwd, environment=environment, log=self._log)
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "runbook_lib.run.kernel", *arguments],
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[ready],
            start_new_session=True,
        )
