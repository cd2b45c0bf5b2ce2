"""What every Jaeger answers to, whatever its version: the façades beside a real server, in the words on the wire.

The real one joins when RUNBOOK_TEST_JAEGER_URL and RUNBOOK_TEST_OTLP_URL are set. Each test sends spans of its own.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from runbook_lib.core.clock import to_epoch_ns
from runbook_lib.sandbox.store import create_jaeger_app, create_otlp_app, create_store

PEERS = ("2.13", "2.18", "2.20", "real")
PLAIN = "text/plain; charset=utf-8"


@dataclass
class Peer:
    """A Jaeger to ask, and the way to send it spans."""

    query: httpx.Client
    otlp: httpx.Client
    is_real: bool
    at: datetime = field(default_factory=lambda: datetime.now(UTC) - timedelta(seconds=30))

    @property
    def window(self) -> dict[str, str]:
        """A search's window, in the spelling that every version knows."""
        names = ("query.start_time_min", "query.start_time_max")
        moments = (self.at - timedelta(minutes=1), self.at + timedelta(minutes=1))
        return {n: m.strftime("%Y-%m-%dT%H:%M:%SZ") for n, m in zip(names, moments, strict=True)}

    def send(self, trace_id: str, service: str | None, *, later_ns: int = 0, **fields: Any) -> None:
        """Send one span, which began at `at` or a little later; wait until it can be read."""
        start_ns = to_epoch_ns(self.at) + later_ns
        span = {
            "traceId": trace_id.rjust(32, "0"),
            "spanId": secrets.token_hex(8),
            "name": "op",
            "startTimeUnixNano": str(start_ns),
            "endTimeUnixNano": str(start_ns + 2_000_000_000),
            **fields,
        }
        attributes = [] if service is None else [{"key": "service.name", "value": {"stringValue": service}}]
        batch = {"resource": {"attributes": attributes}, "scopeSpans": [{"spans": [span]}]}
        assert self.otlp.post("/v1/traces", json={"resourceSpans": [batch]}).status_code == 200
        for _ in range(60 if self.is_real else 1):
            if self.query.get(f"/api/v3/traces/{trace_id}").status_code == 200:
                return
            time.sleep(0.5 if self.is_real else 0)
        pytest.fail("the span did not arrive")


@pytest.fixture(params=PEERS)
def peer(request: pytest.FixtureRequest, in_process: Any) -> Iterator[Peer]:
    if request.param != "real":
        store = create_store(now=lambda: datetime.now(UTC))
        yield Peer(in_process(create_jaeger_app(store, request.param)), in_process(create_otlp_app(store)), False)
        return
    url, otlp = os.environ.get("RUNBOOK_TEST_JAEGER_URL"), os.environ.get("RUNBOOK_TEST_OTLP_URL")
    if not url or not otlp:
        pytest.skip("RUNBOOK_TEST_JAEGER_URL and RUNBOOK_TEST_OTLP_URL are not set: no real server to compare with")
    with httpx.Client(base_url=url) as query, httpx.Client(base_url=otlp) as receiver:
        yield Peer(query, receiver, True)


def name() -> str:
    """A service nobody else has."""
    return f"svc-{secrets.token_hex(4)}"


def test_v3_names_no_content_type_and_v1_says_json(peer: Peer) -> None:
    trace_id, service = secrets.token_hex(16), name()
    peer.send(trace_id, service)
    search = {**peer.window, "query.num_traces": "5", "query.service_name": service}
    for path, params in (("/api/v3/services", {}), (f"/api/v3/traces/{trace_id}", {}), ("/api/v3/traces", search)):
        answer = peer.query.get(path, params=params)
        assert (answer.status_code, answer.headers["content-type"]) == (200, PLAIN)
    for path in ("/api/services", f"/api/traces/{trace_id}", f"/api/traces?service={service}"):
        assert peer.query.get(path).headers["content-type"].startswith("application/json")


def test_a_trace_that_is_not_there_is_404_in_the_form_of_its_api(peer: Peer) -> None:
    missing = secrets.token_hex(16)
    search = {**peer.window, "query.num_traces": "5", "query.service_name": name()}
    for answer in (peer.query.get(f"/api/v3/traces/{missing}"), peer.query.get("/api/v3/traces", params=search)):
        assert (answer.status_code, answer.headers["content-type"]) == (404, PLAIN)
        assert json.loads(answer.text) == {"error": {"httpCode": 404, "message": "No traces found"}}
    answer = peer.query.get(f"/api/traces/{missing}")
    assert (answer.status_code, answer.headers["content-type"]) == (404, PLAIN)
    assert json.loads(answer.text)["errors"] == [{"code": 404, "msg": "trace not found"}]
    answer = peer.query.get("/api/traces", params={"service": name()})
    assert (answer.status_code, answer.json()["data"]) == (200, [])


