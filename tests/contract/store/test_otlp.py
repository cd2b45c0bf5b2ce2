"""The store's front door speaks OTLP over HTTP: as the specification says, and with the real OpenTelemetry SDK."""

import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import uvicorn
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.trace import Link, SpanKind, StatusCode
from opentelemetry.trace import Status as SpanStatus
from support.span_exports import SPECS

from runbook_lib.sandbox.store import Store, create_otlp_app, create_store

EXAMPLE = (SPECS / "otlp/example-trace.json").read_bytes()
EXAMPLE_ID = bytes.fromhex("5B8EFFF798038103D269B633813FC60C")
PROTOBUF = "application/x-protobuf"


@pytest.fixture
def store() -> Store:
    return create_store(now=lambda: datetime(2018, 12, 13, 15, 0, tzinfo=UTC))


@pytest.fixture
def client(store, in_process) -> httpx.Client:
    return in_process(create_otlp_app(store))


def binary() -> bytes:
    request = ExportTraceServiceRequest()
    span = request.resource_spans.add().scope_spans.add().spans.add(trace_id=EXAMPLE_ID, span_id=b"12345678", name="pb")
    span.start_time_unix_nano = span.end_time_unix_nano = 1544712660000000000
    return request.SerializeToString()


def test_the_specifications_example_is_taken_in_whole(client, store):
    answer = client.post("/v1/traces", content=EXAMPLE, headers={"content-type": "application/json; charset=utf-8"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"partialSuccess": {}}
    (span,) = store.trace(EXAMPLE_ID).spans
    assert (span.name, span.kind, span.duration_ns) == ("I'm a server span", 2, 10**9)
    assert span.parent_id.hex() == "eee19b7ec3c1b173"
    assert span.resource.service == "my.service"
    assert span.scope.attributes == {"my.scope.attribute": "some scope attribute"}


def test_a_binary_export_gets_a_binary_answer(client, store):
    answer = client.post("/v1/traces", content=binary(), headers={"content-type": PROTOBUF})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == PROTOBUF
    assert not ExportTraceServiceResponse.FromString(answer.content).HasField("partial_success")
    assert store.trace(EXAMPLE_ID).spans[0].name == "pb"


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_exports_are_unpacked(client, store, encoding, pack):
    headers = {"content-type": PROTOBUF, "content-encoding": encoding}
    assert client.post("/v1/traces", content=pack(binary()), headers=headers).status_code == 200
    assert store.span_count == 1


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"\xff\xff\xff", ""),
        (b"no gzip", "gzip"),
        (gzip.compress(binary(), mtime=0)[:-9], "gzip"),
        (binary(), "br"),
    ],
)
def test_a_bad_binary_export_is_refused_with_a_status_message(client, store, body, encoding):
    headers = {"content-type": PROTOBUF, "content-encoding": encoding}
    answer = client.post("/v1/traces", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == PROTOBUF
    status = Status.FromString(answer.content)
    assert status.code == 3
    assert status.message
    assert store.span_count == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"resourceSpans": 1}', b"<html>"])
def test_a_bad_json_export_is_refused_with_a_status_document(client, body):
    answer = client.post("/v1/traces", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["code"] == 3
    assert answer.json()["message"].startswith("json: ")


def test_one_bad_span_refuses_the_whole_export(client, store):
    document = json.loads(EXAMPLE)
    document["resourceSpans"][0]["scopeSpans"][0]["spans"].append({"traceId": "zz"})
    assert client.post("/v1/traces", json=document).status_code == 400
    assert store.span_count == 0


def test_an_export_without_spans_is_fine(client):
    assert client.post("/v1/traces", json={}).status_code == 200


def test_other_content_types_and_methods_are_refused(client):
    assert client.post("/v1/traces", content=b"x", headers={"content-type": "text/plain"}).status_code == 415
    assert client.get("/v1/traces").status_code == 405


def test_a_body_that_unpacks_beyond_all_measure_is_refused(client, store, monkeypatch):
    monkeypatch.setattr("runbook_lib.sandbox.store.otlp.MAX_BODY_BYTES", 1000)
    headers = {"content-type": PROTOBUF, "content-encoding": "gzip"}
    answer = client.post("/v1/traces", content=gzip.compress(b"\0" * 100_000, mtime=0), headers=headers)
    assert answer.status_code == 400
    assert "more than" in Status.FromString(answer.content).message


# --- the real SDK over real HTTP ---


@pytest.fixture
def served() -> Iterator[tuple[str, Store]]:
    """Address of the app on a free loopback port, and its store."""
    store = create_store(now=lambda: datetime.now(UTC))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_otlp_app(store), log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1/traces", store
    server.should_exit = True
    thread.join(10)


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip, Compression.Deflate])
def test_the_real_sdk_exports_into_the_store(served, compression):
    address, store = served
    provider = TracerProvider(resource=Resource.create({"service.name": "nexus-gateway", "replicas": 2}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(address, compression=compression)))
    tracer = provider.get_tracer("chat", "1.2.3")
    earlier = tracer.start_span("earlier")
    earlier.end()
    with tracer.start_as_current_span("POST /v1/chat", kind=SpanKind.SERVER) as parent:
        links = [Link(earlier.get_span_context(), {"why": "retry of"})]
        child = tracer.start_span("chat", kind=SpanKind.CLIENT, links=links, attributes=_attributes())
        child.record_exception(TimeoutError("529"))
        child.set_status(SpanStatus(StatusCode.ERROR, "Overloaded"))
        child.end()
    provider.shutdown()

    trace = store.trace(parent.get_span_context().trace_id.to_bytes(16, "big"))
    spans = {span.name: span for span in trace.spans}
    got, server = spans["chat"], spans["POST /v1/chat"]
    assert trace.root is server
    assert trace.parent(got) is server
    assert (server.kind, got.kind, got.status_code, got.status_message) == (2, 3, 2, "Overloaded")
    assert {key: list(v) if isinstance(v, tuple) else v for key, v in _attributes().items()} == got.attributes
    assert got.resource.attributes["replicas"] == 2
    assert (got.scope.name, got.scope.version) == ("chat", "1.2.3")
    assert got.events[0].attributes["exception.type"] == "TimeoutError"
    assert got.links[0].trace_id.hex() == f"{earlier.get_span_context().trace_id:032x}"
    assert got.start_ns == child.start_time
    assert got.end_ns == child.end_time


def _attributes() -> dict[str, Any]:
    return {"s": 'é\n"{}', "i": -5, "f": 0.5, "b": True, "list": ("x", "y")}


def test_a_batch_of_many_spans_arrives_complete(served):
    address, store = served
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(address), max_queue_size=5000))
    tracer = provider.get_tracer("bulk")
    for number in range(3000):
        tracer.start_span(f"s{number}").end()
    assert provider.force_flush(60_000)
    provider.shutdown()
    assert store.span_count == 3000
