"""The handle of a sandbox: what the command line, the drills and the tests hold in their hand."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from runbook_lib.core import errors
from runbook_lib.core.errors import RunbookError, SandboxError, UsageError
from runbook_lib.sandbox import children, home, plain_http
from runbook_lib.sandbox.extra import need_sandbox
from runbook_lib.sandbox.home import Home
from runbook_lib.sandbox.options import Options

_UP_S = 60
_DOWN_S = 15
_CALL_S = 120
_UNTIL_HEALED = "# until it is healed; of two lines of a name the later one counts\n"


class Sandbox:
    """One running sandbox. As a context manager it takes itself down.

        with Sandbox.up("drill-1", foreground=True) as sandbox:
            sandbox.inject("dial", of="openai", field="mode", value="overloaded")
            print(sandbox.visit("chat")["request_id"])
            sandbox.heal()

    Attributes:
        name: the sandbox's name.
        env: the settings that point the runbook at it, by name; they look like a live system's and tell of no fault.
        env_file: the same as a file that only its owner may read.
        people: its users, each with id and email. organizations: id, name, plan and the members' addresses.
        endpoints: the base URL of every part, by part name.
        options: what it was asked to be, by the arguments of `up`.
    """

    def __init__(self, where: Home) -> None:
        self._home = where
        state = where.state()
        self.name = where.name
        self.env: dict[str, str] = state["env"]
        self.env_file: Path = where.env_file
        self.people: list[dict[str, str]] = state["people"]
        self.organizations: list[dict[str, Any]] = state["organizations"]
        self.endpoints: dict[str, str] = state["endpoints"]
        self.options: dict[str, Any] = state["options"]
        self.superuser: str = state["superuser"]
        self._control: str = state["control"]
        self._token: str = state["token"]
        self._starter: subprocess.Popen[bytes] | None = None

    @classmethod
    def up(
        cls,
        name: str = "default",
        standard_ports: bool = False,
        traffic: bool = True,
        schema: str | Path | None = None,
        service_names: str = "one",
        trace_backend: str = "tempo",
        semconv: str = "new",
        uninstrumented: str = "nothing",
        gateway_platform: str = "railway",
        api_platform: str = "vercel",
        webhooks: str = "endpoint",
        seed: int | None = None,
        foreground: bool = False,
    ) -> Self:
        """Start a sandbox and return when it is healthy and everybody in it is signed in.

        Left-overs of killed sandboxes are cleared away first. `foreground`: it lives no longer than this process. See
        `options.Options` for the rest.

        Raises:
            UsageError: the name is taken or no name, an option is none, a standard port is taken, the extra is not installed.
            SandboxError: it did not come up; nothing of it is left.
        """
        need_sandbox("The sandbox cannot be started")
        options = Options(
            standard_ports=standard_ports,
            traffic=traffic,
            schema=str(Path(schema).resolve()) if schema else None,
            service_names=service_names,
            trace_backend=trace_backend,
            semconv=semconv,
            uninstrumented=uninstrumented,
            gateway_platform=gateway_platform,
            api_platform=api_platform,
            webhooks=webhooks,
            seed=seed,
            foreground=foreground,
        )
        where = home.claim(name)
        process: subprocess.Popen[bytes] | None = None
        try:
            home.write_private(where.folder / "options.json", json.dumps(options.as_dict()))
            process = _start(where, foreground)
            _wait_ready(where, process)
            sandbox = cls(where)
            sandbox._starter = process
            return sandbox
        except BaseException:
            _give_up(where, process)
            raise

    @classmethod
    def attach(cls, name: str = "default") -> Self:
        """The handle of a sandbox that is up already. Raises UsageError when it is not, with those that are."""
        where = home.home_of(name)
        if not where.is_alive():
            raise home.no_such_sandbox(name, cls.running())
        return cls(where)

    @staticmethod
    def running() -> list[str]:
        """The names of the sandboxes of this user and checkout that are up."""
        return [where.name for where in home.homes() if where.is_alive() and where.state_file.exists()]

    def inject(self, primitive: str, **arguments: Any) -> Any:
        """Use a general fault primitive (see `primitives`). Returns what it returns: mostly None, for deploy the id.

        Raises:
            UsageError: no such primitive, argument or part, or one that cannot be.
        """
        return self._call("inject", {"primitive": primitive, "arguments": arguments})

    def heal(self) -> None:
        """Undo everything that was injected, and return when the sandbox is healthy.

        Raises:
            SandboxError: it did not become healthy.
        """
        self._call("heal", {})
        kept, told, _ = self.env_file.read_text("utf-8").partition(_UNTIL_HEALED)
        if told:
            home.write_private(self.env_file, kept)

    def tell_runbook(self, settings: Mapping[str, str]) -> None:
        """Change settings in the file that points the runbook here, until it is healed; `env` stays as it was."""
        lines = "".join(f"{name}='{value}'\n" for name, value in settings.items())
        home.write_private(self.env_file, f"{self.env_file.read_text('utf-8')}{_UNTIL_HEALED}{lines}")

    def visit(self, action: str = "chat", **how: Any) -> dict[str, Any]:
        """What somebody in a browser does and gets: see `traffic.Traffic.visit` for the arguments.

        Returns:
            status (None: no answer), headers, body, request_id (Vercel's), error, elapsed_s.
        """
        result: dict[str, Any] = self._call("visit", {"action": action, **how})
        return result

    def status(self) -> dict[str, Any]:
        """Parts, servers, database, traffic, counts, and what is injected at the moment."""
        result: dict[str, Any] = self._call("status", {})
        return {"name": self.name, "folder": str(self._home.folder), **result}

    def down(self) -> None:
        """Take it down. Returns when no process and no file of it is left; does nothing when it is down already."""
        runs = self._home.everything_that_runs()
        with contextlib.suppress(RunbookError, httpx.HTTPError):
            self._call("down", {}, timeout_s=_DOWN_S)
        self._wait_gone()
        children.await_end(runs, _DOWN_S)

    def wait(self) -> None:
        """Return when the sandbox is down, whoever takes it down."""
        while self._home.is_alive():
            if self._starter is not None and self._starter.poll() is not None:
                return
            time.sleep(0.1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def _wait_gone(self) -> None:
        deadline = time.monotonic() + _DOWN_S
        while self._home.folder.exists() and self._home.is_alive() and time.monotonic() < deadline:
            if self._starter is not None:
                self._starter.poll()
            time.sleep(0.02)
        if self._home.folder.exists():
            self._home.clear()
        if self._starter is not None:
            if self._starter.stdin:
                self._starter.stdin.close()
            self._starter.wait()

    def _call(self, what: str, asked: dict[str, Any], timeout_s: float = _CALL_S) -> Any:
        try:
            answer = plain_http.request(
                "POST",
                f"{self._control}/{what}",
                json=asked,
                headers={"Authorization": f"Bearer {self._token}"},
                timeout=timeout_s,
            )
            said = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise SandboxError(
                f"The sandbox {self.name} did not answer",
                where=f"control, {what}",
                came_back=str(error) or type(error).__name__,
                do_next="See whether it is up: runbook sandbox status",
            ) from error
        if answer.status_code == 200:
            return said["result"]
        raise _rebuilt(said)


def _start(where: Home, is_bound: bool) -> "subprocess.Popen[bytes]":
    """Start the supervisor in a session of its own: Ctrl-C in the terminal is this process's business."""
    log = (where.folder / "supervisor.log").open("wb")
    (where.folder / "supervisor.log").chmod(0o600)
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "runbook_lib.sandbox.supervisor", str(where.folder)],
            stdin=subprocess.PIPE if is_bound else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=children.CHECKOUT,
            env={key: value for key, value in os.environ.items() if not key.startswith(("OTEL_", "PYTEST_"))},
            start_new_session=True,
        )


