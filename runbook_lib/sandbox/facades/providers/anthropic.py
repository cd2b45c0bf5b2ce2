"""Anthropic's API as far as the gateway and the runbook use it: models, messages, token counts, limits, refusals.

Shapes: anthropics/anthropic-sdk-python types; the streaming events are those of the Messages API.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runbook_lib.sandbox.facades.providers.provider_door import (
    ProviderDoor,
    Reply,
    down_page,
    new_id,
    read_json,
    sse,
    write_reply,
)
from runbook_lib.sandbox.facades.providers.provider_state import Mode, Model
from runbook_lib.sandbox.world import World


@dataclass(frozen=True)
class Refusal:
    """A refusal in Anthropic's error shape; `retries` adds `retry-after`."""

    status: int
    type: str
    message: str
    retries: bool = False


_REFUSALS: dict[Mode, Refusal] = {
    "bad_key": Refusal(401, "authentication_error", "invalid x-api-key"),
    "forbidden": Refusal(
        403, "permission_error", "Your API key does not have permission to use the specified resource."
    ),
    "throttled": Refusal(
        429, "rate_limit_error", "This request would exceed your organization's rate limit.", retries=True
    ),
    "insufficient_quota": Refusal(
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade.",
    ),
    "spending_limit": Refusal(400, "invalid_request_error", "You have reached your specified API usage limits."),
    "billing": Refusal(402, "billing_error", "There is an issue with your billing or payment information."),
    "overloaded": Refusal(529, "overloaded_error", "Overloaded"),
    "server_error": Refusal(500, "api_error", "Internal server error"),
    "bad_request": Refusal(400, "invalid_request_error", "messages.0.content: Input should be a valid list"),
    "content_filtered": Refusal(400, "invalid_request_error", "Output blocked by content filtering policy"),
    "too_large": Refusal(413, "request_too_large", "Request exceeds the maximum size"),
}


