"""TraceQL metrics: counting and measuring spans over time."""

import math

import pytest

from runbook_lib.sandbox.store.traceql import parse
from runbook_lib.sandbox.store.traceql.metrics import Window, evaluate

SECOND = 10**9


@pytest.fixture
def measure(make, new_maker, new_store):
    """`measure(query)`: labels → values of spans that began 0.5 s to 3.5 s after T0, sampled at 0 to 4 s."""
    spans = []
    for n, (service, status) in enumerate([("web", 0), ("web", 2), ("api", 2), ("api", 2)]):
        maker = new_maker(trace=n + 1)
        attributes = {"size": n, "tier": "gold"} if n < 2 else {"size": n}
        spans.append(
            maker.span(
                f"op{n}",
                service=service,
                status_code=status,
                start_ms=500 + n * 1000,
                duration_ms=2**n * 100,
                attributes=attributes,
            )
        )
    store = new_store(spans)
    window = Window(spans[0].start_ns - 500_000_000, SECOND, 5)

    def run(query, **more):
        found = evaluate(parse(query), store.traces(), window, **more)
        return {one.labels: [None if math.isnan(v) else v for v in one.values] for one in found}

    return run


def test_count_over_time_counts_what_began_in_each_step(measure):
    assert measure("{ } | count_over_time()") == {(("__name__", "count_over_time"),): [0, 1, 1, 1, 1]}


def test_rate_is_per_second_by_label(measure):
    assert measure("{ status = error } | rate() by (resource.service.name)") == {
        (("resource.service.name", "web"),): [0, 0, 1, 0, 0],
        (("resource.service.name", "api"),): [0, 0, 0, 1, 1],
    }


def test_two_labels_keep_their_order_and_a_missing_one_is_left_out(measure):
    found = measure("{ } | count_over_time() by (span.tier, resource.service.name)")
    assert set(found) == {
        (("span.tier", "gold"), ("resource.service.name", "web")),
        (("resource.service.name", "api"),),
    }


def test_a_label_that_no_span_has_is_nil(measure):
    assert set(measure("{ } | rate() by (span.nothing)")) == {(("span.nothing", None),)}


@pytest.mark.parametrize(
    ("function", "values"),
    [("min", [None, 0.1, 0.2, 0.4, 0.8]), ("max", [None, 0.1, 0.2, 0.4, 0.8]), ("avg", [None, 0.1, 0.2, 0.4, 0.8])],
)
def test_durations_are_measured_in_seconds(measure, function, values):
    assert list(measure(f"{{ }} | {function}_over_time(duration)").values()) == [pytest.approx(values)]


def test_sums_are_of_attributes_too(measure):
    assert list(measure("{ } | sum_over_time(span.size)").values()) == [[None, 0, 1, 2, 3]]


def test_quantiles_come_from_buckets_of_powers_of_two(make, new_store):
    spans = [make.span(duration_ms=ms) for ms in (100, 100, 100, 900)]
    window = Window(spans[0].start_ns, SECOND, 1)
    query = parse("{ } | quantile_over_time(duration, .5, 1)")
    half, highest = evaluate(query, new_store(spans).traces(), window)
    assert half.labels == (("p", 0.5),)
    assert 0.0625 < half.values[0] <= 0.125
    assert highest.values == [1.0]


def test_histograms_have_a_series_for_each_bucket(measure):
    found = measure("{ } | histogram_over_time(duration) by (resource.service.name)")
    assert found[(("resource.service.name", "web"), ("__bucket", 0.125))] == [0, 1, 0, 0, 0]
    assert found[(("resource.service.name", "api"), ("__bucket", 1.0))] == [0, 0, 0, 0, 1]
    assert len(found) == 4


def test_topk_keeps_the_highest_of_each_sample(measure):
    found = measure("{ } | max_over_time(duration) by (resource.service.name) | topk(1)")
    assert found[(("resource.service.name", "web"),)][1] == pytest.approx(0.1)
    found = measure("{ } | count_over_time() by (resource.service.name) | bottomk(1)")
    assert [values.count(None) for values in found.values()] == [2, 3]


def test_a_threshold_leaves_the_samples_that_pass(measure):
    found = measure("{ } | avg_over_time(span.size) by (resource.service.name) > 1")
    assert found == {(("resource.service.name", "api"),): [None, None, None, 2, 3]}


def test_a_series_without_any_value_is_left_out(measure):
    assert measure("{ } | max_over_time(span.nothing)") == {}
    assert measure("{ name = `nothing` } | rate()") == {}


def test_exemplars_point_to_spans_that_were_counted(make, new_store):
    spans = [make.span(duration_ms=250), make.span()]
    window = Window(spans[0].start_ns, SECOND, 1)
    (series,) = evaluate(parse("{ } | max_over_time(duration)"), new_store(spans).traces(), window, exemplars=1)
    assert [(one.trace_id, one.value) for one in series.exemplars] == [(spans[0].trace_id, 0.25)]
