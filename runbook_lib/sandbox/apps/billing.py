"""The API's billing: the quota of an organization, and Stripe's webhook as the route has it."""

import calendar
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.responses import JSONResponse, PlainTextResponse, Response

from runbook_lib.sandbox.apps.calls import Answered, Caller, CallFailed
from runbook_lib.sandbox.apps.part import Exchange, Unhandled
from runbook_lib.sandbox.apps.runtime import Runtime

TOLERANCE_S = 300
PRICES = {"pro": "price_pro_monthly", "enterprise": "price_enterprise_monthly"}
# Tokens and requests a month by plan: the app's own configuration, and the sandbox's plan_limits.toml says the same.
PLAN_LIMITS: dict[str, tuple[int, int]] = {
    "free": (100_000, 1_000),
    "pro": (5_000_000, 50_000),
    "enterprise": (100_000_000, 1_000_000),
}


@dataclass(frozen=True)
class QuotaVerdict:
    """Whether a request may go on. `refusal` None: it may."""

    plan: str
    refusal: str | None = None
    status: int = 200
    code: str = ""


class Quota:
    """Checks an organization's plan, its subscription at Stripe, and this month's usage, unless QUOTA_ENFORCED is off."""

    def __init__(self, caller: Caller, runtime: Runtime) -> None:
        self._caller = caller
        self._runtime = runtime

    async def check(self, org: str, token: str) -> QuotaVerdict:
        """Ask the database for plan and usage, and Stripe for the subscription when the plan is a paid one."""
        key = self._runtime.setting("SUPABASE_ANON_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY") or ""
        asked = {"org_id": f"eq.{org}", "select": "plan,status,stripe_customer_id,current_period_end"}
        rows = await self._caller.supabase("SELECT", "billing_customers", key=key, token=token, query=asked)
        row = rows[0] if rows else {"plan": "free", "status": "active", "stripe_customer_id": None}
        plan = str(row["plan"])
        status = str(row["status"])
        if row["stripe_customer_id"]:
            query = {"customer": str(row["stripe_customer_id"]), "status": "all", "limit": "3"}
            listed = await self._caller.stripe("GET", "/v1/subscriptions", "stripe.subscriptions.list", query)
            found = [str(item.get("status")) for item in listed.get("data", [])]
            status = "active" if "active" in found or "trialing" in found else next(iter(found), status)
        if (self._runtime.setting("QUOTA_ENFORCED") or "true").lower() in ("0", "false", "off"):
            return QuotaVerdict(plan)
        if status in ("past_due", "unpaid", "canceled", "incomplete", "incomplete_expired", "paused"):
            return QuotaVerdict(plan, f"the subscription is {status}", 402, "payment_required")
        start = period_start(self._runtime.condition.time_s(), row.get("current_period_end"))
        used = await self._caller.supabase(
            "SELECT",
            "usage_records",
            key=key,
            token=token,
            query={"org_id": f"eq.{org}", "at": f"gte.{start}", "select": "tokens,requests"},
        )
        tokens = sum(item["tokens"] or 0 for item in used)
        limit_tokens, limit_requests = PLAN_LIMITS.get(plan, PLAN_LIMITS["free"])
        if tokens >= limit_tokens or len(used) >= limit_requests:
            words = f"the {plan} plan's {limit_tokens} tokens or {limit_requests} requests a month are used up"
            return QuotaVerdict(plan, words, 429, "quota_exceeded")
        return QuotaVerdict(plan)


