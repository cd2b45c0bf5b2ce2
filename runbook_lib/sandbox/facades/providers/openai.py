"""OpenAI's API as far as the gateway and the runbook use it: models, chat completions, limits, refusals."""

from typing import Any

from starlette.applications import Starlette

from runbook_lib.sandbox.facades.providers.chat_completions import ChatCompletions, Refusal, usage
from runbook_lib.sandbox.facades.providers.provider_door import Reply, masked_key
from runbook_lib.sandbox.facades.providers.provider_state import Mode, Model
from runbook_lib.sandbox.world import World


class OpenAI(ChatCompletions):
    """OpenAI's words for what goes wrong, and its headers."""

    name = "openai"
    done_reason = "stop"

    def headers(self, request_id: str) -> dict[str, str]:
        """Request id, processing time, and the limits with resets spelt like `6m0s`."""
        state = self.door.state
        requests_left, tokens_left = state.remaining_quota()
        if state.mode == "throttled":
            requests_left, tokens_left = (0, tokens_left) if state.throttled_by == "requests" else (requests_left, 0)
        return {
            "x-request-id": request_id,
            "openai-version": "2020-10-01",
            "openai-organization": "nexuscore",
            "openai-processing-ms": str(round(state.wait_s("ok", 0) * 1000)),
            "x-ratelimit-limit-requests": str(state.limit_requests),
            "x-ratelimit-limit-tokens": str(state.limit_tokens),
            "x-ratelimit-remaining-requests": str(requests_left),
            "x-ratelimit-remaining-tokens": str(tokens_left),
            "x-ratelimit-reset-requests": "1.2s" if requests_left == 0 else "12ms",
            "x-ratelimit-reset-tokens": "6m0s" if tokens_left == 0 else "6ms",
        }

    def model_row(self, model: Model) -> dict[str, Any]:
        """`id, object, created, owned_by`."""
        created = int(model.created_at.timestamp())
        return {"id": model.id, "object": "model", "created": created, "owned_by": "system"}

    def models_body(self, rows: list[dict[str, Any]]) -> Any:
        """A list object."""
        return {"object": "list", "data": rows}

    def completion(self, model: str, reply: Reply) -> dict[str, Any]:
        """With refusal, service tier and the token details that OpenAI adds."""
        body = super().completion(model, reply)
        body["choices"][0]["message"] |= {"refusal": None, "annotations": []}
        details = {"reasoning_tokens": 0, "audio_tokens": 0}
        body["usage"] = {**usage(reply), "completion_tokens_details": details}
        return {**body, "service_tier": "default", "system_fingerprint": "fp_4f1c2a7b90"}

    def refusal(self, mode: Mode, model: str, key: str | None) -> Refusal:
        """The classes of specs/llm: 429 is a throttle or an empty purse, told apart by `code`."""
        if mode == "bad_key":
            return _bad_key(key)
        if mode == "throttled":
            kind, short = {"requests": ("requests", "RPM"), "tokens": ("tokens", "TPM")}[self.door.state.throttled_by]
            message = f"Rate limit reached for {model} on {kind} per min ({short})"
            return Refusal(429, message, kind, "rate_limit_exceeded", retries=True)
        if mode == "model_gone":
            message = f"The model `{model}` does not exist or you do not have access to it."
            return Refusal(404, message, "invalid_request_error", "model_not_found")
        return _REFUSALS[mode]


_QUOTA = "You exceeded your current quota, please check your plan and billing details."
_LIMIT = "You have reached the spend limit set for this project. Raise the limit to continue."
_SERVER = "The server had an error while processing your request. Sorry about that!"
_OVERLOADED = "The engine is currently overloaded, please try again later."
_COUNTRY = "Country, region, or territory not supported"
_POLICY = (
    "Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed."
)
_REFUSALS: dict[Mode, Refusal] = {
    "insufficient_quota": Refusal(429, _QUOTA, "insufficient_quota", "insufficient_quota"),
    "spending_limit": Refusal(429, _LIMIT, "insufficient_quota", "insufficient_quota"),
    "billing": Refusal(429, _QUOTA, "insufficient_quota", "billing_not_active"),
    "overloaded": Refusal(503, _OVERLOADED, "server_error", None, retries=True),
    "server_error": Refusal(500, _SERVER, "server_error", None),
    "forbidden": Refusal(403, _COUNTRY, "request_forbidden", "unsupported_country_region_territory"),
    "bad_request": Refusal(
        400,
        "Invalid value for 'messages': expected an array of messages.",
        "invalid_request_error",
        "invalid_value",
        "messages",
    ),
    "content_filtered": Refusal(400, _POLICY, "invalid_request_error", "content_policy_violation"),
    "too_large": Refusal(413, "Request too large.", "invalid_request_error", "request_too_large"),
}


def _bad_key(key: str | None) -> Refusal:
    if key is None:
        message = "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'."
        return Refusal(401, message, "invalid_request_error", None)
    message = f"Incorrect API key provided: {masked_key(key)}."
    return Refusal(401, message, "invalid_request_error", "invalid_api_key")


def create_app(world: World) -> Starlette:
    """OpenAI's API; its base URL ends in `/v1`."""
    return OpenAI(world).app()
