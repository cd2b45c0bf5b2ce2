"""The store answers as Jaeger does in API v3, and as each version does."""

import json
from datetime import UTC, datetime

import httpx
import pytest
from support.span_exports import AT_S, TRACE, one, sample, text

from runbook_lib.sandbox.store import Access, create_jaeger_app, create_otlp_app, create_store

V3 = "jaeger/api_v3-openapi-subset.json"


WINDOW = {"query.start_time_min": "2026-11-23T01:00:00Z", "query.start_time_max": "2026-11-23T02:00:00.123456789Z"}


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


@pytest.mark.usefixtures("incident")
def test_a_trace_by_id_is_the_sample(jaeger):
    for text_id in (TRACE, TRACE.upper()):
        assert jaeger.get(f"/api/v3/traces/{text_id}").json() == sample("jaeger/sample-apiv3-trace-scenario.json")


def test_the_official_snapshots_are_reproduced(in_process):
    store = create_store(now=lambda: datetime.fromtimestamp(2000, UTC))
    otlp, jaeger = in_process(create_otlp_app(store)), in_process(create_jaeger_app(store))
    snapshot = sample("jaeger/sample-apiv3-FindTraces.json")
    assert otlp.post("/v1/traces", json=snapshot["result"]).status_code == 200
    # The snapshot was taken behind the collector, which gives a name to what has none.
    snapshot["result"]["resourceSpans"][0]["resource"] = {"attributes": [text("service.name", "missing-service-name")]}
    assert jaeger.get("/api/v3/traces/1").json() == snapshot

    store.forget()
    otlp.post("/v1/traces", json=one("1", service="foo", name="get_users", kind=2, at_s=1000))
    assert jaeger.get("/api/v3/services").json() == sample("jaeger/sample-apiv3-GetServices.json")


@pytest.mark.usefixtures("incident")
def test_v3_services_are_what_the_specification_promises(jaeger, promised):
    promised(V3, "GET", "/api/v3/services", jaeger.get("/api/v3/services"))


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


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({}, "query.startTimeMin and query.startTimeMax are required"),
        ({"query.start_time_min": WINDOW["query.start_time_min"]}, "query.startTimeMin and query.startTimeMax are"),
        ({**WINDOW, "query.start_time_min": "yesterday"}, "malformed parameter query.start_time_min: parsing time"),
        ({**WINDOW, "query.start_time_min": "2026-11-23 01:00:00Z"}, "malformed parameter query.start_time_min"),
        ({**WINDOW, "query.start_time_min": "2026-13-23T01:00:00Z"}, "malformed parameter query.start_time_min"),
        ({**WINDOW, "query.start_time_max": WINDOW["query.start_time_min"]}, "query.startTimeMin must be before"),
        ({**WINDOW, "query.num_traces": "x"}, 'malformed parameter query.num_traces: strconv.Atoi: parsing "x"'),
        ({**WINDOW, "query.search_depth": "0"}, "malformed parameter query.search_depth"),
        ({**WINDOW, "query.attributes": "{"}, "malformed parameter query.attributes"),
        ({**WINDOW, "query.attributes": '{"a": 1}'}, "malformed parameter query.attributes"),
    ],
)
def test_a_bad_v3_search_is_refused(jaeger, params, why):
    status, message = error(jaeger.get("/api/v3/traces", params=params))
    assert status == 400
    assert message.startswith(why)


def test_before_2_19_a_refusal_names_the_parameters_in_snake_case(of_version):
    why = "query.start_time_min and query.start_time_max are required"
    assert error(of_version("2.18").get("/api/v3/traces")) == (400, why)


@pytest.mark.parametrize("text_id", ["xyz", "0" * 33, "-1"])
def test_a_bad_trace_id_is_refused(jaeger, text_id):
    status, message = error(jaeger.get(f"/api/v3/traces/{text_id}"))
    assert status == 400
    assert message.startswith("malformed parameter trace_id: ")
    assert jaeger.get(f"/api/traces/{text_id}").status_code == 400


def test_old_versions_ignore_attributes_and_so_answer_with_too_much(of_version, feed):
    feed(one("1", attributes=[text("a", "x")]))
    feed(one("2", attributes=[text("a", "y")]))
    params = {**WINDOW, "query.attributes": '{"a":"x"}'}
    assert found(of_version("2.19").get("/api/v3/traces", params=params)) == ["1"]
    assert len(found(of_version("2.18").get("/api/v3/traces", params=params))) == 2


def test_a_search_by_service_operation_and_time(jaeger, feed):
    feed(one("1", service="web", name="a"))
    feed(one("2", service="api", name="a", endTimeUnixNano=str((AT_S + 9) * 10**9)))
    feed(one("3", service="api", name="b", at_s=AT_S + 0.5))

    def ids(**query: str) -> list[str]:
        return sorted(found(jaeger.get("/api/v3/traces", params=WINDOW | {f"query.{k}": v for k, v in query.items()})))

    assert ids() == ["1", "2", "3"]
    assert ids(service_name="api") == ["2", "3"]
    assert ids(service_name="api", operation_name="a") == ["2"]
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
    for name in ("num_traces", "search_depth"):
        answer = jaeger.get("/api/v3/traces", params={**WINDOW, f"query.{name}": 2})
        assert found(answer) == ["5", "4"]
    assert len(jaeger.get("/api/traces", params={"service": "svc", "limit": 3}).json()["data"]) == 3


OLDEST = "2.13"


def test_2_13_lists_no_services_by_leaving_them_out(of_version):
    oldest = of_version(OLDEST)
    assert oldest.get("/api/v3/services").json() == {}


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
    assert oldest.get("/api/nonsense").headers["content-type"] == "text/html; charset=utf-8"


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
