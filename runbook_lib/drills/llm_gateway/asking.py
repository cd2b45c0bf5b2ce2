"""How on-call asks 04: about the time since the trouble began; and again once all is healed."""

from datetime import UTC, datetime, timedelta

from runbook_lib.core.clock import to_iso
from runbook_lib.drills.kit.asking import Ask, Parameters
from runbook_lib.drills.kit.blind import deadline
from runbook_lib.drills.kit.fault import Result
from runbook_lib.drills.llm_gateway.faults import chats
from runbook_lib.sandbox import Sandbox

PATIENT = deadline(10)  # a busy machine's sandbox answers late, and late is not what is drilled


def quiet_second(_sandbox: Sandbox, _got: Result, _since: datetime) -> Parameters:
    """About a second that is over, long enough ago for its spans to have arrived."""
    now = datetime.now(UTC)
    return {"since": to_iso(now - timedelta(seconds=2.5)), "until": to_iso(now - timedelta(seconds=1.5))}


def after_healing(sandbox: Sandbox) -> Parameters:
    """About some chats of the healed system."""
    since = datetime.now(UTC)
    chats(3)(sandbox)
    return {"since": to_iso(since)}


def with_paid_probe(_sandbox: Sandbox, _got: Result, since: datetime) -> Parameters:
    """With one smallest generation of each provider's first member."""
    return {"since": to_iso(since), "paid_probe": True}


def with_probe_of(model: str) -> Ask:
    """With one smallest generation of one model."""
    return lambda _sandbox, _got, since: {"since": to_iso(since), "paid_probe": True, "probe_model": model}
