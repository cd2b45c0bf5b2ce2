"""One whole sandbox inside the supervisor: façades, store, edges, parts and database, brought up and taken down together."""

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from runbook_lib.core.errors import SandboxError, UsageError
from runbook_lib.sandbox import environment, plain_http, recovery, seed
from runbook_lib.sandbox.cron import Cron, plant_past_reports
from runbook_lib.sandbox.edge import Edge
from runbook_lib.sandbox.facade_apps import STATES, facade_apps
from runbook_lib.sandbox.facades.alertmanager.state import AlertmanagerState, usual_config
from runbook_lib.sandbox.facades.fly.state import FlyState, main_machine
from runbook_lib.sandbox.facades.prometheus.state import PrometheusState, usual_rules
from runbook_lib.sandbox.facades.stripe import plant as stripe_plant
from runbook_lib.sandbox.home import write_private
from runbook_lib.sandbox.options import Options
from runbook_lib.sandbox.part_process import PartProcess
from runbook_lib.sandbox.postgres import SCHEMA, Postgres
from runbook_lib.sandbox.primitives.overrides import App
from runbook_lib.sandbox.server import PartServer
from runbook_lib.sandbox.store.spans import create_store
from runbook_lib.sandbox.stripe_cli import StripeCli
from runbook_lib.sandbox.world import Deployment, LogLine, make_world

STANDARD_PORTS = {"web": 3000, "api": 3001, "gateway": 8000}
PRISTINE = "pristine"


