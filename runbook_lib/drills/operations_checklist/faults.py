"""Faults of what is set up: variables, keys, deploy targets, traces. None needs a user to come to light."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from runbook_lib.drills.kit.fault import Fault, Result, Step, Variant, alias, fault, no_action, use

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

_LETTERS = "AbCdEfGhJkLmNpQrStUvWxYz23456789"
_OPENAI_KEY = "sk-proj-" + _LETTERS * 2
_STRIPE_KEY = "sk_test_51" + _LETTERS * 3
_LIVE_PUBLISHABLE = "pk_live_51" + _LETTERS * 3
_OTHER_REF = "zyxwvutsrqponmlkjihg"
_WELCOME = "<!doctype html><html><head><title>Welcome to nginx!</title></head><body>It works.</body></html>"
_PARTS = ("web", "api", "gateway")
_SLOW_S = 4.0


def env_of(name: str) -> Callable[["Sandbox"], str]:
    """A step's argument: what the sandbox's own settings hold under this name."""
    return lambda sandbox: sandbox.env[name]


def _set(code: str, part: str, name: str, value: Any, **others: Variant) -> Fault:
    """A variable of a part holds this value, and the part runs with it."""
    return fault(code, use("env", part=part, name=name, value=value), by=no_action, **others)


def _long_ago(part: str, name: str, value: Any) -> tuple[Step, ...]:
    """A value that the platform has held for longer than what serves: the list shows it so, and nothing restarts for it."""
    return (
        use("env", part=part, name=name, value=value, restart=False),
        use("variable", part=part, name=name, minutes_ago=60.0 * 24 * 20),
    )


def _with(*steps: Step) -> Variant:
    return Variant(steps, no_action)


def _quoted(name: str) -> Callable[["Sandbox"], str]:
    return lambda sandbox: f'"{sandbox.env[name]}"\n'


def visit_again(sandbox: "Sandbox") -> Result:
    """Some users come, so that there is traffic after the fault."""
    got: Result = {}
    for _ in range(4):
        got = sandbox.visit("chat")
    time.sleep(0.4)  # the parts send their spans every 0.2 s
    return got


def until_quiet(sandbox: "Sandbox") -> Result:
    """Whoever was still under way is done, and two hours pass."""
    before, deadline = -1, time.monotonic() + 15.0
    while (count := sandbox.status()["requests"]) != before and time.monotonic() < deadline:
        before = count
        time.sleep(0.6)
    sandbox.inject("age", by_s=7200.0)
    return {}


_MALFORMED = (
    fault(
        "env.malformed.not_a_url",
        *_long_ago("web", "NEXT_PUBLIC_SUPABASE_URL", "abcdefghijklmnopqrst.supabase.co"),
        by=no_action,
    ),
    fault(
        "env.malformed.other_kind",
        *_long_ago("api", "STRIPE_SECRET_KEY", env_of("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY")),
        by=no_action,
        anon_for_service=_with(*_long_ago("api", "SUPABASE_SERVICE_ROLE_KEY", env_of("NEXT_PUBLIC_SUPABASE_ANON_KEY"))),
        another_vendors=_with(use("env", part="gateway", name="ANTHROPIC_API_KEY", value=env_of("OPENAI_API_KEY"))),
    ),
    fault(
        "env.malformed.placeholder",
        *_long_ago("gateway", "OPENAI_API_KEY", "sk-your-openai-api-key-goes-here-0000000000"),
        by=no_action,
    ),
    fault(
        "env.malformed.quoted",
        *_long_ago("api", "STRIPE_WEBHOOK_SECRET", _quoted("STRIPE_WEBHOOK_SECRET")),
        by=no_action,
    ),
    fault("env.malformed.cut_off", *_long_ago("gateway", "ANTHROPIC_API_KEY", "sk-ant-api03-AbCdEf"), by=no_action),
)
_MISMATCH = (
    fault(
        "env.project_mismatch.ref",
        use("supabase_key", part="api", name="SUPABASE_SERVICE_ROLE_KEY", ref=_OTHER_REF),
        by=no_action,
    ),
    fault(
        "env.project_mismatch.signature",
        use(
            "supabase_key", part="api", name="SUPABASE_SERVICE_ROLE_KEY", secret="another-project-s-secret-of-32-bytes"
        ),
        by=no_action,
    ),
)
_DRIFT = (
    fault(
        "env.drift.environment",
        use("variable", part="api", name="STRIPE_WEBHOOK_SECRET", targets=["production"]),
        by=no_action,
    ),
    fault("env.drift.example", use("env", part="api", name="LLM_GATEWAY_URL"), by=no_action),
)
_DOWN = (
    fault(
        "target.down.unreachable",
        use("process", part="gateway-edge", action="stop"),
        by=no_action,
        web=_with(use("process", part="web-edge", action="stop")),
    ),
    fault("target.down.hanging", use("http", part="api-edge", path="/api/health", hang=True), by=no_action),
    fault("target.down.failing", use("process", part="web", action="kill"), by=no_action),
    fault("target.down.missing", use("edge", part="web", missing=True), by=no_action),
)
_DEGRADED = (
    fault("target.degraded.slow", use("http", part="api-edge", path="/api/health", latency_s=_SLOW_S), by=no_action),
    fault(
        "target.degraded.flapping",
        use("http", part="gateway-edge", method="GET", path="/", status=503, body="", count=1),
        by=no_action,
    ),
    fault("target.degraded.refusing", use("edge", part="web", protect=True), by=no_action),
)
_FORGET = use("store", forget="all")
_SWAPPED = use("env", part="gateway", name="OTEL_SERVICE_NAME", value="nexus-api")
_WRONG_NAME = (
    fault(
        "otel.wrong_service_name.unset",
        use("env", part="gateway", name="OTEL_SERVICE_NAME", value="unknown_service"),
        _FORGET,
        by=visit_again,
    ),
    fault("otel.wrong_service_name.swapped", _SWAPPED, _FORGET, by=visit_again),
)
_NO_MORE_SPANS = tuple(use("spans", part=part, drop=True) for part in _PARTS)


def _narrow_key(sandbox: "Sandbox") -> str:
    """The dial that holds what the runbook's restricted key may do."""
    return f"keys.{sandbox.env['RUNBOOK_STRIPE_KEY']}.permissions"


