"""Counts as arrays: windows, burn rates, stretches, holes; and the SRE Workbook's own table."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.procedures.service_levels.tally import (
    HOUR_S,
    POLICIES,
    Policy,
    Stretch,
    Tally,
    p95_between,
    p95_by_step,
    span_text,
)

SPECS = Path(__file__).parents[2] / "specs"
MONTH_S = 30 * 86_400


def tally(total: list[float], bad: list[float] | None = None, step_s: int = 60, since_s: int = 0) -> Tally:
    """A tally whose counts are exact."""
    held = np.array(bad if bad is not None else [0.0] * len(total))
    return Tally(since_s, step_s, np.array(total), held, held)


def test_the_policies_are_the_workbooks() -> None:
    table = json.loads((SPECS / "slo" / "burn-rate.json").read_text())
    ours = [
        {
            "severity": p.severity,
            "budget_spent": p.budget_spent,
            "long": span_text(p.long_s),
            "short": span_text(p.short_s),
            "burn_rate": round(p.threshold(MONTH_S), 6),
        }
        for p in POLICIES
    ]
    assert ours == table["windows"]
    assert table["period_days"] == 30


def test_over_a_short_period_no_threshold_lies_below_what_lasts_it_out() -> None:
    assert [round(policy.threshold(7 * 86_400), 2) for policy in POLICIES] == [3.36, 1.4, 1.0, 1.0]


counts = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=200)


@given(counts, st.integers(1, 250))
def test_a_rolling_window_is_the_sum_of_its_steps(rows: list[tuple[int, int]], steps: int) -> None:
    held = tally([float(t) for t, _ in rows], [float(min(t, b)) for t, b in rows])
    total, bad, _ = held.rolling(steps * 60)
    for at in range(len(rows)):
        first = max(0, at + 1 - steps)
        assert total[at] == sum(t for t, _ in rows[first : at + 1])
        assert bad[at] == sum(min(t, b) for t, b in rows[first : at + 1])


@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_stretches_cover_exactly_where_a_condition_held(held: list[bool]) -> None:
    found = tally([1.0] * len(held)).stretches(np.array(held))
    covered = [any(each.since_s <= at * 60 < each.until_s for each in found) for at in range(len(held))]
    assert covered == held
    assert all(one.until_s < other.since_s for one, other in pairwise(found))


def test_where_nothing_was_asked_nothing_burns() -> None:
    low, high = tally([0.0, 0.0, 4.0], [0.0, 0.0, 2.0]).burn(60, 0.5)
    assert np.isnan(low[:2]).all()
    assert low[2] == high[2] == 1.0


def test_both_windows_must_burn() -> None:
    policy = Policy("page", 0.02, HOUR_S, 300)
    bad = [0.0] * 60 + [5.0] * 30 + [0.0] * 30
    fires = tally([10.0] * 120, bad).fires(policy, 0.99, MONTH_S)
    assert fires[85]
    assert not fires[110], "the short window is clean again"


def test_a_coarser_tally_loses_nothing_but_its_ragged_ends() -> None:
    held = tally([1.0] * 150, step_s=60, since_s=600)
    coarse = held.coarser(HOUR_S)
    assert (coarse.since_s, coarse.total.tolist()) == (3600, [60.0])
    with pytest.raises(ValueError, match="no multiple"):
        held.coarser(90)


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="different lengths"):
        Tally.of("2026-11-23T00:00:00.000Z", 60, [1, 2], [0], [0])


def test_an_hour_without_requests_is_a_hole_only_where_there_would_have_been_some() -> None:
    week = [10.0] * (7 * 24 * 60)
    silent = list(week)
    silent[3000:3200] = [0.0] * 200
    assert [round(each.seconds / 60) for each in tally(silent).holes()] == [200]
    by_day = [10.0 if 8 <= (at // 60) % 24 < 18 else 0.0 for at in range(7 * 24 * 60)]
    assert tally(by_day).holes() == []
    weekdays = [0.0 if (at // 1440) % 7 in (5, 6) else 10.0 for at in range(28 * 1440)]
    assert tally(weekdays).holes() == []
    short = list(week)
    short[3000:3040] = [0.0] * 40
    assert tally(short).holes() == []
    assert tally([0.0] * 3000).holes() == []


def test_days_before_the_first_request_are_a_hole() -> None:
    held = tally([0.0] * 3000 + [10.0] * 7000)
    assert held.holes() == [Stretch(0, 180_000)]


def test_what_is_missing_is_reckoned_by_the_rate_of_the_rest() -> None:
    held = tally([10.0] * 90 + [0.0] * 10)
    assert held.missing_in([Stretch(90 * 60, 100 * 60)]) == pytest.approx(100.0)
    assert held.missing_in([Stretch(-600, 0)]) == pytest.approx(90.0), "before the tally: forgotten"


@pytest.mark.parametrize(
    ("latency", "between"),
    [
        (None, None),
        ({"step_s": 3600, "upper_ms": [100.0, 200.0, 400.0], "counts": [[90], [5], [5]]}, (100.0, 200.0)),
        ({"step_s": 3600, "upper_ms": [100.0, 200.0, None], "counts": [[90], [4], [6]]}, (200.0, None)),
        ({"step_s": 3600, "upper_ms": [100.0], "counts": [[0]]}, None),
        ({"step_s": 3600, "quantiles": {"0.95": [80.0, None, 120.0]}, "counts": [5, 0, 5]}, (80.0, 120.0)),
    ],
)
def test_a_quantile_is_told_between_its_bounds(latency: object, between: object) -> None:
    assert p95_between(latency) == between


def test_hours_without_requests_have_no_quantile() -> None:
    latency = {"step_s": 3600, "upper_ms": [100.0, 200.0], "counts": [[9, 0], [1, 0]]}
    rows = p95_by_step(latency, "2026-11-23T00:00:00.000Z")
    assert rows == [{"at": "2026-11-23T00:30:00.000Z", "low_ms": 100.0, "high_ms": 200.0, "count": 10}]