class System:
    """The sandbox's inside. Everything runs on the supervisor's one event loop.

    Attributes:
        world: what the façades share.
        servers: every HTTP part that lives in the supervisor, by name; edges are `web-edge`, `api-edge`, `gateway-edge`.
        parts: the processes of web, api and gateway.
        edges: the edge apps, by part.
        store: the span store.
        postgres: the database.
        population: who lives in it.
        traffic: the Traffic of its people, set by the supervisor.
        cron: the platform's scheduler.
    """

    def __init__(self, folder: Path, options: Options, record: Callable[[list[tuple[int, str]]], None]) -> None:
        self.folder = folder
        self.options = options
        self.seed = options.seed if options.seed is not None else secrets.randbits(32)
        self.world = make_world(options.seed)
        self.store = create_store(now=self.world.now)
        self.postgres = Postgres(folder / "postgres", self._log_postgres)
        self.servers: dict[str, PartServer] = {}
        self.parts: dict[str, PartProcess] = {}
        self.edges: dict[str, Edge] = {}
        self.traffic: Any = None
        self.cron = Cron(self)
        self.population = seed.make_population(self.seed, self.world.now())
        self.stripe_cli = StripeCli(self.world, folder, self.record)
        self._record = record

    @property
    def is_local(self) -> bool:
        """Whether the API stands on a developer's machine: no platform before it, its variables in a .env file."""
        return self.options.webhooks == "cli"

    @property
    def api_url(self) -> str:
        """Where the runbook finds the API: its platform's edge, or on a developer's machine its own process."""
        return self.parts["api"].url if self.is_local else self.world.endpoints["api"]

    async def up(self) -> None:
        """Start everything; the database and the servers at once, the parts as soon as their addresses are known."""
        if self.is_local:
            await self.stripe_cli.install()  # first, for without it there is no use in the rest
        await asyncio.gather(self._start_database(), self._start_servers())
        await plant_past_reports(self)
        if self.is_local:
            await self.start_stripe_cli()

    async def down(self) -> None:
        """Stop everything."""
        await self.stripe_cli.stop()
        await asyncio.gather(*(part.stop() for part in self.parts.values()), return_exceptions=True)
        await asyncio.gather(*(server.stop() for server in self.servers.values()), return_exceptions=True)
        await asyncio.gather(*(edge.close() for edge in self.edges.values()), return_exceptions=True)
        await self.postgres.stop()

    def processes(self) -> list[tuple[int, str]]:
        """(id, name) of every child."""
        found = [(part.process.pid, name) for name, part in self.parts.items() if part.process]
        if self.postgres.process:
            found.append((self.postgres.process.pid, "postgres"))
        return found + [(process.pid, "stripe") for process in self.stripe_cli.running]

    async def start_stripe_cli(self) -> None:
        """Listen as a developer does, and forward to the API's own process."""
        target = f"{self.parts['api'].url.removeprefix('http://')}/api/stripe/webhook"
        await self.stripe_cli.start(self.stripe_cli.usual(target))

    async def restore_stripe_cli(self) -> None:
        """Have what ran when the sandbox came up: one CLI on a developer's machine, else none."""
        await self.stripe_cli.stop()
        if self.is_local:
            await self.start_stripe_cli()

    def write_api_env_file(self) -> None:
        """Write the variables of the API where a developer keeps them."""
        if self.is_local:
            own = {v.key: v.value for v in self.world.variables if v.part == "api"}
            write_private(self.api_env_file, "".join(f"{key}='{value}'\n" for key, value in own.items()))

    @property
    def api_env_file(self) -> Path:
        """The local API's .env file."""
        return self.folder / "api.env"

    def deployed(self, deployment: Deployment) -> None:
        """Make a deployment the one that its part will be started from: its id shows in spans, logs and variables."""
        part = self.parts[deployment.part]
        part.deployment_id = deployment.id
        part.instance = main_machine(self.world).id if deployment.platform == "fly" else deployment.id[-12:]
        own = {v.key: v.value for v in self.world.variables if (v.platform, v.part) == (part.platform, part.name)}
        part.variables = {**environment.platform_variables(self.world, deployment), **own}
        part.options = {
            "resource": environment.resource_of(part.name, deployment, part.variables, part.instance),
            "semconv": self.options.semconv,
            "instrumented": self.options.is_instrumented(part.name),
        }

    def facade_state(self, name: str) -> object:
        """A façade's own memory: a provider by its name, anything else by its class's name.

        Raises:
            UsageError: no façade keeps one of this name.
        """
        if name in self.world.providers:
            return self.world.providers[name]
        if name not in STATES:
            known = ", ".join([*self.world.providers, *STATES])
            raise UsageError(f"No façade keeps a {name}", do_next=f"Known: {known}.")
        return self.world.state(STATES[name])

    async def restore_database(self) -> None:
        """Put the database back to what it was when the sandbox came up; every connection is cut."""
        async with self._maintenance() as connection:
            await connection.execute(sql.SQL("drop database if exists postgres with (force)"))
            await connection.execute(
                sql.SQL("create database postgres template {} owner postgres").format(sql.Identifier(PRISTINE))
            )

    async def _start_database(self) -> None:
        """Make the cluster, load the schemas, plant the people, and keep a pristine copy."""
        await self.postgres.create()
        await self.postgres.start()
        self.record()
        await self.postgres.load(SCHEMA / "supabase.sql", "supabase_admin")
        async with self.postgres.connect() as connection:
            password = sql.Literal(self.postgres.passwords["postgres"])
            await connection.execute(sql.SQL("alter role postgres password {}").format(password))
        await self.postgres.load(SCHEMA / "role_settings.sql", "supabase_admin")
        await self.postgres.load(Path(self.options.schema or SCHEMA / "nexuscore.sql"), "postgres")
        await seed.plant(self.postgres, self.population, self.seed, self.world.now())
        async with self._maintenance() as connection:
            await connection.execute(sql.SQL("create database {} template postgres").format(sql.Identifier(PRISTINE)))
        await recovery.make_scratch(self.postgres)
        self.world.database = self.postgres.dsn()

    def _maintenance(self) -> "contextlib.AbstractAsyncContextManager[psycopg.AsyncConnection[tuple[object, ...]]]":
        return self.postgres.connect("supabase_admin", "template1")

    async def _start_servers(self) -> None:
        """Listen everywhere, then start the parts with the addresses that came out."""
        apps: dict[str, App] = facade_apps(self.world, self.store)
        for name in environment.PARTS:
            platform = self.options.platform_of(name)
            part = PartProcess(self.world, name, platform, {}, {}, self.record)
            if self.is_local and name == "api" and self.options.standard_ports:
                part.port = STANDARD_PORTS["api"]  # its process itself answers there
            self.parts[name] = part
            self.edges[name] = Edge(self.world, part, f"nexuscore-{name}.example")
            apps[f"{name}-edge"] = self.edges[name]
        for name, app in apps.items():
            wanted = STANDARD_PORTS.get(name.removesuffix("-edge"), 0) if self.options.standard_ports else 0
            if self.is_local and name == "api-edge":
                wanted = 0
            self.servers[name] = PartServer(app, wanted if name.endswith("-edge") else 0)
        await asyncio.gather(*(server.start() for server in self.servers.values()))
        self.world.endpoints = {name: server.url for name, server in self.servers.items()}
        for name in environment.PARTS:
            self.world.endpoints[name] = self.world.endpoints[f"{name}-edge"]
        self._deploy_history()
        self._open_accounts()
        self.write_api_env_file()
        await asyncio.gather(*(part.start() for part in self.parts.values()))

    def _deploy_history(self) -> None:
        """Variables that are weeks old, and the deployments that came after them."""
        now, rng = self.world.now(), random.Random(self.seed + 2)
        commits, preview = environment.past_commits(rng), f"{rng.getrandbits(160):040x}"
        for name, part in self.parts.items():
            values = environment.variables_of(self.world, self.options, name)
            rows = environment.variable_rows(part.platform, name, values, now - timedelta(days=30))
            self.world.variables.extend(rows)
            made = environment.past_deployments(self.world, part.platform, name, now, commits, rng)
            self.world.deployments.extend(made)
            if part.platform == "vercel":
                self.world.deployments.append(environment.preview_deployment(self.world, name, now, preview, rng))
            self.deployed(made[-1])
            if part.platform == "fly":
                self.world.state(FlyState).check_url = lambda: self.parts["gateway"].url

    def _open_accounts(self) -> None:
        """Give every paying organization its customer and subscription at Stripe."""
        people = self.population.people
        payers = [
            stripe_plant.Payer(
                org.customer, people[org.members[0][0]].email, org.name, org.plan, org.period_end, {"org_id": org.id}
            )
            for org in self.population.organizations
            if org.customer and org.period_end
        ]
        endpoint = None if self.is_local else f"{self.world.endpoints['api']}/api/stripe/webhook"
        stripe_plant.plant(self.world, payers, endpoint)
        self.world.state(PrometheusState).rules = usual_rules(self.options.service_names)
        self.world.state(AlertmanagerState).config = usual_config(self.world.endpoints["receivers"])

    def record(self) -> None:
        """Write down the children, so that a later `up` can end them if this process is killed."""
        self._record(self.processes())

    def _log_postgres(self, level: str, sqlstate: str, user: str, message: str) -> None:
        """Keep the database's own log lines where the platform's log façade finds them."""
        attributes = {"sql_state_code": sqlstate, "user_name": user, "error_severity": level}
        self.world.logs.append(
            LogLine("supabase", "postgres", self.world.now(), level.lower(), message, attributes=attributes)
        )


async def wait_healthy(system: System, deadline_s: float = 10.0) -> None:
    """Return when every part answers through its edge and the database takes queries; raise SandboxError otherwise."""
    import httpx

    wanted = {"web": "/", "api": "/api/health", "gateway": "/"}
    last = ""
    async with plain_http.async_client(timeout=2) as client:
        end = time.monotonic() + deadline_s
        while time.monotonic() < end:
            try:
                for part, path in wanted.items():
                    answer = await client.get(f"{system.servers[f'{part}-edge'].url}{path}")
                    if answer.status_code != 200:
                        raise SandboxError(f"{part} answered {answer.status_code}")
                async with system.postgres.connect() as connection:
                    await connection.execute("select 1 from public.memberships limit 1")
                # a running PostgREST has read its schema before anybody changes it
                rest = f"{system.servers['supabase'].url}/rest/v1/"
                await client.get(rest, headers={"apikey": system.world.keys.supabase_service_role})
                return
            except (httpx.HTTPError, psycopg.Error, SandboxError) as error:
                last = str(error) or type(error).__name__
                await asyncio.sleep(0.1)
    raise SandboxError("The sandbox is not healthy", came_back=last)
