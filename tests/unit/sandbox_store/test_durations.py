"""Durations as Go writes and reads them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.sandbox.store.durations import format_go, parse_any, parse_go


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("100ms", 10**8),
        ("1.5s", 1_500_000_000),
        ("1h30m", 5400 * 10**9),
        ("2us", 2000),
        ("2µs", 2000),
        ("0", 0),
        ("-3s", -3 * 10**9),
        (".5s", 5 * 10**8),
    ],
)
def test_go_durations_are_read(text, nanoseconds):
    assert parse_go(text) == nanoseconds


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1s ", "1d", "--1s", "1e3s"])
def test_what_go_refuses_is_refused(text):
    with pytest.raises(ValueError, match="time: "):
        parse_go(text)


def test_prometheus_units_are_read_where_they_are_allowed():
    assert parse_any("1d12h") == 36 * 3600 * 10**9
    assert parse_any("2w") == 14 * 86400 * 10**9


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (168 * 3600 * 10**9, "168h0m0s"),
        (300 * 10**9, "5m0s"),
        (1_500_000_000, "1.5s"),
        (20_050_000, "20.05ms"),
        (1_000, "1µs"),
        (999, "999ns"),
        (0, "0s"),
        (-1_000_000_000, "-1s"),
    ],
)
def test_durations_are_written_as_go_does(nanoseconds, text):
    assert format_go(nanoseconds) == text


@given(st.integers(-(10**15), 10**15))
def test_what_is_written_is_read_back(nanoseconds):
    assert abs(parse_go(format_go(nanoseconds)) - nanoseconds) <= 1
