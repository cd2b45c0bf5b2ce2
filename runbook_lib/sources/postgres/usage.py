"""The database: an organization's record and what it used, added up inside the database and never by pulling records.

Two ways lead to it: `database`, a connection of RUNBOOK_DATABASE_URL (the source is then `postgres`), and `management`, read-only
SQL over the Management API (`supabase`). Both give the same rows. A role from which row security hides rows is `denied`, for
what it counts would be too little.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, Literal, TypeVar

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Json, Status, canonical_json
from runbook_lib.core.records.organizations import Organization, OrganizationRecord, PayingOrganization
from runbook_lib.core.records.usage import (
    LimitCrossing,
    PlanLimit,
    UsageByOrganization,
    UsageHour,
    UsageRecordCount,
    UsedUnits,
)
from runbook_lib.io.observe import Door, Look
from runbook_lib.sources.kit.asking import require_setting, window_arguments
from runbook_lib.sources.postgres import usage_sql as sql
from runbook_lib.sources.supabase.api import ManagementApi

Record = TypeVar("Record")
Way = Literal["database", "management"]
_SOURCES: dict[str, str] = {"database": "postgres", "management": "supabase"}


def organization(org: str, way: Way = "database") -> Look[Organization]:
    """An organization by its id, its name or its Stripe customer. partial where several are called so; unknown: not_found."""
    return _look(way, "organization", {"org": org}, lambda ask: sql.organization(ask, org))


def organizations(way: Way = "database") -> Look[list[OrganizationRecord]]:
    """Every organization with its billing record."""
    return _look(way, "organizations", {}, sql.organizations, deadline_s=60)


def by_hour(
    org_id: str, window: Window, edges: Sequence[datetime] = (), way: Way = "database"
) -> Look[list[UsageHour]]:
    """What an organization used, by hour, provider and model, oldest first. Nothing recorded: empty.

    Hours are full UTC hours, cut in two where an edge falls within one, so that sums up to an edge are exact.
    """
    arguments = {"org_id": org_id, **window_arguments(window), "edges": [to_iso(edge) for edge in edges]}
    return _look(way, "by_hour", arguments, lambda ask: sql.by_hour(ask, org_id, window, edges), deadline_s=90)


def crossing(
    org_id: str,
    window: Window,
    before: UsedUnits,
    limits: PlanLimit,
    *,
    grace_s: float = 60.0,
    way: Way = "database",
) -> Look[LimitCrossing]:
    """When a limit was reached, and what was recorded since; not reached: empty.

    Args:
        window: from the hour in which it was reached up to now.
        before: tokens and requests used in the period before the window.
        limits: what the plan allows.
        grace_s: what was under way when it was reached, and is recorded so much later, does not count.
    """
    arguments = {"org_id": org_id, **window_arguments(window), "before": before, "limits": limits, "grace_s": grace_s}
    return _look(
        way,
        "crossing",
        arguments,
        lambda ask: sql.crossing(ask, org_id, window, before, limits, grace_s),
        deadline_s=60,
    )


def fleet(
    periods: Sequence[dict[str, str]], settled: datetime, recent: datetime, way: Way = "database"
) -> Look[UsageByOrganization]:
    """What each of many organizations used, each in a period of its own.

    Args:
        periods: [{"org_id", "since", "until", "counted_since"}], ISO times; `counted_since` is the full hour from which Stripe's
            ledger counts, and settled_tokens with it.
        settled: what is older must have been reported; settled_tokens counts up to it.
        recent: recent_tokens counts from here.
    """
    digest = sha256(canonical_json(list(periods))).hexdigest()[:16]
    arguments = {"organizations": len(periods), "asked": digest, "settled": to_iso(settled), "recent": to_iso(recent)}
    return _look(way, "fleet", arguments, lambda ask: sql.fleet(ask, periods, settled, recent), deadline_s=180)


def payers(org_id: str, window: Window, way: Way = "database") -> Look[list[PayingOrganization]]:
    """Up to three other organizations with a Stripe customer that used something in the window; none: empty."""
    arguments = {"org_id": org_id, **window_arguments(window)}
    return _look(way, "payers", arguments, lambda ask: sql.payers(ask, org_id, window), deadline_s=30)


def recorded(window: Window, org_id: str = "", way: Way = "database") -> Look[UsageRecordCount]:
    """How many usage records there are of a window, of one organization or of all."""
    arguments = {**window_arguments(window), "org_id": org_id}
    return _look(way, "recorded", arguments, lambda ask: sql.recorded(ask, window, org_id), deadline_s=60)


def _look(
    way: Way, call: str, arguments: dict[str, Json], answer: Callable[[sql.Ask], Answer[Record]], deadline_s: float = 15
) -> Look[Record]:
    """A look that asks its statements one of the two ways."""

    def fetch(door: Door) -> Answer[Record]:
        if way == "database":
            dsn = require_setting(door, "database_url")
            return _read(answer, lambda statement, parameters: _over_connection(door, dsn, statement, parameters))
        api = ManagementApi(door)
        return _read(answer, lambda statement, parameters: _over_http(api, statement, parameters))

    return Look(_SOURCES[way], call, arguments, fetch, deadline_s)


def _read(answer: Callable[[sql.Ask], Answer[Record]], ask: sql.Ask) -> Answer[Record]:
    """The answer; rows of another shape than was asked for are malformed, and no traceback."""
    try:
        return answer(ask)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise LookError(Status.malformed, f"unexpected rows: {type(error).__name__} {error}"[:300]) from error


def _over_connection(door: Door, dsn: str, statement: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    """The rows; a table that is not there is no answer about an organization."""
    try:
        return door.sql.query(dsn, statement, parameters)
    except LookError as error:
        if error.status != Status.not_found:
            raise
        raise LookError(
            Status.malformed, error.tried, do_next="apply packages/database/sql to this database"
        ) from error


def _over_http(api: ManagementApi, statement: str, parameters: Sequence[Any]) -> list[dict[str, Any]]:
    return api.query(sql.numbered(statement), list(parameters))
