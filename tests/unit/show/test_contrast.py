"""A contrast shows shares with the counts behind them, for failing and for healthy requests."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from runbook_lib.show.contrast import BARS, contrast


def row(value: object, failing: object, healthy: object, **given: Any) -> dict[str, Any]:
    known = {"attribute": "model", "failing_total": 37, "healthy_total": 380, "lift": 30.2}
    return {**known, "value": value, "failing": failing, "healthy": healthy, **given}


def test_shares_stand_beside_their_counts() -> None:
    line = contrast({"rows": [row("gpt-4o", 37, 12)]}).plain.split("\n")[2]
    assert re.split("  +", line) == ["model = gpt-4o", "37 (100%)", "37", "12 (3%)", "380", "× 30.2"]


def test_nothing_that_separates_is_said() -> None:
    assert contrast({"rows": []}).plain == "no attribute separates the failing requests from the healthy ones"
    assert contrast({"rows": []}).png is None


def test_no_healthy_request_is_no_division_by_zero() -> None:
    assert "0 (0%)" in contrast({"rows": [row("x", 3, 0, healthy_total=0, lift=None)]}).plain


def test_more_than_fit_are_all_in_the_table(read_page: Callable[[str], Any]) -> None:
    shown = contrast({"rows": [row(f"v{at}", 1, 1) for at in range(BARS + 5)]})
    assert f"v{BARS + 4}" in read_page(shown.html).text


@pytest.mark.parametrize(
    "value", ["$x^{", "名前 🎉", "<script>alert(1)</script>", None, 3, True, {"a": ["<b>"]}, "x" * 5000]
)
def test_any_value_can_be_drawn(read_page: Callable[[str], Any], value: object) -> None:
    shown = contrast({"rows": [row(value, 3, None, lift=float("inf"))]})
    read_page(shown.html)
    assert shown.png is not None