def _wait_ready(where: Home, process: "subprocess.Popen[bytes]") -> None:
    """Return when the supervisor is ready; raise what it says went wrong."""
    deadline = time.monotonic() + _UP_S
    while time.monotonic() < deadline:
        if where.state_file.exists():
            return
        if process.poll() is not None:
            failed = where.folder / "failed.json"
            if failed.exists():
                raise _rebuilt(json.loads(failed.read_text()))
            break
        time.sleep(0.02)
    words = ""
    with contextlib.suppress(OSError):
        words = (where.folder / "supervisor.log").read_text(errors="replace")[-1500:].strip()
    raise SandboxError("The sandbox did not come up", where=where.name, came_back=words.rpartition("\n")[2] or words)


def _give_up(where: Home, process: "subprocess.Popen[bytes] | None") -> None:
    """Leave nothing of a start that failed or was interrupted."""
    if process is not None:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                process.wait(_DOWN_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
    where.clear()


def _rebuilt(said: dict[str, Any]) -> RunbookError:
    """An error that the supervisor sent, as the class it was."""
    kind = getattr(errors, str(said.get("error")), SandboxError)
    if not (isinstance(kind, type) and issubclass(kind, RunbookError)) or kind is errors.LookError:
        kind = UsageError
    return kind(
        str(said.get("tried", "The sandbox refused")),
        where=str(said.get("where", "")),
        came_back=str(said.get("came_back", "")),
        do_next=str(said.get("do_next", "")),
    )
