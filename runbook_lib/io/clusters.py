"""A PostgreSQL server of a look's own, for rehearsals that need a whole one: on loopback, in the look's folder, gone with it.

PostgreSQL refuses to run as root; there it becomes an unprivileged user that exists already.
"""

import contextlib
import os
import pwd
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen

from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Status
from runbook_lib.io.databases import Databases
from runbook_lib.io.programs import Programs

_USERS = ("postgres", "nobody", "daemon", "www-data")
_ADMIN = "runbook"
_FIXED = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # a rehearsal need not survive a power cut
    "max_connections": "20",
    "shared_buffers": "32MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class RunningServer:
    """A server that runs: the URL of its superuser on a database, where it logs, and whether its process still lives."""

    port: int
    password: str
    log: Path
    process: "Popen[bytes]"

    def dsn(self, database: str = "postgres") -> str:
        """The superuser's URL."""
        return f"postgresql://{_ADMIN}:{self.password}@127.0.0.1:{self.port}/{database}"

    def last_words(self) -> str:
        """The last complaint in its log; empty where there is none."""
        lines = self.log.read_text("utf-8", "replace").splitlines() if self.log.exists() else []
        loud = [line for line in lines if "FATAL:" in line or "ERROR:" in line or "PANIC:" in line]
        return (loud or lines or [""])[-1][:300]


class Clusters:
    """Servers of one look.

    Args:
        programs: the look's. databases: the look's.
    """

    def __init__(self, programs: Programs, databases: Databases) -> None:
        self._programs, self._databases = programs, databases
        self.user = _unprivileged() if os.geteuid() == 0 else None

    def make_room(self, folder: Path, name: str) -> Path:
        """A folder below `folder` that the server's user owns."""
        made = folder / name
        made.mkdir(mode=0o700)
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(made, account.pw_uid, account.pw_gid)
        return made

    def make_server(self, initdb: str, data: Path, folder: Path) -> str:
        """Make a server's files in `data` (a room); returns the superuser's password. Raises LookError(not_configured)."""
        password = secrets.token_urlsafe(18)
        file = folder / "initial-password"
        file.touch(mode=0o644 if self.user else 0o600)
        file.write_text(password)
        ran = self._programs.run(
            [initdb, f"--pgdata={data}", f"--username={_ADMIN}", "--auth=scram-sha-256", f"--pwfile={file}", "--encoding=UTF8",
             "--locale=C", "--no-sync", "--no-instructions"],
            user=self.user,
        )  # fmt: skip
        file.unlink()
        if ran.code:
            words = (ran.said or ran.printed).strip().splitlines()[-1:] or ["it said nothing"]
            raise LookError(
                Status.not_configured,
                f"initdb could not make a server: {words[0][:300]}",
                do_next="the server's programs must belong together, and an unprivileged user must be able to reach them",
            )
        return password

    @contextlib.contextmanager
    def run_server(
        self, postgres: str, data: Path, password: str, settings: Mapping[str, str], log: Path
    ) -> Iterator[RunningServer]:
        """A server that runs within the block. It may still be starting, or recovering, or have ended."""
        port = _free_port()
        arguments = [postgres, "-D", str(data)]
        for name, value in {**_FIXED, "port": str(port), **settings}.items():
            arguments += ["-c", f"{name}={value}"]
        with log.open("wb") as said, self._programs.run_within(arguments, None, said, said, user=self.user) as process:
            yield RunningServer(port, password, log, process)

    def wait_ready(self, running: RunningServer, patience_s: float = 20.0) -> bool:
        """Wait until it takes statements and is not in recovery; False where it ended or took too long."""
        deadline = self._programs.deadline
        begun = deadline.remaining_s
        while begun - deadline.remaining_s < patience_s:
            deadline.check()
            if running.process.poll() is not None:
                return False
            with (
                contextlib.suppress(LookError),
                self._databases.session(running.dsn(), setting="the rehearsal's own server", snapshot=None) as session,
            ):
                row = session.execute(b"select pg_is_in_recovery() as recovering").fetchone()
                if row is not None and not row["recovering"]:
                    return True
            self._programs.pause(0.05)
        return False


def _unprivileged() -> str:
    """The first existing unprivileged user. Raises LookError(not_configured) where there is none."""
    known = {account.pw_name for account in pwd.getpwall() if account.pw_uid != 0}
    for name in _USERS:
        if name in known:
            return name
    raise LookError(
        Status.not_configured, "PostgreSQL refuses to run as root", do_next="run the runbook as an ordinary user"
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
