"""How one LLM provider behaves in the sandbox: its keys, models, limits, speed, and what is wrong with it.

Primitives set these fields while the stand-in runs; the stand-in reads them on every request. A fault can
hold for the whole provider (`mode`), for one key (`keys[key]`) or for one model (`model_modes[model]`): the
laptop's key may work while the gateway's does not.
"""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

Mode = Literal[
    "ok",
    "throttled",  # 429: too fast, wait
    "insufficient_quota",  # the purse is empty
    "spending_limit",  # a limit that the customer set is reached
    "billing",  # 402: the account's billing is not in order
    "overloaded",  # 503, Anthropic 529
    "server_error",  # 500
    "bad_key",  # no key is accepted
    "forbidden",  # the key is known and may not do this
    "model_gone",  # no model answers any more
    "bad_request",  # our payload is refused
    "too_large",  # our payload is too large
    "content_filtered",  # what is asked is refused for the content policy
    "slow",  # answers, `slow_factor` times as slowly
    "stream_error",  # 200, then an error inside the stream
    "down",  # what stands in front of the provider answers 503 with a page
]
_SEEN_WITHOUT_MODEL: frozenset[Mode] = frozenset({"down", "bad_key", "forbidden", "server_error"})


@dataclass
class Model:
    """One model on offer. `is_retired` True: it stays in nobody's list and calls to it fail as unknown."""

    id: str
    display_name: str
    created_at: datetime
    context_tokens: int = 128_000
    is_retired: bool = False


@dataclass
class Call:
    """One call as the provider saw it: `key_tail` the key's last four characters, `model` None for lists."""

    at: datetime
    method: str
    path: str
    model: str | None
    status: int
    request_id: str
    key_tail: str


@dataclass
class ProviderState:
    """One provider's behaviour; all times in milliseconds, limits per minute.

    keys maps each key the provider knows to what is wrong with it ("ok": nothing); any other key is refused.
    A call lasts `latency_ms` plus `ms_per_token` for every token it writes.
    """

    name: str
    models: list[Model]
    keys: dict[str, Mode]
    mode: Mode = "ok"
    model_modes: dict[str, Mode] = field(default_factory=dict)
    latency_ms: float = 25.0
    ms_per_token: float = 0.5
    slow_factor: float = 40.0
    retry_after_s: float | None = 2.0
    throttled_by: Literal["requests", "tokens"] = "requests"
    stream_error_after: int = 3
    limit_requests: int = 5_000
    limit_tokens: int = 2_000_000
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=5_000))
    _spent: deque[tuple[float, int]] = field(default_factory=deque, repr=False)

    def judge(self, key: str | None, model: str | None) -> Mode:
        """What a call with this key and model meets.

        `model` None is a route that writes no tokens: quotas, throttles and overload do not show there.
        """
        if self.mode == "down":
            return "down"
        own = self.keys.get(key or "", "bad_key")
        if "bad_key" in (own, self.mode):
            return "bad_key"
        if model is None:
            return _first(m for m in (own, self.mode) if m in _SEEN_WITHOUT_MODEL)
        if self.find_model(model) is None:
            return "model_gone"
        wrong = _first(m for m in (own, self.model_modes.get(model, "ok"), self.mode) if m != "ok")
        if wrong == "ok" and min(self.remaining_quota()) <= 0:
            return "throttled"
        return wrong

    def find_model(self, model: str) -> Model | None:
        """The model under this id, or None when it never was or is retired."""
        return next((m for m in self.models if m.id == model and not m.is_retired), None)

    def offered_models(self) -> list[Model]:
        """The models that the list shows now, newest first."""
        gone = self.mode == "model_gone"
        shown = [m for m in self.models if not (gone or m.is_retired or self.model_modes.get(m.id) == "model_gone")]
        return sorted(shown, key=lambda m: m.created_at, reverse=True)

    def spend(self, tokens: int) -> None:
        """Count one call and its tokens against the limits of this minute."""
        self._spent.append((time.monotonic(), tokens))

    def remaining_quota(self) -> tuple[int, int]:
        """Requests and tokens left in the running minute; never negative."""
        horizon = time.monotonic() - 60.0
        while self._spent and self._spent[0][0] < horizon:
            self._spent.popleft()
        tokens = sum(spent for _, spent in self._spent)
        return max(0, self.limit_requests - len(self._spent)), max(0, self.limit_tokens - tokens)

    def wait_s(self, mode: Mode, tokens: int) -> float:
        """How long the answer takes: seconds before its first byte, plus the writing of its tokens."""
        factor = self.slow_factor if mode == "slow" else 1.0
        return factor * (self.latency_ms + self.ms_per_token * tokens) / 1000


def make_providers(openai_key: str, anthropic_key: str, together_key: str) -> dict[str, ProviderState]:
    """The three providers, healthy, each knowing the sandbox's own key."""
    return {
        "openai": ProviderState("openai", _models(_OPENAI), {openai_key: "ok"}),
        "anthropic": ProviderState("anthropic", _models(_ANTHROPIC), {anthropic_key: "ok"}),
        "together": ProviderState("together", _models(_TOGETHER), {together_key: "ok"}),
    }


_Offer = tuple[str, str, str, int]
_OPENAI: tuple[_Offer, ...] = (
    ("gpt-4o", "GPT-4o", "2024-05-10", 128_000),
    ("gpt-4o-mini", "GPT-4o mini", "2024-07-16", 128_000),
    ("gpt-4.1-mini", "GPT-4.1 mini", "2025-04-10", 1_000_000),
    ("text-embedding-3-small", "Embedding 3 small", "2024-01-22", 8_191),
)
_ANTHROPIC: tuple[_Offer, ...] = (
    ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5", "2025-09-29", 200_000),
    ("claude-haiku-4-5-20251001", "Claude Haiku 4.5", "2025-10-01", 200_000),
    ("claude-opus-4-1-20250805", "Claude Opus 4.1", "2025-08-05", 200_000),
)
_TOGETHER: tuple[_Offer, ...] = (
    ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "Llama 3.3 70B Instruct Turbo", "2024-12-06", 131_072),
    ("Qwen/Qwen2.5-7B-Instruct-Turbo", "Qwen 2.5 7B Instruct Turbo", "2024-10-18", 32_768),
    ("mistralai/Mistral-7B-Instruct-v0.3", "Mistral 7B Instruct v0.3", "2024-05-22", 32_768),
)


def _first(modes: Iterable[Mode]) -> Mode:
    return next(iter(modes), "ok")


def _models(offers: tuple[_Offer, ...]) -> list[Model]:
    return [
        Model(id_, name, datetime.fromisoformat(day).replace(tzinfo=UTC), context) for id_, name, day, context in offers
    ]
