"""gateway: one interface over OpenAI, Anthropic and Together, with retries, back-off and a fallback chain."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx
from opentelemetry.trace import Span
from starlette.responses import JSONResponse, Response

from runbook_lib.sandbox.apps import streams, tracing
from runbook_lib.sandbox.apps.calls import CallFailed
from runbook_lib.sandbox.apps.part import Exchange, FastApiPart, Page, Part
from runbook_lib.sandbox.apps.providers import ProviderRefused, Providers, Target, note_usage, read_completion, usage_of
from runbook_lib.sandbox.apps.runtime import Runtime

USUAL_CHAIN = "openai/gpt-4o-mini"
RETRIED = {408, 409, 429}
NEVER_RETRIED = {"insufficient_quota", "billing_error"}
LONGEST_WAIT_S = 1.0


@dataclass
class Failure:
    """How one attempt failed. `is_final`: another provider would fail alike, the request itself is refused."""

    target: Target
    attempt: int
    status: int | None
    code: str
    message: str
    may_retry: bool
    is_final: bool = False
    wait_s: float | None = None


class Gateway:
    """The handlers of the gateway."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.providers = Providers(runtime)

    async def hello(self, _: Exchange) -> Response:
        """All that the gateway says today."""
        return JSONResponse({"message": "Hello from the NexusCore LLM gateway"})

    async def openapi(self, _: Exchange) -> Response:
        """FastAPI's own description, as far as anybody asks."""
        paths = {"/": {"get": {"summary": "Root"}}, "/v1/chat": {"post": {"summary": "Chat"}}}
        return JSONResponse(
            {"openapi": "3.1.0", "info": {"title": "NexusCore LLM Gateway", "version": "0.1.0"}, "paths": paths}
        )

    async def chat(self, exchange: Exchange) -> Response | None:
        """Try the chain's members in order, each as often as allowed, until one answers."""
        asked = await _object(exchange)
        if asked is None or not isinstance(asked.get("messages"), list):
            return JSONResponse({"detail": [{"loc": ["body", "messages"], "msg": "Field required"}]}, 422)
        failures: list[Failure] = []
        for target in self._chain(asked.get("model")):
            failure: Failure | None = None
            for attempt in range(1, self._attempts() + 1):
                if failure:
                    await self._back_off(failure)
                outcome = await self._attempt(exchange, target, asked, attempt)
                if not isinstance(outcome, Failure):
                    return outcome[0]
                failure = outcome
                failures.append(failure)
                self._log_failure(failure)
                if failure.is_final:
                    return _error(failure.status or 400, failure.code, failure.message)
                if not failure.may_retry or exchange.status:
                    break
            if exchange.status:
                return None  # the stream had begun: no fallback can help it
        timed_out = bool(failures) and all(failure.code.endswith("ReadTimeout") for failure in failures)
        words = "; ".join(f"{f.target.provider}/{f.target.model}: {f.code}" for f in failures) or "the chain is empty"
        self.runtime.log("error", f"all providers failed: {words}", attempts=len(failures))
        return _error(504 if timed_out else 502, "all_providers_failed", words)

    async def _attempt(
        self, exchange: Exchange, target: Target, asked: dict[str, Any], attempt: int
    ) -> Failure | tuple[Response | None]:
        """One attempt: how it failed, or the answer to give (None: it was streamed)."""
        is_stream = bool(asked.get("stream"))
        timeout_s = self.runtime.seconds("LLM_TIMEOUT_S", 10)
        try:
            async with self.providers.ask(
                target, asked["messages"], attempt=attempt, timeout_s=timeout_s, is_stream=is_stream
            ) as (answer, span):
                if is_stream:
                    return await self._stream(exchange, target, answer, span, attempt)
                await answer.aread()
                try:
                    said = read_completion(target, answer.json())
                except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
                    tracing.fail(span, "json.JSONDecodeError", f"unreadable answer: {error}")
                    return Failure(target, attempt, 200, "unreadable_answer", "the answer could not be read", True)
                note_usage(span, said)
                self._log_success(target, attempt, said)
                return (JSONResponse(said),)
        except ProviderRefused as error:
            retried = (error.status in RETRIED or error.status >= 500) and error.code not in NEVER_RETRIED
            patient = (error.retry_after_s or 0) <= LONGEST_WAIT_S
            final = error.status in (400, 413, 422)
            return Failure(
                target, attempt, error.status, error.code, str(error), retried and patient, final, error.retry_after_s
            )
        except CallFailed as error:
            return Failure(target, attempt, None, error.kind, str(error), True)

    async def _stream(
        self, exchange: Exchange, target: Target, answer: httpx.Response, span: Span, attempt: int
    ) -> Failure | tuple[Response | None]:
        """Pass a provider's stream on in the gateway's own form."""
        tokens, written, response_id, model = [0, 0], 0, "", target.model
        started = asyncio.get_running_loop().time()
        async for event in streams.events(answer):
            said = event.data if isinstance(event.data, dict) else {}
            if (problem := event.error()) is not None:
                tracing.fail(span, "stream_error", problem, '  File "/app/providers.py", line 92, in stream')
                if not exchange.status:
                    return Failure(target, attempt, 200, "stream_error", problem, True)
                await exchange.write(streams.encode("error", {"error": {"type": "stream_error", "message": problem}}))
                await exchange.finish()
                return Failure(target, attempt, 200, "stream_error", problem, False)
            text = _text_of(said)
            _count(said, tokens)
            model = str(said.get("model") or said.get("message", {}).get("model") or model)
            response_id = str(said.get("id") or said.get("message", {}).get("id") or response_id)
            if text:
                if not exchange.status:
                    await exchange.start(200, streams.HEADERS)
                    span.set_attribute(
                        "gen_ai.response.time_to_first_chunk", asyncio.get_running_loop().time() - started
                    )
                written += 1
                await exchange.write(streams.encode("delta", {"text": text}))
        if not exchange.status:
            return Failure(target, attempt, 200, "empty_stream", "the stream ended before its first token", True)
        usage = usage_of(tokens[0], tokens[1] or written)
        done = {"provider": target.provider, "model": model, "id": response_id, "finish_reason": "stop", "usage": usage}
        note_usage(span, done)
        await exchange.write(streams.encode("done", done))
        await exchange.finish()
        self._log_success(target, attempt, done)
        return (None,)

    def _chain(self, model: object) -> list[Target]:
        """The members to try: the configured ones; a model that the caller names comes first."""
        members = [item.strip() for item in (self.runtime.setting("LLM_FALLBACK_CHAIN") or USUAL_CHAIN).split(",")]
        if isinstance(model, str) and model:
            members = [model, *(member for member in members if member != model)]
        targets = [Target(*member.partition("/")[::2]) for member in members if "/" in member]
        known = [target for target in targets if self.providers.has_adapter(target.provider)]
        return known[:1] if self.runtime.condition.now.no_fallback else known

    def _attempts(self) -> int:
        return self.runtime.condition.now.attempts or max(1, int(self.runtime.seconds("LLM_MAX_ATTEMPTS", 2)))

    async def _back_off(self, failure: Failure) -> None:
        """Wait before the next attempt: what the provider asked for, else a time that doubles."""
        now = self.runtime.condition.now
        if now.constant_backoff_s is not None:
            await asyncio.sleep(now.constant_backoff_s)
        elif not now.no_backoff:
            doubling = self.runtime.seconds("LLM_BACKOFF_S", 0.25) * 2 ** (failure.attempt - 1)
            await asyncio.sleep(max(failure.wait_s or 0, doubling))

    def _log_failure(self, failure: Failure) -> None:
        self.runtime.log(
            "warning",
            f"{failure.target.provider}/{failure.target.model} failed: {failure.message}",
            provider=failure.target.provider,
            model=failure.target.model,
            attempt=failure.attempt,
            status=failure.status,
            code=failure.code,
        )

    def _log_success(self, target: Target, attempt: int, said: dict[str, Any]) -> None:
        self.runtime.log(
            "info",
            f"{target.provider}/{target.model} answered",
            provider=target.provider,
            model=target.model,
            attempt=attempt,
            tokens=said["usage"]["total_tokens"],
        )


