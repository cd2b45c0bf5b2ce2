"""Faults of 04: the gateway itself, its way out, its retries and its chain, and each provider in each of its ways to fail."""

import threading
from typing import TYPE_CHECKING, Any

from runbook_lib.drills.kit.fault import Exercise, Fault, Result, Step, Variant, alias, fault, no_action, use, visit

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

_MODELS = {
    "openai": "openai/gpt-4o-mini",
    "anthropic": "anthropic/claude-haiku-4-5-20251001",
    "together": "together/meta-llama/Llama-3.3-70B-Instruct-Turbo",
}
_CHAIN = "LLM_FALLBACK_CHAIN"
_NOBODY_ELSE = use("code", part="gateway", no_fallback=True)
_NO_LINES = '{"data":{"environmentLogs":[]}}'


def chats(count: int = 3, at_once: int = 3, **how: Any) -> Exercise:
    """So many chats, a few at a time; returns what the last one got."""

    def act(sandbox: "Sandbox") -> Result:
        got: list[Result] = []
        for start in range(0, count, at_once):
            size = min(at_once, count - start)
            group = [threading.Thread(target=lambda: got.append(sandbox.visit("chat", **how))) for _ in range(size)]
            for thread in group:
                thread.start()
            for thread in group:
                thread.join()
        return got[-1]

    return act


def _chain(*members: str) -> Step:
    """The gateway is deployed with another chain."""
    return use("env", part="gateway", name=_CHAIN, value=", ".join(members))


def _mode(provider: str, mode: str) -> Step:
    return use("dial", of=provider, field="mode", value=mode)


def _by(provider: str, *steps: Step, **how: Any) -> Variant:
    """What users who reach this provider first run into."""
    asked: dict[str, Any] = {"count": 3, **({} if provider == "openai" else {"model": _MODELS[provider]}), **how}
    return Variant(steps, chats(**asked))


def _provider(sub: str, mode: str, *also: Step, of: tuple[str, ...] = tuple(_MODELS), **others: str) -> Fault:
    """A provider in one of its modes: a variant for each provider, and one of OpenAI's for each other mode."""
    variants = {name: _by(name, _mode(name, mode), *also) for name in of}
    variants |= {name: _by("openai", _mode("openai", other), *also) for name, other in others.items()}
    return Fault(f"provider.{sub}", variants)


def _blocked(how: str) -> Variant:
    return Variant((use("egress", part="gateway", to="openai", how=how),), chats())


def _raises(recorded_as: str) -> Variant:
    bug = use(
        "code",
        part="gateway",
        route="/v1/chat",
        raise_type="KeyError",
        raise_message="'usage'",
        recorded_as=recorded_as,
    )
    return Variant((bug,), chats())


_DOWN = Fault(
    "gateway.down",
    {
        "process": Variant((use("process", part="gateway", action="stop"),), chats(3)),
        "edge": Variant((use("process", part="gateway-edge", action="stop"),), chats(3)),
        "crashed": Variant(
            (
                use("deploy", part="gateway", state="CRASHED", serve=False),
                use("process", part="gateway", action="kill"),
            ),
            chats(3),
        ),
    },
)

_EGRESS = (
    Fault(
        "gateway.egress_broken.refused",
        {
            "usual": _blocked("refused"),
            "reset": _blocked("reset"),
            "everywhere": Variant(
                tuple(use("egress", part="gateway", to=name, how="refused") for name in _MODELS), chats()
            ),
        },
    ),
    Fault("gateway.egress_broken.dns", {"usual": _blocked("dns")}),
    fault(
        "gateway.egress_broken.wrong_address",
        use("env", part="gateway", name="OPENAI_BASE_URL", value="api.openai.com/v1"),
        by=chats(),
    ),
)

_RETRIES = (
    fault(
        "gateway.retry_without_backoff.immediate",
        _mode("openai", "overloaded"),
        use("dial", of="openai", field="retry_after_s", value=None),  # a long Retry-After would end the attempts
        use("code", part="gateway", attempts=5, no_backoff=True),
        by=chats(),
    ),
    fault(
        "gateway.retry_without_backoff.constant",
        use(
            "http", part="openai", method="POST", status=500, body='{"error":{"message":"oops","type":"server_error"}}'
        ),
        use("code", part="gateway", attempts=5, backoff_s=0.15),
        by=chats(),
    ),
)

