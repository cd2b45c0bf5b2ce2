"""The statements that add usage up inside the database, in a form for both ways to it: a connection, and the Management API.

Every aggregate goes over an index range of one organization, or once over the table for all of them; what comes back grows
with hours, models and organizations, never with records. Hours are UTC hours (`date_bin`, which unlike `date_trunc` asks no
zone and costs little), cut at the edges of billing periods so that each period is exact to the microsecond.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from runbook_lib.core.clock import Window
from runbook_lib.core.errors import LookError
from runbook_lib.core.model import Answer, Status
from runbook_lib.core.records.organizations import Organization, OrganizationRecord, PayingOrganization
from runbook_lib.core.records.usage import (
    LimitCrossing,
    PeriodUsage,
    PlanLimit,
    UsageByOrganization,
    UsageHour,
    UsageRecordCount,
    UsedUnits,
)
from runbook_lib.sources.kit.asking import iso_of_text, one_organization, whole_number

Ask = Callable[[str, Sequence[Any]], list[dict[str, Any]]]

MOST_GROUPS = 200_000
MOST_ORGS = 200_000

_HELP = "a role that sees past row security: BYPASSRLS, the owner of the tables, or the Management API's read-only role"
_HIDDEN = "row security hides rows from this role, so that a sum would be too small"

_ORG = """
select o.id::text as org_id, o.name, o.created_at::text as created_at, b.org_id is not null as has_record,
       b.stripe_customer_id, b.plan, b.status, b.current_period_end::text as current_period_end,
       pg_catalog.current_setting('TimeZone') as time_zone,
       pg_catalog.row_security_active('public.usage_records') or pg_catalog.row_security_active('public.organizations')
         or pg_catalog.row_security_active('public.billing_customers') as is_hidden
from (select 1) as one
left join public.organizations o on o.id::text = pg_catalog.lower(%s) or o.name = %s
     or o.id in (select c.org_id from public.billing_customers c where c.stripe_customer_id = %s)
left join public.billing_customers b on b.org_id = o.id
order by o.created_at, o.id
limit 3
"""
_ORGS = """
select o.id::text as org_id, o.name, b.org_id is not null as has_record, b.stripe_customer_id, b.plan, b.status,
       b.current_period_end::text as current_period_end,
       pg_catalog.row_security_active('public.usage_records') or pg_catalog.row_security_active('public.organizations')
         or pg_catalog.row_security_active('public.billing_customers') as is_hidden
from public.organizations o left join public.billing_customers b on b.org_id = o.id
order by o.id
limit %s
"""
_BY_HOUR = """
select pg_catalog.extract('epoch', {start})::bigint as start, provider, model, pg_catalog.sum(tokens)::bigint as tokens,
       pg_catalog.sum(requests)::bigint as requests, pg_catalog.count(*) as records, pg_catalog.count(tokens) as with_tokens
from public.usage_records
where org_id = %s::uuid and at >= %s::timestamptz and at < %s::timestamptz
group by {start}, provider, model
order by 1, 2, 3
limit %s
"""
_HOUR = "pg_catalog.date_bin('1 hour', at, '2000-01-01 00:00:00+00'::timestamptz)"
_CROSSING = """
with running as (
  select at, %s::bigint + pg_catalog.sum(tokens) over (order by at, id) as tokens,
         %s::bigint + pg_catalog.sum(requests) over (order by at, id) as requests
  from public.usage_records where org_id = %s::uuid and at >= %s::timestamptz and at < %s::timestamptz
), crossing as (
  select pg_catalog.min(at) as at from running where tokens >= %s::bigint or requests >= %s::bigint
)
select crossing.at::text as at, later.records, later.tokens, later.first_at::text as first_at, later.last_at::text as last_at
from crossing, lateral (
  select pg_catalog.count(*) as records, pg_catalog.sum(u.tokens)::bigint as tokens, pg_catalog.min(u.at) as first_at,
         pg_catalog.max(u.at) as last_at
  from public.usage_records u
  where u.org_id = %s::uuid and u.at > crossing.at + %s::interval and u.at < %s::timestamptz
) later
"""
_FLEET = """
with asked as (
  select * from pg_catalog.jsonb_to_recordset(%s::jsonb)
    as a(org_id uuid, since timestamptz, until timestamptz, counted_since timestamptz)
)
select a.org_id::text as org_id,
       pg_catalog.sum(u.tokens) filter (where u.at >= a.since)::bigint as tokens,
       pg_catalog.sum(u.requests) filter (where u.at >= a.since)::bigint as requests,
       pg_catalog.count(*) filter (where u.at >= a.since) as records,
       pg_catalog.count(*) filter (where u.at >= a.since and u.tokens is null) as without_tokens,
       pg_catalog.sum(u.tokens) filter (where u.at < %s::timestamptz)::bigint as settled_tokens,
       pg_catalog.sum(u.tokens) filter (where u.at >= %s::timestamptz)::bigint as recent_tokens,
       pg_catalog.max(u.at)::text as last_at
