"""The cases of 01: every fault in every variant and kind of sandbox, the healthy system, windows without an id."""

import threading
from typing import Any

from runbook_lib.drills.failed_request.asking import by_both, by_request, fresh_checkout, fresh_request
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import Ask, since_fault
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.fault import Exercise, Result, visit
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of, narrower
from runbook_lib.sandbox import Sandbox

PROCEDURE = "01_failed_request"

SEVERAL: dict[str, Any] = {"service_names": "several", "semconv": "old", "gateway_platform": "fly"}
JAEGER: dict[str, Any] = {"trace_backend": "jaeger", "service_names": "several"}
LOGS_ONLY: dict[str, Any] = {"trace_backend": "none"}
API_ON_RAILWAY: dict[str, Any] = {"api_platform": "railway", "trace_backend": "both"}
KINDS_OF_SANDBOX: dict[str, dict[str, Any]] = {
    "": {},
    "fly-old-names": SEVERAL,
    "jaeger": JAEGER,
    "logs-only": LOGS_ONLY,
    "api-on-railway": API_ON_RAILWAY,
}

# What a fault's verdict is where it is not simply the fault's own code, confirmed.
_RULED_OUT = ("request.rejected", "request.client_gone")
_BLIND = ("request.not_found", "request.unexplained", "trace.not_found", "trace.broken")
_ASKED: dict[str, Ask] = {"trace.not_found.not_sampled": by_both, "request.unexplained": since_fault}
_SETTINGS = {
    "trace.not_found.not_yet_ingested": {"RUNBOOK_TRACE_DELAY_S": "60"},
    "trace.not_found.retention": {"RUNBOOK_TRACE_RETENTION_H": "1"},
}
_CALM = ("request.slow",)
# What logs alone cannot tell: whom a refused connection was meant for; for which organization a refusal was.
_LOGS_ALONE: dict[tuple[str, str], dict[str, Any]] = {
    ("request.gateway_unreachable.refused", ""): {"status": "could_not_tell", "codes": ()},
    ("request.quota_blocked.over_limit", ""): {"codes": ("request.quota_blocked",)},
    ("request.stripe_failed.down", ""): {"codes": ("request.stripe_failed",)},  # "An error occurred" says no more
}


def _status(code: str) -> str:
    if code.startswith(_BLIND):
        return "could_not_tell"
    return "ruled_out" if code in _RULED_OUT else "confirmed"


def fault_case(code: str, variant: str = "", kind: str = "", **more: Any) -> Case:
    """A fault in one variant, in one kind of sandbox."""
    given: dict[str, Any] = {
        "status": _status(code),
        "options": KINDS_OF_SANDBOX[kind],
        "ask": _ASKED.get(code, by_request),
        "settings": _SETTINGS.get(code, {}),
        "calm": code.startswith(_CALM),
        "again": fresh_checkout if "stripe" in code else fresh_request,
    }
    if kind == "logs-only":
        given.update(_LOGS_ALONE.get((code, variant), {}))
    return case_of_fault(PROCEDURE, ("fault", kind), code, variant, **{**given, **more})


def _every_fault() -> list[Case]:
    """Every code and sub-code in every variant; a cause whose narrower cases are listed is not run twice."""
    cases = []
    for code in codes_of("request", "trace"):
        if narrower(code):
            cases.append(fault_case(code))
            continue
        cases += [fault_case(code, variant) for variant in faults.find(code).variants]
    return cases


def _elsewhere() -> list[Case]:
    """The faults whose evidence differs by platform, trace backend, naming or conventions, in each other kind of sandbox."""
    everywhere = [
        ("request.provider_failed.overloaded", "openai"),
        ("request.provider_failed.timeout", "openai"),
        ("request.provider_failed.stream_broken", "openai"),
        ("request.db_failed.grant", ""),
        ("request.db_failed.lock", ""),
        ("request.web_failed", "event"),
        ("request.api_failed", "event"),
        ("request.gateway_failed", "event"),
        ("request.stripe_failed.down", ""),
        ("request.auth_failed.down", ""),
        ("request.auth_failed.session_expired", ""),
        ("request.gateway_unreachable.refused", ""),
        ("request.gateway_unreachable.refused", "platform"),
        ("request.function_killed.timeout", ""),
        ("request.edge_blocked.firewall", ""),
        ("request.quota_blocked.over_limit", ""),
        ("request.rejected", ""),
        ("request.timeout_inverted", ""),
    ]
    seen_in_traces = [
        ("request.retry_storm", ""),
        ("request.stream_broken", ""),
        ("request.slow", ""),
        ("request.slow", "provider"),
        ("trace.broken.propagation_lost", ""),
    ]
    cases = [fault_case(code, variant, kind) for kind in KINDS_OF_SANDBOX if kind for code, variant in everywhere]
    cases += [
        fault_case(code, variant, kind)
        for kind, options in KINDS_OF_SANDBOX.items()
        if kind and options.get("trace_backend") != "none"
        for code, variant in seen_in_traces
    ]
    return cases


def _healthy() -> list[Case]:
    actions: dict[str, Exercise] = {
        "chat": visit("chat"),
        "chat-streamed": visit("chat", stream=True),
        "dashboard": visit("dashboard"),
        "usage": visit("usage"),
        "home": visit("home"),
        "checkout": visit("checkout"),
        "free-plan": visit("chat", org="Initech"),
    }
    cases = []
    for kind, options in KINDS_OF_SANDBOX.items():
        for name, action in actions.items():
            id_ = "/".join(part for part in ("healthy", kind, name) if part)
            # Vercel's log does not tell how long a request took: without traces nobody knows whether it was slow
            status = "could_not_tell" if kind == "logs-only" else "ruled_out"
            cases.append(Case(id_, PROCEDURE, "healthy", status, exercise=action, options=options, ask=by_request))
        id_ = "/".join(part for part in ("healthy", kind, "window") if part)
        cases.append(
            Case(
                id_,
                PROCEDURE,
                "healthy",
                "ruled_out",
                exercise=several_visits("chat"),
                options=options,
                ask=since_fault,
            )
        )
    return cases


def several_visits(action: str, count: int = 6, **how: Any) -> Exercise:
    """So many visits, three at a time."""

    def act(sandbox: Sandbox) -> Result:
        got: list[Result] = []
        for _ in range(count // 3):
            group = [threading.Thread(target=lambda: got.append(sandbox.visit(action, **how))) for _ in range(3)]
            for thread in group:
                thread.start()
            for thread in group:
                thread.join()
        return got[-1]

    return act


def _windows() -> list[Case]:
    """No id: the failing requests of the time since the fault."""
    wanted = [
        ("request.provider_failed.overloaded", "openai", "chat"),
        ("request.db_failed.grant", "", "chat"),
        ("request.api_failed", "event", "chat"),
        ("request.gateway_unreachable.refused", "", "chat"),
        ("request.stripe_failed.down", "", "checkout"),
        ("request.edge_blocked.firewall", "", "chat"),
    ]
    return [
        fault_case(
            code,
            variant,
            kind,
            ask=since_fault,
            exercise=several_visits(action),
            id="/".join(part for part in ("window", kind, code) if part),
        )
        for kind in ("", "jaeger", "logs-only")
        for code, variant, action in wanted
    ]


CASES: tuple[Case, ...] = (*_every_fault(), *_elsewhere(), *_healthy(), *_windows())
