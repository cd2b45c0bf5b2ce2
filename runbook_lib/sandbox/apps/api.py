"""API: NexusCore's Next.js route handlers: health, chat, usage, organizations, checkout, Stripe's webhook, and the daily job."""

import json
from typing import Any

from starlette.responses import JSONResponse, Response

from runbook_lib.sandbox.apps.billing import PRICES, Quota, StripeWebhook, period_start
from runbook_lib.sandbox.apps.calls import Answered, Caller, CallFailed
from runbook_lib.sandbox.apps.part import Exchange, Page, Part, Unhandled
from runbook_lib.sandbox.apps.runtime import Runtime
from runbook_lib.sandbox.apps.streams import relay
from runbook_lib.sandbox.apps.usage_report import PATH as USAGE_REPORT
from runbook_lib.sandbox.apps.usage_report import UsageReport


class Refused(Exception):
    """The API refuses by design: a 4xx that is nobody's fault but the caller's."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Api:
    """The handlers of the API."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.caller = Caller(runtime)
        self.quota = Quota(self.caller, runtime)

    async def health(self, _: Exchange) -> Response:
        """Alive; asks nobody."""
        return JSONResponse({"status": "ok"})

    async def chat(self, exchange: Exchange) -> Response | None:
        """Auth, membership, quota, gateway, usage, in this order."""
        return await self._guarded(exchange, self._chat)

    async def usage(self, exchange: Exchange) -> Response | None:
        """This period's tokens and requests of the organization, as its member may see them."""

        async def answer(exchange: Exchange) -> Response:
            user, token = await self._user(exchange)
            org = await self._org_of(user, token, exchange.request.query_params.get("org_id"))
            plan = await self._rows(token, "billing_customers", org_id=f"eq.{org}", select="current_period_end")
            start = period_start(self.runtime.condition.time_s(), plan[0]["current_period_end"] if plan else None)
            rows = await self._rows(
                token, "usage_records", org_id=f"eq.{org}", at=f"gte.{start}", select="tokens,requests"
            )
            tokens = sum(row["tokens"] or 0 for row in rows)
            return JSONResponse({"org_id": org, "since": start, "tokens": tokens, "requests": len(rows)})

        return await self._guarded(exchange, answer)

    async def orgs(self, exchange: Exchange) -> Response | None:
        """The organizations that the user may see."""

        async def answer(exchange: Exchange) -> Response:
            _, token = await self._user(exchange)
            return JSONResponse(await self._rows(token, "organizations", select="id,name"))

        return await self._guarded(exchange, answer)

    async def checkout(self, exchange: Exchange) -> Response | None:
        """A Stripe checkout session for a plan."""

        async def answer(exchange: Exchange) -> Response:
            user, token = await self._user(exchange)
            body = await _object(exchange)
            org = await self._org_of(user, token, body.get("org_id"))
            price = PRICES.get(str(body.get("plan")))
            if price is None:
                raise Refused(400, "invalid_plan", "plan must be pro or enterprise")
            rows = await self._rows(token, "billing_customers", org_id=f"eq.{org}", select="stripe_customer_id")
            customer = rows[0]["stripe_customer_id"] if rows else None
            form = {
                "mode": "subscription",
                "line_items[0][price]": price,
                "line_items[0][quantity]": "1",
                "success_url": "https://nexuscore-web.example/billing?done=1",
                "cancel_url": "https://nexuscore-web.example/billing",
            }
            if customer:
                form["customer"] = customer
            session = await self.caller.stripe("POST", "/v1/checkout/sessions", "stripe.checkout.sessions.create", form)
            return JSONResponse({"url": session.get("url"), "id": session.get("id")})

        return await self._guarded(exchange, answer)

    async def _chat(self, exchange: Exchange) -> Response | None:
        user, token = await self._user(exchange)
        body = await _object(exchange)
        message = body.get("message")
        if not isinstance(message, str) or not message.strip():
            raise Refused(400, "invalid_request", "message must not be empty")
        org = await self._org_of(user, token, body.get("org_id"))
        exchange.root.set_attributes({"nexuscore.org_id": org, "enduser.id": str(user["id"])})
        verdict = await self.quota.check(org, token)
        exchange.root.set_attribute("nexuscore.plan", verdict.plan)
        if verdict.refusal:
            self.runtime.log("warn", f"quota: {verdict.refusal}", org_id=org, plan=verdict.plan, code=verdict.code)
            raise Refused(verdict.status, verdict.code, verdict.refusal)
        asked = {"messages": [{"role": "user", "content": message}], "org_id": org, "stream": bool(body.get("stream"))}
        if model := body.get("model"):
            asked["model"] = model
        url = f"{self.runtime.setting('LLM_GATEWAY_URL') or 'http://localhost:8000'}/v1/chat"
        timeout_s = self.runtime.seconds("GATEWAY_TIMEOUT_S", 20)
        async with self.caller.open("POST", url, timeout_s=timeout_s, json=asked) as (answer, span):
            if asked["stream"] and answer.status_code == 200:
                last = await relay(exchange, answer, span)
                await self._record(org, last)
                return None
            await answer.aread()
            said = _loads(answer.content)
            if not answer.is_success:
                error = _object_in(said, "error")
                words = str(error.get("message") or f"gateway answered {answer.status_code}")
                raise Answered("gateway", answer.status_code, str(error.get("type") or answer.status_code), words)
        await self._record(org, said)
        return JSONResponse({"reply": said.get("text"), "model": said.get("model"), "usage": said.get("usage")})

    async def _record(self, org: str, said: dict[str, Any]) -> None:
        """Write the usage row, by the service role: no policy lets users."""
        usage = said.get("usage") or {}
        row = {
            "org_id": org,
            "tokens": usage.get("total_tokens"),
            "requests": 1,
            "provider": said.get("provider"),
            "model": said.get("model"),
        }
        key = self.runtime.setting("SUPABASE_SERVICE_ROLE_KEY") or ""
        await self.caller.supabase("INSERT", "usage_records", key=key, token=key, row=row)

    async def _user(self, exchange: Exchange) -> tuple[dict[str, Any], str]:
        """The signed-in user and the session's token."""
        scheme, _, token = exchange.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "no_session", "sign in first")
        return await self.caller.signed_in_user(token), token

    async def _org_of(self, user: dict[str, Any], token: str, wanted: object) -> str:
        """The organization asked for, when the user is a member of it; else the user's first."""
        query = {"user_id": f"eq.{user['id']}", "select": "org_id,role", "order": "created_at"}
        if wanted:
            query["org_id"] = f"eq.{wanted}"
        rows = await self._rows(token, "memberships", **query)
        if not rows:
            raise Refused(403, "not_a_member", "you are not a member of this organization")
        return str(rows[0]["org_id"])

    async def _rows(self, token: str, table: str, **query: str) -> list[dict[str, Any]]:
        key = self.runtime.setting("SUPABASE_ANON_KEY", "NEXT_PUBLIC_SUPABASE_ANON_KEY") or ""
        rows: list[dict[str, Any]] = await self.caller.supabase("SELECT", table, key=key, token=token, query=query)
        return rows

    async def _guarded(self, exchange: Exchange, handler: Any) -> Response | None:
        """Turn what went wrong into the answer that the API gives for it, and say it in the log."""
        try:
            response: Response | None = await handler(exchange)
        except Refused as error:
            return _error(error.status, error.code, str(error))
        except Answered as error:
            if error.callee == "auth" and error.status in (401, 403):
                self.runtime.log("warn", f"auth: {error}", code=error.code)
                return _error(401, "session_expired" if "expired" in str(error) else "bad_session", str(error))
            self.runtime.log("error", f"{error.callee} failed: {error}", code=error.code, upstream_status=error.status)
            if exchange.status:
                raise Unhandled(f"{error.callee.capitalize()}Error", str(error)) from error
            if error.callee == "gateway" and error.status in (400, 413):
                return _error(error.status, error.code, str(error))
            return _error(
                504 if error.status == 504 else 502 if error.callee != "database" else 500,
                f"{error.callee}_failed",
                "upstream failed",
            )
        except CallFailed as error:
            self.runtime.log("error", str(error), error={"type": error.kind})
            if exchange.status:
                raise Unhandled(error.kind, str(error)) from error
            return _error(504 if error.what == "timeout" else 502, "upstream_unreachable", "upstream failed")
        return response


def _error(status: int, code: str, message: str) -> Response:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _loads(content: bytes) -> dict[str, Any]:
    try:
        said = json.loads(content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _object_in(said: dict[str, Any], key: str) -> dict[str, Any]:
    found = said.get(key)
    return found if isinstance(found, dict) else {}


async def _object(exchange: Exchange) -> dict[str, Any]:
    """The request's JSON object."""
    try:
        body = json.loads(await exchange.request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "invalid_request", "the body must be a JSON object")
    return body


def create(runtime: Runtime) -> Part:
    """The API part."""
    api, webhook, report = Api(runtime), StripeWebhook(runtime), UsageReport(runtime)
    routes = [
        ("GET", "/api/health", api.health),
        ("POST", "/api/chat", api.chat),
        ("GET", "/api/usage", api.usage),
        ("GET", "/api/orgs", api.orgs),
        ("POST", "/api/checkout", api.checkout),
        ("POST", "/api/stripe/webhook", webhook.receive),
        ("GET", USAGE_REPORT, report.run),
    ]
    kind = "AppRouteRouteHandlers.runHandler"
    return Part(
        runtime, [Page(m, path, handler, f"executing api route (app) {path}", kind) for m, path, handler in routes]
    )