from asked a join public.usage_records u on u.org_id = a.org_id and u.at >= a.counted_since and u.at < a.until
group by a.org_id
"""
_PAYERS = """
select b.org_id::text as org_id, b.stripe_customer_id
from public.billing_customers b
where b.stripe_customer_id is not null and b.org_id <> %s::uuid and exists (
  select 1 from public.usage_records u
  where u.org_id = b.org_id and u.at >= %s::timestamptz and u.at < %s::timestamptz and u.tokens > 0)
order by b.org_id
limit 3
"""
_RECORDED = """
select pg_catalog.count(*) as records, pg_catalog.count(distinct org_id) as orgs
from public.usage_records where at >= %s::timestamptz and at < %s::timestamptz{of_org}
"""


def organization(ask: Ask, org: str) -> Answer[Organization]:
    """See `postgres.usage.organization`."""
    rows = ask(_ORG, [org, org, org])
    _check_sight(rows)
    found = [
        Organization(**_record(row), created_at=iso_of_text(row["created_at"]))
        for row in rows
        if row["org_id"] is not None
    ]
    return one_organization(found, "org_id", "id, name or customer")


def organizations(ask: Ask) -> Answer[list[OrganizationRecord]]:
    """See `postgres.usage.organizations`."""
    rows = ask(_ORGS, [MOST_ORGS + 1])
    _check_sight(rows)
    found = [_record(row) for row in rows]
    if len(found) > MOST_ORGS:
        return Answer(Status.partial, found[:MOST_ORGS], f"more than {MOST_ORGS} organizations", "audit them in parts")
    return Answer(Status.ok, found) if found else Answer(Status.empty, [], "there is no organization")


def by_hour(ask: Ask, org_id: str, window: Window, edges: Sequence[datetime]) -> Answer[list[UsageHour]]:
    """See `postgres.usage.by_hour`."""
    cuts = sorted(edge for edge in edges if window.since < edge < window.until and _is_within_hour(edge))
    start = _HOUR
    for edge in cuts:
        literal = f"'{to_sql(edge)}'::timestamptz"
        start = f"case when at >= {literal} then greatest({_HOUR}, {literal}) else {start} end"
    statement = _BY_HOUR.format(start=start)
    rows = ask(statement, [org_id, to_sql(window.since), to_sql(window.until), MOST_GROUPS + 1])
    groups: list[UsageHour] = [
        (
            whole_number(row["start"]),
            _text(row["provider"]),
            _text(row["model"]),
            whole_number(row["tokens"] or 0),
            whole_number(row["requests"] or 0),
            whole_number(row["records"]),
            whole_number(row["records"]) - whole_number(row["with_tokens"]),
        )
        for row in rows[:MOST_GROUPS]
    ]
    if len(rows) > MOST_GROUPS:
        return Answer(
            Status.partial, groups, f"more than {MOST_GROUPS} hours and models", "too many models to tell apart"
        )
    return Answer(Status.ok, groups) if groups else Answer(Status.empty, [], "nothing was recorded")


def crossing(
    ask: Ask, org_id: str, window: Window, before: UsedUnits, limits: PlanLimit, grace_s: float
) -> Answer[LimitCrossing]:
    """See `postgres.usage.crossing`."""
    never = 2**62
    tokens, requests = limits["tokens"], limits["requests"]
    since, until = to_sql(window.since), to_sql(window.until)
    (row,) = ask(
        _CROSSING,
        [
            before["tokens"],
            before["requests"],
            org_id,
            since,
            until,
            never if tokens is None else tokens,
            never if requests is None else requests,
            org_id,
            f"{grace_s} seconds",
            until,
        ],
    ) or [{"at": None}]
    if row["at"] is None:
        return Answer(Status.empty, None, "the limit was not reached in this window")
    return Answer(
        Status.ok,
        {
            "at": iso_of_text(row["at"]),
            "records_after": whole_number(row["records"] or 0),
            "tokens_after": whole_number(row["tokens"] or 0),
            "first_after_at": iso_of_text(row["first_at"]),
            "last_after_at": iso_of_text(row["last_at"]),
        },
    )


def fleet(
    ask: Ask, asked: Sequence[dict[str, str]], settled: datetime, recent: datetime
) -> Answer[UsageByOrganization]:
    """See `postgres.usage.fleet`."""
    rows = ask(_FLEET, [json.dumps(list(asked)), to_sql(settled), to_sql(recent)])
    found = {str(row["org_id"]): _period_usage(row) for row in rows}
    return Answer(Status.ok, found) if found else Answer(Status.empty, {}, "nothing was recorded for any of them")


def recorded(ask: Ask, window: Window, org_id: str) -> Answer[UsageRecordCount]:
    """See `postgres.usage.recorded`."""
    of_org = " and org_id = %s::uuid" if org_id else ""
    parameters = [to_sql(window.since), to_sql(window.until), *([org_id] if org_id else [])]
    (row,) = ask(_RECORDED.format(of_org=of_org), parameters)
    return Answer(Status.ok, {"records": whole_number(row["records"]), "orgs": whole_number(row["orgs"])})


def payers(ask: Ask, org_id: str, window: Window) -> Answer[list[PayingOrganization]]:
    """See `postgres.usage.payers`."""
    rows = ask(_PAYERS, [org_id, to_sql(window.since), to_sql(window.until)])
    found: list[PayingOrganization] = [
        {"org_id": _word(row["org_id"]), "stripe_customer_id": _word(row["stripe_customer_id"])} for row in rows
    ]
    return Answer(Status.ok, found) if found else Answer(Status.empty, [], "no other customer used anything")


def to_sql(moment: datetime) -> str:
    """A moment as a literal that no session's time zone changes, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def numbered(statement: str) -> str:
    """The statement with $1, $2 … in place of %s, as the Management API takes it."""
    head, *rest = statement.split("%s")
    return head + "".join(f"${nth}{text}" for nth, text in enumerate(rest, 1))


