"""`/v1/models` and `/v1/chat/completions` as OpenAI and Together both have them; what differs is left to each.

Shapes: the vendors' OpenAPI files (openai-openapi 2.3.0, togethercomputer/openapi).
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from runbook_lib.sandbox.facades.providers.provider_door import (
    ProviderDoor,
    Reply,
    bearer,
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
    """A refusal in the OpenAI family's error shape."""

    status: int
    message: str
    type: str
    code: str | None
    param: str | None = None
    retries: bool = False

    def body(self) -> dict[str, Any]:
        """`{"error": {message, type, param, code}}`."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}


class ChatCompletions(ABC):
    """One provider of the OpenAI family."""

    name: str
    done_reason: str

    def __init__(self, world: World) -> None:
        self.door = ProviderDoor(world, self.name)

    @abstractmethod
    def refusal(self, mode: Mode, model: str, key: str | None) -> Refusal:
        """The vendor's answer to a call that meets this mode."""

    @abstractmethod
    def headers(self, request_id: str) -> dict[str, str]:
        """The vendor's headers: request id and what is left of the limits."""

    @abstractmethod
    def model_row(self, model: Model) -> dict[str, Any]:
        """One model as the list shows it."""

    @abstractmethod
    def models_body(self, rows: list[dict[str, Any]]) -> Any:
        """The list of models."""

    def completion(self, model: str, reply: Reply) -> dict[str, Any]:
        """A whole completion; vendors add their own fields."""
        return {
            "id": new_id("chatcmpl-", 29),
            "object": "chat.completion",
            "created": self.door.now_s(),
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": reply.text},
                    "logprobs": None,
                    "finish_reason": self.finish(reply),
                }
            ],
            "usage": usage(reply),
        }

    def chunk(self, model: str, id_: str, delta: dict[str, Any], finish: str | None) -> dict[str, Any]:
        """One piece of a streamed completion."""
        return {
            "id": id_,
            "object": "chat.completion.chunk",
            "created": self.door.now_s(),
            "model": model,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}],
        }

    def finish(self, reply: Reply) -> str:
        """Why the reply ended, in the vendor's word."""
        return "length" if reply.is_cut else self.done_reason

    def routes(self) -> list[Route]:
        """The routes both vendors have."""
        return [
            Route("/v1/models", self.list_models, methods=["GET"]),
            Route("/v1/chat/completions", self.chat, methods=["POST"]),
        ]

    async def list_models(self, request: Request) -> Response:
        """Proves key and reachability, never quota."""
        mode, key = self._judge(request, None)
        await self.door.wait(mode)
        if mode in ("down", "bad_key", "forbidden", "server_error"):
            return self._refuse(request, mode, key, None)
        rows = [self.model_row(model) for model in self.door.state.offered_models()]
        return self._answer(request, 200, self.models_body(rows), key, None)

    async def chat(self, request: Request) -> Response:
        """A completion, whole or streamed, or the refusal that the provider's state calls for."""
        body = await read_json(request)
        key = bearer(request)
        if body is None:
            return self._refuse_with(request, _unreadable(), key, None)
        model = str(body.get("model") or "")
        mode, key = self._judge(request, model)
        if mode in ("down", "bad_key", "forbidden"):
            await self.door.wait(mode)
            return self._refuse(request, mode, key, model)
        if missing := next((name for name in ("model", "messages") if not body.get(name)), None):
            return self._refuse_with(request, _missing(missing), key, model)
        if mode not in ("ok", "slow", "stream_error"):
            await self.door.wait(mode)
            return self._refuse(request, mode, key, model)
        reply = write_reply(body["messages"], body.get("max_completion_tokens") or body.get("max_tokens"))
        if (limit := self._context_tokens(model)) < reply.input_tokens:
            return self._refuse_with(request, _too_long(limit, reply.input_tokens), key, model)
        self.door.state.spend(reply.input_tokens + reply.output_tokens)
        if body.get("stream"):
            return self._stream(request, body, mode, key, reply)
        await self.door.wait(mode, reply.output_tokens)
        if mode == "stream_error":
            return self._refuse(request, "server_error", key, model)
        return self._answer(request, 200, self.completion(model, reply), key, model)

    def _stream(self, request: Request, body: dict[str, Any], mode: Mode, key: str | None, reply: Reply) -> Response:
        request_id, model = new_id("req_", 32).lower(), str(body["model"])
        wants_usage = bool((body.get("stream_options") or {}).get("include_usage"))

        async def pieces() -> AsyncIterator[bytes]:
            id_ = new_id("chatcmpl-", 29)
            await self.door.wait(mode)
            yield sse(self.chunk(model, id_, {"role": "assistant", "content": ""}, None))
            for nth, piece in enumerate(reply.pieces):
                if mode == "stream_error" and nth == self.door.state.stream_error_after:
                    yield sse(self.refusal("server_error", model, key).body())
                    return
                await asyncio.sleep(self.door.state.wait_s(mode, 1) - self.door.state.wait_s(mode, 0))
                yield sse(self.chunk(model, id_, {"role": "assistant", "content": piece}, None))
            yield sse(self.chunk(model, id_, {"role": "assistant", "content": ""}, self.finish(reply)))
            if wants_usage:
                last = self.chunk(model, id_, {}, None)
                yield sse({**last, "choices": [], "usage": usage(reply)})
            yield sse("[DONE]")

        response = StreamingResponse(pieces(), media_type="text/event-stream", headers=self.headers(request_id))
        return self.door.remember(request, response, key, model, request_id)

    def _context_tokens(self, model: str) -> int:
        found = self.door.state.find_model(model)
        return found.context_tokens if found else 0

    def _judge(self, request: Request, model: str | None) -> tuple[Mode, str | None]:
        key = bearer(request)
        return self.door.state.judge(key, model), key

    def _answer(
        self,
        request: Request,
        status: int,
        body: Any,
        key: str | None,
        model: str | None,
        extra: dict[str, str] | None = None,
    ) -> Response:
        request_id = new_id("req_", 32).lower()
        response = JSONResponse(body, status, headers={**self.headers(request_id), **(extra or {})})
        return self.door.remember(request, response, key, model, request_id)

    def _refuse(self, request: Request, mode: Mode, key: str | None, model: str | None) -> Response:
        if mode == "down":
            return self.door.remember(request, down_page(), key, model, "")
        return self._refuse_with(request, self.refusal(mode, model or "", key), key, model)

    def _refuse_with(self, request: Request, refusal: Refusal, key: str | None, model: str | None) -> Response:
        wait_s = self.door.state.retry_after_s
        extra = {"retry-after": f"{wait_s:g}"} if refusal.retries and wait_s is not None else {}
        return self._answer(request, refusal.status, refusal.body(), key, model, extra)

    async def not_found(self, request: Request, _: Exception) -> Response:
        """A route the vendor does not have."""
        message = f"Invalid URL ({request.method} {request.url.path})"
        return self._answer(request, 404, Refusal(404, message, "invalid_request_error", None).body(), None, None)

    def app(self) -> Starlette:
        """The stand-in as an ASGI app."""
        return Starlette(routes=self.routes(), exception_handlers={404: self.not_found, 405: self.not_found})


def usage(reply: Reply) -> dict[str, Any]:
    """Token counts as the OpenAI family names them."""
    return {
        "prompt_tokens": reply.input_tokens,
        "completion_tokens": reply.output_tokens,
        "total_tokens": reply.input_tokens + reply.output_tokens,
    }


def _unreadable() -> Refusal:
    message = "We could not parse the JSON body of your request."
    return Refusal(400, message, "invalid_request_error", None)


def _missing(name: str) -> Refusal:
    message = f"Missing required parameter: '{name}'."
    return Refusal(400, message, "invalid_request_error", "missing_required_parameter", name)


def _too_long(limit: int, got: int) -> Refusal:
    message = (
        f"This model's maximum context length is {limit} tokens. "
        f"However, your messages resulted in {got} tokens. Please reduce the length of the messages."
    )
    return Refusal(400, message, "invalid_request_error", "context_length_exceeded", "messages")