_OWN = (
    fault(
        "gateway.unhealthy",
        use("http", part="gateway", status=500, body='{"detail":"Internal Server Error"}'),
        by=chats(),
    ),
    Fault("gateway.unhealthy.errors", {how: _raises(how) for how in ("event", "attributes")}),
    fault("gateway.unhealthy.slow", use("code", part="gateway", route="/v1/chat", delay_s=1.2), by=chats(4, 4)),
)

_FALLBACK = (
    fault(
        "gateway.no_fallback",
        _chain(_MODELS["openai"]),
        by=chats(3),
        felt=Variant((_chain(_MODELS["openai"]), _mode("openai", "overloaded")), chats()),
        not_set=Variant(
            (use("env", part="gateway", name=_CHAIN), _mode("openai", "overloaded")),
            chats(),
        ),
    ),
    fault(
        "gateway.no_fallback.one_provider",
        _chain(_MODELS["openai"], "openai/gpt-4o"),
        _mode("openai", "overloaded"),
        by=chats(),
    ),
    fault("gateway.fallback_not_firing", _NOBODY_ELSE, _mode("openai", "throttled"), by=chats()),
    fault(
        "gateway.wrong_model_configured",
        _chain("openai/gpt-4o-minni", _MODELS["anthropic"]),
        by=chats(),
        never_called=Variant((_chain(_MODELS["openai"], "anthropic/claude-hiaku-4-5"),), chats(3)),
    ),
    fault(
        "gateway.all_providers_failing",
        _mode("openai", "throttled"),
        _mode("anthropic", "bad_key"),
        _mode("together", "overloaded"),
        by=chats(),
    ),
)

_PROVIDERS = (
    Fault(
        "provider.down",
        {
            **_provider("down", "down", of=("openai",), server_error="server_error").variants,
            "refused": Variant((use("http", part="openai", refuse=True),), chats()),
        },
    ),
    fault(
        "provider.down.no_answer",
        use("http", part="openai", method="POST", hang=True),
        use("code", part="gateway", timeout_s=0.8, attempts=1),
        by=chats(4, 4),
    ),
    _provider("overloaded", "overloaded", _NOBODY_ELSE, of=("openai", "anthropic")),
    _provider("rate_limited", "throttled", _NOBODY_ELSE),
    Fault("provider.slow", {name: _by(name, _mode(name, "slow"), count=4, at_once=4) for name in ("openai",)}),
    Fault(
        "provider.key_invalid",
        {
            **_provider("key_invalid", "bad_key").variants,
            "of_the_fallback": Variant((_mode("anthropic", "bad_key"),), chats()),
        },
    ),
    _provider("access_denied", "forbidden", of=("together",)),
    _provider("out_of_credit", "insufficient_quota"),
    _provider("out_of_credit.spending_limit", "spending_limit", of=("openai", "anthropic")),
    Fault(
        "provider.model_gone",
        {"usual": _by("openai", use("dial", of="openai", field="model_modes.gpt-4o-mini", value="model_gone"))},
    ),
    _provider("request_rejected", "bad_request", of=("anthropic",), too_large="too_large"),
    _provider("content_filtered", "content_filtered", of=("openai", "anthropic")),
    Fault(
        "provider.stream_broken",
        {name: _by(name, _mode(name, "stream_error"), stream=True) for name in ("openai", "anthropic")},
    ),
)

_NOT_BROKEN = (
    fault("gateway.idle", use("traffic", rate_per_s=0.0), by=no_action),
    fault(
        "gateway.calls_not_seen",
        use("spans", part="gateway", drop=True),
        use("http", part="railway", body_contains="environmentLogs", status=200, body=_NO_LINES),
        by=visit(),
    ),
)

FAULTS: tuple[Fault, ...] = (
    _DOWN,
    *_OWN,
    alias("gateway.egress_broken", _EGRESS[0]),
    *_EGRESS,
    fault("gateway.timeout_too_short", use("code", part="gateway", timeout_s=0.02), by=chats()),
    alias("gateway.retry_without_backoff", _RETRIES[0]),
    *_RETRIES,
    *_FALLBACK,
    *_PROVIDERS,
    *_NOT_BROKEN,
)
