"""Tempo and Jaeger: the same spans go in, the same answers come out, from the sandbox's store and from real servers.

The real ones join when RUNBOOK_TEST_TEMPO_URL or RUNBOOK_TEST_JAEGER_URL is set, with RUNBOOK_TEST_OTLP_URL beside it.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import httpx
import pytest
import uvicorn

from runbook_lib.core.clock import Window, to_epoch_ns
from runbook_lib.core.model import Observation, Status
from runbook_lib.io.observe import Look, Observer
from runbook_lib.sandbox.store import create_jaeger_app, create_otlp_app, create_store, create_tempo_app
from runbook_lib.settings import Settings
from runbook_lib.sources.traces import jaeger, tempo

BACKENDS = {
    "tempo": (tempo, "RUNBOOK_TEST_TEMPO_URL"),
    "jaeger-2.13": (jaeger, None),
    "jaeger-2.18": (jaeger, None),
    "jaeger-2.20": (jaeger, None),
    "jaeger-main": (jaeger, None),
    "real tempo": (tempo, "RUNBOOK_TEST_TEMPO_URL"),
    "real jaeger": (jaeger, "RUNBOOK_TEST_JAEGER_URL"),
}


@dataclass
class Backend:
    """A trace backend to ask, and what was put into it."""

    source: ModuleType
    observer: Observer
    otlp_url: str
    is_real: bool

    def send(self, *resource_spans: dict[str, Any]) -> None:
        reply = httpx.post(f"{self.otlp_url}/v1/traces", json={"resourceSpans": list(resource_spans)})
        assert reply.status_code == 200, reply.text

    def look(self, look: Look) -> Observation:
        return self.observer.together(look)[0]

    def eventually(self, make: Callable[[], Look], status: Status = Status.ok) -> Observation:
        """Look until the spans that were sent have arrived; the sandbox's store has them at once."""
        for _ in range(60 if self.is_real else 1):
            seen = self.look(make())
            if seen.status == status:
                break
            time.sleep(0.5 if self.is_real else 0)
        assert seen.status == status, (seen.status, seen.why)
        return seen


def _serve(app: Any) -> tuple[uvicorn.Server, str]:
    listener = socket.socket(
        socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP
    )  # named, or asyncio leaves Nagle on
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    while not server.started:
        time.sleep(0.005)
    return server, f"http://127.0.0.1:{listener.getsockname()[1]}"


def _observer(source: ModuleType, url: str, **more: str) -> Observer:
    name = "RUNBOOK_TEMPO_URL" if source is tempo else "RUNBOOK_JAEGER_URL"
    variables = {name: url, "RUNBOOK_TRACE_DELAY_S": "0", **more}
    return Observer(active=True, now=datetime.now(UTC), settings=Settings.from_mapping(variables))


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Iterator[Backend]:
    name: str = request.param
    source, variable = BACKENDS[name]
    if name.startswith("real"):
        url, otlp = os.environ.get(variable or "", ""), os.environ.get("RUNBOOK_TEST_OTLP_URL", "")
        if not url or not otlp:
            pytest.skip(f"{variable} and RUNBOOK_TEST_OTLP_URL are not set: no real server to compare with")
        yield Backend(source, _observer(source, url), otlp, True)
        return
    store = create_store(now=lambda: datetime.now(UTC))
    query = create_tempo_app(store) if source is tempo else create_jaeger_app(store, name.partition("-")[2])
    servers = [_serve(query), _serve(create_otlp_app(store))]
    yield Backend(source, _observer(source, servers[0][1]), servers[1][1], False)
    for server, _ in servers:
        server.should_exit = True


@dataclass
class Request:
    """One made-up request: web calls the gateway, the provider is overloaded."""

    trace_id: str
    request_id: str
    route: str
    at: datetime
    batches: list[dict[str, Any]]

    @property
    def window(self) -> Window:
        return Window(self.at - timedelta(minutes=5), datetime.now(UTC) + timedelta(seconds=1))


def _attribute(key: str, value: Any) -> dict[str, Any]:
    kind = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}[type(value)]
    return {"key": key, "value": {kind: str(value) if type(value) is int else value}}


def _batch(service: str, *spans: dict[str, Any]) -> dict[str, Any]:
    return {
        "resource": {"attributes": [_attribute("service.name", service)]},
        "scopeSpans": [{"scope": {"name": "nexus.test"}, "spans": list(spans)}],
    }


