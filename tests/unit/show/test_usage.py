"""The picture of usage against its limits: the numbers in its words, what it does without limits, hours or sense."""

from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from runbook_lib.procedures.base import Exhibit
from runbook_lib.show.exhibits import exhibit
from runbook_lib.show.usage import usage

SINCE = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
DATA: dict[str, Any] = {
    "period": {"since": "2026-11-01T00:00:00.000Z", "until": "2026-12-01T00:00:00.000Z"},
    "now": "2026-11-19T09:00:00.000Z",
    "hours": [[SINCE + 3600 * n, 1000, 2] for n in range(400)],
    "limits": {"tokens": 500_000, "requests": 10_000},
    "forecasts": [
        {"unit": "tokens", "at_end": 660_000.0, "reached_at": "2026-11-23T14:00:00.000Z"},
        {"unit": "requests", "at_end": 1_300.0, "reached_at": None},
    ],
    "by": "model",
    "shares": [
        {"name": "openai/gpt-4o-mini", "tokens": 300_000, "requests": 600},
        {"name": "anthropic/claude", "tokens": 100_000, "requests": 200},
    ],
}


def test_the_words_say_how_much_of_which_limit_and_when_it_is_used_up() -> None:
    shown = usage(DATA)
    assert "80% of 500,000 tokens (used up on 23 Nov 14:00 UTC)" in shown.plain
    assert "8% of 10,000 requests (13% by the end)" in shown.plain
    assert "75.0%" in shown.plain
    assert shown.png is not None
    width, height = Image.open(BytesIO(shown.png)).size
    assert (width, height > 400) == (1200, True)


def test_the_same_usage_gives_the_same_bytes() -> None:
    assert usage(DATA).png == usage(DATA).png


@pytest.mark.parametrize("limits", [{}, {"tokens": None, "requests": None}])
def test_without_a_limit_only_the_shares_are_drawn_and_the_sum_is_told(limits: dict[str, Any]) -> None:
    shown = usage({**DATA, "limits": limits})
    assert "400,000 tokens, no limit" in shown.plain
    assert shown.png is not None


def test_shares_of_organizations_alone_are_drawn_and_the_rest_is_counted() -> None:
    shares = [{"name": f"Org {n}", "tokens": 1000 - n, "requests": 1} for n in range(40)]
    shown = usage({"by": "organization", "shares": shares})
    assert shown.plain.startswith("39,220 tokens by 40 organizations")
    assert "28 more" in shown.plain
    assert shown.png is not None


def test_nothing_used_is_said_without_a_picture() -> None:
    shown = usage({"period": DATA["period"], "hours": [], "shares": []})
    assert (shown.plain, shown.png) == ("nothing was used", None)


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "$\\frac{1}{0}$", "日本語\x00", "x" * 500])
def test_a_name_is_text_and_nothing_else(name: str) -> None:
    shown = usage({**DATA, "shares": [{"name": name, "tokens": 5, "requests": 1}]})
    assert "<script>" not in shown.html
    assert shown.png is not None


def test_data_without_sense_is_shown_as_it_stands() -> None:
    shown = exhibit(Exhibit("usage", "Usage", {"hours": 5}))
    assert "could not be drawn" in shown.plain
