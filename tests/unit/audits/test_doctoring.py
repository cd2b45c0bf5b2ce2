"""Doctor's report as an audit counts it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbook_lib.core.clock import to_iso
from runbook_lib.run.audits.doctoring import verdict_of_report

KEY = {"setting": "RUNBOOK_VERCEL_TOKEN", "expires_at": None, "expired": False, "said_by": "vendor"}


def report(**key: Any) -> dict[str, Any]:
    return {"keys": [{**KEY, **key}], "missing": {}}


def days(count: int) -> str:
    return to_iso(datetime.now(UTC) + timedelta(days=count))


@pytest.mark.parametrize(
    ("key", "codes"),
    [
        ({}, []),
        ({"expires_at": days(60)}, []),
        ({"expires_at": days(3)}, ["doctor.key_expires"]),
        ({"expires_at": days(-3), "expired": True}, ["doctor.key_expired"]),
        ({"expired": True}, ["doctor.key_expired"]),
    ],
)
def test_a_key_is_told_of_when_its_end_is_near_or_past(key: dict[str, Any], codes: list[str]) -> None:
    verdict = verdict_of_report(report(**key))
    assert [cause["code"] for cause in verdict["causes"]] == codes
    assert verdict["status"] == ("confirmed" if codes else "ruled_out")
    assert all("None" not in cause["summary"] for cause in verdict["causes"])


def test_a_service_that_two_procedures_need_is_told_of_once() -> None:
    verdict = verdict_of_report(
        {"keys": [], "missing": {"01_failed_request": ["tempo"], "09_service_levels": ["tempo"]}}
    )
    assert [(cause["code"], cause["subject"]) for cause in verdict["causes"]] == [("doctor.unusable", "tempo")]
