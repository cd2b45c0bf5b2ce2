"""One of web, API and gateway as the supervisor sees it: a process, its variables, its port, its log, what is wrong with it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from runbook_lib.core.errors import SandboxError
from runbook_lib.sandbox import children
from runbook_lib.sandbox.apps.tampering import Tampering
from runbook_lib.sandbox.world import LogLine, World

_START_S = 20
_STOP_S = 3


class PartProcess:
    """A part's process. `variables` is its environment at the next start, `upstream_port` where its edge looks for it.

    Args:
        world: where its log lines go.
        name: web, api or gateway.
        platform: vercel, railway or fly.
        variables: its environment.
        options: resource attributes and the age of the semantic conventions.
        on_change: called after a start or an end, so that processes can be recorded.
    """

    def __init__(
        self,
        world: World,
        name: str,
        platform: str,
        variables: dict[str, str],
        options: dict[str, Any],
        on_change: Callable[[], None],
    ) -> None:
        self.world = world
        self.name = name
        self.platform = platform
        self.variables = variables
        self.options = options
        self.tampering = Tampering()
        self.port = 0
        self.upstream_port = 0
        self.deployment_id = ""
        self.instance = ""
        self.process: asyncio.subprocess.Process | None = None
        self._on_change = on_change
        self._control: int | None = None
        self._number = 0
        self._applied = asyncio.Event()
        self._listening: asyncio.Future[int] | None = None
        self._readers: list[asyncio.Task[None]] = []

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.returncode is None

    @property
    def url(self) -> str:
        """Where the edge looks for it."""
        return f"http://127.0.0.1:{self.upstream_port}"

    async def start(self, port: int | None = None) -> None:
        """Start with the present variables, and wait until it listens. `port` None: the one it had, or a free one.

        Raises:
            SandboxError: it ended or did not listen in time; its last words are in the error.
        """
        if self.is_running:
            return
        control_read, control_write = os.pipe()
        report_read, report_write = os.pipe()
        wanted = self.port if port is None else port
        arguments = [sys.executable, "-m", "runbook_lib.sandbox.apps", self.name, json.dumps(self.options)]
        try:
            self.process = await children.spawn(
                [*arguments, str(control_read), str(report_write), str(wanted)],
                environment={"PATH": os.defpath, "LC_ALL": "C.UTF-8", **self.variables},
                pass_fds=(control_read, report_write),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
        finally:
            os.close(control_read)
            os.close(report_write)
        self._control = control_write
        self._listening = asyncio.get_running_loop().create_future()
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._readers = [
            asyncio.create_task(self._follow_report(report_read)),
            asyncio.create_task(self._follow_log(self.process.stdout)),
            asyncio.create_task(self._follow_log(self.process.stderr)),
        ]
        self._on_change()
        self._send()
        self.port = await self._wait_listening()
        if not self.upstream_port or port is None:
            self.upstream_port = self.port

    async def stop(self, signal_number: int = signal.SIGTERM) -> None:
        """End the process and wait for it. SIGKILL: like a crash, its last spans are lost."""
        process = self.process
        if process is None:
            return
        for attempt in (signal_number, signal.SIGKILL):
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.send_signal(attempt)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), _STOP_S)
                break
        if self._control is not None:
            os.close(self._control)
            self._control = None
        await asyncio.gather(*self._readers, return_exceptions=True)
        self.process = None
        self._on_change()

    async def apply(self, tampering: Tampering) -> None:
        """Make this what is wrong with the part, and wait until the process has taken it in. Kept over restarts."""
        self.tampering = tampering
        if self.is_running:
            self._send()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._applied.wait(), 3)

    def kill_request(self, request_id: str) -> None:
        """End one request as a platform does at its time limit: its handler stops, its open spans are lost."""
        self._write({"kill_request": request_id})

    def _send(self) -> None:
        self._number += 1
        self._applied.clear()
        self._write({"number": self._number, "tampering": asdict(self.tampering)})

    def _write(self, what: dict[str, Any]) -> None:
        if self._control is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._control, json.dumps(what).encode() + b"\n")

    async def _wait_listening(self) -> int:
        assert self.process is not None
        assert self._listening is not None
        ended = asyncio.create_task(self.process.wait())
        done, _ = await asyncio.wait({self._listening, ended}, timeout=_START_S, return_when=asyncio.FIRST_COMPLETED)
        if self._listening in done:
            ended.cancel()
            return self._listening.result()
        await asyncio.sleep(0.1)  # let its last words arrive
        words = [line.message for line in list(self.world.logs)[-12:] if line.part == self.name]
        raise SandboxError(f"{self.name} did not start", where=self.platform, came_back=" | ".join(words)[-600:])

    async def _follow_report(self, descriptor: int) -> None:
        """What the part says back: where it listens, what it has taken in."""
        reader = asyncio.StreamReader()
        pipe = os.fdopen(descriptor, "rb")
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        async for line in reader:
            said = json.loads(line)
            if "listening" in said and self._listening and not self._listening.done():
                self._listening.set_result(int(said["listening"]))
            if said.get("applied") == self._number:
                self._applied.set()
        transport.close()

    async def _follow_log(self, stream: asyncio.StreamReader) -> None:
        """Collect the part's log as its platform does: JSON lines with their fields, anything else as text."""
        async for raw in stream:
            text = raw.decode(errors="replace").rstrip("\n")
            if text:
                self.world.logs.append(self._log_line(text))

    def _log_line(self, text: str) -> LogLine:
        try:
            said = json.loads(text)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            said = {"level": "error" if text.startswith(("ERROR", "Traceback", " ")) else "warning", "message": text}
        known = {"level", "message", "request_id", "trace_id"}
        return LogLine(
            platform=self.platform,
            part=self.name,
            at=self.world.now(),
            level=str(said.get("level", "info")),
            message=str(said.get("message", text)),
            request_id=said.get("request_id"),
            trace_id=said.get("trace_id"),
            attributes={key: value for key, value in said.items() if key not in known},
            deployment_id=self.deployment_id,
            instance=self.instance,
        )
