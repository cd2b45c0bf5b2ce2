"""What is broken in a sandbox at the moment: each thing that was done to it, and how each is undone."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from runbook_lib.core.errors import SandboxError, UsageError
from runbook_lib.sandbox import environment
from runbook_lib.sandbox.apps.tampering import Tampering
from runbook_lib.sandbox.edge import Edge
from runbook_lib.sandbox.part_process import PartProcess
from runbook_lib.sandbox.postgres import SCHEMA
from runbook_lib.sandbox.primitives.overrides import Override
from runbook_lib.sandbox.server import PartServer
from runbook_lib.sandbox.system import System, wait_healthy
from runbook_lib.sandbox.world import Deployment, Variable

Undo = Callable[[], Awaitable[None]]
SERVING = ("READY", "SUCCESS", "complete")
_MISSING = object()

_DRAINED_S = 2.0


class Breakage:
    """Breaks and heals one system. What is done to a part lasts over its restarts, until `heal`.

    A primitive knows how what it does is undone, and leaves it here (`on_heal`).

    Attributes:
        active: (primitive, arguments) of what was injected since the last healing.
        lock: held while something is broken or healed.
        is_database_changed: healing puts the whole database back.
    """

    def __init__(self, system: System) -> None:
        self.system = system
        self.active: list[tuple[str, dict[str, Any]]] = []
        self._undo: list[Undo] = []
        self._restart: set[str] = set()
        self.is_database_changed = False
        self._kept: set[str] = set()
        self.lock = asyncio.Lock()

    async def heal(self) -> None:
        """Undo everything, newest first, and wait until the sandbox is healthy again.

        Raises:
            SandboxError: it did not become healthy.
        """
        async with self.lock:
            while self._undo:
                await self._undo.pop()()
            if self.is_database_changed:
                await self._heal_database()
            needed = {name for name, part in self.system.parts.items() if name in self._restart or not part.is_running}
            for name in needed:  # with the variables as they are now that all is undone
                self.system.deployed(self._current(name))
            self._restart.clear()
            await asyncio.gather(*(self._restart_part(self.system.parts[name]) for name in needed))
            if "stripe cli" in self._kept:  # last, for it logs in with what is put back
                await self.system.restore_stripe_cli()
            self._kept.clear()
            self.active.clear()
            await wait_healthy(self.system)
            for name in ("web", "api"):  # what began while something was broken is over before it is called healed
                async with self.edge_of(name).hold_requests(_DRAINED_S):
                    pass

    def on_heal(self, undo: Undo) -> None:
        """Do this too when everything is undone."""
        self._undo.append(undo)

    def restart_when_healed(self, part: str) -> None:
        """Healing restarts this part with the variables as they are then."""
        self._restart.add(part)

    def is_first(self, what: str) -> bool:
        """Whether this is asked for the first time since the last healing."""
        first = what not in self._kept
        self._kept.add(what)
        return first

    def part(self, name: str) -> PartProcess:
        """web, api or gateway. Raises UsageError for anything else."""
        if name not in self.system.parts:
            raise UsageError("The part must be web, api or gateway", came_back=name)
        return self.system.parts[name]

    def edge_of(self, name: str) -> Edge:
        """The edge in front of a part."""
        self.part(name)
        return self.system.edges[name]

    def tampering(self, name: str) -> Tampering:
        """What is wrong with a part's own process."""
        return self.part(name).tampering

    async def tamper(self, name: str, **changes: Any) -> None:
        """Change what is wrong with a part's process; undone by going back to what it was."""
        part = self.part(name)
        before = part.tampering

        async def undo() -> None:
            await part.apply(before)

        self._undo.append(undo)
        await part.apply(replace(before, **changes))

    async def override(self, name: str, override: Override) -> None:
        """Put an override in front of any HTTP part."""
        if name in self.system.parts:
            await self.tamper(name, overrides=[*self.tampering(name).overrides, override])
            return
        overridable = self.server(name).overridable
        before = list(overridable.overrides)

        async def undo() -> None:
            overridable.replace(before)

        self._undo.append(undo)
        overridable.replace([*before, override])

    async def set_variable(
        self, name: str, key: str, value: str | None, restart: bool, targets: list[str] | None = None
    ) -> None:
        """Set, narrow to some of the platform's targets, or unset a variable of a part; `restart` deploys the part with it."""
        part, world = self.part(name), self.system.world
        before = list(world.variables)

        async def undo() -> None:
            world.variables[:] = before
            self.system.write_api_env_file()

        self._undo.append(undo)
        here = [v for v in world.variables if (v.platform, v.part, v.key) == (part.platform, name, key)]
        world.variables[:] = [v for v in world.variables if v not in here]
        if value is None and targets and here:
            value = here[0].value
        if value is not None:
            kind = here[0].kind if here else "plain" if key.startswith("NEXT_PUBLIC_") else "encrypted"
            meant = tuple(targets or (here[0].targets if here else environment.TARGETS))
            world.variables.append(Variable(part.platform, name, key, value, meant, world.now(), kind))
        self.system.write_api_env_file()
        if restart:
            await self.deploy(name, commit_sha=self._current(name).commit_sha, message=self._current(name).message)

    async def deploy(
        self,
        name: str,
        state: str = "",
        commit_sha: str = "",
        branch: str = "main",
        message: str = "",
        error: str | None = None,
        serve: bool = True,
        minutes_ago: float = 0.0,
        build_log: list[str] | None = None,
        failed_step: str | None = None,
    ) -> str:
        """Add a deployment, and let the part run from it when it is one that serves."""
        part, world, before = self.part(name), self.system.world, self._current(name)
        made = environment.new_deployment(
            world,
            part.platform,
            name,
            at=world.now() - timedelta(minutes=minutes_ago),
            state=state,
            commit_sha=commit_sha,
            branch=branch,
            message=message,
            error=error,
            build_log=build_log,
            failed_step=failed_step,
        )
        is_preview = part.platform == "vercel" and branch != "main"
        served = serve and made.state in SERVING and not is_preview
        states = [(d, d.state) for d in world.deployments]

        async def undo() -> None:
            world.deployments.remove(made)
            for deployment, old_state in states:
                deployment.state = old_state
            if served:
                self.system.deployed(before)
                self._restart.add(name)

        self._undo.append(undo)
        if served and part.platform == "railway":
            before.state = "REMOVED"
        world.deployments.append(made)
        if served:
            await self._take_over(part, made)
        return made.id

    async def run_from(self, name: str, deployment: Deployment) -> None:
        """Let a part run from a deployment that is there already."""
        before = self._current(name)

        async def undo() -> None:
            self.system.deployed(before)
            self._restart.add(name)

        self._undo.append(undo)
        await self._take_over(self.part(name), deployment)

    async def replace_attribute(self, target: object, name: str, value: Any) -> None:
        """Set an attribute; undone by putting back what it was, or by taking it off again."""
        held = vars(target).get(name, _MISSING)

        async def undo() -> None:
            if held is _MISSING:
                delattr(target, name)
            else:
                setattr(target, name, held)

        self._undo.append(undo)
        setattr(target, name, value)

    async def _heal_database(self) -> None:
        """Put the database and the roles' settings back."""
        await self.system.restore_database()
        await self.system.postgres.load(SCHEMA / "role_settings.sql", "supabase_admin")
        self.is_database_changed = False

    async def _take_over(self, part: PartProcess, deployment: Deployment) -> None:
        """Run a part from a deployment, as platforms do it: requests wait, and none is lost."""
        async with self.system.edges[part.name].hold_requests():
            self.system.deployed(deployment)
            await self._restart_part(part)

    async def _restart_part(self, part: PartProcess) -> None:
        """Run a part with its present variables, where its edge looks for it."""
        await part.stop()
        part.port = part.upstream_port
        await part.start()

    def _current(self, name: str) -> Deployment:
        part = self.part(name)
        found = next((d for d in self.system.world.deployments if d.id == part.deployment_id), None)
        if found is None:
            raise SandboxError(f"{name} runs from no deployment that is known")
        return found

    def server(self, name: str) -> PartServer:
        """A server of the supervisor's by its part's name. Raises UsageError for anything else."""
        server = self.system.servers.get(name)
        if server is None:
            known = ", ".join(["web", "api", "gateway", *sorted(self.system.servers)])
            raise UsageError(f"There is no part named {name}", do_next=f"Known: {known}.")
        return server