class Anthropic:
    """Anthropic's stand-in over one world."""

    def __init__(self, world: World) -> None:
        self.door = ProviderDoor(world, "anthropic")

    async def list_models(self, request: Request) -> Response:
        """`data, has_more, first_id, last_id`; pages by `limit`, `after_id`, `before_id`."""
        if (refused := await self._refused_without_model(request)) is not None:
            return refused
        rows = [_model_row(model) for model in self.door.state.offered_models()]
        ids = [row["id"] for row in rows]
        limit = int(request.query_params.get("limit", "20"))
        after, before = request.query_params.get("after_id"), request.query_params.get("before_id")
        start = ids.index(after) + 1 if after in ids else 0
        end = ids.index(before) if before in ids else len(rows)
        page = rows[start:end][:limit]
        body = {
            "data": page,
            "has_more": start + len(page) < end,
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
        return self._answer(request, 200, body, None)

    async def _refused_without_model(self, request: Request) -> Response | None:
        mode = self.door.state.judge(_key(request), None)
        await self.door.wait(mode)
        if mode != "ok":
            return self._refuse_mode(request, mode, None)
        if "anthropic-version" not in request.headers:
            return self._refuse(request, _NO_VERSION, None)
        return None

    async def messages(self, request: Request) -> Response:
        """A message, whole or streamed, or the refusal that the provider's state calls for."""
        body = await read_json(request)
        model = str((body or {}).get("model") or "")
        mode = self.door.state.judge(_key(request), model)
        if mode in ("down", "bad_key", "forbidden"):
            await self.door.wait(mode)
            return self._refuse_mode(request, mode, model)
        if (why := _invalid(request, body)) is not None or body is None:
            return self._refuse(request, Refusal(400, "invalid_request_error", why or ""), model)
        if mode not in ("ok", "slow", "stream_error"):
            await self.door.wait(mode)
            return self._refuse_mode(request, mode, model)
        found = self.door.state.find_model(model)
        reply = write_reply(body["messages"], int(body["max_tokens"]))
        if found is not None and reply.input_tokens > found.context_tokens:
            why = f"prompt is too long: {reply.input_tokens} tokens > {found.context_tokens} maximum"
            return self._refuse(request, Refusal(400, "invalid_request_error", why), model)
        self.door.state.spend(reply.input_tokens + reply.output_tokens)
        if body.get("stream"):
            return self._stream(request, model, mode, reply)
        await self.door.wait(mode, reply.output_tokens)
        if mode == "stream_error":
            return self._refuse_mode(request, "server_error", model)
        return self._answer(request, 200, _message(model, reply, reply.text, _stop_reason(reply)), model)

    def _stream(self, request: Request, model: str, mode: Mode, reply: Reply) -> Response:
        request_id = new_id("req_011")

        async def pieces() -> AsyncIterator[bytes]:
            opening = _message(model, reply, None, None)
            opening["usage"]["output_tokens"] = 1
            await self.door.wait(mode)
            yield sse({"type": "message_start", "message": opening}, "message_start")
            block = {"type": "text", "text": ""}
            yield sse({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start")
            yield sse({"type": "ping"}, "ping")
            for nth, piece in enumerate(reply.pieces):
                if mode == "stream_error" and nth == self.door.state.stream_error_after:
                    error = {"type": "overloaded_error", "message": "Overloaded"}
                    yield sse({"type": "error", "error": error, "request_id": request_id}, "error")
                    return
                await asyncio.sleep(self.door.state.wait_s(mode, 1) - self.door.state.wait_s(mode, 0))
                delta = {"type": "text_delta", "text": piece}
                yield sse({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta")
            yield sse({"type": "content_block_stop", "index": 0}, "content_block_stop")
            end = {"stop_reason": _stop_reason(reply), "stop_sequence": None}
            usage = {"output_tokens": reply.output_tokens}
            yield sse({"type": "message_delta", "delta": end, "usage": usage}, "message_delta")
            yield sse({"type": "message_stop"}, "message_stop")

        response = StreamingResponse(pieces(), media_type="text/event-stream", headers=self._headers(request_id))
        return self.door.remember(request, response, _key(request), model, request_id)

    def _headers(self, request_id: str) -> dict[str, str]:
        state = self.door.state
        requests_left, tokens_left = (0, 0) if state.mode == "throttled" else state.remaining_quota()
        reset = (self.door.world.now() + timedelta(seconds=state.retry_after_s or 1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        headers = {"request-id": request_id, "anthropic-organization-id": "6f1c9a52-2c55-4b7e-9d0b-0b6f6d1c7a10"}
        for kind, limit, left in (
            ("requests", state.limit_requests, requests_left),
            ("tokens", state.limit_tokens, tokens_left),
            ("input-tokens", state.limit_tokens * 4 // 5, tokens_left * 4 // 5),
            ("output-tokens", state.limit_tokens // 5, tokens_left // 5),
        ):
            stem = f"anthropic-ratelimit-{kind}"
            headers |= {f"{stem}-limit": str(limit), f"{stem}-remaining": str(left), f"{stem}-reset": reset}
        return headers

    def _refuse_mode(self, request: Request, mode: Mode, model: str | None) -> Response:
        if mode == "down":
            return self.door.remember(request, down_page(), _key(request), model, "")
        if mode == "bad_key" and _key(request) is None:
            return self._refuse(request, Refusal(401, "authentication_error", "x-api-key header is required"), model)
        return self._refuse(request, _unknown_model(model or "") if mode == "model_gone" else _REFUSALS[mode], model)

    def _refuse(self, request: Request, refusal: Refusal, model: str | None) -> Response:
        wait_s = self.door.state.retry_after_s
        extra = {"retry-after": f"{wait_s:g}"} if refusal.retries and wait_s is not None else {}
        if refusal.status in (408, 409, 429) or refusal.status >= 500:
            extra["x-should-retry"] = "true"
        error = {"type": refusal.type, "message": refusal.message}
        return self._answer(request, refusal.status, {"type": "error", "error": error}, model, extra)

    def _answer(
        self,
        request: Request,
        status: int,
        body: dict[str, Any],
        model: str | None,
        extra: dict[str, str] | None = None,
    ) -> Response:
        request_id = new_id("req_011")
        if status >= 400:
            body = {**body, "request_id": request_id}
        response = JSONResponse(body, status, headers={**self._headers(request_id), **(extra or {})})
        return self.door.remember(request, response, _key(request), model, request_id)

    async def not_found(self, request: Request, _: Exception) -> Response:
        """A route the vendor does not have."""
        return self._refuse(request, Refusal(404, "not_found_error", "Not Found"), None)


_NO_VERSION = Refusal(400, "invalid_request_error", "anthropic-version: header is required")


def _key(request: Request) -> str | None:
    return request.headers.get("x-api-key") or None


def _unknown_model(model: str) -> Refusal:
    return Refusal(404, "not_found_error", f"model: {model}")


def _invalid(request: Request, body: dict[str, Any] | None) -> str | None:
    """What is wrong with the call itself, before any quota; None when nothing is."""
    if "anthropic-version" not in request.headers:
        return _NO_VERSION.message
    if body is None:
        return "The request body is not valid JSON"
    missing = next((name for name in ("model", "max_tokens", "messages") if not body.get(name)), None)
    if missing is not None:
        return f"{missing}: Field required"
    if not isinstance(body["max_tokens"], int) or body["max_tokens"] < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    return None


def _model_row(model: Model) -> dict[str, Any]:
    created_at = model.created_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": model.id, "display_name": model.display_name, "created_at": created_at}


def _stop_reason(reply: Reply) -> str:
    return "max_tokens" if reply.is_cut else "end_turn"


def _message(model: str, reply: Reply, text: str | None, stop_reason: str | None) -> dict[str, Any]:
    """A message; `text` None is the empty one that opens a stream."""
    return {
        "id": new_id("msg_01"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [] if text is None else [{"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": reply.input_tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": reply.output_tokens,
        },
    }


def create_app(world: World) -> Starlette:
    """Anthropic's API; its base URL ends in `/v1`."""
    api = Anthropic(world)
    routes = [
        Route("/v1/models", api.list_models, methods=["GET"]),
        Route("/v1/messages", api.messages, methods=["POST"]),
    ]
    return Starlette(routes=routes, exception_handlers={404: api.not_found, 405: api.not_found})
