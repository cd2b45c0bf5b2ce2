"""A store to export into and to read as its vendors do."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from support.span_exports import AT_S, one, sample, text

from runbook_lib.sandbox.store import Store, create_jaeger_app, create_otlp_app, create_store, create_tempo_app


@pytest.fixture
def store() -> Store:
    """A store five minutes after the incident."""
    return create_store(now=lambda: datetime.fromtimestamp(AT_S, UTC) + timedelta(minutes=5))


@pytest.fixture
def feed(store, in_process) -> Callable[[dict[str, Any]], None]:
    """`feed(document)`: export OTLP/JSON into the store."""
    client = in_process(create_otlp_app(store))

    def send(document: dict[str, Any]) -> None:
        assert client.post("/v1/traces", json=document).status_code == 200

    return send


@pytest.fixture
def incident(feed) -> None:
    """The one trace that all samples share."""
    feed(sample("jaeger/sample-apiv3-trace-scenario.json")["result"])


@pytest.fixture
def rich(feed) -> None:
    """One failed server span with a value in every place a filter looks at."""
    feed(
        one(
            "1",
            kind=2,
            status={"code": 2},
            scope={"name": "lib", "version": "1", "attributes": [text("scope.key", "s")]},
            attributes=[
                text("a", "x"),
                {"key": "number", "value": {"intValue": "7"}},
                {"key": "half", "value": {"doubleValue": 0.5}},
                {"key": "whole", "value": {"doubleValue": 3.0}},
                {"key": "flag", "value": {"boolValue": True}},
                {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "p"}, {"intValue": "1"}]}}},
            ],
            events=[{"name": "e", "timeUnixNano": "1", "attributes": [text("event.key", "e")]}],
            links=[{"traceId": "ab" * 16, "spanId": "cd" * 8, "attributes": [text("link.key", "l")]}],
        )
    )


@pytest.fixture
def jaeger(store, in_process) -> httpx.Client:
    """Version 2.20: it has everything."""
    return in_process(create_jaeger_app(store))


@pytest.fixture
def of_version(store, in_process) -> Callable[..., httpx.Client]:
    def make(version: str, **options: Any) -> httpx.Client:
        return in_process(create_jaeger_app(store, version, **options))

    return make


@pytest.fixture
def tempo(store, in_process) -> httpx.Client:
    return in_process(create_tempo_app(store))
