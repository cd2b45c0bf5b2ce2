"""The one process behind a sandbox: `python -m runbook_lib.sandbox.supervisor FOLDER`, started by the handle.

It reads `options.json`, brings the system up, writes `sandbox.env` and `state.json`, and stays until it is asked to go down,
is told to end (SIGTERM, SIGINT), or, in the foreground, until whoever started it is gone. Then it removes the folder.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import RunbookError, SandboxError
from runbook_lib.sandbox import environment, recovery, repository
from runbook_lib.sandbox.apps.billing import PLAN_LIMITS
from runbook_lib.sandbox.children import CHECKOUT
from runbook_lib.sandbox.control import Control
from runbook_lib.sandbox.home import Home, remove_empty_root, write_private
from runbook_lib.sandbox.options import Options
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.server import PartServer
from runbook_lib.sandbox.system import System, wait_healthy
from runbook_lib.sandbox.traffic import Traffic


async def supervise(home: Home, options: Options) -> None:
    """Bring a sandbox up, keep it, and take it down. A failed start leaves `failed.json` behind for the handle to read."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    if options.foreground:
        await _watch_starter(ended)

    def record(children: list[tuple[int, str]]) -> None:
        home.record([(os.getpid(), "supervisor"), *children])

    record([])
    system = System(home.folder, options, record)
    traffic = system.traffic = Traffic(system)
    token = secrets.token_urlsafe(24)
    control = Control(Breakage(system), traffic, token)
    server = PartServer(control.app())
    try:
        starting = asyncio.create_task(_start(system, traffic, server))
        interrupted = asyncio.create_task(ended.wait())
        await asyncio.wait({starting, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
            _announce(home, options, system, server.url, token)
            system.cron.start()
            if options.traffic:
                traffic.start()
            asked = asyncio.create_task(control.asked_down.wait())
            await asyncio.wait({asked, interrupted}, return_when=asyncio.FIRST_COMPLETED)
    except Exception as error:
        known = (
            error
            if isinstance(error, RunbookError)
            else SandboxError("The sandbox did not start", came_back=repr(error))
        )
        write_private(home.folder / "failed.json", json.dumps(known.as_dict()))
        raise
    finally:
        await system.cron.stop()
        await traffic.stop()
        await server.stop()
        await system.down()


async def _start(system: System, traffic: Traffic, control: PartServer) -> None:
    await asyncio.gather(system.up(), control.start())
    await traffic.sign_everybody_in()
    await wait_healthy(system)


def _announce(home: Home, options: Options, system: System, control_url: str, token: str) -> None:
    """Write the files that the handle and the runbook read."""
    limits = "".join(
        f"[plans.{plan}]\ntokens = {tokens}\nrequests = {requests}\n\n"
        for plan, (tokens, requests) in PLAN_LIMITS.items()
    )
    limits_file = home.folder / "plan_limits.toml"
    write_private(limits_file, limits)
    settings = environment.runbook_settings(system.world, options, system.postgres.dsn("postgres"), str(limits_file))
    levels_file = home.folder / "service_levels.toml"
    write_private(levels_file, (CHECKOUT / "service_levels.toml").read_text("utf-8"))
    settings["RUNBOOK_SERVICE_LEVELS"] = str(levels_file)
    settings["RUNBOOK_GATEWAY_DOCKERFILE"] = str(repository.write(home.folder) / repository.DOCKERFILE)
    settings |= recovery.write_team_files(home.folder, system.postgres, options.schema, system.world.now())
    settings |= environment.machine_settings(system.api_url, os.getsid(0))
    if system.is_local:
        settings |= environment.workshop_settings(system.stripe_cli, system.api_env_file)
        settings.pop("RUNBOOK_VERCEL_API_PROJECT", None)
        settings.pop("RUNBOOK_RAILWAY_API_SERVICE_ID", None)
    write_private(home.env_file, "".join(f"{name}='{value}'\n" for name, value in settings.items()))
    people = [{"id": p.id, "email": p.email} for p in system.population.people]
    organizations = [
        {
            "id": o.id,
            "name": o.name,
            "plan": o.plan,
            "members": [system.population.people[m].email for m, _ in o.members],
        }
        for o in system.population.organizations
    ]
    state: dict[str, Any] = {
        "control": control_url,
        "token": token,
        "env": settings,
        "superuser": system.postgres.dsn(),
        "endpoints": system.world.endpoints,
        "options": options.as_dict(),
        "people": people,
        "organizations": organizations,
    }
    write_private(home.state_file, json.dumps(state))


async def _watch_starter(ended: asyncio.Event) -> None:
    """End when the pipe from the starter closes, however the starter ended."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def watch() -> None:
        await reader.read()
        ended.set()

    ended.watching = asyncio.create_task(watch())  # type: ignore[attr-defined]


def main() -> None:
    """Run one supervisor until its sandbox is down."""
    home = Home(Path(sys.argv[1]).name, Path(sys.argv[1]))
    options = Options(**json.loads((home.folder / "options.json").read_text()))
    try:
        asyncio.run(supervise(home, options))
    except RunbookError:
        sys.exit(1)
    for _ in range(20):  # Postgres' own children may still be writing for a moment
        shutil.rmtree(home.folder, ignore_errors=True)
        if not home.folder.exists():
            break
        time.sleep(0.05)
    remove_empty_root(home.folder.parent)


if __name__ == "__main__":
    main()
