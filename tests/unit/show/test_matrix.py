"""A matrix reads without colour and never shows what is missing as good."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.show.matrix import matrix

DATA = {
    "rows": ["web", "api"],
    "columns": ["answers", "traces"],
    "cells": [
        [{"text": "200", "tone": "good"}, {"text": "silent", "tone": "bad"}],
        [{"text": "denied", "tone": "unknown"}],
    ],
}


def test_every_tone_has_a_mark_beside_its_colour(read_page: Callable[[str], Any]) -> None:
    text = read_page(matrix(DATA).html).text
    assert "✔ 200" in text
    assert "✖ silent" in text
    assert "? denied" in text


def test_a_cell_that_is_missing_is_unknown() -> None:
    shown = matrix(DATA)
    assert "? cannot be told 2" in shown.plain
    assert "✔ good 1" in shown.plain


def test_a_tone_that_nobody_knows_is_unknown() -> None:
    shown = matrix({"rows": ["a"], "columns": ["b"], "cells": [[{"text": "x", "tone": "great"}]]})
    assert "? x" in shown.plain
    assert "good" not in shown.plain


@given(st.text(max_size=30), st.sampled_from(["good", "bad", "unknown", "neutral", "<b>"]))
def test_any_text_stays_text(read_page: Callable[[str], Any], text: str, tone: str) -> None:
    page = read_page(matrix({"rows": [text], "columns": [text], "cells": [[{"text": text, "tone": tone}]]}).html)
    assert len(page.tagged("td")) == 1


def test_an_empty_matrix_says_so() -> None:
    assert "no cells" in matrix({"rows": [], "columns": [], "cells": []}).plain
