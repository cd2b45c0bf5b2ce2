"""The store answers as Jaeger does: API v3, the older API v1, and what each version knows."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from runbook_lib.sandbox.store import Access, Store, create_jaeger_app, create_otlp_app, create_store

SAMPLES = Path(__file__).parent.parent / "specs/jaeger"
V3 = "jaeger/api_v3-openapi-subset.json"
V1 = "jaeger/v1-http-handwritten.openapi.json"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AT_S = 1795396000
AT = datetime.fromtimestamp(AT_S, UTC)
WINDOW = {"query.start_time_min": "2026-11-23T01:00:00Z", "query.start_time_max": "2026-11-23T02:00:00.123456789Z"}
CAMEL = {"query.startTimeMin": WINDOW["query.start_time_min"], "query.startTimeMax": WINDOW["query.start_time_max"]}


def sample(name: str) -> Any:
    return json.loads((SAMPLES / name).read_text())


def one(trace_id: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """An OTLP/JSON export of one span that began `at_s` (default: at the incident) and took 2 s."""
    at_ns = int(fields.pop("at_s", AT_S) * 10**9)
    service = fields.pop("service", "svc")
    scope = fields.pop("scope", {})
    span = {
        "traceId": trace_id.rjust(32, "0"),
        "spanId": f"{number:016x}",
        "name": f"op{number}",
        "startTimeUnixNano": str(at_ns),
        "endTimeUnixNano": str(at_ns + 2 * 10**9),
        **fields,
    }
    attributes = [{"key": "service.name", "value": {"stringValue": service}}] if service else []
    return {
        "resourceSpans": [{"resource": {"attributes": attributes}, "scopeSpans": [{"scope": scope, "spans": [span]}]}]
    }


def text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


@pytest.fixture
def store() -> Store:
    return create_store(now=lambda: AT + timedelta(minutes=5))


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
    feed(sample("sample-apiv3-trace-scenario.json")["result"])


@pytest.fixture
def jaeger(store, in_process) -> httpx.Client:
    """Version 2.20: it has everything."""
    return in_process(create_jaeger_app(store))


@pytest.fixture
def of_version(store, in_process) -> Callable[..., httpx.Client]:
    def make(version: str, **options: Any) -> httpx.Client:
        return in_process(create_jaeger_app(store, version, **options))

    return make


def error(answer: httpx.Response) -> tuple[int, str]:
    """The status and the message of a v3 refusal, whose body says the status again."""
    body = json.loads(answer.text)
    assert body["error"]["httpCode"] == answer.status_code
    return answer.status_code, body["error"]["message"]


def found(answer: httpx.Response) -> list[str]:
    """Trace ids in a v3 answer, without leading zeros."""
    assert answer.status_code in (200, 404), answer.text
    groups = answer.json()["result"]["resourceSpans"] if answer.status_code == 200 else []
    return list(dict.fromkeys(s["traceId"].lstrip("0") for g in groups for c in g["scopeSpans"] for s in c["spans"]))


# --- v3 ---


@pytest.mark.usefixtures("incident")
def test_a_trace_by_id_is_the_sample(jaeger):
    for text_id in (TRACE, TRACE.upper()):
        assert jaeger.get(f"/api/v3/traces/{text_id}").json() == sample("sample-apiv3-trace-scenario.json")


def test_the_official_snapshots_are_reproduced(in_process):
    store = create_store(now=lambda: datetime.fromtimestamp(2000, UTC))
    otlp, jaeger = in_process(create_otlp_app(store)), in_process(create_jaeger_app(store))
    snapshot = sample("sample-apiv3-FindTraces.json")
    assert otlp.post("/v1/traces", json=snapshot["result"]).status_code == 200
    # The snapshot was taken behind the collector, which gives a name to what has none.
    snapshot["result"]["resourceSpans"][0]["resource"] = {"attributes": [text("service.name", "missing-service-name")]}
    assert jaeger.get("/api/v3/traces/1").json() == snapshot

    store.forget()
    times = {"endTimeUnixNano": str(1001 * 10**9)}
    otlp.post("/v1/traces", json=one("1", 1, service="frontend", name="HTTP GET /", at_s=1000, **times))
    child = {"parentSpanId": f"{1:016x}", "status": {"code": 2}, **times}
    otlp.post("/v1/traces", json=one("1", 2, service="frontend", at_s=1000, **child))
    window = {"query.start_time_min": "1970-01-01T00:00:00Z", "query.start_time_max": "1970-01-01T01:00:00Z"}
    answer = jaeger.get("/api/v3/trace-summaries", params=window)
    assert answer.json() == sample("sample-apiv3-FindTraceSummaries.json")

    store.forget()
    otlp.post("/v1/traces", json=one("1", service="foo", name="get_users", kind=2, at_s=1000))
    assert jaeger.get("/api/v3/services").json() == sample("sample-apiv3-GetServices.json")
    assert jaeger.get("/api/v3/operations?service=foo").json() == sample("sample-apiv3-GetOperations.json")


@pytest.mark.usefixtures("incident")
@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("/api/v3/services", "/api/v3/services", {}),
        ("/api/v3/operations", "/api/v3/operations", {"service": "nexus-web"}),
        ("/api/v3/trace-summaries", "/api/v3/trace-summaries", WINDOW),
        (
            "/api/v3/dependencies",
            "/api/v3/dependencies",
            {"startTime": "2026-11-23T01:00:00Z", "endTime": "2026-11-23T02:00:00Z"},
        ),
    ],
)
def test_v3_answers_are_what_the_specification_promises(jaeger, promised, template, path, params):
    promised(V3, "GET", template, jaeger.get(path, params=params))


@pytest.mark.usefixtures("incident")
def test_traces_are_wrapped_in_result_and_otherwise_as_specified(jaeger, shaped):
    for answer in (jaeger.get(f"/api/v3/traces/{TRACE}"), jaeger.get("/api/v3/traces", params=WINDOW)):
        document = answer.json()
        assert set(document) == {"result"}
        shaped(V3, "opentelemetry.proto.trace.v1.TracesData", document["result"])


@pytest.mark.usefixtures("incident")
def test_no_hit_is_404_no_traces_found(jaeger):
    for answer in (
        jaeger.get("/api/v3/traces/abc"),
        jaeger.get("/api/v3/traces", params={**WINDOW, "query.service_name": "nothing"}),
    ):
        assert error(answer) == (404, "No traces found")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_empty_lists_are_still_lists(jaeger):
    assert jaeger.get("/api/v3/services").json() == {"services": []}
    assert jaeger.get("/api/v3/operations?service=x").json() == {"operations": []}


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "query.startTimeMin and query.startTimeMax are required"),
        ({"query.startTimeMin": "2026-11-23T01:00:00Z"}, "query.startTimeMin and query.startTimeMax are required"),
        ({**WINDOW, "query.start_time_min": "yesterday"}, "malformed parameter query.start_time_min: parsing time"),
        ({**WINDOW, "query.start_time_min": "2026-11-23 01:00:00Z"}, "malformed parameter query.start_time_min"),
        ({**WINDOW, "query.start_time_min": "2026-13-23T01:00:00Z"}, "malformed parameter query.start_time_min"),
        ({**CAMEL, "query.startTimeMax": CAMEL["query.startTimeMin"]}, "query.startTimeMin must be before"),
        ({**WINDOW, "query.duration_min": "5"}, "malformed parameter query.duration_min: time: missing unit"),
        ({**WINDOW, "query.num_traces": "x"}, 'malformed parameter query.num_traces: strconv.Atoi: parsing "x"'),
        ({**WINDOW, "query.searchDepth": "0"}, "malformed parameter query.searchDepth"),
        ({**WINDOW, "query.attributes": "{"}, "malformed parameter query.attributes"),
        ({**WINDOW, "query.attributes": '{"a": 1}'}, "malformed parameter query.attributes"),
    ],
)
def test_a_bad_v3_search_is_refused(jaeger, params, why):
    for path in ("/api/v3/traces", "/api/v3/trace-summaries"):
        status, message = error(jaeger.get(path, params=params))
        assert status == 400
        assert message.startswith(why)


@pytest.mark.parametrize("text_id", ["xyz", "0" * 33, "-1"])
def test_a_bad_trace_id_is_refused(jaeger, text_id):
    status, message = error(jaeger.get(f"/api/v3/traces/{text_id}"))
    assert status == 400
    assert message.startswith("malformed parameter trace_id: ")
    assert jaeger.get(f"/api/traces/{text_id}").status_code == 400


def test_old_versions_know_snake_case_only(of_version, feed):
    feed(one("1"))
    old = of_version("2.18")
    assert found(old.get("/api/v3/traces", params=WINDOW)) == ["1"]
    assert error(old.get("/api/v3/traces", params=CAMEL)) == (
        400,
        "query.start_time_min and query.start_time_max are required",
    )
    assert old.get("/api/v3/trace-summaries", params=WINDOW).status_code == 404
    for version in ("2.19", "v2.20.0", "main"):
        assert found(of_version(version).get("/api/v3/traces", params=CAMEL)) == ["1"]
        assert found(of_version(version).get("/api/v3/traces", params=WINDOW)) == ["1"]


def test_old_versions_ignore_attributes_and_so_answer_with_too_much(of_version, feed):
    feed(one("1", attributes=[text("a", "x")]))
    feed(one("2", attributes=[text("a", "y")]))
    params = {**WINDOW, "query.attributes": '{"a":"x"}'}
    assert found(of_version("2.19").get("/api/v3/traces", params=params)) == ["1"]
    assert len(found(of_version("2.18").get("/api/v3/traces", params=params))) == 2


OLDEST = "2.13"


def test_2_13_lists_no_services_by_leaving_them_out(of_version):
    oldest = of_version(OLDEST)
    assert oldest.get("/api/v3/services").json() == {}
    assert oldest.get("/api/v3/operations?service=x").json() == {"operations": []}


def test_2_13_knows_no_kind_where_later_versions_say_internal(of_version, feed):
    feed(one("1", name="a"))
    assert of_version(OLDEST).get("/api/v3/operations?service=svc").json() == {"operations": [{"name": "a"}]}


def test_2_13_searches_only_as_deep_as_it_is_told_under_the_old_name(of_version, feed):
    feed(one("1"))
    oldest = of_version(OLDEST)
    why = "search depth must be greater than 0 and less than max traces"
    for query in ({}, {"query.search_depth": 5}, {"query.num_traces": 0}, {"query.num_traces": -1}):
        assert error(oldest.get("/api/v3/traces", params={**WINDOW, **query})) == (500, why)
    assert found(oldest.get("/api/v3/traces", params={**WINDOW, "query.num_traces": 5})) == ["1"]
    assert oldest.get("/api/traces?service=svc&limit=0").status_code == 500
    assert oldest.get("/api/traces?service=svc&start=9&end=1").json()["data"] == []


def test_2_13_answers_with_its_page_where_it_has_no_route(of_version):
    oldest = of_version(OLDEST)
    for path in ("/api/nonsense", "/api/v3/trace-summaries", "/api/v3/dependencies"):
        assert oldest.get(path).headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize("asked", ["true", "false", "maybe"])
def test_2_13_takes_a_search_for_errors_for_one_for_what_is_marked_as_ok(of_version, feed, asked):
    for trace_id, code in (("1", 0), ("2", 1), ("3", 2)):
        feed(one(trace_id, status={"code": code}))
    answer = of_version(OLDEST).get("/api/traces", params={"service": "svc", "tags": json.dumps({"error": asked})})
    assert [trace["traceID"].lstrip("0") for trace in answer.json()["data"]] == ["2"]


@pytest.mark.usefixtures("rich")
@pytest.mark.parametrize(
    "key", ["link.key", "span.kind", "otel.status_code", "otel.scope.name", "resource.service.name"]
)
def test_2_13_finds_by_attributes_only(of_version, key):
    value = {"link.key": "l", "span.kind": "server", "otel.status_code": "ERROR", "otel.scope.name": "lib"}.get(
        key, "svc"
    )
    params = {"service": "svc", "tags": json.dumps({key: value})}
    assert of_version(OLDEST).get("/api/traces", params=params).json()["data"] == []
    params = {"service": "svc", "tags": json.dumps({"event.key": "e", "scope.key": "s", "service.name": "svc"})}
    assert len(of_version(OLDEST).get("/api/traces", params=params).json()["data"]) == 1


def test_main_refuses_the_filter_it_does_not_admit(of_version):
    status, message = error(of_version("main").get("/api/v3/traces", params={**CAMEL, "query.filter": "{}"}))
    assert status == 400
    assert "query.filter" in message


def test_a_search_by_service_operation_duration_and_time(jaeger, feed):
    feed(one("1", service="web", name="a"))
    feed(one("2", service="api", name="a", endTimeUnixNano=str((AT_S + 9) * 10**9)))
    feed(one("3", service="api", name="b", at_s=AT_S + 0.5))

    def ids(**query: str) -> list[str]:
        return sorted(found(jaeger.get("/api/v3/traces", params=WINDOW | {f"query.{k}": v for k, v in query.items()})))

    assert ids() == ["1", "2", "3"]
    assert ids(service_name="api") == ["2", "3"]
    assert ids(service_name="api", operation_name="a") == ["2"]
    assert ids(duration_min="3s") == ["2"]
    assert ids(duration_max="2s") == ["1", "3"]
    assert ids(start_time_min="2026-11-23T01:06:40.000000001Z") == ["3"]
    assert ids(start_time_max="2026-11-23T01:06:40.499999999Z") == ["1", "2"]
    assert ids(start_time_min="2026-11-23T02:06:40.5+01:00") == ["3"]
    assert ids(start_time_max="2026-11-23T01:06:40.5Z") == ["1", "2", "3"]


def test_one_span_must_satisfy_every_condition(jaeger, feed):
    feed(one("1", 1, service="web", attributes=[text("a", "x")]))
    feed(one("1", 2, service="api"))
    params = {**WINDOW, "query.service_name": "api", "query.attributes": '{"a":"x"}'}
    assert found(jaeger.get("/api/v3/traces", params=params)) == []


ATTRIBUTES = [
    ({"a": "x"}, True),
    ({"a": "y"}, False),
    ({"number": "7"}, True),
    ({"half": "0.5"}, True),
    ({"whole": "3"}, True),
    ({"flag": "true"}, True),
    ({"list": '["p",1]'}, True),
    ({"service.name": "svc"}, True),
    ({"resource.service.name": "svc"}, True),
    ({"resource.a": "x"}, False),
    ({"event.key": "e"}, True),
    ({"scope.key": "s"}, True),
    ({"link.key": "l"}, True),
    ({"error": "true"}, True),
    ({"error": "false"}, False),
    ({"error": "maybe"}, False),
    ({"span.kind": "server"}, True),
    ({"span.kind": "client"}, False),
    ({"otel.status_code": "ERROR"}, True),
    ({"otel.scope.name": "lib"}, True),
    ({"scope.version": "1"}, True),
    ({"a": "x", "number": "8"}, False),
]


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


@pytest.mark.usefixtures("rich")
@pytest.mark.parametrize(("attributes", "hit"), ATTRIBUTES)
def test_attributes_match_as_texts_wherever_they_are(jaeger, attributes, hit):
    v3 = jaeger.get("/api/v3/traces", params={**WINDOW, "query.attributes": json.dumps(attributes)})
    assert found(v3) == (["1"] if hit else [])
    v1 = jaeger.get("/api/traces", params={"service": "svc", "tags": json.dumps(attributes)})
    assert len(v1.json()["data"]) == hit


def test_the_newest_traces_come_first_up_to_the_limit(jaeger, feed):
    for number in range(1, 6):
        feed(one(f"{number}", at_s=AT_S + number))
    for name in ("num_traces", "search_depth", "searchDepth"):
        answer = jaeger.get("/api/v3/traces", params={**WINDOW, f"query.{name}": 2})
        assert found(answer) == ["5", "4"]
    assert len(jaeger.get("/api/traces", params={"service": "svc", "limit": 3}).json()["data"]) == 3


def test_operations_have_kinds_and_can_be_asked_by_kind(jaeger, feed):
    feed(one("1", 1, name="b", kind=2))
    feed(one("1", 2, name="a"))
    everything = jaeger.get("/api/v3/operations?service=svc").json()["operations"]
    assert everything == [{"name": "a", "spanKind": "internal"}, {"name": "b", "spanKind": "server"}]
    for name in ("span_kind", "spanKind"):
        only = jaeger.get("/api/v3/operations", params={"service": "svc", name: "server"}).json()["operations"]
        assert only == [{"name": "b", "spanKind": "server"}]


def test_a_summary_counts_orphans(jaeger, feed):
    feed(one("1", 1, parentSpanId="00000000000000ee"))
    (summary,) = jaeger.get("/api/v3/trace-summaries", params=CAMEL).json()["summaries"]
    assert summary["orphanSpanCount"] == 1
    assert "rootServiceName" not in summary
    assert "errorSpanCount" not in summary


# --- v1 ---


def test_the_official_translation_sample_is_reproduced(jaeger):
    answer = jaeger.post("/api/transform", content=(SAMPLES / "sample-otlp2jaeger-in.json").read_bytes())
    assert answer.json() == sample("sample-otlp2jaeger-out.json")


def test_a_bad_document_is_not_translated(jaeger):
    answer = jaeger.post("/api/transform", content=b"{")
    assert answer.status_code == 400
    assert json.loads(answer.text)["errors"][0]["code"] == 400


@pytest.mark.usefixtures("incident")
def test_a_v1_trace_is_the_sample(jaeger):
    got = jaeger.get(f"/api/traces/{TRACE}").json()
    for span in got["data"][0]["spans"]:
        # The hand-written sample leaves out the scope's tags, which the official one has.
        assert [tag["key"] for tag in span["tags"][:2]] == ["otel.scope.name", "otel.scope.version"]
        del span["tags"][:2]
    assert got == sample("sample-v1-trace-scenario.json")


@pytest.mark.usefixtures("incident")
@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/api/traces", "/api/traces?service=nexus-web"),
        ("/api/traces/{traceID}", f"/api/traces/{TRACE}"),
        ("/api/services", "/api/services"),
        ("/api/operations", "/api/operations?service=nexus-web"),
        ("/api/services/{service}/operations", "/api/services/nexus-web/operations"),
        ("/api/dependencies", "/api/dependencies"),
        ("/api/metrics/calls", "/api/metrics/calls?service=nexus-web"),
        ("/api/metrics/latencies", "/api/metrics/latencies?service=nexus-web&quantile=0.95"),
    ],
)
def test_v1_answers_are_what_the_specification_promises(of_version, promised, template, path):
    promised(V1, "GET", template, of_version("2.20", metrics=True).get(path))


@pytest.mark.usefixtures("incident")
def test_v1_lists_services_and_operations(jaeger):
    assert jaeger.get("/api/services").json() == {
        "data": ["nexus-gateway", "nexus-web"],
        "total": 2,
        "limit": 0,
        "offset": 0,
        "errors": None,
    }
    operations = jaeger.get("/api/operations", params={"service": "nexus-web", "spanKind": "client"}).json()
    assert operations["data"] == [{"name": "POST", "spanKind": "client"}]
    assert jaeger.get("/api/services/nexus-web/operations").json()["data"] == ["POST", "POST /api/chat"]


def test_v1_has_null_for_no_services(jaeger):
    assert jaeger.get("/api/services").json()["data"] is None


def test_v1_searches_in_microseconds(jaeger, feed):
    feed(one("1"))
    feed(one("2", at_s=AT_S + 1))

    def ids(**params: Any) -> list[str]:
        answer = jaeger.get("/api/traces", params={"service": "svc", **params})
        return [trace["traceID"].lstrip("0") for trace in answer.json()["data"]]

    at_us = AT_S * 10**6
    assert ids() == ["2", "1"]
    assert ids(start=at_us, end=at_us) == ["1"]
    assert ids(start=at_us + 1) == ["2"]
    assert ids(minDuration="3s") == []
    assert ids(operation="op1", maxDuration="2s") == ["2", "1"]
    assert ids(tag="a:b") == []


def test_v1_looks_back_two_days_by_default(jaeger, feed):
    feed(one("1", at_s=AT_S - 47 * 3600))
    feed(one("2", at_s=AT_S - 49 * 3600))
    data = jaeger.get("/api/traces?service=svc").json()["data"]
    assert [trace["traceID"].lstrip("0") for trace in data] == ["1"]


def test_v1_finds_traces_by_several_ids_and_names_the_missing(jaeger, feed):
    feed(one("a1"))
    got = jaeger.get("/api/traces", params={"traceID": ["a1", "b2"]}).json()
    assert [trace["traceID"].lstrip("0") for trace in got["data"]] == ["a1"]
    assert got["errors"] == [{"msg": "trace not found", "traceID": "b2".rjust(16, "0")}]


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/api/traces", 400, "parameter 'service' is required"),
        ("/api/traces?service=s&start=x", 400, "unable to parse param 'start': strconv.ParseInt: parsing \"x\""),
        ("/api/traces?service=s&limit=0", 400, "invalid parameter: limit must be greater than 0"),
        ("/api/traces?service=s&start=9&end=1", 400, "invalid parameter: start time must be before end time"),
        ("/api/traces?service=s&minDuration=5", 400, "unable to parse param 'minDuration': time: missing unit"),
        ("/api/traces?service=s&minDuration=5s&maxDuration=1s", 400, "'maxDuration' should be greater"),
        ("/api/traces?service=s&tags=x", 400, "malformed 'tags' parameter, cannot unmarshal JSON"),
        ('/api/traces?service=s&tags={"a":1}', 400, "malformed 'tags' parameter, cannot unmarshal JSON"),
        ("/api/traces?service=s&tag=x", 400, "malformed 'tag' parameter, expecting key:value, received: x"),
        ("/api/traces?traceID=zz", 400, "cannot parse traceID param"),
        ("/api/traces/abc", 404, "trace not found"),
        ("/api/operations", 400, "parameter 'service' is required"),
        ("/api/metrics/calls", 400, "unable to parse param 'service'"),
        ("/api/metrics/calls?service=s&spanKind=x", 400, "unable to parse param 'spanKind'"),
        ("/api/metrics/calls?service=s&step=0", 501, "metrics querying is currently disabled"),
        ("/api/traces?service=s&raw=maybe", 400, "unable to parse param 'raw': strconv.ParseBool"),
        ("/api/metrics/latencies?service=s", 400, "unable to parse param 'quantile'"),
        ("/api/metrics/calls?service=s", 501, "metrics querying is currently disabled"),
    ],
)
def test_v1_refuses_in_its_own_form(jaeger, path, status, why):
    answer = jaeger.get(path)
    document = json.loads(answer.text)
    assert answer.status_code == status
    assert document["data"] is None
    assert document["errors"][0]["code"] == status
    assert document["errors"][0]["msg"].startswith(why)


@pytest.mark.usefixtures("incident")
def test_main_has_lost_the_v1_search_but_not_the_trace(of_version):
    main = of_version("main")
    for path in (
        "/api/traces?service=nexus-web",
        "/api/services",
        "/api/operations?service=x",
        "/api/services/x/operations",
    ):
        assert (main.get(path).status_code, main.get(path).text) == (404, "404 page not found\n")
    assert main.get(f"/api/traces/{TRACE}").status_code == 200
    assert main.get("/api/dependencies").status_code == 200


@pytest.mark.usefixtures("incident")
def test_dependencies_count_calls_between_services(jaeger):
    between = {"parent": "nexus-web", "child": "nexus-gateway", "callCount": 1}
    assert between in jaeger.get("/api/dependencies").json()["data"]
    assert between in jaeger.get("/api/dependencies?service=nexus-web").json()["data"]
    assert jaeger.get("/api/dependencies?service=other").json()["data"] == []
    assert jaeger.get("/api/dependencies?lookback=1").json()["data"] == []


def test_a_span_without_a_service_a_link_and_odd_values_are_translated(jaeger, feed):
    feed(
        one(
            "1",
            service="",
            traceState="k=v",
            status={"code": 1},
            attributes=[
                {"key": "raw", "value": {"bytesValue": "AAE="}},
                {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}]}}},
                {"key": "half", "value": {"doubleValue": 0.5}},
            ],
            events=[{"name": "retry", "timeUnixNano": "5000", "attributes": [text("event", "no"), text("n", "1")]}],
            links=[
                {"traceId": "ab" * 16, "spanId": "cd" * 8},
                {"traceId": "ef" * 16, "spanId": "cd" * 8, "attributes": [text("opentracing.ref_type", "child_of")]},
            ],
        )
    )
    (trace,) = jaeger.get("/api/traces/1").json()["data"]
    assert trace["processes"] == {"p1": {"serviceName": "missing-service-name", "tags": []}}
    (span,) = trace["spans"]
    assert [r["refType"] for r in span["references"]] == ["FOLLOWS_FROM", "CHILD_OF"]
    (log,) = span["logs"]
    assert (log["timestamp"], [(f["key"], f["value"]) for f in log["fields"]]) == (5, [("event", "no"), ("n", "1")])
    assert [(t["key"], t["type"], t["value"]) for t in span["tags"]] == [
        ("raw", "binary", "AAE="),
        ("list", "string", "[1]"),
        ("half", "float64", 0.5),
        ("otel.status_code", "string", "OK"),
        ("w3c.tracestate", "string", "k=v"),
    ]


# --- service performance metrics ---


@pytest.fixture
def spm(of_version, feed) -> httpx.Client:
    """60 server calls of svc a minute apart in pairs, every third failed, the n-th taking n × 10 ms."""
    for number in range(60):
        at_s = AT_S - 600 + number * 10
        end = {"endTimeUnixNano": str(at_s * 10**9 + number * 10_000_000)}
        status = {"status": {"code": 2 if number % 3 == 0 else 0}}
        feed(one(f"{number + 1:x}", name=f"op{number % 2}", kind=2, at_s=at_s, **end, **status))
    feed(one("fff", name="call", kind=3))
    return of_version("2.20", metrics=True)


WHOLE = {"service": "svc", "endTs": AT_S * 1000, "lookback": 0, "ratePer": 700_000}


def value(metric: dict[str, Any]) -> float:
    (point,) = metric["metricPoints"]
    return point["gaugeValue"]["doubleValue"]


def test_spm_errors_have_the_shape_of_the_sample(spm):
    wanted = sample("sample-spm-metrics.json")
    got = spm.get("/api/metrics/errors", params=WHOLE).json()
    assert {key: got[key] for key in ("name", "type", "help")} == {key: wanted[key] for key in ("name", "type", "help")}
    (metric,) = got["metrics"]
    assert metric["labels"] == [{"name": "service_name", "value": "svc"}]
    assert metric["metricPoints"][0]["timestamp"] == wanted["metrics"][0]["metricPoints"][0]["timestamp"]
    assert value(metric) == pytest.approx(20 / 60)


def test_spm_counts_calls_a_second_by_operation_and_kind(spm):
    (metric,) = spm.get("/api/metrics/calls", params=WHOLE).json()["metrics"]
    assert value(metric) == pytest.approx(60 / 700)
    by = {**WHOLE, "groupByOperation": "true"}
    grouped = spm.get("/api/metrics/calls", params=by).json()
    assert grouped["name"] == "service_operation_call_rate"
    assert [m["labels"][0]["value"] for m in grouped["metrics"]] == ["op0", "op1"]
    both = spm.get("/api/metrics/calls", params={**by, "spanKind": ["server", "client"]}).json()
    assert [m["labels"][0]["value"] for m in both["metrics"]] == ["call", "op0", "op1"]


def test_an_spm_point_covers_only_the_time_before_it(spm):
    params = {**WHOLE, "lookback": 300_000, "step": 60_000, "ratePer": 60_000}
    (metric,) = spm.get("/api/metrics/calls", params=params).json()["metrics"]
    rates = [point["gaugeValue"]["doubleValue"] for point in metric["metricPoints"]]
    assert rates == [pytest.approx(6 / 60)] * 6


def test_spm_tells_its_shortest_step_and_takes_none_of_zero(spm, jaeger):
    assert spm.get("/api/metrics/minstep").json()["data"] == 1
    assert spm.get("/api/metrics/calls?service=svc&step=0").status_code == 500
    assert jaeger.get("/api/metrics/minstep").status_code == 501


def test_spm_latencies_are_quantiles_in_milliseconds(spm):
    (metric,) = spm.get("/api/metrics/latencies", params={**WHOLE, "quantile": 0.5}).json()["metrics"]
    assert value(metric) == pytest.approx(290)


def test_spm_has_a_point_for_each_step_and_nan_where_nothing_was_called(spm):
    params = {**WHOLE, "lookback": 3_600_000, "step": 600_000, "ratePer": 600_000}
    (metric,) = spm.get("/api/metrics/errors", params=params).json()["metrics"]
    values = [point["gaugeValue"]["doubleValue"] for point in metric["metricPoints"]]
    assert values[:-2] == ["NaN"] * 5
    assert values[-1] == pytest.approx(1 / 3, abs=0.02)


# --- the rest ---


@pytest.mark.usefixtures("incident")
def test_a_base_path_holds_for_every_route(of_version):
    based = of_version("2.20", base_path="/jaeger/")
    for path in (f"/api/v3/traces/{TRACE}", f"/api/traces/{TRACE}", "/api/v3/services", "/"):
        assert based.get(f"/jaeger{path}").status_code == 200
    assert based.get(f"/api/v3/traces/{TRACE}").status_code == 404


def test_everything_else_is_the_user_interface_but_not_under_api(jaeger):
    page = jaeger.get("/search")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert jaeger.get("/api/nonsense").status_code == 404


def test_a_token_is_asked_for_when_one_is_set(store, jaeger):
    store.jaeger_access = Access(bearer="t0ken")
    assert jaeger.get("/api/v3/services").status_code == 401
    assert jaeger.get("/api/services").status_code == 401
    headers = {"authorization": "Bearer t0ken"}
    assert jaeger.get("/api/v3/services", headers=headers).status_code == 200