def _text_of(said: dict[str, Any]) -> str:
    """The piece of text in a provider's stream event."""
    if "choices" in said:
        choices = said["choices"]
        return str((choices[0].get("delta") or {}).get("content") or "") if choices else ""
    delta = said.get("delta")
    return str(delta.get("text") or "") if isinstance(delta, dict) else ""


def _count(said: dict[str, Any], tokens: list[int]) -> None:
    """Take over the token counts that a stream event tells of."""
    for usage in (said.get("usage"), (said.get("message") or {}).get("usage")):
        if isinstance(usage, dict):
            tokens[0] = int(usage.get("prompt_tokens") or usage.get("input_tokens") or tokens[0])
            tokens[1] = int(usage.get("completion_tokens") or usage.get("output_tokens") or tokens[1])


def _error(status: int, kind: str, message: str) -> Response:
    return JSONResponse({"error": {"type": kind, "message": message}}, status)


async def _object(exchange: Exchange) -> dict[str, Any] | None:
    try:
        body = json.loads(await exchange.request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def create(runtime: Runtime) -> Part:
    """The gateway part."""
    gateway = Gateway(runtime)
    return FastApiPart(
        runtime,
        [
            Page("GET", "/", gateway.hello),
            Page("GET", "/openapi.json", gateway.openapi),
            Page("POST", "/v1/chat", gateway.chat),
        ],
    )
