"""The API's daily job: reports yesterday's usage of every paying organization to Stripe, hour by hour.

The platform's scheduler calls it as Vercel Cron does: a GET with `Authorization: Bearer $CRON_SECRET`. Each hour is one meter
event and one usage record, both marked by organization and hour, so that a second run does not count twice.
"""

import hmac
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import JSONResponse, Response

from runbook_lib.sandbox.apps.calls import Answered, Caller, CallFailed
from runbook_lib.sandbox.apps.part import Exchange
from runbook_lib.sandbox.apps.runtime import Runtime

PATH = "/api/cron/usage-report"
METER_EVENT = "nexus_tokens"
_PAGE = 1000


class UsageReport:
    """The job's route."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._caller = Caller(runtime)

    async def run(self, exchange: Exchange) -> Response:
        """Report one UTC day (`?day=YYYY-MM-DD`, by default yesterday); 500 when a customer could not be reported."""
        secret = self._runtime.setting("CRON_SECRET") or ""
        given = exchange.request.headers.get("authorization", "")
        if not secret or not hmac.compare_digest(given, f"Bearer {secret}"):
            return JSONResponse({"error": {"code": "unauthorized", "message": "not the scheduler"}}, 401)
        now = datetime.fromtimestamp(self._runtime.condition.time_s(), UTC)
        asked = exchange.request.query_params.get("day")
        day = datetime.fromisoformat(asked).replace(tzinfo=UTC) if asked else _midnight(now) - timedelta(days=1)
        reported, tokens, failed = 0, 0, 0
        try:
            payers = await self._rows(
                "billing_customers",
                stripe_customer_id="not.is.null",
                select="org_id,stripe_customer_id",
                order="org_id",
            )
        except (Answered, CallFailed) as error:
            self._runtime.log("error", f"usage report: {day:%Y-%m-%d} failed: {error}", job="usage-report")
            return JSONResponse({"error": {"code": "report_failed", "message": "upstream failed"}}, 500)
        for payer in payers:
            try:
                tokens += await self._report(payer["org_id"], payer["stripe_customer_id"], day)
                reported += 1
            except (Answered, CallFailed) as error:
                failed += 1
                words = f"usage report: {payer['org_id']} failed: {error}"
                self._runtime.log("error", words, org_id=payer["org_id"], job="usage-report")
        said: dict[str, Any] = {
            "day": f"{day:%Y-%m-%d}",
            "customers": len(payers),
            "reported": reported,
            "tokens": tokens,
        }
        exchange.root.set_attributes({f"nexuscore.usage_report.{name}": value for name, value in said.items()})
        words = f"usage report: {said['day']}: {reported} of {len(payers)} customers, {tokens} tokens"
        self._runtime.log("error" if failed else "info", words, job="usage-report", **said)
        return JSONResponse({**said, "failed": failed}, 500 if failed else 200)

    async def _report(self, org: str, customer: str, day: datetime) -> int:
        """Send one organization's hours; returns the tokens."""
        query = {"customer": customer, "status": "all", "limit": "1"}
        listed = await self._caller.stripe("GET", "/v1/subscriptions", "stripe.subscriptions.list", query)
        items = [
            item["id"]
            for subscription in listed.get("data", [])
            for item in subscription["items"]["data"]
            if (item["price"].get("recurring") or {}).get("usage_type") == "metered"
        ]
        hours = await self._hours(org, day)
        for hour, tokens in hours.items():
            form = {
                "event_name": METER_EVENT,
                "timestamp": str(hour),
                "identifier": f"usage-{org}-{hour}",
                "payload[stripe_customer_id]": customer,
                "payload[value]": str(tokens),
            }
            try:
                await self._caller.stripe("POST", "/v1/billing/meter_events", "stripe.billing.meterEvents.create", form)
            except Answered as error:
                if error.code != "duplicate_meter_event":  # an earlier run has reported this hour
                    raise
            record = {"quantity": str(tokens), "timestamp": str(hour), "action": "set"}
            for item in items:
                name = "stripe.subscriptionItems.createUsageRecord"
                await self._caller.stripe("POST", f"/v1/subscription_items/{item}/usage_records", name, record)
        return sum(hours.values())

    async def _hours(self, org: str, day: datetime) -> dict[int, int]:
        """Tokens by full hour (epoch seconds) of one day; hours without any are left out."""
        found: dict[int, int] = defaultdict(int)
        end = day + timedelta(days=1)
        between = {"and": f"(at.gte.{day:%Y-%m-%dT%H:%M:%SZ},at.lt.{end:%Y-%m-%dT%H:%M:%SZ})"}
        for page in range(1000):
            rows = await self._rows(
                "usage_records",
                org_id=f"eq.{org}",
                select="tokens,at",
                **between,
                order="at,id",
                limit=str(_PAGE),
                offset=str(page * _PAGE),
            )
            for row in rows:
                at = int(datetime.fromisoformat(str(row["at"])).timestamp())
                found[at - at % 3600] += int(row["tokens"] or 0)
            if len(rows) < _PAGE:
                break
        return {hour: found[hour] for hour in sorted(found) if found[hour]}

    async def _rows(self, table: str, **query: str) -> list[dict[str, Any]]:
        key = self._runtime.setting("SUPABASE_SERVICE_ROLE_KEY") or ""
        rows: list[dict[str, Any]] = await self._caller.supabase("SELECT", table, key=key, token=key, query=query)
        return rows


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
