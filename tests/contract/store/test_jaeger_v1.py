"""The store answers as Jaeger does in the API that its user interface used up to 2.20."""

import json
from typing import Any

import orjson
import pytest
from support.span_exports import AT_S, SPECS, TRACE, one, sample, text

from runbook_lib.sandbox.store.decode import decode_json
from runbook_lib.sandbox.store.jaeger_model import ui_trace

V1 = "jaeger/v1-http-handwritten.openapi.json"


def test_the_official_translation_sample_is_reproduced():
    spans = decode_json((SPECS / "jaeger/sample-otlp2jaeger-in.json").read_bytes())
    translated = orjson.loads(orjson.dumps(ui_trace(spans[0].trace_id, spans)))
    assert [translated] == sample("jaeger/sample-otlp2jaeger-out.json")["data"]


@pytest.mark.usefixtures("incident")
def test_a_v1_trace_is_the_sample(jaeger):
    got = jaeger.get(f"/api/traces/{TRACE}").json()
    for span in got["data"][0]["spans"]:
        # The hand-written sample leaves out the scope's tags, which the official one has.
        assert [tag["key"] for tag in span["tags"][:2]] == ["otel.scope.name", "otel.scope.version"]
        del span["tags"][:2]
    assert got == sample("jaeger/sample-v1-trace-scenario.json")


@pytest.mark.usefixtures("incident")
@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("/api/traces", "/api/traces?service=nexus-web"),
        ("/api/traces/{traceID}", f"/api/traces/{TRACE}"),
        ("/api/services", "/api/services"),
        ("/api/metrics/calls", "/api/metrics/calls?service=nexus-web"),
        ("/api/metrics/latencies", "/api/metrics/latencies?service=nexus-web&quantile=0.95"),
    ],
)
def test_v1_answers_are_what_the_specification_promises(store, jaeger, promised, template, path):
    store.has_monitor = True
    promised(V1, "GET", template, jaeger.get(path))


@pytest.mark.usefixtures("incident")
def test_v1_lists_services(jaeger):
    assert jaeger.get("/api/services").json() == {
        "data": ["nexus-gateway", "nexus-web"],
        "total": 2,
        "limit": 0,
        "offset": 0,
        "errors": None,
    }


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
    assert ids(operation="op1") == ["2", "1"]
    assert ids(tags='{"a":"b"}') == []


def test_v1_looks_back_two_days_by_default(jaeger, feed):
    feed(one("1", at_s=AT_S - 47 * 3600))
    feed(one("2", at_s=AT_S - 49 * 3600))
    data = jaeger.get("/api/traces?service=svc").json()["data"]
    assert [trace["traceID"].lstrip("0") for trace in data] == ["1"]


@pytest.mark.parametrize(
    ("path", "status", "why"),
    [
        ("/api/traces", 400, "parameter 'service' is required"),
        ("/api/traces?service=s&start=x", 400, "unable to parse param 'start': strconv.ParseInt: parsing \"x\""),
        ("/api/traces?service=s&limit=0", 400, "invalid parameter: limit must be greater than 0"),
        ("/api/traces?service=s&start=9&end=1", 400, "invalid parameter: start time must be before end time"),
        ("/api/traces?service=s&tags=x", 400, "malformed 'tags' parameter, cannot unmarshal JSON"),
        ('/api/traces?service=s&tags={"a":1}', 400, "malformed 'tags' parameter, cannot unmarshal JSON"),
        ("/api/traces/abc", 404, "trace not found"),
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
    for path in ("/api/traces?service=nexus-web", "/api/services"):
        assert (main.get(path).status_code, main.get(path).text) == (404, "404 page not found\n")
    assert main.get(f"/api/traces/{TRACE}").status_code == 200


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
