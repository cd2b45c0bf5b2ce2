"""One running sandbox for these tests, and eyes for what it shows on the wire."""

import uuid
from collections.abc import Iterator

import pytest
from support.sandbox_eyes import Eyes

from runbook_lib.sandbox import Sandbox


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[Sandbox]:
    with Sandbox.up(f"test-{uuid.uuid4().hex[:8]}", traffic=False, seed=7, foreground=True) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A healthy sandbox, healed after the test."""
    yield shared_sandbox
    shared_sandbox.heal()


@pytest.fixture
def eyes(sandbox: Sandbox) -> Iterator[Eyes]:
    seeing = Eyes(sandbox)
    yield seeing
    seeing.http.close()
