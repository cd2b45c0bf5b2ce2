"""A step shows its question, what was said, the exhibits, and every look with what it is worth."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.core.model import Status
from runbook_lib.procedures.base import Exhibit, StepView
from runbook_lib.show import exhibit, step_view
from runbook_lib.show.evidence import ANSWERED_SHOWN, MARKS, proves_something, status_chip, status_words

Maker = Callable[..., Any]
TABLE = Exhibit("table", "Attempts", {"columns": ["attempt"], "rows": [[1]]})


def test_question_sentence_exhibit_and_evidence_come_in_this_order(make_look: Maker, read_page: Maker) -> None:
    shown = step_view(StepView("s", "Which span failed?", (make_look(),), "The third attempt.", (TABLE,)))
    for text in (shown.plain, read_page(shown.html).text):
        places = [
            text.index(part)
            for part in ("Which span failed?", "The third attempt.", "Attempts", "tempo.trace-6a6a511a")
        ]
        assert places == sorted(places)


def test_a_row_holds_everything_about_its_look(make_look: Maker, read_page: Maker) -> None:
    look = make_look("denied", why='403: "no"', help="a token with logs: read", nth=2)
    page = read_page(step_view(StepView("s", "Q?", (look,), "S.")).html)
    for part in (
        "tempo.trace-6a6a511a",
        "trace_id=4bf92f3577b34da6",
        "time 2",
        "⊘ denied",
        "313 ms",
        '403: "no"',
        "a token with logs: read",
    ):
        assert part in page.text
    assert page.tagged("tr")[1] == {"class": "nx-nothing", "id": "look-tempo.trace-6a6a511a"}


@pytest.mark.parametrize("status", list(Status))
def test_every_status_has_a_mark_and_shows_whether_it_proves_anything(status: Status) -> None:
    assert status in MARKS
    assert ("dashed" in status_chip(status)) is not status.answered
    assert status_words(status).startswith("(") is not status.answered
    assert proves_something(status) is status.answered


def test_a_status_that_nobody_knows_proves_nothing() -> None:
    assert not proves_something("fine")
    assert "dashed" in status_chip("fine")


def test_what_proves_nothing_is_listed_however_many_answered(make_look: Maker, read_page: Maker) -> None:
    looks = [make_look(id=f"a.b-{at}") for at in range(ANSWERED_SHOWN + 15)] + [make_look("timed_out", id="slow.one-1")]
    shown = step_view(StepView("s", "Q?", tuple(looks), "S."))
    text = read_page(shown.html).text
    assert "slow.one-1" in text
    assert "slow.one-1" in shown.plain
    assert "15 answered looks not listed here" in text
    assert "76 looks: 75 answered, 1 proves nothing" in text


def test_a_step_without_a_look_says_so(read_page: Maker) -> None:
    assert "no look of its own" in read_page(step_view(StepView("s", "Q?", (), "S.")).html).text


@given(st.text(max_size=80))
def test_vendor_text_stays_text_in_a_step(make_look: Maker, read_page: Maker, text: str) -> None:
    text = f"<script>{text}</script>"
    look = make_look("malformed", id=text, source=text, call=text, why=text, help=text, arguments={text: text})
    odd = Exhibit(text, text, {text: [text]})
    table = Exhibit("table", text, {"columns": [text], "rows": [[text], [{text: text}]]})
    shown = step_view(StepView(text, text, (look,), text, (odd, table)))
    page = read_page(shown.html)
    assert page.text.count("<script>") >= 10
    assert "\x1b" not in shown.plain


def test_a_kind_that_nobody_draws_is_shown_as_it_stands(read_page: Maker) -> None:
    shown = exhibit(Exhibit("waterfal", "Spans", {"a": "<b>"}))
    assert "no display draws the kind 'waterfal'" in shown.plain
    assert '"a": "<b>"' in read_page(shown.html).text


@pytest.mark.parametrize("kind", ["table", "waterfall", "latency", "contrast", "matrix"])
@pytest.mark.parametrize(
    "data",
    [None, [], "x", {"rows": 3, "spans": 3, "points": 3}, {"rows": [3], "spans": ["x"], "points": [[]], "cells": 3}],
)
def test_data_that_cannot_be_drawn_costs_the_picture_and_not_the_run(read_page: Maker, kind: str, data: Any) -> None:
    shown = exhibit(Exhibit(kind, "T", data))
    assert "could not be drawn" in shown.plain
    assert "could not be drawn" in read_page(shown.html).text


def test_a_raw_exhibit_says_how_much_was_cut() -> None:
    assert "more characters" in exhibit(Exhibit("?", "T", ["x" * 9000])).plain
