"""One HTTP part on one loopback port: it can be stopped (connections are refused), started again, and moved."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.primitives.overrides import App, Overridable

_PROTOCOL: Any = H11Protocol


class _Protocol(_PROTOCOL):
    """uvicorn's protocol, with the connection's transport within the app's reach: an override can reset it."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Remember the transport before the first request."""
        super().connection_made(transport)
        self.app_state: dict[str, Any] = {"transport": transport}


class _Quiet(uvicorn.Server):
    """A uvicorn server that leaves signals to its process and wakes up once a second only."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.asked_to_stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the supervisor."""
        yield

    async def main_loop(self) -> None:
        """Keep the Date header current until asked to stop."""
        while not self.asked_to_stop.is_set():
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.asked_to_stop.wait(), 1)


class PartServer:
    """An ASGI app behind its overrides, on 127.0.0.1, or on ::1 when it is moved there.

    Args:
        app: what to serve.
        port: the port to take; 0 means a free one, kept over stop and start.
    """

    def __init__(self, app: App, port: int = 0) -> None:
        self.overridable = Overridable(app)
        self.port = port
        self.address = "127.0.0.1"
        self._server: _Quiet | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens, or would."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def is_listening(self) -> bool:
        """Whether connections are taken."""
        return self._server is not None

    async def start(self, port: int | None = None) -> None:
        """Listen. `port` None: the port it had. Raises UsageError when the port is taken."""
        if self._server is not None:
            return
        listener = listen(self.port if port is None else port, self.address)
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            self.overridable,
            http=_Protocol,
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
        )
        self._server = _Quiet(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]))
        while not self._server.started:
            await asyncio.sleep(0)
            if self._task.done():
                self._task.result()

    async def stop(self) -> None:
        """Close the listening socket and every connection at once; later connections are refused."""
        server, self._server = self._server, None
        if server is None or self._task is None:
            return
        for connection in list(server.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        server.asked_to_stop.set()
        server.force_exit = True
        await self._task

    async def move(self, port: int = 0, address: str | None = None) -> None:
        """Serve on another port (0: a free one), and on another address where one is given, from now on; the old one refuses."""
        await self.stop()
        self.address = address or self.address
        await self.start(port)


def listen(port: int, address: str = "127.0.0.1") -> socket.socket:
    """A listening socket on a loopback address. Raises UsageError when somebody else has the port."""
    # the protocol is named so that asyncio switches Nagle's algorithm off: it does so only for sockets that say TCP
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise UsageError(
            f"Port {port} is taken",
            where=address,
            came_back=error.strerror or str(error),
            do_next="Stop what listens there, or start the sandbox on free ports.",
        ) from error
    listener.listen(128)
    listener.setblocking(False)
    return listener


def has_address(address: str) -> bool:
    """Whether this machine has that loopback address: not every one has ::1."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
