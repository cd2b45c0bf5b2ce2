"""What contract tests share: the vendors' specifications as judges of an answer, and real peers from npm."""

import asyncio
import copy
import json
from collections.abc import Callable, Coroutine, Iterator
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator
from support.loop_thread import LoopThread
from support.loopback import Loopback

from runbook_lib.sandbox.server import PartServer
from runbook_lib.sandbox.world import Deployment, LogLine, RequestRow, Variable, World, make_world

SPECS = Path(__file__).parent.parent / "specs"


@cache
def _document(name: str) -> dict[str, Any]:
    return _without_nullable(json.loads((SPECS / name).read_text()))


def _without_nullable(node: Any) -> Any:
    """OpenAPI 3.0's `nullable: true`, said in the words of JSON Schema; and unions whose members overlap as they do."""
    if isinstance(node, list):
        return [_without_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {("anyOf" if key == "oneOf" else key): _without_nullable(value) for key, value in node.items()}
    if out.pop("nullable", False) is True:
        return {"anyOf": [out, {"type": "null"}]}
    return out


def _schema(document: dict[str, Any], method: str, path: str, status: int) -> dict[str, Any]:
    responses = document["paths"][path][method.lower()]["responses"]
    response = responses.get(str(status)) or responses.get(f"{status // 100}XX") or responses.get("default")
    assert response is not None, f"{method} {path} promises no {status}"
    while "$ref" in response:
        response = _at(document, response["$ref"])
    return copy.copy(next(iter(response["content"].values()))["schema"])


def _at(document: dict[str, Any], ref: str) -> Any:
    node: Any = document
    for part in ref.removeprefix("#/").split("/"):
        node = node[part.replace("~1", "/").replace("~0", "~")]
    return node


def _complain(document: dict[str, Any], schema: dict[str, Any], body: Any) -> None:
    rooted = {**schema, "components": document.get("components", {}), "definitions": document.get("definitions", {})}
    errors = sorted(Draft202012Validator(rooted).iter_errors(body), key=lambda error: len(error.path))
    assert not errors, "\n".join(f"{list(error.path)}: {error.message[:300]}" for error in errors[:5])


@pytest.fixture(scope="session")
def promised() -> Callable[..., None]:
    """`promised(spec, method, path template, response)`: the body is what the specification promises for that status."""

    def judge(spec: str, method: str, path: str, response: Any) -> None:
        document = _document(spec)
        _complain(document, _schema(document, method, path, response.status_code), response.json())

    return judge


@pytest.fixture(scope="session")
def shaped() -> Callable[..., None]:
    """`shaped(spec, schema name, value)`: the value fits a named schema of the specification."""

    def judge(spec: str, name: str, value: Any) -> None:
        _complain(_document(spec), {"$ref": f"#/components/schemas/{name}"}, value)

    return judge


class _InProcess(httpx.BaseTransport):
    """An ASGI app as a plain httpx transport: no port, no thread, the whole body at once."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app)
        self._loop = asyncio.new_event_loop()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._loop.run_until_complete(self._answer(request))

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        return httpx.Response(answer.status_code, headers=answer.headers, content=await answer.aread())

    def close(self) -> None:
        pending = asyncio.all_tasks(self._loop)
        for task in pending:
            task.cancel()
        if pending:
            self._loop.run_until_complete(asyncio.wait(pending))
        self._loop.close()


@pytest.fixture
def in_process() -> Iterator[Callable[..., httpx.Client]]:
    """`in_process(app, headers=…)`: a client of an ASGI app, closed after the test."""
    clients: list[httpx.Client] = []

    def make(app: Any, **options: Any) -> httpx.Client:
        client = httpx.Client(transport=_InProcess(app), base_url="http://127.0.0.1", **options)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def world() -> World:
    """A world in which something happened on every platform: two deployments a part, variables, requests, log lines."""
    world = make_world(seed=7)
    for platform, part, state, prefix in (
        ("vercel", "web", "READY", "dpl_"),
        ("vercel", "api", "READY", "dpl_"),
        ("railway", "api", "SUCCESS", ""),
        ("railway", "gateway", "SUCCESS", ""),
        ("fly", "gateway", "complete", ""),
    ):
        for nth, hours in ((1, 30), (2, 3)):
            id_ = f"{prefix}{platform}{part}{nth}"
            at = world.now() - timedelta(hours=hours)
            variables = {"OTEL_SERVICE_NAME": "nexuscore"}
            deployment = Deployment(
                platform,
                part,
                id_,
                at,
                state,
                f"{nth}" * 40,
                "main",
                f"Change {nth}",
                f"https://{id_}.example",
                variables,
            )
            world.deployments.append(deployment)
        for key, kind in (("OPENAI_API_KEY", "sensitive"), ("STRIPE_SECRET_KEY", "encrypted"), ("LOG_LEVEL", "plain")):
            at = world.now() - timedelta(hours=5)
            world.variables.append(Variable(platform, part, key, f"value-of-{key}", ("production",), at, kind))
        _add_requests(world, platform, part, f"{prefix}{platform}{part}2")
    return world


def _add_requests(world: World, platform: str, part: str, deployment_id: str) -> None:
    """Ten requests, one a minute, the newest a minute ago and failed with a 502; each wrote a line."""
    for nth in range(10):
        at = world.now() - timedelta(minutes=10 - nth)
        status, trace_id = (502, f"{nth:032x}") if nth == 9 else (200, None)
        request_id = f"{platform}-{part}-{nth}"
        row = RequestRow(
            platform, part, request_id, at, "POST", "/api/chat", f"{part}.example", status, 40.0 + nth, trace_id, None,
            deployment_id, "iad1",
        )  # fmt: skip
        world.requests.append(row)
        level, message = ("error", "gateway responded 503") if status == 502 else ("info", f"answered {nth}")
        attributes = {"org_id": f"org-{nth}"}
        line = LogLine(platform, part, at, level, message, request_id, trace_id, attributes, deployment_id, f"{part}-1")
        world.logs.append(line)


class Served:
    """Apps on real loopback ports, on an event loop in a thread of their own."""

    def __init__(self) -> None:
        self._loop = LoopThread()
        self._servers: list[PartServer] = []

    def __call__(self, app: Any) -> str:
        """Serve an app; returns its base URL."""
        server = PartServer(app)
        self.run(server.start())
        self._servers.append(server)
        return server.url

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something where the apps run."""
        return self._loop.run(work)

    def close(self) -> None:
        for server in self._servers:
            self.run(server.stop())
        self._loop.end()


@pytest.fixture
def served() -> Iterator[Served]:
    """`served(app)`: its base URL, for peers that need a real port."""
    servers = Served()
    yield servers
    servers.close()


@pytest.fixture(scope="module")
def served_for_all() -> Iterator[Served]:
    """`served` for what a whole file of tests asks."""
    servers = Served()
    yield servers
    servers.close()


@pytest.fixture(scope="module")
def loopback() -> Iterator[Loopback]:
    """A server that answers as a test tells it."""
    server = Loopback()
    yield server
    server.stop()