def _request(*, fails: bool = True, marked_ok: bool = False, ago: timedelta = timedelta(seconds=30)) -> Request:
    at = datetime.now(UTC) - ago
    trace_id, spans = "0" + secrets.token_hex(16)[1:], [secrets.token_hex(8) for _ in range(3)]
    request_id = f"abcde-{int(at.timestamp() * 1000)}-{secrets.token_hex(6)}"
    route = f"/api/{secrets.token_hex(4)}"

    def span(number: int, name: str, kind: int, offset_ms: int, **attributes: Any) -> dict[str, Any]:
        start = to_epoch_ns(at) + offset_ms * 1_000_000
        return {
            "traceId": trace_id,
            "spanId": spans[number],
            **({"parentSpanId": spans[number - 1]} if number else {}),
            "name": name,
            "kind": kind,
            "startTimeUnixNano": str(start),
            "endTimeUnixNano": str(start + 50_000_000),
            "attributes": [_attribute(key.replace("__", "."), value) for key, value in attributes.items()],
            "status": {"code": 2, "message": "Overloaded"} if fails else {"code": 1} if marked_ok else {},
        }

    failed = span(
        2, "chat claude-x", 3, 20, gen_ai__provider__name="anthropic", gen_ai__usage__output_tokens=0, ok=False
    )
    failed["events"] = [
        {
            "timeUnixNano": failed["endTimeUnixNano"],
            "name": "exception",
            "attributes": [_attribute("exception.type", "OverloadedError")],
        }
    ]
    status = 502 if fails else 200
    root = span(
        0, f"POST {route}", 2, 0, http__route=route, vercel__request_id=request_id, http__response__status_code=status
    )
    web = _batch("nexus-web", root, span(1, "POST", 3, 10, server__address="gateway.nexuscore.example"))
    return Request(trace_id, request_id, route, at, [web, _batch("nexus-gateway", failed)])


