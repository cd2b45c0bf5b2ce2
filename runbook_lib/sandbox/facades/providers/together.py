"""Together's API as far as the gateway and the runbook use it: a bare array of models, chat completions, refusals."""

from typing import Any

from starlette.applications import Starlette

from runbook_lib.sandbox.facades.providers.chat_completions import ChatCompletions, Refusal
from runbook_lib.sandbox.facades.providers.provider_door import Reply
from runbook_lib.sandbox.facades.providers.provider_state import Mode, Model
from runbook_lib.sandbox.world import World


class Together(ChatCompletions):
    """Together's words for what goes wrong, and its headers."""

    name = "together"
    done_reason = "eos"

    def headers(self, request_id: str) -> dict[str, str]:
        """Request id and both limits, in the names that Together uses."""
        state = self.door.state
        requests_left, tokens_left = (0, 0) if (throttled := state.mode == "throttled") else state.remaining_quota()
        return {
            "x-request-id": request_id,
            "x-ratelimit-limit": str(state.limit_requests),
            "x-ratelimit-remaining": str(requests_left),
            "x-ratelimit-reset": "1" if throttled else "0",
            "x-tokenlimit-limit": str(state.limit_tokens),
            "x-tokenlimit-remaining": str(tokens_left),
        }

    def model_row(self, model: Model) -> dict[str, Any]:
        """One row of the bare array, with organization and context length."""
        return {
            "id": model.id,
            "object": "model",
            "created": int(model.created_at.timestamp()),
            "type": "chat",
            "display_name": model.display_name,
            "organization": model.id.partition("/")[0],
            "context_length": model.context_tokens,
        }

    def models_body(self, rows: list[dict[str, Any]]) -> Any:
        """No list object: the array itself."""
        return rows

    def completion(self, model: str, reply: Reply) -> dict[str, Any]:
        """With the empty prompt list that Together always sends."""
        body = super().completion(model, reply)
        body["choices"][0].pop("logprobs")
        body["choices"][0]["message"]["tool_calls"] = []
        return {**body, "prompt": []}

    def refusal(self, mode: Mode, model: str, key: str | None) -> Refusal:
        """The classes of specs/llm; credit is a 402 here."""
        del key  # Together does not repeat it
        if mode == "model_gone":
            message = f"Unable to access model {model}. Please visit the model list for what is available."
            return Refusal(404, message, "invalid_request_error", "model_not_available")
        return _REFUSALS[mode]


_CREDIT = Refusal(402, "Credit limit exceeded", "credit_limit", None)
_REFUSALS: dict[Mode, Refusal] = {
    "bad_key": Refusal(401, "Invalid API key provided.", "invalid_request_error", "invalid_api_key"),
    "forbidden": Refusal(403, "Your key may not use this model.", "permission_error", None),
    "throttled": Refusal(429, "Rate limit", "rate_limit", None, retries=True),
    "insufficient_quota": _CREDIT,
    "spending_limit": _CREDIT,
    "billing": _CREDIT,
    "overloaded": Refusal(503, "Engine overloaded", "service_unavailable", None, retries=True),
    "server_error": Refusal(500, "Internal server error", "server_error", None),
    "bad_request": Refusal(400, "Input validation error", "invalid_request_error", None, "messages"),
    # Together documents no words of its own for it: the code of the OpenAI family
    "content_filtered": Refusal(400, "The request was flagged", "invalid_request_error", "content_filter"),
    "too_large": Refusal(413, "Request body too large", "invalid_request_error", None),
}


def create_app(world: World) -> Starlette:
    """Together's API; its base URL ends in `/v1`."""
    return Together(world).app()
