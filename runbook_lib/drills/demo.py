"""The demonstration: start the sandbox, break a provider, find the fault the way on-call does, take everything down.

The failing request's id is taken from the platform's request log, not from whoever broke it; the verdict is right only if
the notebook named the cause that was injected.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbook_lib.clock import Window
from runbook_lib.diagnose.requests import is_failed, rows_of
from runbook_lib.errors import SandboxError
from runbook_lib.observe import Observer
from runbook_lib.run.home import Home
from runbook_lib.run.runner import RunResult, prepare, run_notebook
from runbook_lib.sandbox import Sandbox
from runbook_lib.settings import Settings
from runbook_lib.sources import vercel

CODE = "request.provider_failed.overloaded"
_SANDBOX = "demo"
_PATIENCE_S = 20


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
        say(f"breaking it: {CODE}")
        sandbox.break_(CODE)
        sandbox.visit("chat")
        say("waiting for a failed request in the platform's request log")
        request_id = _failed_request(sandbox)
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


def _failed_request(sandbox: Sandbox) -> str:
    """The newest failed request that the platform's log knows, asked for as on-call asks."""
    settings = Settings.from_mapping(sandbox.env, origin="the sandbox")
    ends = time.monotonic() + _PATIENCE_S
    while time.monotonic() < ends:
        now = datetime.now(UTC)
        observer = Observer(now=now, settings=settings)
        window = Window(now - timedelta(minutes=5), now)
        (seen,) = observer.together(vercel.request_log("web", window))
        failed = [str(each.row["request_id"]) for each in rows_of([seen]) if is_failed(each.row)]
        if failed:
            return failed[0]
        time.sleep(0.2)
    raise SandboxError(
        "No request failed in the sandbox",
        where="the platform's request log",
        came_back=f"nothing failed within {_PATIENCE_S} s although {CODE} is injected",
        do_next="Run `runbook sandbox status` and look at the gateway's log.",
    )
