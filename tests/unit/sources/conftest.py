"""What the sources' tests share: the loopback server, settings that point at it, and looks made against it."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support.loopback import Asked, Loopback, Reply, everything_at
from support.variable_vendors import FLY, RAILWAY, VERCEL

from runbook_lib.core.model import Observation
from runbook_lib.io.observe import Look, Observer
from runbook_lib.settings import Settings


@pytest.fixture(scope="module")
def _running() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.stop()


@pytest.fixture
def loopback(_running: Loopback) -> Loopback:
    """The server, with nothing remembered."""
    _running.asked.clear()
    return _running


@pytest.fixture
def settings_at() -> Callable[..., Settings]:
    """`settings_at(url, NAME=value, …)`: every source configured at one address; a value of "" takes a variable away."""
    return lambda url, **more: Settings.from_mapping({**everything_at(url), **more})


@pytest.fixture
def make_look(loopback: Loopback, settings_at: Callable[..., Settings]) -> Callable[..., Observation]:
    """`make_look(look, deadline_s=…, NAME=value, …)`: what the look brings from the server."""

    def make(look: Look, *, deadline_s: float | None = None, **more: str) -> Observation:
        observer = Observer(active=True, now=datetime.now(UTC), settings=settings_at(loopback.url, **more))
        return observer.together(look if deadline_s is None else replace(look, deadline_s=deadline_s))[0]

    return make


@pytest.fixture(scope="session")
def closed_port() -> Iterator[str]:
    """An address where nothing listens: the port is bound, so nobody else takes it, and refuses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def vendors(loopback: Loopback) -> dict[str, Any]:
    """Every vendor in good health behind one address; a test puts another answer in for a path or a query's name."""
    held: dict[str, Any] = {**VERCEL, **FLY, **RAILWAY}

    def answer(asked: Asked) -> Reply:
        name = asked.path
        if asked.method == "POST":
            name = json.loads(asked.body)["query"].split()[1].partition("(")[0]
        found = held.get(name)
        if isinstance(found, Reply):
            return found
        if found is None:
            return Reply(404, {"error": {"code": "not_found", "message": "no such thing"}})
        return Reply(200, {"data": found} if asked.method == "POST" else found)

    loopback.answer = answer
    return held


@pytest.fixture
def see(loopback: Loopback) -> Callable[..., Observation]:
    """`see(look, NAME=value, …)`: what the look brings."""

    def make(look: Look, **more: str) -> Observation:
        variables = {**everything_at(loopback.url), **_providers(loopback.url), **more}
        settings = Settings.from_mapping(variables, places={".env": variables})
        return Observer(active=True, now=datetime.now(UTC), settings=settings).together(look)[0]

    return make


def _providers(url: str) -> dict[str, str]:
    return {
        "RUNBOOK_OPENAI_URL": f"{url}/openai",
        "RUNBOOK_ANTHROPIC_URL": f"{url}/anthropic",
        "RUNBOOK_TOGETHER_URL": f"{url}/together",
    }
