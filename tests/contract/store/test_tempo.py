"""The store answers as Grafana Tempo does: shapes, ids, limits, refusals."""

from typing import Any

import httpx
import pytest
from support.span_exports import AT_S, TRACE, one, sample

from runbook_lib.sandbox.store import Access

SPEC = "tempo/openapi-handwritten.json"
SPAN = {"start": AT_S - 60, "end": AT_S + 60, "step": "30s"}


def search(tempo: httpx.Client, q: str = "", **params: Any) -> Any:
    answer = tempo.get("/api/search", params={**({"q": q} if q else {}), **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- traces by id ---


@pytest.mark.usefixtures("incident")
def test_a_trace_by_id_is_the_sample_of_version_1(tempo):
    assert tempo.get(f"/api/traces/{TRACE}").json() == sample("tempo/sample-trace-v1.json")


@pytest.mark.usefixtures("incident")
def test_a_trace_by_id_is_the_sample_of_version_2(tempo):
    assert tempo.get(f"/api/v2/traces/{TRACE}").json()["trace"] == sample("tempo/sample-trace-v2.json")["trace"]


@pytest.mark.usefixtures("incident")
@pytest.mark.parametrize(
    ("template", "path", "params"),
    [
        ("/api/traces/{traceID}", f"/api/traces/{TRACE}", {}),
        ("/api/v2/traces/{traceID}", f"/api/v2/traces/{TRACE}", {}),
        ("/api/status/buildinfo", "/api/status/buildinfo", {}),
        (
            "/api/search",
            "/api/search",
            {"q": "{ status = error } | select(name, span.error.type)"},
        ),
        ("/api/metrics/query_range", "/api/metrics/query_range", {**SPAN, "q": "{} | count_over_time() by (name)"}),
    ],
)
def test_answers_are_what_the_specification_promises(tempo, promised, template, path, params):
    answer = tempo.get(path, params=params)
    assert answer.status_code == 200
    promised(SPEC, "GET", template, answer)


def test_ids_may_come_without_their_leading_zeros(tempo, feed):
    feed(one("ab12"))
    for text in ("ab12", "AB12", "0ab12", "ab12".rjust(32, "0")):
        assert tempo.get(f"/api/traces/{text}").status_code == 200
        assert tempo.get(f"/api/v2/traces/{text}").status_code == 200


def test_an_unknown_trace_is_404_without_a_body(tempo):
    for path in (f"/api/traces/{TRACE}", f"/api/v2/traces/{TRACE}"):
        answer = tempo.get(path)
        assert (answer.status_code, answer.content) == (404, b"")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0" * 33, "trace IDs can't be larger than 128 bits"),
        ("12xz", "trace IDs can only contain hex characters: invalid character 'x' at position 3"),
    ],
)
def test_a_bad_trace_id_is_refused(tempo, text, why):
    answer = tempo.get(f"/api/v2/traces/{text}")
    assert (answer.status_code, answer.text) == (400, why)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


# --- search ---


@pytest.mark.usefixtures("incident")
def test_search_lists_a_trace_as_the_sample_does(tempo):
    q = '{ status = error && span.gen_ai.provider.name = "anthropic" } | select(name)'
    (found,) = search(tempo, q)["traces"]
    (wanted,) = sample("tempo/sample-search.json")["traces"]
    found["spanSets"][0]["spans"][0]["attributes"].pop()
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.usefixtures("incident")
def test_spans_of_a_search_have_a_name_only_when_it_was_asked_for(tempo):
    (found,) = search(tempo, "{ span.http.route != nil }", spss=1)["traces"]
    (spanset,) = found["spanSets"]
    assert found["spanSet"] == spanset
    assert spanset["matched"] == 2
    assert spanset["spans"] == [
        {
            "spanID": "00f067aa0ba902b7",
            "startTimeUnixNano": "1795396000120000000",
            "durationNanos": "3500000000",
            "attributes": [{"key": "http.route", "value": {"stringValue": "/api/chat"}}],
        }
    ]


def test_search_drops_leading_zeros_and_empty_fields(tempo, feed):
    feed(one("0a", parentSpanId="00000000000000ff", endTimeUnixNano=str(AT_S * 10**9)))
    (found,) = search(tempo, "{ }")["traces"]
    assert found["traceID"] == "a"
    assert found["rootServiceName"] == "<root span not yet received>"
    assert "rootTraceName" not in found
    assert "durationMs" not in found


def test_without_start_and_end_only_recent_traces_are_searched(tempo, feed):
    feed(one("1", at_s=AT_S - 2 * 3600))
    feed(one("2"))
    assert [t["traceID"] for t in search(tempo, "{ }")["traces"]] == ["2"]
    both = search(tempo, "{ }", start=AT_S - 3 * 3600, end=AT_S + 60)["traces"]
    assert [t["traceID"] for t in both] == ["2", "1"]


def test_a_window_finds_only_what_overlaps_it(tempo, feed):
    feed(one("1", at_s=AT_S - 100))
    feed(one("2"))
    assert [t["traceID"] for t in search(tempo, "{ }", start=AT_S - 110, end=AT_S - 90)["traces"]] == ["1"]