class StripeWebhook:
    """`POST /api/stripe/webhook`: verify the raw bytes, then apply what matters to billing."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._caller = Caller(runtime)

    async def receive(self, exchange: Exchange) -> Response:
        """400 without secret, header or valid signature; else 200 with the event's type."""
        secret = self._runtime.setting("STRIPE_WEBHOOK_SECRET")
        header = exchange.request.headers.get("stripe-signature")
        wrong = self._runtime.condition.now
        if not wrong.takes_unsigned and (not secret or not header):
            return PlainTextResponse("Missing webhook secret or signature", 400)
        body = await exchange.request.body()
        if wrong.rewrites_body:
            body = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
        why = None if wrong.takes_unsigned else self._what_is_wrong(body, header or "", secret or "")
        if why:
            self._runtime.log("error", f"Webhook Error: {why}")
            return PlainTextResponse(f"Webhook Error: {why}", 400)
        event = json.loads(body)
        kind = str(event.get("type"))
        exchange.root.set_attributes({"stripe.event.id": str(event.get("id")), "stripe.event.type": kind})
        try:
            await self._apply(kind, event.get("data", {}).get("object", {}))
        except (Answered, CallFailed) as error:
            raise Unhandled(type(error).__name__, str(error)) from error
        self._runtime.log("info", f"stripe event {kind}", event_id=event.get("id"))
        return JSONResponse({"received": True, "type": kind})

    def _what_is_wrong(self, body: bytes, header: str, secret: str) -> str | None:
        """stripe-node's words for a signature that does not hold, or None."""
        pairs = [item.partition("=") for item in header.split(",")]
        stamp = next((value for name, _, value in pairs if name.strip() == "t"), "")
        given = [value for name, _, value in pairs if name.strip() == "v1"]
        if not stamp.isdigit():
            return "Unable to extract timestamp and signatures from header"
        if not given:
            return "No signatures found with expected scheme"
        expected = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        if not any(hmac.compare_digest(expected, value) for value in given):
            return (
                "No signatures found matching the expected signature for payload. "
                "Are you passing the raw request body you received from Stripe?"
            )
        if self._runtime.condition.time_s() - int(stamp) > TOLERANCE_S:
            return "Timestamp outside the tolerance zone"
        try:
            json.loads(body)
        except ValueError as error:
            return str(error)
        return None

    async def _apply(self, kind: str, thing: dict[str, Any]) -> None:
        """Write an invoice's or a subscription's state to billing_customers, by the service role."""
        if self._runtime.condition.now.ignores_events:
            return
        change: dict[str, Any] = {}
        if kind == "invoice.paid":
            change = {"status": "active"}
        elif kind == "invoice.payment_failed":
            change = {"status": "past_due"}
        elif kind in (
            "customer.subscription.updated",
            "customer.subscription.created",
            "customer.subscription.deleted",
        ):
            change = {"status": thing.get("status") or "canceled"}
            item: dict[str, Any] = next(iter(thing.get("items", {}).get("data", [])), {})
            if end := thing.get("current_period_end") or item.get("current_period_end"):
                change["current_period_end"] = datetime.fromtimestamp(int(end), UTC).isoformat()
            plan = (thing.get("metadata") or {}).get("plan") or (item.get("price") or {}).get("lookup_key")
            if plan in PLAN_LIMITS:
                change["plan"] = plan
        customer = thing.get("customer")
        if change and customer:
            key = self._runtime.setting("SUPABASE_SERVICE_ROLE_KEY") or ""
            await self._caller.supabase(
                "UPDATE",
                "billing_customers",
                key=key,
                token=key,
                query={"stripe_customer_id": f"eq.{customer}"},
                row=change,
            )


def period_start(now_s: float, period_end: str | None) -> str:
    """The first instant of the running billing period: months back from its end; the calendar month where none is known."""
    now = datetime.fromtimestamp(now_s, UTC)
    if period_end is None:
        return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0).isoformat()
    end = start = datetime.fromisoformat(period_end)
    months = 0
    while start > now or months == 0:
        months += 1
        year, month = divmod(end.year * 12 + end.month - 1 - months, 12)
        day = min(end.day, calendar.monthrange(year, month + 1)[1])
        start = end.replace(year=year, month=month + 1, day=day)
    return start.isoformat()
