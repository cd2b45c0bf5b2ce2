"""Two ledgers bucket by bucket, periods to the second, forecasts: the arithmetic under 05's rules."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.quota import MIDNIGHT, NOW, SINCE, UNTIL, World, epoch

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.procedures.quota_enforcement.account import read
from runbook_lib.procedures.quota_enforcement.ledgers import reconcile, reconcile_total
from runbook_lib.procedures.quota_enforcement.spending import forecasts, usage_exhibit
from runbook_lib.procedures.quota_enforcement.verdict import limit_hour
from runbook_lib.reading import periods

HOUR = 3600
START = epoch(MIDNIGHT) - 10 * 86_400
BUCKETS = st.dictionaries(st.integers(0, 239), st.integers(1, 10**6), min_size=2, max_size=60)


def hours(by_nth: dict[int, int]) -> dict[int, int]:
    return {START + nth * HOUR: quantity for nth, quantity in by_nth.items()}


@given(BUCKETS, st.integers(0, 240))
def test_what_agrees_up_to_a_moment_is_late_after_it_and_nothing_else(by_nth: dict[int, int], cut: int) -> None:
    recorded = hours(by_nth)
    reported = {start: float(q) for start, q in recorded.items() if start < START + cut * HOUR}
    read_ = reconcile(recorded, reported, START)
    assert read_.agrees
    newest = max(reported, default=None)
    assert set(read_.late) == {start for start in recorded if newest is None or start > newest}
    assert read_.matched == len(reported)


@given(BUCKETS)
def test_late_is_overdue_only_where_it_is_settled(by_nth: dict[int, int]) -> None:
    recorded = hours(by_nth)
    settled = START + 120 * HOUR
    read_ = reconcile(recorded, {}, settled)
    assert set(read_.overdue) == {start for start in recorded if start + HOUR <= settled}
    assert read_.reported_until is None


@given(BUCKETS, st.data())
def test_a_hole_before_newer_reports_is_missing_whatever_surrounds_it(
    by_nth: dict[int, int], data: st.DataObject
) -> None:
    recorded = hours(by_nth)
    gone = data.draw(st.sampled_from(sorted(recorded)[:-1]))
    reported = {start: float(q) for start, q in recorded.items() if start != gone}
    found = reconcile(recorded, reported, START + 300 * HOUR)
    assert (found.missing, found.shift_s) == ((gone,), 0)


@given(BUCKETS, st.sampled_from([2, 3]))
def test_the_same_quantity_twice_or_thrice_is_double_and_half_of_it_is_short(
    by_nth: dict[int, int], factor: int
) -> None:
    recorded = {start: quantity * 2 for start, quantity in hours(by_nth).items()}
    twice = reconcile(recorded, {start: float(q * factor) for start, q in recorded.items()}, START)
    assert set(twice.double) == set(recorded)
    half = reconcile(recorded, {start: q / 2 for start, q in recorded.items()}, START + 300 * HOUR)
    assert set(half.short) == set(recorded)


@pytest.mark.parametrize(("shift_h", "every"), [(-14, 7), (-5, 7), (1, 7), (9, 1), (14, 1)])
def test_reports_that_all_stand_off_by_the_same_hours_are_shifted(shift_h: int, every: int) -> None:
    recorded = hours({nth: 1000 + nth * nth for nth in range(0, 240, every)})
    moved = {start + shift_h * HOUR: float(q) for start, q in recorded.items()}
    assert reconcile(recorded, moved, START + 300 * HOUR).shift_s == shift_h * HOUR


def test_a_day_at_a_time_is_compared_by_days() -> None:
    recorded = hours({nth: 100 + nth for nth in range(0, 240, 6)})
    days: dict[int, float] = {}
    for start, quantity in recorded.items():
        days[start - start % 86_400] = days.get(start - start % 86_400, 0) + quantity
    found = reconcile(recorded, days, START + 240 * HOUR)
    assert (found.unit_s, found.agrees, found.matched) == (86_400, True, 10)
    found = reconcile(recorded, {**days, START: days[START] * 2}, START + 240 * HOUR)
    assert found.double == (START,)


@given(BUCKETS)
def test_one_sum_agrees_with_any_prefix_that_holds_all_that_is_due(by_nth: dict[int, int]) -> None:
    recorded = hours(by_nth)
    total = float(sum(recorded.values()))
    assert reconcile_total(recorded, total, START + 240 * HOUR).kind == "agrees"
    assert reconcile_total(recorded, 0, START + 240 * HOUR).kind == "late"
    assert reconcile_total(recorded, 0, START).kind == "agrees"
    assert reconcile_total(recorded, total * 2, START + 240 * HOUR).kind == "double"


@pytest.mark.parametrize(
    ("end", "at", "since", "until"),
    [
        ("2026-12-08T00:00:00Z", "2026-11-23T09:00:00Z", "2026-11-08T00:00:00Z", "2026-12-08T00:00:00Z"),
        ("2026-12-08T14:23:07Z", "2026-11-08T14:23:06Z", "2026-10-08T14:23:07Z", "2026-11-08T14:23:07Z"),
        ("2026-12-08T14:23:07Z", "2026-11-08T14:23:07Z", "2026-11-08T14:23:07Z", "2026-12-08T14:23:07Z"),
        ("2027-03-31T00:00:00Z", "2027-03-01T00:00:00Z", "2027-02-28T00:00:00Z", "2027-03-31T00:00:00Z"),
        ("2026-11-01T00:00:00Z", "2026-11-23T09:00:00Z", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        (None, "2026-12-31T23:59:59Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    ],
)
def test_a_periods_edges_are_right_to_the_second(end: str | None, at: str, since: str, until: str) -> None:
    found = periods.period_to(periods.moment(end), datetime.fromisoformat(at))
    assert found == Window(datetime.fromisoformat(since), datetime.fromisoformat(until))


def test_hours_in_words_join_neighbours_and_say_how_many_more() -> None:
    base = epoch(MIDNIGHT)
    assert (
        periods.told_hours([base, base + HOUR, base + 5 * HOUR]) == "2026-11-23 00:00–02:00, 2026-11-23 05:00–06:00 UTC"
    )
    assert periods.told_hours([base + 2 * n * HOUR for n in range(9)]).endswith("UTC and 3 more")


def test_an_edge_within_an_hour_divides_its_usage_exactly() -> None:
    edge = SINCE + timedelta(minutes=23, seconds=7)
    subscriptions = [{**World().subscriptions[0], "period_start": to_iso(edge), "period_end": to_iso(UNTIL)}]
    groups = [[epoch(SINCE), "openai", "a", 7, 1, 1, 0], [epoch(edge), "openai", "a", 5, 1, 1, 0]]
    account = read(World(subscriptions=subscriptions, recorded={}, groups=groups).evidence())
    assert account.period.since == edge
    assert account.used_now["tokens"] == 5
    assert account.hours == {epoch(SINCE): 12}


def test_the_hour_in_which_a_limit_is_reached_is_found_with_what_was_used_before() -> None:
    recorded = {epoch(MIDNIGHT - timedelta(days=n)): 10 for n in range(1, 6)}
    limits = {"enterprise": {"tokens": 35, "requests": None}}
    account = read(World(recorded=recorded, limits=limits).evidence())
    place = limit_hour(account)
    assert place is not None
    assert place == (Window(MIDNIGHT - timedelta(days=2), NOW), {"tokens": 30, "requests": 3})
    assert limit_hour(read(World().evidence())) is None


def test_the_forecast_goes_by_the_last_seven_days() -> None:
    recorded = {epoch(NOW - timedelta(days=n, hours=1)): 10 for n in range(7)} | {epoch(NOW - timedelta(days=12)): 1000}
    limits = {"enterprise": {"tokens": 1130, "requests": None}}
    (tokens,) = forecasts(read(World(recorded=recorded, limits=limits).evidence()))
    assert (tokens.used, round(tokens.per_day)) == (1070, 10)
    assert tokens.reached_at == NOW + timedelta(days=6)
    assert tokens.reached_at.tzinfo == UTC
    drawn = usage_exhibit(read(World(recorded=recorded, limits=limits).evidence()))
    assert drawn["shares"] == [{"name": "openai/gpt-4o", "tokens": 1070, "requests": 8, "without_tokens": 0}]
