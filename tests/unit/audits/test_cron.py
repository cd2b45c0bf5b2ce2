"""Times: five fields of cron are checked field by field, and mean the same in systemd's calendar."""

import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.run.audits.cron import Cron


@pytest.mark.parametrize(
    ("text", "calendar"),
    [
        ("17 2 * * *", "*-*-* 2:17:00 UTC"),
        ("*/15 * * * *", "*-*-* *:*/15:00 UTC"),
        ("0 6-18/2 * * 1-5", "Mon,Tue,Wed,Thu,Fri *-*-* 6..18/2:0:00 UTC"),
        ("5,35 0 1 1,7 *", "*-1,7-1 0:5,35:00 UTC"),
        ("0 0 * * 0,7", "Sun *-*-* 0:0:00 UTC"),
        ("0 0 * * */2", "Sun,Tue,Thu,Sat *-*-* 0:0:00 UTC"),
    ],
)
def test_an_expression_has_its_calendar_event(text: str, calendar: str) -> None:
    assert Cron.parse(text, where="here").calendar == calendar


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("17 2 * *", "4 fields"),
        ("60 2 * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day of month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * 8", "day of week"),
        ("0 0 * * mon", "day of week"),
        ("5-1 0 * * *", "range"),
        ("*/0 0 * * *", "step"),
        ("@daily", "1 fields"),
        ("0 0 * * *; rm -rf /", "8 fields"),
    ],
)
def test_what_is_none_is_refused_with_the_field(text: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Cron.parse(text, where="audits.nightly.when")


def test_cron_means_either_day_where_systemd_means_both() -> None:
    assert Cron.parse("0 0 1 * 1", where="here").is_either_day
    assert not Cron.parse("0 0 1 * *", where="here").is_either_day
