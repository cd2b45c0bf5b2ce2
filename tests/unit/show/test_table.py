"""Tables show every value as text, in its unit, and say what they cut."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.show.table import ROWS_SHOWN, table

json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=30)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)


@given(st.lists(st.text(max_size=12), max_size=4), st.lists(st.lists(json_values, max_size=5), max_size=4))
def test_any_table_can_be_shown(read_page: Callable[[str], Any], columns: list[str], rows: list[list[Any]]) -> None:
    shown = table({"columns": columns, "rows": rows})
    page = read_page(shown.html)
    if rows:
        assert len(page.tagged("tr")) == 1 + len(rows)
        assert len(page.tagged("td")) == len(rows) * len(columns)
    shown.plain.encode()


def test_markup_in_a_cell_is_shown_as_it_stands(read_page: Callable[[str], Any]) -> None:
    page = read_page(table({"columns": ["<i>n</i>"], "rows": [["<script>alert(1)</script>"]]}).html)
    assert "<script>alert(1)</script>" in page.text
    assert "<i>n</i>" in page.text


def test_units_come_from_the_columns_names() -> None:
    columns = ["took_ms", "waited_s", "body_bytes", "failing_ratio", "seen_at", "at", "count"]
    row = [2010.4, 90, 1536, 0.256, "2026-11-23T08:54:00Z", "2026-11-23T08:54:00Z", 12345]
    plain = table({"columns": columns, "rows": [row]}).plain
    assert plain.split("\n")[0].split() == ["took", "waited", "body", "failing", "seen", "at", "at", "count"]
    for shown in ("2.01 s", "90 s", "1.5 KiB", "25.6 %", "2026-11-23 08:54:00 UTC", "12,345"):
        assert shown in plain


def test_a_column_of_numbers_stands_flush_right_and_one_of_ids_does_not(read_page: Callable[[str], Any]) -> None:
    page = read_page(table({"columns": ["n", "id"], "rows": [[1, "1234e56"], [None, "00123"]]}).html)
    assert [cell.get("class") for cell in page.tagged("td")] == ["nx-right", None] * 2
    assert "1234e56" in page.text
    assert "00123" in page.text


def test_a_long_cell_and_a_long_table_say_how_much_is_missing(read_page: Callable[[str], Any]) -> None:
    shown = table({"columns": ["body"], "rows": [["x" * 1400]] + [["y"]] * (ROWS_SHOWN + 41)})
    assert "(+1,000 characters)" in shown.html
    assert "… 42 more rows of 242" in read_page(shown.html).text
    assert "… 202 more rows of 242" in shown.plain
    assert len(shown.frame) == 242


def test_no_rows_is_said_not_left_blank() -> None:
    assert table({"columns": ["id"], "rows": []}).plain == "no rows (id)"
    assert "no rows" in table({"columns": ["id"], "rows": []}).html


def test_a_short_row_is_filled_with_dashes() -> None:
    assert table({"columns": ["a", "b"], "rows": [["x"]]}).plain.split("\n")[-1].split() == ["x", "–"]


def test_the_frame_holds_the_values_themselves() -> None:
    frame = table({"columns": ["took_ms", "id"], "rows": [[2010.4, "00123"]]}).frame
    assert frame.loc[0, "took_ms"] == 2010.4
    assert frame.loc[0, "id"] == "00123"
