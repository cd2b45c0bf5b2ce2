"""What the sources' tests share: the loopback server, settings that point at it, and looks made against it."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from support.loopback import Loopback, everything_at

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
        observer = Observer(now=datetime.now(UTC), settings=settings_at(loopback.url, **more))
        return observer.together(look if deadline_s is None else replace(look, deadline_s=deadline_s))[0]

    return make


@pytest.fixture(scope="session")
def closed_port() -> Iterator[str]:
    """An address where nothing listens: the port is bound, so nobody else takes it, and refuses."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"
