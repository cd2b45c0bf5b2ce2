"""Jaeger says that nothing failed: whether that may be believed depends on whether it has ever found a failure."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from runbook_lib.core.clock import Window, to_epoch_ns
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Observer
from runbook_lib.sandbox.store import create_jaeger_app, create_otlp_app, create_store
from runbook_lib.settings import Settings
from runbook_lib.sources.traces import jaeger

NOW = datetime.now(UTC)
HOUR = Window(NOW - timedelta(hours=1), NOW)
FIND_ERRORS, DO_NOT = ("2.18", "2.20", "main"), "2.13"
UNSET, OK, ERROR = 0, 1, 2

Ask = Callable[..., Observation]


@pytest.fixture
def asked_of(served: Any) -> Callable[[str, list[tuple[timedelta, int]]], Ask]:
    """`asked_of(version, [(ago, status), …])`: failures of the last hour, of a Jaeger that holds these spans, each a trace."""

    def make(version: str, spans: list[tuple[timedelta, int]]) -> Ask:
        store = create_store(now=lambda: datetime.now(UTC))
        url, otlp = served(create_jaeger_app(store, version)), served(create_otlp_app(store))
        for ago, code in spans:
            start_ns = to_epoch_ns(NOW - ago)
            span = {
                "traceId": secrets.token_hex(16),
                "spanId": secrets.token_hex(8),
                "name": "GET /",
                "startTimeUnixNano": str(start_ns),
                "endTimeUnixNano": str(start_ns + 1_000_000),
                "status": {"code": code},
            }
            named = {"attributes": [{"key": "service.name", "value": {"stringValue": "nexus-web"}}]}
            batch = {"resource": named, "scopeSpans": [{"spans": [span]}]}
            assert httpx.post(f"{otlp}/v1/traces", json={"resourceSpans": [batch]}).status_code == 200
        settings = Settings.from_mapping({"RUNBOOK_JAEGER_URL": url, "RUNBOOK_TRACE_DELAY_S": "0"})
        return lambda limit: Observer(active=True, now=NOW, settings=settings).together(
            jaeger.failed_traces(HOUR, limit=limit)
        )[0]

    return make


def minutes(*ago: int) -> list[timedelta]:
    return [timedelta(minutes=each) for each in ago]


@pytest.mark.parametrize("version", FIND_ERRORS)
def test_a_busy_hour_is_without_failures_where_an_older_failure_is_found(asked_of: Any, version: str) -> None:
    ask = asked_of(version, [*((ago, UNSET) for ago in minutes(1, 2, 3)), (timedelta(hours=3), ERROR)])
    assert ask(limit=2).status == Status.empty


@pytest.mark.parametrize("version", [*FIND_ERRORS, DO_NOT])
def test_where_no_failure_was_ever_found_an_hour_is_without_failures_once_it_was_read(
    asked_of: Any, version: str
) -> None:
    ask = asked_of(version, [(ago, code) for ago, code in zip(minutes(1, 2, 3), (UNSET, OK, UNSET), strict=True)])
    assert ask(limit=10).status == Status.empty
    seen = ask(limit=2)
    assert (seen.status, seen.value["spans"]) == (Status.partial, [])
    assert "limit" in seen.why


def test_a_jaeger_that_takes_errors_for_successes_is_read_and_not_believed(asked_of: Any) -> None:
    ask = asked_of(DO_NOT, [(timedelta(minutes=1), OK), (timedelta(minutes=2), ERROR), (timedelta(hours=3), ERROR)])
    seen = ask(limit=10)
    assert (seen.status, [span["status"] for span in seen.value["spans"]]) == (Status.ok, ["error"])
    assert ask(limit=1).status == Status.partial