@pytest.mark.parametrize(
    ("path", "params", "why"),
    [
        ("/api/v3/traces/xyz", {}, 'malformed parameter trace_id: strconv.ParseUint: parsing "xyz": invalid syntax'),
        ("/api/v3/traces/1", {"raw_traces": "maybe"}, "malformed parameter raw_traces: strconv.ParseBool: parsing"),
        ("/api/v3/traces", {"query.start_time_min": "x"}, "malformed parameter query.start_time_min: parsing time"),
        ("/api/v3/traces", {"query.num_traces": "x"}, "malformed parameter query.num_traces: strconv.Atoi: parsing"),
        ("/api/v3/traces", {"query.raw_traces": "maybe"}, "malformed parameter query.raw_traces: strconv.ParseBool"),
        ("/api/traces/xyz", {}, 'strconv.ParseUint: parsing "xyz": invalid syntax'),
        ("/api/traces", {}, "parameter 'service' is required"),
        ("/api/traces", {"service": "s", "raw": "maybe"}, "unable to parse param 'raw': strconv.ParseBool: parsing"),
        ("/api/traces", {"service": "s", "limit": "x"}, 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("/api/traces", {"service": "s", "tags": "x"}, "malformed 'tags' parameter, cannot unmarshal JSON"),
        ("/api/metrics/calls", {}, "unable to parse param 'service': please provide at least one service name"),
        ("/api/metrics/calls", {"service": "s", "spanKind": "x"}, "unable to parse param 'spanKind': unsupported"),
        ("/api/metrics/latencies", {"service": "s"}, "unable to parse param 'quantile': strconv.ParseFloat"),
    ],
)
def test_what_cannot_be_read_is_400_and_says_why(peer: Peer, path: str, params: dict[str, str], why: str) -> None:
    is_search = path == "/api/v3/traces"
    answer = peer.query.get(path, params={**peer.window, "query.num_traces": "5", **params} if is_search else params)
    document = json.loads(answer.text)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == PLAIN
    said = document["error"]["message"] if "error" in document else document["errors"][0]["msg"]
    assert said.startswith(why)


def test_a_trace_of_64_bits_has_a_short_id_in_v1_and_a_long_one_in_v3(peer: Peer) -> None:
    short = "0" + secrets.token_hex(8)[1:]
    peer.send(short, name(), links=[{"traceId": short.rjust(32, "0"), "spanId": "cd" * 8}])
    (trace,) = peer.query.get(f"/api/traces/{short}").json()["data"]
    (span,) = trace["spans"]
    assert {trace["traceID"], span["traceID"], span["references"][0]["traceID"]} == {short}
    (batch,) = peer.query.get(f"/api/v3/traces/{short}").json()["result"]["resourceSpans"]
    assert batch["scopeSpans"][0]["spans"][0]["traceId"] == short.rjust(32, "0")


def test_spans_that_name_no_service_are_filed_under_one(peer: Peer) -> None:
    for service, filed in ((None, "missing-service-name"), ("", "empty-service-name")):
        trace_id = secrets.token_hex(16)
        peer.send(trace_id, service)
        (trace,) = peer.query.get(f"/api/traces/{trace_id}").json()["data"]
        assert trace["processes"]["p1"]["serviceName"] == filed
        (batch,) = peer.query.get(f"/api/v3/traces/{trace_id}").json()["result"]["resourceSpans"]
        assert {"key": "service.name", "value": {"stringValue": filed}} in batch["resource"]["attributes"]
        assert filed in peer.query.get("/api/v3/services").json()["services"]
        data = peer.query.get("/api/traces", params={"service": filed}).json()["data"]
        assert trace_id in {each["traceID"] for each in data}


def test_an_event_that_has_an_attribute_named_event_goes_by_that_in_v1(peer: Peer) -> None:
    trace_id = secrets.token_hex(16)
    attribute = {"key": "event", "value": {"stringValue": "attribute"}}
    peer.send(trace_id, name(), events=[{"name": "name", "timeUnixNano": "1", "attributes": [attribute]}])
    (trace,) = peer.query.get(f"/api/traces/{trace_id}").json()["data"]
    fields = trace["spans"][0]["logs"][0]["fields"]
    assert fields == [{"key": "event", "type": "string", "value": "attribute"}]


def test_a_search_is_by_the_spans_start_bounds_included(peer: Peer) -> None:
    trace_id, service = secrets.token_hex(16), name()
    peer.send(trace_id, service)
    at_us = to_epoch_ns(peer.at) // 1000

    def is_found(**query: Any) -> bool:
        answer = peer.query.get("/api/traces", params={"service": service, **query})
        return [each["traceID"] for each in answer.json()["data"]] == [trace_id]

    peer.send(secrets.token_hex(16), service, later_ns=500)
    assert is_found(start=at_us, end=at_us)
    assert not is_found(start=at_us + 1, end=at_us + 10_000_000)
    assert not is_found(operation="other")
