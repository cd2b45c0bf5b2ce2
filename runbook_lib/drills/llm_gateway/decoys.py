"""Cases of 04 that look like something else: what was made good, what is not the gateway's, two faults at once."""

from typing import Any

from runbook_lib.drills.failed_request.decoys import RED_PAGE
from runbook_lib.drills.kit.asking import since_fault
from runbook_lib.drills.kit.case import Case, Injected
from runbook_lib.drills.kit.fault import Result, Step, use
from runbook_lib.drills.llm_gateway.asking import PATIENT, after_healing
from runbook_lib.drills.llm_gateway.cases import PROCEDURE, QUIET
from runbook_lib.drills.llm_gateway.faults import chats
from runbook_lib.sandbox import Sandbox

_ONCE = "Which of our invoices did the harbour office return"
_SERVER_ERROR = '{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}'
_FAILED = "openai/gpt-4o-mini failed: The engine is currently overloaded"
_TOLD = {"provider": "openai", "model": "gpt-4o-mini", "status": 503, "code": "overloaded_error", "trace_id": "ab" * 16}
_NO_USAGE = use("http", part="supabase", path="/rest/v1/usage_records", method="POST", status=500, body="{}")
_OTHER_KEY = {"OPENAI_API_KEY": "sk-proj-of-somebody-who-left"}
_OTHER_CHAIN = {"LLM_FALLBACK_CHAIN": "openai/gpt-3"}


def _once_bad(sandbox: Sandbox) -> Result:
    """One chat meets an error that its retry cures, among others that meet none."""
    sandbox.visit("chat", message=_ONCE)
    return chats(3)(sandbox)


def _decoys() -> list[Case]:
    def decoy(name: str, *before: Step, **more: Any) -> Case:
        given: dict[str, Any] = {
            "options": QUIET,
            "before": before,
            "exercise": chats(),
            "ask": since_fault,
            "settle_s": 0.8,
        }
        settings = {**PATIENT, **more.pop("settings", {})}
        return Case(f"gateway-decoy/{name}", PROCEDURE, "decoy", "ruled_out", settings=settings, **{**given, **more})

    dial = {"of": "openai", "field": "mode"}
    return [
        decoy("throttle-cured-by-fallback", use("dial", value="throttled", **dial)),
        decoy("overload-cured-by-fallback", use("dial", value="overloaded", **dial)),
        decoy(
            "error-cured-by-retry",
            use("http", part="openai", method="POST", status=500, body=_SERVER_ERROR, body_contains=_ONCE, count=1),
            exercise=_once_bad,
        ),
        decoy("red-status-page", use("http", part="status", path="/openai/*", status=200, body=RED_PAGE)),
        decoy("old-error", use("log", part="gateway", level="error", message=_FAILED, minutes_ago=50.0, attributes=_TOLD)),
        decoy("noisy-line", use("log", part="gateway", level="error", message="cache: stale entry dropped")),
        decoy("deployment-coincides", use("deploy", part="gateway", message="Rename a helper")),
        decoy("variable-coincides", use("env", part="gateway", name="LOG_LEVEL", value="debug", restart=False)),
        decoy("database-fails-beside-it", _NO_USAGE),
        decoy("gateway-clock-behind", use("clock", part="gateway", shift_s=-40.0)),
        decoy("gateway-clock-ahead", use("clock", part="gateway", shift_s=90.0)),
        decoy("root-page-alone-fails", use("http", part="gateway", path="/", method="GET", status=500, body='{"detail":"oops"}')),
        decoy("our-key-is-refused-the-gateways-is-not", settings=_OTHER_KEY, not_seen=("openai",)),
        decoy("our-settings-name-another-chain", settings=_OTHER_CHAIN),
        decoy("whole-answers-take-longer-than-short-ones", use("dial", of="openai", field="ms_per_token", value=2.0)),
    ]  # fmt: skip


def _doubles() -> list[Case]:
    def double(name: str, injected: tuple[Injected, ...], codes: tuple[str, ...], **more: Any) -> Case:
        given: dict[str, Any] = {
            "options": QUIET,
            "faults": injected,
            "exercise": chats(),
            "ask": since_fault,
            "again": after_healing,
        }
        return Case(
            f"gateway-double/{name}",
            PROCEDURE,
            "double",
            "confirmed",
            codes,
            settle_s=0.8,
            settings=PATIENT,
            **{**given, **more},
        )

    return [
        double(
            "two-keys-refused-a-third-answers",
            (Injected("provider.key_invalid", "openai"), Injected("provider.key_invalid", "anthropic")),
            ("provider.key_invalid", "provider.key_invalid"),
        ),
        double(
            "provider-down-and-no-backoff",
            (Injected("gateway.retry_without_backoff.immediate"), Injected("provider.down", "server_error")),
            ("provider.down", "gateway.retry_without_backoff.immediate"),
        ),
        double(
            "credit-and-no-fallback",
            (Injected("provider.out_of_credit"), Injected("gateway.no_fallback")),
            ("provider.out_of_credit", "gateway.no_fallback"),
        ),
        double(
            "gateway-raises-before-a-provider-is-asked",
            (Injected("gateway.unhealthy.errors"), Injected("provider.key_invalid", "openai")),
            ("gateway.unhealthy.errors", "provider.key_invalid"),
        ),
        double(
            "gateway-down-masks-its-provider",
            (Injected("gateway.down"), Injected("provider.down", "openai")),
            ("gateway.down",),
        ),
        double(
            "slow-and-streams-break",
            (Injected("provider.slow"), Injected("provider.stream_broken", "anthropic")),
            ("provider.stream_broken", "provider.slow"),
            exercise=_slow_and_broken,
        ),
    ]


def _slow_and_broken(sandbox: Sandbox) -> Result:
    chats(3)(sandbox)
    return chats(3, stream=True, model="anthropic/claude-haiku-4-5-20251001")(sandbox)


CASES: tuple[Case, ...] = (*_decoys(), *_doubles())
