"""What Stripe does around every call: key, mode, version, permission, idempotency, pages, request id, errors."""

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from runbook_lib.sandbox.facades.stripe.call import Call, Page, Refused
from runbook_lib.sandbox.facades.stripe.form import parse_form
from runbook_lib.sandbox.facades.stripe.state import Key, Obj, StripeState, new_id, stripe_state
from runbook_lib.sandbox.facades.stripe.versions import expand, is_version, render
from runbook_lib.sandbox.world import World

Handler = Callable[[Call], Obj | Page]


class Door:
    """The way into every route."""

    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def state(self) -> StripeState:
        """The façade's dials."""
        return stripe_state(self.world)

    def guarded(self, handler: Handler, resource: str) -> Callable[[Request], Awaitable[Response]]:
        """A route's endpoint: checks first, then the handler, then its answer in the caller's version."""

        async def answer(request: Request) -> Response:
            request_id = new_id("req_", 14)
            headers = {"request-id": request_id, "stripe-version": self.state.account_version}
            body = await request.body()
            try:
                call = self._open(request, body.decode("utf-8", "replace"), resource, request_id)
                headers["stripe-version"] = call.version
                if call.idempotency_key:
                    headers["idempotency-key"] = call.idempotency_key
                status, shown, replayed = self._once(call, request, body, handler)
            except Refused as refused:
                error = {**refused.error, "request_log_url": f"https://dashboard.stripe.com/test/logs/{request_id}"}
                status, shown, replayed = refused.status, {"error": error}, False
            if replayed:
                headers["idempotent-replayed"] = "true"
            if status == 429:
                headers["stripe-rate-limited-reason"] = "global-rate"
            if status >= 400:
                headers["stripe-should-retry"] = "true" if status in (409, 429, 500, 503) else "false"
            return JSONResponse(shown, status, headers=headers)

        return answer

    def _open(self, request: Request, body: str, resource: str, request_id: str) -> Call:
        name, key = self._key(request)
        self._count_call()
        version = request.headers.get("stripe-version") or self.state.account_version
        if not is_version(version):
            message = f"Invalid Stripe API version: {version}. You do not have permission to set this API version."
            raise Refused(400, message)
        wants_write = request.method != "GET"
        if key.permissions is not None:
            self._check_permission(name, key, resource, wants_write)
        params = parse_form(body if wants_write else request.url.query)
        if request.method == "DELETE" and not params:
            params = parse_form(request.url.query)
        return Call(
            world=self.world,
            state=self.state,
            book=self.state.book(key.livemode),
            key=key,
            version=version,
            params=params,
            ids=dict(request.path_params),
            host=request.headers.get("host", ""),
            request_id=request_id,
            idempotency_key=request.headers.get("idempotency-key"),
        )

    def _key(self, request: Request) -> tuple[str, Key]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            token = base64.b64decode(token + "==").decode("utf-8", "replace").partition(":")[0]
        if not token or scheme.lower() not in ("bearer", "basic"):
            raise Refused(
                401, "You did not provide an API key. Provide it in the Authorization header, using Bearer auth."
            )
        key = self.state.keys.get(token)
        masked = masked_key(token)
        if key is None or key.state == "revoked":
            raise Refused(401, f"Invalid API Key provided: {masked}")
        if key.state == "expired":
            raise Refused(401, f"Expired API Key provided: {masked}", code="api_key_expired")
        if key.kind == "publishable":
            message = "This API call cannot be made with a publishable API key. Please use a secret API key."
            raise Refused(401, message, code="secret_key_required")
        return masked, key

    def _count_call(self) -> None:
        if self.state.calls_left is None:
            return
        if self.state.calls_left <= 0:
            raise Refused(429, "Request rate limit exceeded. Retry with an exponential back-off.", code="rate_limit")
        self.state.calls_left -= 1

    def _check_permission(self, name: str, key: Key, resource: str, wants_write: bool) -> None:
        has = (key.permissions or {}).get(resource, "none")
        if has == "write" or (has == "read" and not wants_write):
            return
        permission = f"rak_{resource}_{'write' if wants_write else 'read'}"
        account = self.world.ids.stripe_account
        raise Refused(
            403,
            f"The provided key '{name}' does not have the required permissions for this endpoint on account '{account}'. "
            f"Having the '{permission}' permission would allow this request to continue.",
        )

    def _once(self, call: Call, request: Request, body: bytes, handler: Handler) -> tuple[int, Obj, bool]:
        """Run the handler; the same idempotency key with the same parameters gets the first answer again."""
        if call.idempotency_key is None or request.method != "POST":
            return 200, self._show(call, handler(call)), False
        memory_key = (call.book.livemode, call.idempotency_key)
        print_ = hashlib.sha256(request.url.path.encode() + b"\n" + body).hexdigest()
        known = self.state.idempotent.get(memory_key)
        if known is not None:
            if known[0] != print_:
                raise Refused(
                    400,
                    "Keys for idempotent requests can only be used with the same parameters they were first used with. "
                    f"Try using a key other than '{call.idempotency_key}' if you meant to execute a different request.",
                    type_="idempotency_error",
                )
            return known[1], known[2], True
        try:
            status, shown = 200, self._show(call, handler(call))
        except Refused as refused:
            if refused.status != 402:  # what failed before it began is not remembered
                raise
            status, shown = refused.status, {"error": refused.error}
        self.state.idempotent[memory_key] = (print_, status, shown)
        return status, shown, False

    def _show(self, call: Call, result: Obj | Page) -> Obj:
        paths = call.params.get("expand") or []
        shown = page(call, result) if isinstance(result, Page) else render(result, call.version)
        copied: Obj = json.loads(json.dumps(shown))
        expand(call.book, copied, [str(path) for path in paths], call.version)
        return copied


def page(call: Call, result: Page) -> Obj:
    """One page of a list: `limit` 1 to 100, before or after a cursor."""
    limit = call.integer("limit", 10)
    if limit is None or not 1 <= limit <= 100:
        raise Refused(400, "This value must be between 1 and 100, inclusive.", param="limit")
    items = result.items
    ids = [item["id"] for item in items]
    start, end = 0, len(items)
    if after := call.text("starting_after"):
        start = _place(ids, after, "starting_after") + 1
        end = min(end, start + limit)
    elif before := call.text("ending_before"):
        end = _place(ids, before, "ending_before")
        start = max(0, end - limit)
    else:
        end = min(end, limit)
    has_more = start > 0 if call.text("ending_before") else end < len(items)
    data = render(items[start:end], call.version)
    return {"object": "list", "data": data, "has_more": has_more, "url": result.url}


def _place(ids: list[str], cursor: str, param: str) -> int:
    if cursor not in ids:
        raise Refused(400, f"No such object: '{cursor}'", code="resource_missing", param=param)
    return ids.index(cursor)


def masked_key(token: str) -> str:
    """A key as Stripe repeats it: its kind and its tail."""
    head, tail = token[:8], token[-4:]
    return f"{head}{'*' * max(4, len(token) - 12)}{tail}" if len(token) > 12 else "*" * len(token)


async def not_found(request: Request, _: Exception) -> Response:
    """A route that Stripe does not have, in this version or at all."""
    refused = Refused(404, f"Unrecognized request URL ({request.method}: {request.url.path}).")
    return JSONResponse({"error": refused.error}, 404, headers={"request-id": new_id("req_", 14)})
