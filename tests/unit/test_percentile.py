"""One nearest-rank percentile for rules, tables and figures."""

from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.core.percentile import percentile


def test_a_percentile_is_a_value_that_occurred() -> None:
    assert percentile([4, 2, 3, 1], 50) == 2
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile([7], 95) == 7
    assert percentile([7, 8], 0) == 7


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 100))
def test_it_is_the_least_value_that_so_many_percent_do_not_exceed(values: list[int], percent: int) -> None:
    found = percentile(values, percent)
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)