def _is_within_hour(edge: datetime) -> bool:
    return bool(edge.minute or edge.second or edge.microsecond)


def _check_sight(rows: list[dict[str, Any]]) -> None:
    """Raise LookError(denied) where row security filters what the role sees: too few rows would look like few."""
    if rows and rows[0].get("is_hidden"):
        raise LookError(Status.denied, _HIDDEN, do_next=_HELP)


def _record(row: dict[str, Any]) -> OrganizationRecord:
    return {
        "org_id": _word(row["org_id"]),
        "name": _text(row["name"]),
        "has_record": bool(row["has_record"]),
        "stripe_customer_id": _text(row["stripe_customer_id"]),
        "plan": _text(row["plan"]),
        "status": _text(row["status"]),
        "current_period_end": iso_of_text(row["current_period_end"]),
        "time_zone": _text(row.get("time_zone")),
    }


def _period_usage(row: dict[str, Any]) -> PeriodUsage:
    return {
        "tokens": whole_number(row["tokens"] or 0),
        "requests": whole_number(row["requests"] or 0),
        "records": whole_number(row["records"] or 0),
        "without_tokens": whole_number(row["without_tokens"] or 0),
        "settled_tokens": whole_number(row["settled_tokens"] or 0),
        "recent_tokens": whole_number(row["recent_tokens"] or 0),
        "last_at": iso_of_text(row["last_at"]),
    }


def _text(value: Any) -> str | None:
    """A text or None. Raises TypeError for anything else."""
    return None if value is None else _word(value)


def _word(value: Any) -> str:
    """A text. Raises TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError(f"not a text: {value!r:.40}")
    return value
