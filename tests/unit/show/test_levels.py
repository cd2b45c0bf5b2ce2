"""The budget's burn-down and an objective's latency: as text, as HTML, as a picture; and from data that is none."""

from typing import Any

import pytest

from runbook_lib.procedures.base import Exhibit
from runbook_lib.show.burn_down import burn_down
from runbook_lib.show.exhibits import exhibit
from runbook_lib.show.level_latency import level_latency

BURN: dict[str, Any] = {
    "window": {"since": "2026-11-16T00:00:00Z", "until": "2026-11-23T00:00:00Z"},
    "lines": [
        {
            "name": "API availability",
            "points": [["2026-11-17T00:00:00Z", 0.9], ["2026-11-23T00:00:00Z", -0.4]],
            "missed": True,
        },
        {
            "name": "Stripe webhooks",
            "points": [["2026-11-17T00:00:00Z", 1.0], ["2026-11-23T00:00:00Z", 0.95]],
            "missed": False,
        },
    ],
    "deployments": [{"at": "2026-11-18T00:00:00Z", "label": "api abc1234"}],
}
LATENCY: dict[str, Any] = {
    "within_ms": 500,
    "share": 0.95,
    "rows": [
        {"at": "2026-11-17T00:30:00Z", "low_ms": 100, "high_ms": 200, "count": 60},
        {"at": "2026-11-17T01:30:00Z", "low_ms": 400, "high_ms": 800, "count": 60},
        {"at": "2026-11-17T02:30:00Z", "low_ms": 800, "high_ms": None, "count": 60},
    ],
    "deployments": [],
}


def test_the_burn_down_says_what_is_left_and_what_is_overspent() -> None:
    shown = burn_down(BURN)
    assert "API availability overspent by 40 % · Stripe webhooks 95 % left" in shown.plain
    assert "deployed 2026-11-18 00:00 UTC  api abc1234" in shown.plain
    assert shown.png is not None
    assert shown.png.startswith(b"\x89PNG")


def test_latency_counts_hours_above_for_certain_and_those_that_may_be() -> None:
    shown = level_latency(LATENCY)
    assert "p95 by the hour: 1 of 3 hours above 500 ms, 1 may be" in shown.plain
    assert shown.png is not None


@pytest.mark.parametrize("kind", ["burn_down", "level_latency"])
def test_the_same_data_gives_the_same_picture(kind: str) -> None:
    data = BURN if kind == "burn_down" else LATENCY
    assert exhibit(Exhibit(kind, "t", data)).png == exhibit(Exhibit(kind, "t", data)).png


@pytest.mark.parametrize("kind", ["burn_down", "level_latency"])
@pytest.mark.parametrize(
    "data",
    [
        {},
        {"lines": [], "rows": []},
        {"lines": [{"name": "x", "points": [["never", 1], ["2026-11-17T00:00:00Z", "much"]]}]},
        {"rows": [{"at": None, "low_ms": 1}, {"at": "2026-11-17T00:00:00Z"}]},
        {"lines": [{"name": "<script>", "points": [["2026-11-17T00:00:00Z", 1e300]]}], "rows": []},
        {"lines": 5, "rows": 5},
    ],
)
def test_data_that_cannot_be_drawn_is_told_and_costs_no_run(kind: str, data: dict[str, Any]) -> None:
    shown = exhibit(Exhibit(kind, "t", data))
    assert shown.plain
    assert "<script>" not in shown.html


@pytest.mark.parametrize("name", ["$x^2$", "名前" * 30, "a\nb"])
def test_names_of_others_are_drawn_as_they_stand(name: str) -> None:
    lines = [{"name": name, "points": [["2026-11-17T00:00:00Z", 0.5]], "missed": False}]
    assert burn_down({**BURN, "lines": lines}).png is not None
