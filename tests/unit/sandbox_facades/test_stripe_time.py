"""Billing periods keep their day as far as the month has it; versions are told apart at basil."""

from datetime import UTC, datetime

import pytest

from runbook_lib.sandbox.facades.stripe.shapes import recurring
from runbook_lib.sandbox.facades.stripe.subscriptions import period_end
from runbook_lib.sandbox.facades.stripe.versions import is_before_basil, is_version, render


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("start", "interval", "count", "end"),
    [
        ("2026-01-31T10:00:00", "month", 1, "2026-02-28T10:00:00"),
        ("2028-01-31T10:00:00", "month", 1, "2028-02-29T10:00:00"),
        ("2026-12-15T00:00:00", "month", 1, "2027-01-15T00:00:00"),
        ("2026-01-15T00:00:00", "month", -1, "2025-12-15T00:00:00"),
        ("2028-02-29T00:00:00", "year", 1, "2029-02-28T00:00:00"),
        ("2026-03-01T00:00:00", "week", 2, "2026-03-15T00:00:00"),
        ("2026-02-28T23:59:59", "day", 1, "2026-03-01T23:59:59"),
    ],
)
def test_a_period_ends_on_its_day_or_on_the_months_last(start, interval, count, end):
    assert period_end(at(start), recurring(interval), count) == at(end)


@pytest.mark.parametrize(
    ("version", "known", "before"),
    [
        ("2024-06-20", True, True),
        ("2025-02-24.acacia", True, True),
        ("2025-03-31.basil", True, False),
        ("2026-10-28.endive", True, False),
        ("2027-01-01.fennel", False, False),
        ("latest", False, False),
    ],
)
def test_versions_are_known_and_divided_at_basil(version, known, before):
    assert is_version(version) is known
    if known:
        assert is_before_basil(version) is before


def test_the_facades_own_fields_are_never_shown():
    endpoint = {"object": "webhook_endpoint", "id": "we_1", "_secret": "whsec_x", "metadata": {"_own": "kept out too"}}
    assert "whsec_x" not in str(render(endpoint, "2024-06-20"))
