"""How on-call asks 01: by the id that the user's answer showed, by a trace, or by a window; and again once all is healed."""

from datetime import datetime

from runbook_lib.core.errors import SandboxError
from runbook_lib.drills.kit import oncall
from runbook_lib.drills.kit.asking import Parameters
from runbook_lib.drills.kit.fault import Result
from runbook_lib.sandbox import Sandbox


def by_request(sandbox: Sandbox, got: Result, since: datetime) -> Parameters:
    """By the id that the user's answer showed, else by the platform's log."""
    return {"request_id": str(got["request_id"] or oncall.failing_request(sandbox.env, since, "/chat")["requestId"])}


def by_trace(_sandbox: Sandbox, got: Result, _since: datetime) -> Parameters:
    """By the traceparent."""
    return {"trace_id": str(got["traceparent"])}


def by_both(sandbox: Sandbox, got: Result, since: datetime) -> Parameters:
    """By the id and the traceparent."""
    return {**by_request(sandbox, got, since), **by_trace(sandbox, got, since)}


def fresh_request(sandbox: Sandbox, action: str = "chat") -> Parameters:
    """A fresh request of the healed system, by its id."""
    sandbox.visit(action)  # whoever was still queueing when it was healed is out of the way after this
    got = sandbox.visit(action)
    if not got["request_id"]:
        raise SandboxError("The healed sandbox did not answer", came_back=str(got["error"]))
    return {"request_id": str(got["request_id"])}


def fresh_checkout(sandbox: Sandbox) -> Parameters:
    """A fresh request that calls Stripe."""
    return fresh_request(sandbox, "checkout")
