"""Processes and listening sockets that stop, start, die, restart or move."""

import signal

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.part_process import PartProcess
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive
from runbook_lib.sandbox.server import PartServer


@primitive
async def process(breakage: Breakage, part: str, action: str = "stop", port: int = 0) -> None:
    """Any process stops, starts, dies, restarts, or moves to another port.

    part: web, api, gateway, postgres, or any HTTP part of the supervisor (then its listening socket is meant).
    action: stop (in good order), kill (-9: unsent spans are lost), start, restart, or move (the part listens on
    `port`, 0 is any free one, while its edge still looks at the old one).
    """
    if action not in ("stop", "kill", "start", "restart", "move"):
        raise UsageError("The action is stop, kill, start, restart or move", came_back=action)
    if part == "postgres":
        await _postgres(breakage, action)
    elif part in breakage.system.parts:
        await _part(breakage, breakage.part(part), action, port)
    else:
        await _server(breakage, breakage.server(part), action, port)


async def _part(breakage: Breakage, part: PartProcess, action: str, port: int) -> None:
    async def undo() -> None:
        if part.port != part.upstream_port:
            breakage.restart_when_healed(part.name)

    breakage.on_heal(undo)
    if action in ("stop", "restart", "move"):
        await part.stop()
    elif action == "kill":
        await part.stop(signal.SIGKILL)
    if action in ("start", "restart"):
        await part.start()
    elif action == "move":
        await part.start(port)


async def _server(breakage: Breakage, server: PartServer, action: str, port: int) -> None:
    before = server.port

    async def undo() -> None:
        if server.port != before:
            await server.move(before)
        await server.start()

    breakage.on_heal(undo)
    if action == "move":
        await server.move(port)
        return
    if action in ("stop", "kill", "restart"):
        await server.stop()
    if action in ("start", "restart"):
        await server.start()


async def _postgres(breakage: Breakage, action: str) -> None:
    postgres = breakage.system.postgres
    if action == "move":
        raise UsageError("Postgres stays on its port", do_next="Use stop, kill, start or restart.")

    async def undo() -> None:
        if postgres.process is None:
            await postgres.start()
            breakage.system.record()

    breakage.on_heal(undo)
    if action in ("stop", "kill", "restart"):
        await postgres.stop(is_crash=action == "kill")
    if action in ("start", "restart"):
        await undo()
