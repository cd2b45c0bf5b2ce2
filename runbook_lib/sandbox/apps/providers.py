"""The gateway's way to the providers: one attempt of one model, in each vendor's own wire format."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from opentelemetry.trace import Span

from runbook_lib.sandbox.apps import tracing
from runbook_lib.sandbox.apps.calls import Caller
from runbook_lib.sandbox.apps.runtime import Runtime

_SCOPES = {
    "openai": "opentelemetry.instrumentation.openai_v2",
    "anthropic": "opentelemetry.instrumentation.anthropic",
    "together": "opentelemetry.instrumentation.openai_v2",
}
_BASES = {
    "openai": ("OPENAI_BASE_URL", "https://api.openai.com/v1"),
    "anthropic": ("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    "together": ("TOGETHER_BASE_URL", "https://api.together.ai/v1"),
}
MAX_TOKENS = 64


@dataclass(frozen=True)
class Target:
    """One member of the chain."""

    provider: str
    model: str


class ProviderRefused(Exception):
    """A provider answered with an error. `code` is its own word for it, `retry_after_s` None when it did not say."""

    def __init__(self, status: int, code: str, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.status, self.code, self.retry_after_s = status, code, retry_after_s


class Providers:
    """Calls a provider once. The span is a GenAI client span with what the HTTP exchange showed."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._caller = Caller(runtime, is_python=True)

    def has_adapter(self, provider: str) -> bool:
        """Whether there is an adapter for it."""
        return provider in _BASES

    @asynccontextmanager
    async def ask(
        self, target: Target, messages: list[dict[str, str]], *, attempt: int, timeout_s: float, is_stream: bool
    ) -> AsyncIterator[tuple[httpx.Response, Span]]:
        """Yield the 200 answer, unread, within its span.

        Raises:
            ProviderRefused: the provider answered with an error.
            CallFailed: it did not answer, or not in time.
        """
        variable, usual = _BASES[target.provider]
        base = (self._runtime.setting(variable) or usual).rstrip("/")
        path = "/v1/messages" if target.provider == "anthropic" else "/chat/completions"
        body: dict[str, Any] = {"model": target.model, "max_tokens": MAX_TOKENS, "messages": messages}
        if is_stream:
            body["stream"] = True
            if target.provider != "anthropic":
                body["stream_options"] = {"include_usage": True}
        attributes: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": target.provider,
            "gen_ai.request.model": target.model,
            "gen_ai.request.max_tokens": MAX_TOKENS,
            "gen_ai.request.stream": is_stream,
        }
        if attempt > 1:
            attributes["http.request.resend_count"] = attempt - 1
        async with self._caller.open(
            "POST",
            f"{base}{path}",
            timeout_s=timeout_s,
            scope=_SCOPES[target.provider],
            name=f"chat {target.model}",
            attributes=attributes,
            headers=self._credentials(target.provider),
            json=body,
        ) as (answer, span):
            if answer.status_code != 200:
                await answer.aread()
                refused = _refusal(answer)
                span.set_attribute("gen_ai.response.error.code", refused.code)
                tracing.fail(span, refused.code, str(refused), '  File "/app/providers.py", line 57, in complete')
                raise refused
            yield answer, span

    def _credentials(self, provider: str) -> dict[str, str]:
        key = self._runtime.setting(f"{provider.upper()}_API_KEY") or ""
        if provider == "anthropic":
            return {"x-api-key": key, "anthropic-version": "2023-06-01"}
        return {"Authorization": f"Bearer {key}"}


def read_completion(target: Target, said: dict[str, Any]) -> dict[str, Any]:
    """A whole answer in the gateway's own form: text, provider, model, id, finish_reason, usage."""
    usage = said.get("usage") or {}
    if target.provider == "anthropic":
        text = "".join(part.get("text", "") for part in said.get("content", []))
        tokens = (usage.get("input_tokens", 0), usage.get("output_tokens", 0))
        reason = said.get("stop_reason")
    else:
        choice = said["choices"][0]
        text = choice["message"]["content"]
        tokens = (usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0))
        reason = choice.get("finish_reason")
    return {
        "text": text,
        "provider": target.provider,
        "model": said.get("model", target.model),
        "id": said.get("id", ""),
        "finish_reason": reason or "stop",
        "usage": usage_of(*tokens),
    }


def usage_of(input_tokens: int, output_tokens: int) -> dict[str, int]:
    """Token counts in the gateway's own form."""
    return {"input_tokens": input_tokens, "output_tokens": output_tokens, "total_tokens": input_tokens + output_tokens}


def note_usage(span: Span, said: dict[str, Any]) -> None:
    """What a GenAI span says about the answer."""
    span.set_attributes(
        {
            "gen_ai.response.model": said["model"],
            "gen_ai.response.id": said["id"],
            "gen_ai.response.finish_reasons": [said["finish_reason"]],
            "gen_ai.usage.input_tokens": said["usage"]["input_tokens"],
            "gen_ai.usage.output_tokens": said["usage"]["output_tokens"],
        }
    )


def _refusal(answer: httpx.Response) -> ProviderRefused:
    """An error answer in the provider's own words."""
    try:
        said = answer.json()
    except ValueError:
        said = {}
    error = said.get("error") if isinstance(said, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or error.get("type") or answer.status_code)
    message = str(error.get("message") or f"HTTP {answer.status_code}")
    return ProviderRefused(answer.status_code, code, message, _retry_after_s(answer.headers.get("retry-after")))


def _retry_after_s(value: str | None) -> float | None:
    try:
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        return None
