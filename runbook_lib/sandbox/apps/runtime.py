"""What every part's process is made of: its configuration, its condition, its log, its tracing, its HTTP client, its server.

A part reads NexusCore's environment variables only. The supervisor talks to it over two private pipes: one says what is
wrong with it (and, by closing, that it must end), the other says back on which port it listens and what it has taken in.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import httpx

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.apps.tampering import Condition, Tampering
from runbook_lib.sandbox.apps.tracing import Tracing, trace_id
from runbook_lib.sandbox.primitives.overrides import App
from runbook_lib.sandbox.server import PartServer

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class Runtime:
    """One part's process.

    Attributes:
        part: web, api or gateway.
        condition: what is wrong with it at the moment.
        tracing: its tracer.
        http: its HTTP client, without a timeout of its own: every call brings one.
        running: the task and trace id of each request that is being answered, by request id.
    """

    def __init__(self, part: str, options: dict[str, Any]) -> None:
        self.part = part
        self.condition = Condition()
        self.running: dict[str, tuple[asyncio.Task[Any], str | None]] = {}
        self.listener: asyncio.Task[None] | None = None  # held here: the loop itself would let it be collected
        attributes = dict(options.get("resource", {}))
        is_on = bool(options.get("instrumented", True))
        self.tracing = Tracing(self.condition, attributes, options.get("semconv") == "old", is_on=is_on)
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=20)
        agent = "python-httpx/0.28.1" if part == "gateway" else "node"
        self.http = httpx.AsyncClient(timeout=None, limits=limits, trust_env=False, headers={"User-Agent": agent})  # noqa: S113

    def kill(self, request: str) -> None:
        """End a request as a platform does: no more work, no answer, and its unsent spans are lost."""
        if request in self.running:
            task, trace = self.running[request]
            self.tracing.drop_unsent(trace)
            task.cancel()

    def setting(self, *names: str) -> str | None:
        """The first of these environment variables that is set and not empty, or None."""
        return next((value for name in names if (value := os.environ.get(name))), None)

    def seconds(self, name: str, usual: float) -> float:
        """A variable that holds seconds; the usual value when it is unset or no number."""
        try:
            return float(os.environ.get(name, ""))
        except ValueError:
            return usual

    def log(self, level: str, message: str, **fields: Any) -> None:
        """One JSON line on stdout, as the platform collects it."""
        at = datetime.fromtimestamp(self.condition.time_s(), UTC)
        line = {"time": at.isoformat(timespec="milliseconds"), "level": level, "message": message}
        known = {"trace_id": trace_id(), "request_id": request_id.get(), **fields}
        line.update({key: value for key, value in known.items() if value is not None})
        sys.stdout.write(json.dumps(line, default=str) + "\n")
        sys.stdout.flush()


async def serve(runtime: Runtime, app: App, control: int, report: int, port: int) -> None:
    """Serve a part until it is told to end or the supervisor is gone."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    server = PartServer(app, port)
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, ended.set)
    say = _reporter(report)
    first = await _listen_to(control, runtime, server, say, ended)
    await asyncio.wait_for(first, 10)
    try:
        await server.start()
    except UsageError:
        await server.start(0)
    say({"listening": server.port})
    await ended.wait()
    await server.stop()
    await asyncio.wait_for(asyncio.to_thread(runtime.tracing.shutdown), 2)


async def _listen_to(
    control: int, runtime: Runtime, server: PartServer, say: Callable[[dict[str, Any]], None], ended: asyncio.Event
) -> "asyncio.Future[None]":
    """Take in what the supervisor says; the future is done when the first condition is in force."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(control, "rb"))
    first: asyncio.Future[None] = loop.create_future()

    async def follow() -> None:
        async for line in reader:
            said = json.loads(line)
            if "kill_request" in said:
                runtime.kill(said["kill_request"])
                continue
            tampering = Tampering.from_dict(said["tampering"])
            runtime.condition.replace(tampering)
            server.overridable.replace(tampering.overrides)
            if server.address != tampering.listens_on:
                if server.is_listening:
                    await server.move(server.port, tampering.listens_on)
                server.address = tampering.listens_on
            say({"applied": said["number"]})
            if not first.done():
                first.set_result(None)
        os._exit(0)  # the supervisor is gone, and so is the sandbox

    task = asyncio.create_task(follow())
    task.add_done_callback(lambda _: ended.set())
    runtime.listener = task
    return first


def _reporter(report: int) -> Callable[[dict[str, Any]], None]:
    pipe = os.fdopen(report, "w")

    def say(what: dict[str, Any]) -> None:
        pipe.write(json.dumps(what) + "\n")
        pipe.flush()

    return say