def test_the_first_matches_are_returned_not_the_newest(tempo, feed):
    for number in range(1, 31):
        feed(one(f"{number}", at_s=AT_S + number))
    assert len(search(tempo, "{ }")["traces"]) == 20
    few = [t["traceID"] for t in search(tempo, "{ }", limit=3)["traces"]]
    assert few == ["3", "2", "1"]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"q": "{ span.a = "}, "invalid TraceQL query: parse error at line 1, col 12: syntax error: unexpected $end"),
        (
            {"q": '{ duration = "a" }'},
            "invalid TraceQL query: binary operations must operate on the same type: duration = `a`",
        ),
        (
            {"q": "{ } | rate()"},
            "invalid TraceQL query: parse error at line 1, col 7: syntax error: unexpected rate: "
            "the sandbox's Tempo does not read this, though Tempo may",
        ),
        ({"q": "{ } | count_over_time()"}, "metrics queries are not supported by search, use /api/metrics/query_range"),
        ({"start": "abc"}, 'invalid start: strconv.ParseUint: parsing "abc": invalid syntax'),
        ({"start": "-1"}, 'invalid start: strconv.ParseUint: parsing "-1": invalid syntax'),
        ({"end": "99999999999"}, 'invalid end: strconv.ParseUint: parsing "99999999999": value out of range'),
        ({"start": 5}, "http parameter start must be before end. received start=5 end=0"),
        ({"limit": 0}, "invalid limit: must be a positive number"),
        ({"limit": 262145}, "limit 262145 exceeds max limit 262144"),
        ({"spss": 101}, "spans per span set exceeds 100. received 101"),
        ({"q": "{}", "minDuration": "5s"}, "the sandbox's Tempo searches by q alone, though Tempo may by minDuration"),
        ({"tags": "service.name=x"}, "the sandbox's Tempo searches by q alone, though Tempo may by tags"),
        (
            {"start": AT_S, "end": AT_S + 604_801},
            f"range specified by start and end exceeds 168h0m0s. received start={AT_S} end={AT_S + 604_801}",
        ),
    ],
)
def test_a_bad_search_is_refused_in_plain_text(tempo, params, why):
    answer = tempo.get("/api/search", params=params)
    assert (answer.status_code, answer.text) == (400, why)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_a_range_of_exactly_a_week_is_allowed(tempo):
    assert search(tempo, "{ }", start=AT_S - 604_800, end=AT_S)["traces"] == []


def test_what_a_hostile_request_id_holds_never_becomes_syntax(tempo, feed):
    hostile = 'x" } || { true'
    feed(one("1", attributes=[{"key": "vercel.request_id", "value": {"stringValue": hostile}}]))
    feed(one("2", attributes=[{"key": "vercel.request_id", "value": {"stringValue": "other"}}]))
    quoted = hostile.replace("\\", "\\\\").replace('"', '\\"')
    found = search(tempo, f'{{ span.vercel.request_id = "{quoted}" }}')["traces"]
    assert [trace["traceID"] for trace in found] == ["1"]
    # The same text unquoted is syntax: this is what escaping protects from.
    assert tempo.get("/api/search", params={"q": f'{{ span.vercel.request_id = "{hostile} }}'}).status_code == 400


# --- access ---


@pytest.mark.usefixtures("incident")
def test_a_tenant_is_asked_for_and_sees_only_its_own(store, tempo):
    store.tempo_access = Access(tenant="nexus")
    refused = tempo.get("/api/search")
    assert (refused.status_code, refused.text) == (401, "no org id")
    for header, status, hits in (("nexus", 200, 1), ("other|nexus", 200, 1), ("other", 404, 0)):
        headers = {"X-Scope-OrgID": header}
        assert tempo.get(f"/api/v2/traces/{TRACE}", headers=headers).status_code == status
        assert len(tempo.get("/api/search", headers=headers).json()["traces"]) == hits


@pytest.mark.parametrize(
    ("access", "options", "status"),
    [
        (Access(bearer="t0ken"), {}, 401),
        (Access(bearer="t0ken"), {"headers": {"authorization": "Bearer wrong"}}, 401),
        (Access(bearer="t0ken"), {"headers": {"authorization": "Bearer t0ken"}}, 200),
        (Access(user="123", password="p:w"), {"auth": ("123", "p:w")}, 200),
        (Access(user="123", password="p:w"), {"auth": ("123", "wrong")}, 401),
        (Access(user="123", password="p:w"), {"headers": {"authorization": "Basic é"}}, 401),
        (Access(user="123", password="p"), {"headers": {"authorization": "Bearer p"}}, 401),
    ],
)
def test_credentials_are_asked_for_when_they_are_set(store, tempo, access, options, status):
    store.tempo_access = access
    if "é" in str(options):
        options = {"headers": {"authorization": b"Basic \xe9"}}
    assert tempo.get("/api/search", **options).status_code == status


def test_the_ingest_delay_hides_what_is_too_recent(store, tempo, feed):
    store.ingest_delay_s = 30
    feed(one("1"))
    assert tempo.get("/api/v2/traces/1").status_code == 404
    assert search(tempo, "{ }")["traces"] == []
    store.ingest_delay_s = 0
    assert tempo.get("/api/v2/traces/1").status_code == 200
