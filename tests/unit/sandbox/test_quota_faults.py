"""The faults of the daily usage report strike a day whose report is due, at whatever hour they are made."""

from datetime import UTC, datetime, timedelta

import pytest

from runbook_lib.core.clock import Window
from runbook_lib.drills.quota_enforcement import faults
from runbook_lib.procedures.quota_enforcement.account import Account, Evidence

MIDNIGHT = datetime(2026, 11, 27, tzinfo=UTC)


@pytest.mark.parametrize("hour", [0.0, 0.5, 1.99, 2.0, 9.0, 23.9])
def test_the_day_that_is_struck_is_due(hour: float, monkeypatch: pytest.MonkeyPatch) -> None:
    now = MIDNIGHT + timedelta(hours=hour)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return now

    monkeypatch.setattr(faults, "datetime", Clock)
    struck_from = MIDNIGHT - timedelta(days=faults.newest_due_day())
    account = Account(Evidence(now, Window(now - timedelta(hours=24), now)))
    assert account.settled == struck_from + timedelta(days=1)
    assert faults.hours_since_midnight(faults.newest_due_day()) == pytest.approx(
        (now - struck_from).total_seconds() / 3600 + 0.25
    )
