"""The banner tells a live system from the sandbox at a glance."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.core.clock import Window
from runbook_lib.show import target_banner

WINDOW = Window(datetime(2026, 11, 23, 8, 34, tzinfo=UTC), datetime(2026, 11, 23, 9, 4, tzinfo=UTC))


def test_the_target_is_large_and_everything_else_is_there(read_page: Callable[[str], Any]) -> None:
    shown = target_banner("live", WINDOW, "INC-7", "2026-9f2c", True, ["the .env is readable by others"])
    page = read_page(shown.html)
    for part in (
        "live",
        "LIVE SYSTEM",
        "2026-11-23 08:34:00 UTC",
        "30 min",
        "INC-7",
        "2026-9f2c",
        "readable by others",
    ):
        assert part in shown.plain
        assert part in page.text
    assert "font-size:1.9em" in next(each["style"] for each in page.tagged("span"))


def test_the_sandbox_does_not_look_live() -> None:
    live, sandbox = (target_banner("x", WINDOW, "i", "r", is_live) for is_live in (True, False))
    assert "LIVE" not in sandbox.html
    assert "not live" in sandbox.plain
    assert live.html != sandbox.html


def test_no_window_means_now() -> None:
    assert "now" in target_banner("live", None, "i", "r", True).plain


@given(st.text(max_size=60))
def test_names_and_warnings_stay_text(read_page: Callable[[str], Any], text: str) -> None:
    text = f"<img onerror=x>{text}"
    page = read_page(target_banner(text, WINDOW, text, text, True, [text]).html)
    assert page.text.count("<img onerror=x>") == 4
