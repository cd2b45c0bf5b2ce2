"""The cases of 00: every fault in every variant, the healthy system on every pair of platforms."""

from datetime import datetime
from typing import Any

from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import Parameters, audit_again
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.kit.fault import Result
from runbook_lib.drills.kit.fault_cases import case_of_fault, codes_of, is_usual, narrower
from runbook_lib.drills.operations_checklist.faults import visit_again
from runbook_lib.sandbox import Sandbox

PROCEDURE = "00_operations_checklist"
_MINE = ("env", "target", "tracing", "otel")
_STATES = ("env.expires_soon", "env.values_hidden", "tracing.quiet")
_HIDDEN = ("env.values_hidden",)

FLY: dict[str, Any] = {"service_names": "several", "semconv": "old", "gateway_platform": "fly"}
API_ON_RAILWAY: dict[str, Any] = {"api_platform": "railway", "trace_backend": "both"}
PATIENT = {"RUNBOOK_LOOK_DEADLINE_S": "15"}  # a verdict must not turn on how busy the machine is
LOGS_ONLY: dict[str, Any] = {"trace_backend": "none"}
# Spans under a wrong name, or none, stay in the store: these have a sandbox of their own, with the other trace backend.
JAEGER: dict[str, Any] = {"trace_backend": "jaeger"}

_ARRIVED_S = 1.2  # longer than the drills' trace delay
# After these, spans and log lines have to be older than the trace backend's delay.
_SETTLES = ("tracing.no_spans", "tracing.part_silent", "otel.wrong_service_name")
# One fault of each sort is healed and looked at again; the others are healed by the same primitives.
_AGAIN = (
    "target.down.unreachable", "target.ambiguous", "env.missing", "env.rejected", "env.not_applied", "env.drift.environment",
    "env.project_mismatch.ref", "tracing.part_silent",
)  # fmt: skip
_EXAMPLE = (
    "NEXT_PUBLIC_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_ANON_KEY", "SUPABASE_SERVICE_ROLE_KEY", "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET", "NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "TOGETHER_API_KEY",
    "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME", "LLM_GATEWAY_URL",
)  # fmt: skip


def case(id: str, kind: str, status: str, codes: tuple[str, ...] = (), **more: Any) -> Case:
    """A case of 00. Where nothing is broken, users came and their spans have arrived, unless it says so: a sandbox that has just
    started has had no traffic yet, and to say that it is quiet would be right as well. A fault here needs nobody to act."""
    given: dict[str, Any] = {"settle_s": 0.0, "settings": PATIENT}
    if not more.get("faults"):
        given |= {"exercise": visit_again, "settle_s": _ARRIVED_S}
    return Case(id, PROCEDURE, kind, status, codes, **{**given, **more})


def with_example(sandbox: Sandbox, _got: Result, _since: datetime) -> Parameters:
    """As on-call asks who has NexusCore's `.env.example` at hand."""
    path = sandbox.env_file.with_name("nexuscore.env.example")
    path.write_text("# NexusCore\n" + "".join(f"{name}=\n" for name in _EXAMPLE))
    return {"env_example": str(path)}


def fault_case(code: str, variant: str = "", kind: str = "", **more: Any) -> Case:
    """A fault in one variant, in one kind of sandbox."""
    settles = code.startswith(_SETTLES)
    given: dict[str, Any] = {
        "status": "ruled_out" if code in _STATES else "confirmed",
        "settings": PATIENT,
        "settle_s": _ARRIVED_S if settles else 0.0,
        "options": JAEGER if settles else {},
        "again": audit_again if code in _AGAIN and is_usual(code, variant) else None,
    }
    if code == "env.drift.example":
        given["ask"] = with_example
    return case_of_fault(PROCEDURE, ("checklist", kind), code, variant, **{**given, **more})


def _every_fault() -> list[Case]:
    """Every variant of every fault; a cause whose narrower cases are listed is run once, in its last variant."""
    cases = []
    for code in codes_of(*_MINE):
        variants = list(faults.find(code).variants)
        is_alias = any(faults.find(other).variants == faults.find(code).variants for other in narrower(code))
        cases += [fault_case(code, variant) for variant in (variants[-1:] if is_alias else variants)]
    return cases


def _healthy() -> list[Case]:
    return [
        case("checklist/healthy", "healthy", "ruled_out"),
        case("checklist/healthy/with-example", "healthy", "ruled_out", ask=with_example),
        case("checklist/healthy/fly", "healthy", "ruled_out", _HIDDEN, options=FLY),
        case("checklist/healthy/api-on-railway", "healthy", "ruled_out", options=API_ON_RAILWAY),
    ]


CASES: tuple[Case, ...] = (*_every_fault(), *_healthy())