def _by_id(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The spans by their id, each with its resource's attributes in place of the index."""
    return {span["id"]: {**span, "resource": table["resources"][span["resource"]]} for span in table["spans"]}


def test_a_trace_comes_back_as_the_span_table_of_what_was_sent(backend: Backend) -> None:
    request = _request()
    backend.send(*request.batches)
    seen = backend.eventually(lambda: backend.source.trace(request.trace_id, request.window))
    sent = [span for batch in request.batches for span in batch["scopeSpans"][0]["spans"]]
    found = _by_id(seen.value)
    assert {span["spanId"] for span in sent} == set(found)
    root, call, failed = (found[span["spanId"]] for span in sent)
    assert (root["trace"], root["parent"], call["parent"]) == (request.trace_id, "", root["id"])
    assert failed["parent"] == call["id"]
    assert [root["kind"], call["kind"], failed["kind"]] == ["server", "client", "client"]
    assert (failed["status"], failed["message"]) == ("error", "Overloaded")
    assert failed["attributes"] == {"gen_ai.provider.name": "anthropic", "gen_ai.usage.output_tokens": 0, "ok": False}
    assert failed["events"][0]["name"] == "exception"
    assert failed["events"][0]["attributes"]["exception.type"] == "OverloadedError"
    assert root["start_ns"] == to_epoch_ns(request.at)
    assert root["end_ns"] - root["start_ns"] == 50_000_000
    assert (root["resource"]["service.name"], failed["resource"]["service.name"]) == ("nexus-web", "nexus-gateway")
    assert failed["scope"] == "nexus.test"


def test_a_request_is_found_by_its_vercel_id_whether_bare_or_with_its_regions(backend: Backend) -> None:
    request = _request()
    backend.send(*request.batches)
    for written in (request.request_id, f"iad1::fra1::{request.request_id}"):
        seen = backend.eventually(lambda written=written: backend.source.find_request(written, request.window))
        assert [row["trace"] for row in seen.value] == [request.trace_id]
        assert (seen.value[0]["service"], seen.value[0]["name"]) == ("nexus-web", f"POST {request.route}")


def test_failed_traces_are_those_that_failed_alone(backend: Backend) -> None:
    failed, other, fine = _request(), _request(), _request(fails=False)
    for request in (failed, other, fine):
        backend.send(*request.batches)
    backend.eventually(lambda: backend.source.trace(fine.trace_id, fine.window))
    seen = backend.look(backend.source.failed_traces(failed.window))
    found = {span["trace"] for span in seen.value["spans"]}
    assert {failed.trace_id, other.trace_id} <= found
    assert fine.trace_id not in found


def test_what_is_marked_as_ok_neither_hides_what_failed_nor_passes_for_it(backend: Backend) -> None:
    failed, mixed, fine = _request(), _request(), _request(fails=False, marked_ok=True)
    mixed.batches[0]["scopeSpans"][0]["spans"][1]["status"] = {"code": 1}
    for request in (fine, mixed, failed):
        backend.send(*request.batches)
    backend.eventually(lambda: backend.source.trace(failed.trace_id, failed.window))
    seen = backend.look(backend.source.failed_traces(failed.window))
    assert seen.status == Status.ok, seen.why
    found = {span["trace"] for span in seen.value["spans"]}
    assert {failed.trace_id, mixed.trace_id} <= found
    assert fine.trace_id not in found


def test_that_nothing_failed_is_said_of_a_time_in_which_everything_was_marked_as_ok(backend: Backend) -> None:
    fine = _request(fails=False, marked_ok=True, ago=timedelta(hours=5))
    backend.send(*fine.batches)
    hour = Window(fine.at - timedelta(seconds=1), fine.at + timedelta(seconds=1))
    backend.eventually(lambda: backend.source.window_traces(hour))
    assert backend.look(backend.source.failed_traces(hour)).status == Status.empty


def test_requests_like_one_are_those_whose_root_has_its_name(backend: Backend) -> None:
    request, other = _request(), _request()
    for each in (request, other):
        backend.send(*each.batches)
    backend.eventually(lambda: backend.source.trace(other.trace_id, other.window))
    seen = backend.look(backend.source.same_root(f"POST {request.route}", request.window))
    assert [row["trace"] for row in seen.value] == [request.trace_id]


def test_calls_to_providers_come_with_the_server_spans_above_them(backend: Backend) -> None:
    request = _request()
    backend.send(*request.batches)
    backend.eventually(lambda: backend.source.trace(request.trace_id, request.window))
    seen = backend.look(backend.source.llm_calls(request.window))
    mine = sorted((row for row in seen.value if row["trace"] == request.trace_id), key=lambda row: row["start_ns"])
    assert [row["attributes"]["kind"] for row in mine] == ["server", "client"]
    assert mine[1]["attributes"]["gen_ai.provider.name"] == "anthropic"
    assert mine[1]["duration_ms"] == 50


def test_jaeger_finds_a_request_by_a_header_that_was_captured_as_a_list(backend: Backend) -> None:
    if backend.source is not jaeger:
        pytest.skip("TraceQL compares with each value of a list by itself")
    request = _request()
    root = request.batches[0]["scopeSpans"][0]["spans"][0]
    header = {"arrayValue": {"values": [{"stringValue": f"fly-{request.request_id}"}]}}
    root["attributes"] = [{"key": "http.request.header.fly-request-id", "value": header}]
    backend.send(*request.batches)
    backend.eventually(lambda: backend.source.trace(request.trace_id, request.window))
    seen = backend.look(backend.source.find_request(f"fly-{request.request_id}", request.window))
    assert [(row["trace"], row["name"]) for row in seen.value] == [(request.trace_id, f"POST {request.route}")]
    for look in (jaeger.trace(request.trace_id, request.window), jaeger.failed_traces(request.window)):
        (span,) = [each for each in backend.look(look).value["spans"] if each["id"] == root["spanId"]]
        assert span["attributes"] == {"http.request.header.fly-request-id": [f"fly-{request.request_id}"]}


def test_a_window_of_a_route_is_one_table_of_its_whole_traces(backend: Backend) -> None:
    request, other = _request(), _request()
    backend.send(*request.batches)
    backend.send(*other.batches)
    seen = backend.eventually(lambda: backend.source.window_traces(request.window, request.route))
    assert {span["trace"] for span in seen.value["spans"]} == {request.trace_id}
    assert len(seen.value["spans"]) == 3
    both = backend.look(backend.source.traces_of([request.trace_id, other.trace_id], request.window))
    assert (both.status, len(both.value["spans"]), len(both.value["resources"])) == (Status.ok, 6, 2)


def test_what_ended_in_the_second_before_a_window_does_not_lie_in_it(backend: Backend) -> None:
    second = timedelta(seconds=1)
    earlier, later = _request(), _request()
    at = earlier.at.replace(microsecond=0) - 5 * second
    for request, moved in ((earlier, at), (later, at + 0.5 * second)):
        shift_ns = to_epoch_ns(moved) - to_epoch_ns(request.at)
        for span in (span for batch in request.batches for span in batch["scopeSpans"][0]["spans"]):
            for name in ("startTimeUnixNano", "endTimeUnixNano"):
                span[name] = str(int(span[name]) + shift_ns)
        backend.send(*request.batches)
    window = Window(at + 0.3 * second, at + 10 * second)
    backend.eventually(lambda: backend.source.trace(later.trace_id, window))
    seen = backend.look(backend.source.window_traces(window))
    found = {span["trace"] for span in seen.value["spans"]}
    assert later.trace_id in found
    assert earlier.trace_id not in found, "its last span ended at 70 ms, the window begins at 300 ms"


def test_a_window_with_more_traces_than_the_limit_is_partial(backend: Backend) -> None:
    requests = [_request(), _request()]
    for request in requests:
        backend.send(*request.batches)
    backend.eventually(lambda: backend.source.trace(requests[1].trace_id, requests[1].window))
    seen = backend.look(backend.source.window_traces(requests[0].window, limit=1))
    services = backend.look(jaeger.health()).value["services"] if backend.source is jaeger else 1
    # Jaeger is asked for each service by itself, and a real one may hold more of them than were sent here.
    assert seen.status == Status.partial
    assert 1 <= len({span["trace"] for span in seen.value["spans"]}) <= services
    assert "limit" in seen.why
    assert seen.value["whole"], "other traces are missing, no spans of those that came"


def test_traces_that_are_missing_make_the_bulk_partial_and_are_counted(backend: Backend) -> None:
    request = _request()
    backend.send(*request.batches)
    backend.eventually(lambda: backend.source.trace(request.trace_id, request.window))
    seen = backend.look(backend.source.traces_of([request.trace_id, "ab" * 16], request.window))
    assert (seen.status, seen.why) == (Status.partial, "1 of 2 traces are not there")


def test_what_is_not_there_is_not_found_and_what_never_failed_is_empty(backend: Backend) -> None:
    request = _request(fails=False)
    backend.send(*request.batches)
    backend.eventually(lambda: backend.source.trace(request.trace_id, request.window))
    past = Window(request.at - timedelta(hours=2), request.at - timedelta(hours=1))
    assert backend.look(backend.source.trace("ab" * 16, past)).status == Status.not_found
    assert backend.look(backend.source.find_request("nobody-1", past)).status == Status.not_found
    assert backend.look(backend.source.failed_traces(past)).status == Status.empty
    assert backend.look(backend.source.window_traces(past)).status == Status.empty


HOSTILE = ('"} || { true', "a\nb", "\\", '\\"', "日本", "{}", "`", "$(id)", "'", "\x00", "", "x" * 10_000)


def test_a_hostile_request_id_is_searched_for_as_data_and_finds_nothing(backend: Backend) -> None:
    request = _request()
    backend.send(*request.batches)
    backend.eventually(lambda: backend.source.trace(request.trace_id, request.window))
    past = Window(request.at - timedelta(minutes=5), request.at + timedelta(seconds=20))
    for text in HOSTILE:
        seen = backend.look(backend.source.find_request(text, past))
        assert seen.status == Status.not_found, (text, seen.why)


def test_health_says_that_the_backend_may_be_searched(backend: Backend) -> None:
    backend.send(*_request().batches)
    seen = backend.eventually(lambda: backend.source.health())
    assert seen.status == Status.ok
    assert seen.value["services"] >= 2 if backend.source is jaeger else seen.value["may_search"]


@pytest.mark.parametrize("version", ["2.13", "2.18", "2.20", "main"])
def test_a_jaeger_that_was_sent_nothing_is_well_and_empty(version: str) -> None:
    server, url = _serve(create_jaeger_app(create_store(now=lambda: datetime.now(UTC)), version))
    observer, now = _observer(jaeger, url), datetime.now(UTC)
    hour = Window(now - timedelta(hours=1), now)
    health = observer.together(jaeger.health())[0]
    assert (health.status, health.value) == (Status.ok, {"api": "v3", "services": 0})
    looks = (jaeger.window_traces(hour), jaeger.failed_traces(hour))
    assert [seen.status for seen in observer.together(*looks)] == [Status.empty] * 2
    server.should_exit = True
