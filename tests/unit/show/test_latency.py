"""The latency plot shows failures, percentiles of the window, deployments and the request in question."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.show.latency import latency
from runbook_lib.show.points import Point, buckets, read_latency

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
Colours = Callable[[bytes], dict[tuple[int, ...], int]]
RED, VIOLET = (198 // 8, 40 // 8, 40 // 8), (122 // 8, 79 // 8, 191 // 8)


def point(minute: float, ms: object, failed: bool = False) -> dict[str, Any]:
    return {"at": (START + timedelta(minutes=minute)).isoformat(), "ms": ms, "failed": failed, "label": "x"}


def data(points: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
    return {"points": points, "window": None, "baseline_p95_ms": None, "deployments": [], "request": None, **given}


def test_failures_and_deployments_are_drawn_in_their_own_colours(colours: Colours) -> None:
    calm = [point(at, 100 + at) for at in range(30)]
    plain, failing, deployed = (
        colours(latency(given).png or b"")
        for given in (
            data(calm),
            data([*calm, point(15, 900, failed=True)]),
            data(calm, deployments=[{"at": (START + timedelta(minutes=10)).isoformat(), "label": "api 4be21c0"}]),
        )
    )
    assert RED not in plain
    assert RED in failing
    assert VIOLET not in plain
    assert VIOLET in deployed


def test_the_text_says_what_the_picture_shows() -> None:
    points = [point(at, 100) for at in range(20)] + [point(20 + at, 6000, failed=at > 5) for at in range(10)]
    window = {
        "since": (START + timedelta(minutes=20)).isoformat(),
        "until": (START + timedelta(minutes=40)).isoformat(),
    }
    deployed = [{"at": (START + timedelta(minutes=19)).isoformat(), "label": "api 4be21c0"}]
    text = latency(
        data(points, window=window, baseline_p95_ms=100, deployments=deployed, request=point(25, 6000, True))
    ).plain
    assert text.startswith("10 requests in the window, 4 failed, p50 6 s, p95 6 s, p95 before 100 ms\n")
    assert "deployed 2026-11-23 08:19:00 UTC  api 4be21c0" in text
    assert "this request 2026-11-23 08:25:00 UTC  6 s, failed" in text


def test_requests_without_time_or_duration_are_counted_not_guessed() -> None:
    text = latency(data([point(0, 10), point(1, None), {"at": "noon", "ms": 3, "failed": True}, point(2, -4)])).plain
    assert "3 requests without time or duration not drawn" in text
    assert text.startswith("1 request, 0 failed")


@given(st.lists(st.tuples(st.integers(0, 10**7), st.floats(0, 1e6), st.booleans()), min_size=1, max_size=60))
def test_stretches_of_time_hold_every_request_once(given: list[tuple[int, float, bool]]) -> None:
    points = sorted(
        (Point(START + timedelta(seconds=s), ms, failed) for s, ms, failed in given), key=lambda each: each.at
    )
    held = buckets(points)
    assert sum(each.count for each in held) == len(points)
    assert sum(each.failed for each in held) == sum(each.failed for each in points)
    assert len(held) <= 12


def test_no_request_is_said_and_not_drawn() -> None:
    assert latency(data([])).png is None
    assert latency(data([])).plain.startswith("0 requests, 0 failed")


def test_many_requests_are_thinned_and_it_is_said(colours: Colours) -> None:
    points = [point(at / 100, 100 + at % 50) for at in range(9000)] + [point(95, 5000, failed=True)]
    shown = latency(data(points))
    assert shown.plain.startswith("9,001 requests, 1 failed")
    assert RED in colours(shown.png or b"")


@pytest.mark.parametrize("label", ["$x^{", "名前 🎉", "<script>", ""])
def test_any_label_can_be_drawn(read_page: Callable[[str], Any], label: str) -> None:
    shown = latency(data([point(0, 10), point(9, 10)], deployments=[{"at": START.isoformat(), "label": label}] * 9))
    read_page(shown.html)
    assert shown.png is not None


moments = st.one_of(st.datetimes(timezones=st.just(UTC)).map(lambda at: at.isoformat()), st.just("x"), st.none())
durations = st.one_of(st.floats(), st.integers(0, 10**15), st.none(), st.text(max_size=2))
odd_points = st.fixed_dictionaries({"at": moments, "ms": durations}, optional={"failed": st.booleans()})


@given(st.lists(odd_points, max_size=4), moments, moments, durations, st.one_of(st.none(), odd_points))
@settings(max_examples=40)
def test_odd_times_and_durations_do_not_break_the_picture(
    points: list[Any], since: object, until: object, baseline: object, request: Any
) -> None:
    given = data(points, window={"since": since, "until": until}, baseline_p95_ms=baseline, request=request)
    seen = read_latency(given)
    assert (latency(given).png is None) is (not seen.points and seen.request is None)