def _state_of(name: str) -> Callable[["Sandbox"], str]:
    return lambda sandbox: f"keys.{sandbox.env[name]}.state"


FAULTS: tuple[Fault, ...] = (
    fault(
        "target.platform_incident",
        use("incident", vendor="vercel", name="Elevated errors of functions"),
        use("process", part="web", action="kill"),
        by=no_action,
    ),
    alias("target.down", _DOWN[0]),
    *_DOWN,
    alias("target.degraded", _DEGRADED[2]),
    *_DEGRADED,
    fault(
        "target.impostor",
        use("http", part="web-edge", path="/", status=200, body=_WELCOME, headers={"content-type": "text/html"}),
        by=no_action,
        api=_with(use("http", part="api-edge", path="/api/health", status=200, body='{"message":"hello"}')),
        gateway=_with(
            use("http", part="gateway-edge", path="/openapi.json", status=200, body='{"hello":"world"}'),
        ),
    ),
    fault("target.ambiguous", use("second_home", part="api", platform="railway"), by=no_action),
    _set(
        "env.leaked_to_browser", "web", "NEXT_PUBLIC_SUPABASE_ANON_KEY", env_of("SUPABASE_SERVICE_ROLE_KEY"),
        new_name=_with(*_long_ago("web", "NEXT_PUBLIC_OPENAI_API_KEY", env_of("OPENAI_API_KEY"))),
    ),
    _set(
        "env.missing", "api", "STRIPE_WEBHOOK_SECRET", None,
        web=_with(use("env", part="web", name="NEXT_PUBLIC_SUPABASE_ANON_KEY")),
        gateway=_with(use("env", part="gateway", name="OPENAI_API_KEY")),
        endpoint=_with(use("env", part="gateway", name="OTEL_EXPORTER_OTLP_ENDPOINT")),
    ),
    _set("env.missing.empty", "gateway", "TOGETHER_API_KEY", " "),
    alias("env.malformed", _MALFORMED[1]),
    *_MALFORMED,
    fault(
        "env.expired",
        use("supabase_key", part="api", name="SUPABASE_SERVICE_ROLE_KEY", expires_in_s=-3600.0),
        by=no_action,
        at_stripe=_with(use("dial", of="StripeState", field=_state_of("STRIPE_SECRET_KEY"), value="expired")),
    ),
    alias("env.project_mismatch", _MISMATCH[0]),
    *_MISMATCH,
    _set(
        "env.rejected", "gateway", "OPENAI_API_KEY", _OPENAI_KEY,
        stripe=_with(*_long_ago("api", "STRIPE_SECRET_KEY", _STRIPE_KEY)),
        anthropic=_with(use("dial", of="anthropic", field="mode", value="bad_key")),
        vercel_token=_with(use("token_expiry", in_s=-60.0)),
    ),
    fault(
        "env.insufficient_scope",
        use("dial", of="StripeState", field=_narrow_key, value={"customer": "read", "subscription": "read"}),
        by=no_action,
        together=_with(use("dial", of="together", field="mode", value="forbidden")),
    ),
    fault("env.conflict", *_long_ago("api", "SUPABASE_URL", "https://abcdefghijklmnopqrst.supabase.co"), by=no_action),
    fault("env.mode_mixed", *_long_ago("web", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", _LIVE_PUBLISHABLE), by=no_action),
    fault(
        "env.not_applied",
        use("env", part="api", name="STRIPE_WEBHOOK_SECRET", value="whsec_" + _LETTERS, restart=False),
        by=no_action,
        gateway=_with(use("env", part="gateway", name="LLM_FALLBACK_CHAIN", value="openai/gpt-4o-mini", restart=False)),
    ),
    alias("env.drift", _DRIFT[0]),
    *_DRIFT,
    fault("tracing.unreachable", use("process", part="tempo", action="stop"), by=no_action),
    fault("tracing.no_spans", *_NO_MORE_SPANS, _FORGET, by=visit_again),
    fault("tracing.part_silent", use("spans", part="gateway", drop=True), _FORGET, by=visit_again),
    fault(
        "otel.wrong_service_name",
        use("env", part="web", name="OTEL_SERVICE_NAME", value="my-next-shop"),
        _FORGET,
        by=visit_again,
    ),
    *_WRONG_NAME,
    fault("env.expires_soon", use("token_expiry", in_s=3 * 86_400.0), by=no_action),
    fault("env.values_hidden", use("variable", part="api", name="STRIPE_SECRET_KEY", kind="sensitive"), by=no_action),
    fault("tracing.quiet", use("traffic"), by=until_quiet),
)  # fmt: skip
