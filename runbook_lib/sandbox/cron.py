"""The platform's scheduler: calls the API's daily usage report at ten past midnight, as Vercel Cron does; and its past.

What it did before the sandbox came up is planted where it would have left traces: in Stripe's ledgers, in the platform's
request log, and among the API's own lines.
"""

import asyncio
import contextlib
import secrets
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from runbook_lib.sandbox import plain_http
from runbook_lib.sandbox.apps.usage_report import PATH
from runbook_lib.sandbox.facades.stripe import plant as stripe_plant
from runbook_lib.sandbox.world import LogLine, RequestRow

if TYPE_CHECKING:
    from runbook_lib.sandbox.system import System

AGENT = "vercel-cron/1.0"
AFTER_MIDNIGHT = timedelta(minutes=10)
_NIGHTS_LOGGED = 2  # platforms keep no longer


class Cron:
    """The scheduler. `is_on`: whether the job is still on its list."""

    def __init__(self, system: "System") -> None:
        self.system = system
        self.is_on = True
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Wait for the nights to come."""
        self._task = asyncio.create_task(self._wait())

    async def stop(self) -> None:
        """Forget the nights to come."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def run(self, day: str = "") -> int:
        """Call the job now; returns the HTTP status that came back, 0 where none did.

        Args:
            day: the UTC day to report; empty is the day before today.
        """
        world = self.system.world
        headers = {"Authorization": f"Bearer {world.keys.cron_secret}", "User-Agent": AGENT}
        async with plain_http.async_client(timeout=60) as client:
            try:
                url, params = f"{world.endpoints['api']}{PATH}", {"day": day} if day else {}
                return (await client.get(url, headers=headers, params=params)).status_code
            except httpx.HTTPError:
                return 0

    async def _wait(self) -> None:
        while True:
            now = self.system.world.now()
            due = last_run(now) + timedelta(days=1)
            await asyncio.sleep((due - now).total_seconds())
            if self.is_on:
                await self.run()


def last_run(now: datetime) -> datetime:
    """When the job was last due: ten past the last midnight that is as long ago."""
    midnight = (now - AFTER_MIDNIGHT).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + AFTER_MIDNIGHT


async def plant_past_reports(system: "System") -> None:
    """What the job has reported in the nights before: every full hour of usage up to the midnight before its last run."""
    now = system.world.now()
    run = last_run(now)
    until = run - AFTER_MIDNIGHT
    usage = await _hours(system, until)
    by_day: dict[str, list[int]] = defaultdict(list)
    for org in system.population.organizations:
        if org.customer is None:
            continue
        for hour, tokens in usage.get(org.id, {}).items():
            sent_at = hour.replace(hour=0) + timedelta(days=1) + AFTER_MIDNIGHT
            identifier = f"usage-{org.id}-{int(hour.timestamp())}"
            stripe_plant.report_usage(system.world, org.customer, hour, tokens, identifier, sent_at)
            by_day[f"{hour:%Y-%m-%d}"].append(tokens)
    payers = sum(org.customer is not None for org in system.population.organizations)
    for night in reversed(range(_NIGHTS_LOGGED)):
        at = run - timedelta(days=night)
        day = f"{at - timedelta(days=1):%Y-%m-%d}"
        note_run(system, at, 200, day, payers, payers, sum(by_day.get(day, [])))


def note_run(system: "System", at: datetime, status: int, day: str, customers: int, reported: int, tokens: int) -> None:
    """Write a run of the job into the platform's log: the request, and the job's own line."""
    world, part = system.world, system.parts["api"]
    request_id, _ = system.edges["api"].platform.new_id(at)
    trace_id = secrets.token_hex(16)
    row = RequestRow(
        platform=part.platform,
        part="api",
        request_id=request_id,
        at=at,
        method="GET",
        path=PATH,
        host=system.edges["api"].host,
        status=status,
        duration_ms=1840.0,
        trace_id=trace_id,
        error=None,
        deployment_id=part.deployment_id,
        region=system.edges["api"].platform.region,
        user_agent=AGENT,
    )
    words = f"usage report: {day}: {reported} of {customers} customers, {tokens} tokens"
    said: dict[str, Any] = {"day": day, "customers": customers, "reported": reported, "tokens": tokens}
    line = LogLine(
        platform=part.platform,
        part="api",
        at=at + timedelta(seconds=1),
        level="info" if status < 400 else "error",
        message=words,
        request_id=request_id,
        trace_id=trace_id,
        attributes={"job": "usage-report", **said},
        deployment_id=part.deployment_id,
        instance=part.instance,
    )
    _insert(world.requests, row)
    _insert(world.logs, line)


def _insert(rows: Any, row: Any) -> None:
    """Put a row in its place in time."""
    rows.insert(sum(1 for earlier in rows if earlier.at <= row.at), row)


async def _hours(system: "System", until: datetime) -> dict[str, dict[datetime, int]]:
    """Tokens by organization and full hour before `until`, from the database."""
    async with system.postgres.connect() as connection:
        cursor = await connection.execute(
            "select org_id::text, date_bin('1 hour', at, timestamptz '2000-01-01 00:00Z'), sum(tokens)::bigint"
            " from public.usage_records where at < %s group by 1, 2 order by 2",
            [until],
        )
        found: dict[str, dict[datetime, int]] = defaultdict(dict)
        for org, hour, tokens in await cursor.fetchall():
            assert isinstance(hour, datetime)
            found[str(org)][hour.astimezone(UTC)] = int(str(tokens or 0))
    return found
