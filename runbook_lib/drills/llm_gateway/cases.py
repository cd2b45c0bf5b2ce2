"""The cases of 04: every fault in every variant, the healthy system, and the kinds of sandbox whose evidence differs."""

from typing import Any

from runbook_lib.drills.failed_request.cases import JAEGER, LOGS_ONLY, SEVERAL
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import as_audit, since_fault
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of, is_usual, narrower
from runbook_lib.drills.llm_gateway.asking import (
    PATIENT,
    after_healing,
    quiet_second,
    with_paid_probe,
    with_probe_of,
)
from runbook_lib.drills.llm_gateway.faults import chats

PROCEDURE = "04_llm_gateway"
# Without background traffic: what a window holds is then what its case made, however busy the machine is.
QUIET: dict[str, Any] = {"traffic": False}
KINDS_OF_SANDBOX: dict[str, dict[str, Any]] = {
    "": QUIET,
    "fly-old-names": {**SEVERAL, **QUIET},
    "jaeger": {**JAEGER, **QUIET},
    "logs-only": {**LOGS_ONLY, **QUIET},
}
_NOT_TRIED = "gateway.fallback_not_firing"
# What else is true, and named with it: why nothing made the failure good, or what set the gateway's fault off.
_WITH: dict[tuple[str, str], tuple[str, ...]] = {
    ("provider.overloaded", ""): ("provider.overloaded", _NOT_TRIED),
    ("provider.rate_limited", ""): ("provider.rate_limited", _NOT_TRIED),
    (_NOT_TRIED, ""): ("provider.rate_limited", _NOT_TRIED),
    # Anthropic says with a 400 that the purse is empty, and this gateway takes any 400 for its own payload's fault
    ("provider.out_of_credit", "anthropic"): ("provider.out_of_credit", _NOT_TRIED),
    ("provider.out_of_credit.spending_limit", "anthropic"): ("provider.out_of_credit.spending_limit", _NOT_TRIED),
    ("gateway.no_fallback", "felt"): ("provider.overloaded", "gateway.no_fallback"),
    ("gateway.no_fallback", "not_set"): ("provider.overloaded", "gateway.no_fallback"),
    ("gateway.no_fallback.one_provider", ""): ("provider.overloaded", "gateway.no_fallback.one_provider"),
    ("gateway.retry_without_backoff.constant", ""): ("provider.down", "gateway.retry_without_backoff.constant"),
}
_STATUS = {"gateway.idle": "ruled_out", "gateway.calls_not_seen": "could_not_tell"}
_SETTLE = {"gateway.idle": 4.0}
_ASK = {"gateway.idle": quiet_second}


def fault_case(code: str, variant: str = "", kind: str = "", **more: Any) -> Case:
    """A fault in one variant, in one kind of sandbox."""
    given: dict[str, Any] = {
        "status": _STATUS.get(code, "confirmed"),
        "codes": _WITH.get((code, variant)) or _WITH.get((code, "")) or (code,),
        "options": KINDS_OF_SANDBOX[kind],
        "ask": _ASK.get(code, since_fault),
        "settings": PATIENT,
        "settle_s": _SETTLE.get(code, 0.8),
        # One variant of a code is healed and asked about again; the others would show the same.
        "again": after_healing if is_usual(code, variant) and not kind and code not in _STATUS else None,
    }
    return case_of_fault(PROCEDURE, ("gateway-fault", kind), code, variant, **{**given, **more})


def _every_fault() -> list[Case]:
    cases = []
    for code in codes_of("gateway", "provider"):
        if any(faults.find(code).variants is faults.find(other).variants for other in narrower(code)[:1]):
            cases.append(fault_case(code, codes=(code,), again=None))
            continue
        cases += [fault_case(code, variant) for variant in faults.find(code).variants]
    return cases


def _elsewhere() -> list[Case]:
    """Faults whose evidence differs by platform, trace backend, naming or conventions."""
    wanted = [
        ("gateway.down", ""),
        ("gateway.unhealthy.errors", ""),
        ("gateway.egress_broken.dns", ""),
        ("gateway.fallback_not_firing", ""),
        ("gateway.no_fallback", ""),
        ("provider.key_invalid", "anthropic"),
        ("provider.stream_broken", "anthropic"),
    ]
    timed = [("gateway.timeout_too_short", ""), ("provider.slow", "")]
    kinds = {
        "fly-old-names": [*wanted, *timed],
        "jaeger": [wanted[0], *wanted[2:4], wanted[-1], *timed],
        "logs-only": wanted,
    }
    return [fault_case(code, variant, kind) for kind, codes in kinds.items() for code, variant in codes]


def _healthy() -> list[Case]:
    cases = [
        Case(
            "/".join(part for part in ("gateway-healthy", kind) if part),
            PROCEDURE,
            "healthy",
            "ruled_out",
            exercise=chats(),
            options=options,
            ask=since_fault,
            settings=PATIENT,
            settle_s=0.8,
        )
        for kind, options in KINDS_OF_SANDBOX.items()
    ]
    also: list[tuple[str, dict[str, Any]]] = [
        ("streamed", {"exercise": chats(stream=True)}),
        ("paid-probe", {"ask": with_paid_probe}),
        ("paid-probe-of-one-model", {"ask": with_probe_of("together/Qwen/Qwen2.5-7B-Instruct-Turbo")}),
        ("audit", {"ask": as_audit, "calm": True}),
    ]
    for name, more in also:
        given = {
            "options": QUIET,
            "exercise": chats(),
            "ask": since_fault,
            "settings": PATIENT,
            "settle_s": 0.8,
            **more,
        }
        cases.append(Case(f"gateway-healthy/{name}", PROCEDURE, "healthy", "ruled_out", **given))
    return cases


CASES: tuple[Case, ...] = (*_healthy(), *_every_fault(), *_elsewhere())
