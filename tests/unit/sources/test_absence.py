"""What it means that nothing was found: absent, too young to be there, or no longer kept."""

from datetime import UTC, datetime, timedelta

import pytest

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Status
from runbook_lib.io.http import Deadline
from runbook_lib.io.observe import Door
from runbook_lib.settings import Settings
from runbook_lib.sources.kit.asking import judge_absence, read_pages

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class _At(Door):
    """A door whose clock stands still."""

    def clock(self) -> datetime:
        return NOW


def _ago(**how_long: float) -> datetime:
    return NOW - timedelta(**how_long)


def _status(*, window: Window | None = None, at: datetime | None = None, one: bool = False) -> Status:
    door = _At(Settings.empty(), Deadline(1))
    return judge_absence(door, "trace", delay_s=30, retention_h=24, window=window, at=at, one=one).status


def test_one_thing_of_known_time_is_judged_by_that_time_alone() -> None:
    around = Window(_ago(minutes=10), NOW)
    assert _status(at=_ago(seconds=10), window=around, one=True) == Status.too_recent
    assert _status(at=_ago(seconds=31), window=around, one=True) == Status.not_found
    assert _status(at=_ago(hours=25), window=around, one=True) == Status.out_of_retention


def test_one_thing_of_unknown_time_is_too_recent_as_long_as_part_of_the_window_is() -> None:
    assert _status(window=Window(_ago(hours=1), NOW), one=True) == Status.too_recent
    assert _status(window=Window(_ago(hours=1), _ago(minutes=1)), one=True) == Status.not_found


def test_a_search_is_too_recent_only_when_the_whole_window_is() -> None:
    assert _status(window=Window(_ago(hours=1), NOW)) == Status.empty
    assert _status(window=Window(_ago(seconds=20), NOW)) == Status.too_recent


def test_a_window_that_begins_before_what_is_kept_proves_nothing() -> None:
    assert _status(window=Window(_ago(hours=30), NOW)) == Status.out_of_retention
    assert _status(window=Window(_ago(hours=30), _ago(hours=26)), one=True) == Status.out_of_retention


def test_without_any_time_the_sources_word_is_all_there_is_and_the_help_asks_for_a_time() -> None:
    door = _At(Settings.empty(), Deadline(1))
    answer = judge_absence(door, "trace", delay_s=30, retention_h=24, one=True)
    assert answer.status == Status.not_found
    assert "time" in answer.help


@pytest.mark.parametrize("limit", [1, 3, 5, 6, 100])
def test_pages_are_read_up_to_the_limit_and_it_is_told_whether_there_are_more(limit: int) -> None:
    pages: dict[int, tuple[list[dict[str, int]], int | None]] = {
        0: ([{"n": 1}, {"n": 2}], 1),
        1: ([{"n": 3}, {"n": 4}], 2),
        2: ([{"n": 5}], None),
    }
    rows, more = read_pages(lambda mark: pages[mark], 0, limit)
    assert [row["n"] for row in rows] == [1, 2, 3, 4, 5][:limit]
    assert more == (limit < 5)


def test_a_server_that_sends_its_reader_in_circles_is_left_and_the_rest_is_called_missing() -> None:
    rows, more = read_pages(lambda mark: ([{"n": mark}], 1 - mark), 0, 1000)
    assert (len(rows), more) == (2, True)
