"""Faults of NexusCore's own parts, of the platforms they run on, and of the ways between them."""

import threading
import time
from typing import TYPE_CHECKING, Any

from runbook_lib.drills.failed_request.faults_behind import slow_reads
from runbook_lib.drills.kit.fault import Fault, Result, Variant, address_of, alias, fault, use, visit

if TYPE_CHECKING:
    from runbook_lib.sandbox.handle import Sandbox

_UNDEFINED = ("TypeError", "Cannot read properties of undefined (reading 'id')")
_MISSING_KEY = ("KeyError", "'choices'")


def _raises(part: str, route: str, error: tuple[str, str]) -> Fault:
    """An exception of the part's own, recorded on the span in each of the ways there are."""
    variants = {
        how: Variant(
            (use("code", part=part, route=route, raise_type=error[0], raise_message=error[1], recorded_as=how),)
        )
        for how in ("event", "attributes", "status")
    }
    return Fault(f"request.{part}_failed", variants)


def _unreachable(caller: str, callee: str, variable: str, stranger: str) -> tuple[Fault, ...]:
    """`callee` cannot be reached by `caller`; `stranger` is another service that answers in its place."""
    code = f"request.{callee}_unreachable"
    refused = {"usual": Variant((use("process", part=f"{callee}-edge", action="stop"),))}
    if callee == "gateway":
        refused["platform"] = Variant((use("process", part=callee, action="stop"),))
    return (
        Fault(f"{code}.refused", refused),
        fault(f"{code}.dns", use("env", part=caller, name=variable, value=f"http://nexuscore-{callee}.invalid")),
        fault(
            f"{code}.wrong_url",
            use("env", part=caller, name=variable, value=f"nexuscore-{callee}.up.railway.app"),
            other_service=Variant((use("env", part=caller, name=variable, value=address_of(stranger)),)),
        ),
    )


_GATEWAY_AWAY = _unreachable("api", "gateway", "LLM_GATEWAY_URL", "supabase")
_API_AWAY = _unreachable("web", "api", "NEXT_PUBLIC_API_URL", "supabase")

_KILLED = (
    fault(
        "request.function_killed.timeout",
        use("edge", part="web", time_limit_s=0.8),
        use("code", part="api", route="/api/chat", delay_s=2.0),
        api=Variant(
            (
                use("edge", part="api", time_limit_s=0.8),
                use("code", part="api", route="/api/chat", delay_s=2.0),
            )
        ),
    ),
    fault(
        "request.function_killed.memory",
        use("edge", part="web", out_of_memory="/chat"),
        api=Variant((use("edge", part="api", out_of_memory="/api/chat"),)),
    ),
    fault(
        "request.function_killed.no_reply",
        use("process", part="web", action="kill"),
        api=Variant((use("process", part="api", action="kill"),)),
    ),
)

_EDGE = (
    fault("request.edge_blocked.firewall", use("edge", part="web", deny="/chat")),
    fault("request.edge_blocked.protection", use("edge", part="web", protect=True)),
)

_STORM_TEXT = "Summarise the minutes of the storm drill"


def _among_others(sandbox: "Sandbox", action: str = "chat", count: int = 24, **how: Any) -> None:
    """So many ordinary requests, two at a time: what a slow one is compared with."""
    pending = [threading.Thread(target=lambda: sandbox.visit(action, **how), daemon=True) for _ in range(count)]
    for start in range(0, count, 2):
        group = pending[start : start + 2]
        for thread in group:
            thread.start()
        for thread in group:
            thread.join()


def make_history(sandbox: "Sandbox") -> None:
    """Ordinary requests before anything is broken."""
    _among_others(sandbox)


def _until_the_callee_is_done(sandbox: "Sandbox") -> Result:
    """The caller has given up; nobody investigates before its callee has finished too."""
    got = sandbox.visit("chat")
    time.sleep(2.0)
    return got


def _storm(**more: Any) -> tuple[Any, ...]:
    refused = '{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}'
    return (
        use("http", part="openai", method="POST", status=503, body=refused, body_contains=_STORM_TEXT, **more),
        use("code", part="gateway", attempts=8, no_backoff=True),
    )


FAULTS: tuple[Fault, ...] = (
    _raises("web", "/chat", _UNDEFINED),
    _raises("api", "/api/chat", _UNDEFINED),
    _raises("gateway", "/v1/chat", _MISSING_KEY),
    alias("request.gateway_unreachable", _GATEWAY_AWAY[0]),
    *_GATEWAY_AWAY,
    alias("request.api_unreachable", _API_AWAY[0]),
    *_API_AWAY,
    alias("request.function_killed", _KILLED[0]),
    *_KILLED,
    alias("request.edge_blocked", _EDGE[0]),
    *_EDGE,
    fault("request.rejected", by=visit("chat", message="")),
    fault(
        "request.timeout_inverted",
        use("code", part="api", timeout_s=0.9),
        use("dial", of="openai", field="mode", value="slow"),
        by=_until_the_callee_is_done,
    ),
    fault(
        "request.slow",
        # far slower than the three times that count as slow, also where a busy machine makes every request take a while
        use("code", part="api", route="/api/chat", delay_s=4.0),
        provider=Variant(
            (
                use("dial", of="openai", field="slow_factor", value=90.0),
                use("dial", of="openai", field="mode", value="slow"),
            )
        ),
        database=Variant((slow_reads(2),)),
        gateway=Variant((use("code", part="gateway", route="/v1/chat", delay_s=4.0),)),
    ),
    fault("request.retry_storm", *_storm(count=6), by=visit("chat", message=_STORM_TEXT)),
    fault(
        "request.stream_broken",
        use(
            "code",
            part="gateway",
            route="/v1/chat",
            raise_type="RuntimeError",
            raise_message="dictionary changed size during iteration",
            after_reply=True,
        ),
        by=visit("chat", stream=True),
    ),
    fault(  # nobody is slow to speak of: the user was in a hurry
        "request.client_gone", use("http", part="openai", latency_s=0.3), by=visit("chat", leave_after_s=0.2)
    ),
)
