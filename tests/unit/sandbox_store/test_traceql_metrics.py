"""TraceQL metrics: counting spans over time."""

import pytest

from runbook_lib.sandbox.store.traceql import parse
from runbook_lib.sandbox.store.traceql.metrics import Window, evaluate

SECOND = 10**9


@pytest.fixture
def measure(new_maker, new_store):
    """`measure(query)`: labels → values of spans that began 0.5 s to 3.5 s after T0, sampled at 0 to 4 s."""
    spans = []
    for n, (service, status) in enumerate([("web", 0), ("web", 2), ("api", 2), ("api", 2)]):
        maker = new_maker(trace=n + 1)
        spans.append(
            maker.span(
                f"op{n}",
                service=service,
                status_code=status,
                start_ms=500 + n * 1000,
                duration_ms=2**n * 100,
                attributes={"tier": "gold"} if n < 2 else {},
            )
        )
    store = new_store(spans)
    window = Window(spans[0].start_ns - 500_000_000, SECOND, 5)

    def run(query):
        return {one.labels: one.values for one in evaluate(parse(query), store.traces(), window)}

    return run


def test_count_over_time_counts_what_began_in_each_step(measure):
    assert measure("{ } | count_over_time()") == {(("__name__", "count_over_time"),): [0, 1, 1, 1, 1]}


def test_counts_are_told_apart_by_label(measure):
    assert measure("{ status = error } | count_over_time() by (resource.service.name)") == {
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
    assert set(measure("{ } | count_over_time() by (span.nothing)")) == {(("span.nothing", None),)}


def test_histograms_have_a_series_for_each_bucket(measure):
    found = measure("{ } | histogram_over_time(duration) by (resource.service.name)")
    assert found[(("resource.service.name", "web"), ("__bucket", 0.125))] == [0, 1, 0, 0, 0]
    assert found[(("resource.service.name", "api"), ("__bucket", 1.0))] == [0, 0, 0, 0, 1]
    assert len(found) == 4


def test_a_histogram_without_labels_has_its_buckets_alone(measure):
    assert set(measure("{ } | histogram_over_time(duration)")) == {
        (("__bucket", bound),) for bound in (0.125, 0.25, 0.5, 1.0)
    }


def test_a_series_without_any_span_is_left_out(measure):
    assert measure('{ name = "nothing" } | count_over_time()') == {}
