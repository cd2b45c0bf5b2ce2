"""The sandbox's nightly usage report, and what can be done to Stripe's ledgers: seen on the wire, and undone by healing."""

import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from runbook_lib.core.errors import UsageError
from runbook_lib.drills.quota_enforcement.faults import (
    LARGE,
    customer_of,
    hours_since_midnight,
    records,
    subscription_of,
)
from runbook_lib.sandbox import Sandbox

METER = "mtr_test_nexus_tokens"
DAY = 86_400


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox.up(f"billing-{uuid.uuid4().hex[:6]}", traffic=False, foreground=True)
    yield made
    made.down()


@pytest.fixture(autouse=True)
def _healed(sandbox: Sandbox) -> Iterator[None]:
    yield
    sandbox.heal()


def at_stripe(sandbox: Sandbox, path: str, version: str = "2026-10-28.endive", **params: Any) -> Any:
    headers = {"Authorization": f"Bearer {sandbox.env['RUNBOOK_STRIPE_KEY']}", "Stripe-Version": version}
    url = f"{sandbox.endpoints['stripe']}{path}"
    return httpx.get(url, params=params, headers=headers, timeout=5, trust_env=False).raise_for_status().json()


def metered(sandbox: Sandbox, days_ago: int = 1) -> dict[int, float]:
    """What the meter holds of the large customer, by hour, since a midnight."""
    now = int(time.time())
    midnight = now - now % DAY
    found = at_stripe(
        sandbox,
        f"/v1/billing/meters/{METER}/event_summaries",
        customer=customer_of(sandbox),
        start_time=midnight - days_ago * DAY,
        end_time=midnight,
        value_grouping_window="hour",
        limit=100,
    )
    return {row["start_time"]: row["aggregated_value"] for row in found["data"]}


def total(sandbox: Sandbox) -> int:
    """What usage records hold of the large customer's open period."""
    item = next(
        i["id"] for i in subscription_of(sandbox)["items"]["data"] if i["price"]["recurring"]["usage_type"] == "metered"
    )
    path = f"/v1/subscription_items/{item}/usage_record_summaries"
    return int(at_stripe(sandbox, path, "2024-06-20")["data"][0]["total_usage"])


def test_past_nights_are_reported_in_both_ledgers_and_a_run_reports_what_came_since(sandbox: Sandbox) -> None:
    before, held = metered(sandbox), total(sandbox)
    assert before
    at = "date_trunc('day', now()) - interval '1 day' + interval '7 minutes'"
    records("4321", at=at).apply(sandbox)
    midnight = min(before) - min(before) % DAY
    assert midnight not in before or before[midnight] != 4321
    sandbox.inject("ledger", customer=LARGE, since_h=hours_since_midnight(1), times=0)
    assert metered(sandbox) == {}
    assert sandbox.inject("cron", run=True) == 200
    after = metered(sandbox)
    assert sum(after.values()) == sum(before.values()) + 4321
    assert total(sandbox) == held + 4321
    sandbox.heal()
    assert (metered(sandbox), total(sandbox)) == (before, held)


def test_a_second_run_counts_nothing_twice(sandbox: Sandbox) -> None:
    before = metered(sandbox)
    assert sandbox.inject("cron", run=True) == 200
    assert sandbox.inject("cron", run=True) == 200
    assert metered(sandbox) == before


def test_the_run_is_in_the_platforms_log_with_its_line_and_forgotten_when_told(sandbox: Sandbox) -> None:
    def log() -> list[dict[str, Any]]:
        answer = httpx.get(
            f"{sandbox.endpoints['vercel']}/api/logs/request-logs",
            params={
                "projectId": sandbox.env["RUNBOOK_VERCEL_API_PROJECT"],
                "ownerId": sandbox.env["RUNBOOK_VERCEL_TEAM_ID"],
                "startDate": 0,
                "endDate": 4_000_000_000_000,
                "search": "usage-report",
            },
            headers={"Authorization": f"Bearer {sandbox.env['RUNBOOK_VERCEL_TOKEN']}"},
            timeout=5,
            trust_env=False,
        )
        rows: list[dict[str, Any]] = answer.raise_for_status().json()["rows"]
        return rows

    sandbox.inject("cron", run=True)
    newest = log()[0]
    assert (newest["requestPath"], newest["statusCode"]) == ("/api/cron/usage-report", 200)
    assert any("of 3 customers" in line["message"] for line in newest["logs"])
    sandbox.inject("cron", forget=True)
    assert log() == []


def test_only_the_scheduler_may_call_the_report(sandbox: Sandbox) -> None:
    url = f"{sandbox.endpoints['api']}/api/cron/usage-report"
    assert httpx.get(url, timeout=5, trust_env=False).status_code == 401
    assert httpx.get(url, headers={"Authorization": "Bearer guess"}, timeout=5, trust_env=False).status_code == 401


@pytest.mark.parametrize(("times", "factor"), [(2.0, 2.0), (0.0, 0.0), (3.0, 3.0)])
def test_a_ledger_holds_each_report_as_often_as_told(sandbox: Sandbox, times: float, factor: float) -> None:
    before, held = metered(sandbox), total(sandbox)
    assert sandbox.inject("ledger", customer=LARGE, times=times) >= len(before)
    assert metered(sandbox) == {start: value * factor for start, value in before.items() if factor}
    assert total(sandbox) == held * factor


def test_dropped_events_do_not_count_and_are_told_among_the_meters_errors(sandbox: Sandbox) -> None:
    struck = sandbox.inject("ledger", customer=LARGE, dropped="meter_event_customer_not_found")
    assert metered(sandbox) == {}
    found = at_stripe(sandbox, "/v2/core/events", object_id=METER)["data"]
    assert found[0]["type"] == "v1.billing.meter.error_report_triggered"
    assert "data" not in found[0]
    report = at_stripe(sandbox, f"/v2/core/events/{found[0]['id']}")["data"]
    assert report["reason"]["error_types"][0]["code"] == "meter_event_customer_not_found"
    assert report["reason"]["error_count"] == struck
    sandbox.heal()
    assert at_stripe(sandbox, "/v2/core/events", object_id=METER)["data"] == []


def test_a_call_at_stripe_is_taken_back_when_healed(sandbox: Sandbox) -> None:
    created = sandbox.inject("stripe", method="POST", path="/v1/customers", form={"email": "twin@acme.example"})
    assert at_stripe(sandbox, f"/v1/customers/{created}")["email"] == "twin@acme.example"
    sandbox.heal()
    with pytest.raises(httpx.HTTPStatusError):
        at_stripe(sandbox, f"/v1/customers/{created}")
    with pytest.raises(UsageError):
        sandbox.inject("stripe", method="POST", path="/v1/nothing")


def test_the_limits_file_changes_vanishes_and_comes_back(sandbox: Sandbox) -> None:
    file = Path(sandbox.env["RUNBOOK_PLAN_LIMITS"])
    before = file.read_text()
    sandbox.inject("limits", text="[plans.one]\ntokens = 1\n")
    assert "plans.one" in file.read_text()
    sandbox.inject("limits")
    assert not file.exists()
    sandbox.heal()
    assert file.read_text() == before
