"""The store answers as Jaeger's service performance monitoring does."""

from typing import Any

import httpx
import pytest
from support.span_exports import AT_S, one, sample


@pytest.fixture
def spm(store, jaeger, feed) -> httpx.Client:
    """60 server calls of svc a minute apart in pairs, every third failed, the n-th taking n × 10 ms."""
    for number in range(60):
        at_s = AT_S - 600 + number * 10
        end = {"endTimeUnixNano": str(at_s * 10**9 + number * 10_000_000)}
        status = {"status": {"code": 2 if number % 3 == 0 else 0}}
        feed(one(f"{number + 1:x}", name=f"op{number % 2}", kind=2, at_s=at_s, **end, **status))
    feed(one("fff", name="call", kind=3))
    store.has_monitor = True
    return jaeger


WHOLE = {"service": "svc", "endTs": AT_S * 1000, "lookback": 0, "ratePer": 700_000}


def value(metric: dict[str, Any]) -> float:
    (point,) = metric["metricPoints"]
    return point["gaugeValue"]["doubleValue"]


def test_spm_errors_have_the_shape_of_the_sample(spm):
    wanted = sample("jaeger/sample-spm-metrics.json")
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


def test_spm_takes_no_step_of_zero(spm):
    assert spm.get("/api/metrics/calls?service=svc&step=0").status_code == 500


def test_spm_latencies_are_quantiles_in_milliseconds(spm):
    (metric,) = spm.get("/api/metrics/latencies", params={**WHOLE, "quantile": 0.5}).json()["metrics"]
    assert value(metric) == pytest.approx(290)


def test_spm_has_a_point_for_each_step_and_nan_where_nothing_was_called(spm):
    params = {**WHOLE, "lookback": 3_600_000, "step": 600_000, "ratePer": 600_000}
    (metric,) = spm.get("/api/metrics/errors", params=params).json()["metrics"]
    values = [point["gaugeValue"]["doubleValue"] for point in metric["metricPoints"]]
    assert values[:-2] == ["NaN"] * 5
    assert values[-1] == pytest.approx(1 / 3, abs=0.02)
