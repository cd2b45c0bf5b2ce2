"""Vendor values become harmless, readable words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.show.text import (
    finite_number,
    format_duration,
    format_moment,
    format_number,
    make_visible,
    one_line,
    pad,
    parse_moment,
    plural,
    shorten,
    terminal_width,
    text_grid,
)


@given(st.text(st.characters(), max_size=300))
def test_no_text_can_steer_a_terminal_or_turn_the_reading_direction(text: str) -> None:
    shown = one_line(text)
    assert not any(ord(each) < 0x20 or 0x7F <= ord(each) < 0xA0 for each in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff")
    shown.encode()


def test_a_terminal_escape_is_shown_not_obeyed() -> None:
    assert one_line("\x1b[31mred\x1b[0m") == "\\x1b[31mred\\x1b[0m"
    assert one_line("abc\u202etxt.exe") == "abc\\u202etxt.exe"


def test_lines_become_one_line() -> None:
    assert one_line("a\r\n\tb\u2028c ") == "a b c"


def test_spaces_are_kept_where_they_matter() -> None:
    assert make_visible("  a   b\x1b") == "  a   b\\x1b"


@given(st.text(max_size=200), st.integers(1, 50))
def test_a_limit_is_kept(text: str, limit: int) -> None:
    assert len(one_line(text, limit)) <= limit


def test_an_endless_text_costs_little_and_ends_in_an_ellipsis() -> None:
    assert one_line("x" * 50_000_000, 10) == "x" * 9 + "…"


def test_a_cut_says_how_much_was_cut() -> None:
    assert shorten("x" * 1510, 10) == "xxxxxxxxxx… (+1,500 characters)"
    assert shorten("short", 10) == "short"


def test_none_is_a_dash_and_never_the_word_none() -> None:
    assert one_line(None) == "–"
    assert format_number(None) == "–"
    assert format_duration(None) == "–"


@pytest.mark.parametrize(
    ("ms", "shown"),
    [
        (0, "0 ms"),
        (0.42, "0.42 ms"),
        (9.9, "9.9 ms"),
        (340.4, "340 ms"),
        (999.6, "1 s"),
        (2340, "2.34 s"),
        (45_100, "45.1 s"),
        (200_000, "3 min 20 s"),
        (1_800_000, "30 min"),
        (7_500_000, "2 h 05 min"),
        (-35, "−35 ms"),
        (float("nan"), "–"),
        (float("inf"), "–"),
        (True, "–"),
        ("12", "–"),
    ],
)
def test_durations_read_as_a_person_says_them(ms: object, shown: str) -> None:
    assert format_duration(ms) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234567, "1,234,567"), (True, "yes"), (0.12345, "0.123"), (1234.5, "1,234"), (3.0, "3"), (float("nan"), "–")],
)
def test_numbers_read_as_a_person_writes_them(value: object, shown: str) -> None:
    assert format_number(value) == shown


@given(st.one_of(st.integers(), st.floats(), st.booleans(), st.text(max_size=5), st.none()))
def test_any_value_has_a_number_and_a_duration(value: object) -> None:
    assert format_number(value) is not None
    assert format_duration(value)
    kept = finite_number(value)
    assert kept is None or abs(kept) < float("inf")


def test_a_moment_needs_a_zone() -> None:
    assert parse_moment("2026-11-23T08:54:00+01:00") is not None
    assert parse_moment("2026-11-23T08:54:00") is None
    assert parse_moment(None) is None
    assert parse_moment("0001-01-01T00:00:00Z") is None
    assert parse_moment("9999-12-31T00:00:00Z") is None
    assert format_moment("2026-11-23T08:54:00+01:00") == "2026-11-23 07:54:00 UTC"
    assert format_moment("yesterday") == "yesterday"


def test_columns_line_up_beside_wide_characters() -> None:
    assert terminal_width("名前") == 4
    assert terminal_width(pad("名前", 6)) == 6
    assert terminal_width(pad("名前が長い", 6)) == 6
    lines = text_grid(["name", "n"], [["名前", "1"], ["ab", "10"]], right=frozenset({1})).split("\n")
    assert {terminal_width(line) for line in lines} == {8}


def test_one_is_singular() -> None:
    assert (plural(1, "look"), plural(0, "look"), plural(1200, "query", "queries")) == (
        "1 look",
        "0 looks",
        "1,200 queries",
    )
