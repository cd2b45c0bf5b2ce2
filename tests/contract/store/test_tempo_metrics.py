"""The store answers as Tempo's TraceQL metrics do."""

from typing import Any

import httpx
import pytest
from support.span_exports import AT_S, sample

SPAN: dict[str, Any] = {"start": AT_S - 60, "end": AT_S + 60, "step": "30s"}


def metrics(tempo: httpx.Client, **params: Any) -> Any:
    answer = tempo.get("/api/metrics/query_range", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.usefixtures("incident")
def test_a_range_query_has_the_shape_of_the_sample(tempo):
    q = "{ status = error } | count_over_time() by (resource.service.name)"
    found = metrics(tempo, q=q, start=AT_S - 100, end=AT_S + 20, step="1m")
    wanted = sample("tempo/sample-metrics-query-range.json")
    assert found.keys() == wanted.keys()
    gateway = next(s for s in found["series"] if s["labels"] == wanted["series"][0]["labels"])
    assert gateway.keys() == wanted["series"][0].keys()
    assert [s["timestampMs"] for s in gateway["samples"]] == [s["timestampMs"] for s in wanted["series"][0]["samples"]]
    assert [s["value"] for s in gateway["samples"]] == [0, 0, 2]


@pytest.mark.usefixtures("incident")
def test_samples_stand_at_whole_steps_and_cover_the_range(tempo):
    window = {"start": AT_S - 50, "end": AT_S + 7, "step": "30s"}
    (series,) = metrics(tempo, q="{ } | count_over_time()", **window)["series"]
    times_s = [int(one["timestampMs"]) // 1000 for one in series["samples"]]
    assert times_s == [AT_S - 70, AT_S - 40, AT_S - 10, AT_S + 20]
    assert [one["value"] for one in series["samples"]] == [0, 0, 0, 5]


@pytest.mark.usefixtures("incident")
def test_labels_keep_their_types(tempo):
    q = "{ span.http.response.status_code != nil } | count_over_time() by (span.http.response.status_code, status)"
    labels = metrics(tempo, q=q, **SPAN)["series"][0]["labels"]
    assert labels == [
        {"key": "span.http.response.status_code", "value": {"intValue": "502"}},
        {"key": "status", "value": {"stringValue": "error"}},
    ]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"q": "{ }"}, "invalid TraceQL query: not a metrics query: '{ }'"),
        (
            {"q": "{ } | count_over_time("},
            "invalid TraceQL query: parse error at line 1, col 23: syntax error: unexpected $end, expecting )",
        ),
        (
            {"q": "{ } | count_over_time()", "start": AT_S - 25 * 3600},
            "metrics query time range exceeds the maximum allowed duration of 24h0m0s",
        ),
        (
            {"q": "{ } | count_over_time()", "start": 10, "end": 5},
            "end time 5000000000 must be after start time 10000000000",
        ),
        (
            {"q": "{ } | count_over_time()", "step": "x"},
            "could not parse 'step' parameter: cannot parse \"x\" to a valid duration",
        ),
        (
            {"q": "{ } | count_over_time()", "step": "1ms", "start": AT_S + 60 - 86_400},
            "step of 1ms is too small for the time range",
        ),
        ({"q": "{ } | count_over_time()", "start": "yesterday"}, "invalid start: strconv.ParseUint"),
    ],
)
def test_a_bad_metrics_query_is_refused(tempo, params, why):
    answer = tempo.get("/api/metrics/query_range", params={**SPAN, **params})
    assert answer.status_code == 400
    assert answer.text.startswith(why)


def test_exactly_24_hours_are_allowed(tempo):
    assert metrics(tempo, q="{ } | count_over_time()", **{**SPAN, "start": SPAN["end"] - 86_400})["series"] == []
