"""How on-call asks, whichever the procedure: with no parameters, or about the time since the fault."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from runbook_lib.core.clock import to_iso
from runbook_lib.drills.kit.fault import Result
from runbook_lib.sandbox import Sandbox

Parameters = Mapping[str, Any]
Ask = Callable[[Sandbox, Result, datetime], Parameters]
AskAgain = Callable[[Sandbox], Parameters]


def as_audit(_sandbox: Sandbox, _got: Result, _since: datetime) -> Parameters:
    """How a scheduler asks: without parameters."""
    return {}


def audit_again(_sandbox: Sandbox) -> Parameters:
    """The audit once all is healed."""
    return {}


def since_fault(_sandbox: Sandbox, _got: Result, since: datetime) -> Parameters:
    """By no id: about the time since the moment before the fault."""
    return {"since": to_iso(since)}
