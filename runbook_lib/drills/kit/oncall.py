"""What on-call does before the runbook: read the platform's request log for the id of a failing request."""

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from runbook_lib.core.errors import SandboxError


def failing_request(
    settings: Mapping[str, str], since: datetime, path: str = "", patience_s: float = 5.0
) -> dict[str, Any]:
    """The newest request in Vercel's log of web that did not end well; asked as the vendor's own command line does.

    Args:
        settings: the target's variables.
        since: how far back to look.
        path: only requests of this path.
        patience_s: how long to wait for one to appear.

    Returns:
        The row as Vercel sends it, with `requestId`, `statusCode`, `requestPath`.

    Raises:
        SandboxError: none appeared in time.
    """
    end = time.monotonic() + patience_s
    while True:
        rows = [
            row
            for row in _rows(settings, since)
            if not 0 < int(row["statusCode"] or -1) < 400 and (not path or row["requestPath"] == path)
        ]
        if rows:
            return rows[0]
        if time.monotonic() > end:
            raise SandboxError("No failing request appeared in Vercel's request log", where=path or "any path")
        time.sleep(0.2)


def _rows(settings: Mapping[str, str], since: datetime) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{settings['RUNBOOK_VERCEL_LOGS_URL']}/api/logs/request-logs",
        params={
            "projectId": settings["RUNBOOK_VERCEL_WEB_PROJECT"],
            "ownerId": settings["RUNBOOK_VERCEL_TEAM_ID"],
            "startDate": int(since.timestamp() * 1000),
            "endDate": int(datetime.now(UTC).timestamp() * 1000) + 1000,
            "page": 0,
        },
        headers={"Authorization": f"Bearer {settings['RUNBOOK_VERCEL_TOKEN']}"},
        timeout=5,
        trust_env=False,
    )
    rows: list[dict[str, Any]] = answer.raise_for_status().json()["rows"]
    return sorted(rows, key=lambda row: str(row["timestamp"]), reverse=True)
