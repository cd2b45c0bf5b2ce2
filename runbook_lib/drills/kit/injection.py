"""A fault that is on, as its drill shows it: what a user does to run into it, whom it strikes, and the command that finds it."""

import os
import shlex
import time
from datetime import UTC, datetime
from typing import Any

from runbook_lib.drills.failed_request.faults_parts import make_history
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.case import KINDS, Case
from runbook_lib.drills.kit.case_list import CASES
from runbook_lib.drills.kit.fault import Variant
from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.home import write_private
from runbook_lib.sandbox.options import Options

_PLATFORMS = ("gateway_platform", "api_platform", "webhooks")
_ARRIVED_S = 2.0  # a sandbox's settings say that spans take as long


def bring_about(sandbox: Sandbox, code: str, variant: str = "", *, act: bool = True) -> dict[str, Any]:
    """Break a sandbox, run into it as a user does, and say how the fault is found: as its drill does and asks.

    Args:
        variant: one of several ways to bring it about; empty is the first that the sandbox can carry.
        act: do what a user does, too; without it nothing can be said of how to ask.

    Returns:
        {"broken": the code, "variant", "strikes": whom, "done": what a user did, "told": what the runbook was told for it, "see":
        the command that finds it, "unproven": a warning}; each text empty where there is nothing to say.

    Raises:
        UsageError: an unknown code or variant, or a sandbox that cannot carry it; nothing is broken then.
    """
    fault = faults.find(code)
    chosen = fault.fitting_variant(sandbox, variant)
    wanted = fault.variant(chosen)
    case = _drill_of(wanted, sandbox.options)
    if case and case.calm and act:
        make_history(sandbox)  # what is unusual is so beside ordinary requests, of which a young sandbox has few
    since = datetime.now(UTC)
    fault(sandbox, variant=chosen)
    got: dict[str, Any] = {}
    if act:
        got = (case.exercise if case and case.exercise else wanted.exercise)(sandbox)
        # whoever asks at once is told that spans and lines may still come
        time.sleep(max(case.settle_s if case else 0.0, _ARRIVED_S if got and "asked" not in got else 0.0))
    asked = dict(case.ask(sandbox, got, since)) if case and act else {}
    here = "" if sandbox.name == "default" else f"RUNBOOK_SANDBOX={sandbox.name} "
    words = "".join(f" -p {shlex.quote(f'{key}={_kept(sandbox, value)}')}" for key, value in asked.items())
    return {
        "broken": code,
        "variant": chosen,
        "strikes": _whom(sandbox, {**asked, **got.get("who", {}), **got.get("asked", {})}),
        "done": _deed(got),
        "told": f"the runbook's settings were changed: {', '.join(wanted.settings)}; `heal` changes them back"
        if wanted.settings
        else "",
        "see": f"{here}runbook run {case.procedure}{words}" if case and act else "",
        "unproven": warn_unproven(wanted, sandbox.options),
    }


def _drills_of(wanted: Variant) -> list[Case]:
    """The drill cases in which a fault's variant is on alone, under its own code or one that stands for it."""
    alone = (case for case in CASES if len(case.faults) == 1 and case.kind in ("fault", "healthy", "decoy"))
    return [case for case in alone if faults.find(case.faults[0].code).variant(case.faults[0].variant) is wanted]


def _drill_of(wanted: Variant, options: dict[str, Any]) -> Case | None:
    """The one whose way to run into the fault and to ask is shown: of the sandbox's own kind where there is one."""

    def rank(case: Case) -> tuple[int, bool, int]:
        unlike = sum(options.get(key) != value for key, value in case.options.items() if key != "traffic")
        return KINDS.index(case.kind), bool(case.before or case.after), unlike

    return min(_drills_of(wanted), key=rank, default=None)


def warn_unproven(wanted: Variant, options: dict[str, Any]) -> str:
    """A warning where no drill has shown the fault on such platforms: what is found there may be something else."""

    def kind(given: dict[str, Any]) -> tuple[Any, ...]:
        return (*(given[name] for name in _PLATFORMS), given["trace_backend"] == "none", given["schema"] is None)

    usual = Options().as_dict()
    # where no step breaks anything, the kind of sandbox is in nothing's way
    if not wanted.steps or any(kind({**usual, **case.options}) == kind(options) for case in _drills_of(wanted)):
        return ""
    here = ", ".join(f"{name.replace('_', ' ')} {options[name]}" for name in usual if options[name] != usual[name])
    return f"no drill has shown it in a sandbox with {here}; the procedure may rightly find something else, or nothing"


def _whom(sandbox: Sandbox, asked: dict[str, Any]) -> str:
    """The person and the organization, by name, that a fault is about."""
    names = {str(each["id"]): str(each["name"]) for each in sandbox.organizations}
    org = str(asked.get("org", ""))
    found = [str(asked.get("user", "")), f"{names.get(org, org)}" if org else ""]
    return " of ".join(each for each in found if each)


def _deed(got: dict[str, Any]) -> str:
    """In a few words what a user did, or Stripe."""
    if got.get("event"):
        return f"Stripe told of {got['event']}"
    if "status" in got:
        return f"a user's request {got['request_id'] or '(no id)'}: {got['status'] or got['error']}"
    return ""


def _kept(sandbox: Sandbox, value: Any) -> str:
    """A parameter as another process can read it: a secret that this one holds is put into a file beside the settings."""
    kind, _, variable = str(value).partition(":")
    if kind != "env" or variable not in os.environ:
        return str(value)
    path = sandbox.env_file.with_name(f"{variable.lower()}.secret")
    write_private(path, os.environ[variable])
    return f"file:{path}"
