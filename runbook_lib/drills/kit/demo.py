"""The demonstration: start the sandbox, break a provider, find the fault the way on-call does, take everything down.

The failing request's id is taken from the platform's request log, not from whoever broke it; the verdict is right only if
the notebook named the cause that was injected.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from runbook_lib.drills.kit import faults, oncall
from runbook_lib.run.home import Home
from runbook_lib.run.runner import RunResult, prepare, run_notebook
from runbook_lib.sandbox import Sandbox

CODE = "request.provider_failed.overloaded"
_SANDBOX = "demo"
_PATIENCE_S = 20.0


@dataclass(frozen=True)
class Shown:
    """What the demonstration came to: what was injected, the request, the run, and whether the verdict was right."""

    injected: str
    request_id: str
    run: RunResult
    is_right: bool


def demonstrate(say: Callable[[str], None], home: Home | None = None) -> Shown:
    """Run the demonstration; `say` is told each step as it begins.

    Raises:
        SandboxError: the sandbox did not come up, or no request failed although it is broken.
    """
    home = home or Home.find()
    say("starting a small NexusCore: web, API, gateway, Postgres, and the vendors' façades")
    with Sandbox.up(_SANDBOX, foreground=True) as sandbox:
        sandbox.visit("chat")
        began = datetime.now(UTC)
        say(f"breaking it: {CODE}")
        faults.find(CODE)(sandbox)
        sandbox.visit("chat")
        say("waiting for a failed request in the platform's request log")
        request_id = str(oncall.failing_request(sandbox.env, began, "/chat", _PATIENCE_S)["requestId"])
        say(f"running 01_failed_request on {request_id}")
        prepared = prepare(
            "01",
            {"request_id": request_id},
            from_text=False,
            target="sandbox",
            incident="demo",
            home=home,
            environ={"RUNBOOK_SANDBOX": str(sandbox.env_file)},
        )
        ended = run_notebook(prepared)
    causes = [cause["code"] for cause in (ended.verdict or {}).get("causes", ())]
    return Shown(CODE, request_id, ended, causes == [CODE])
