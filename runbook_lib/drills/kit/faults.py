"""Named faults: compositions of primitives under the codes of causes, one module per procedure.

The sandbox knows codes as plain strings and nothing of how they are found: what breaks and what diagnoses share no code.
"""

from difflib import get_close_matches

from runbook_lib.core.errors import UsageError
from runbook_lib.drills.backup_restore import faults as backup_restore
from runbook_lib.drills.deploy_llm_gateway import faults as deploy_llm_gateway
from runbook_lib.drills.deploy_web_api import faults as deploy_web_api
from runbook_lib.drills.failed_request import faults as failed_request
from runbook_lib.drills.kit.fault import Fault
from runbook_lib.drills.llm_gateway import faults as llm_gateway
from runbook_lib.drills.operations_checklist import faults as operations_checklist
from runbook_lib.drills.quota_enforcement import faults as quota_enforcement
from runbook_lib.drills.service_levels import faults as service_levels
from runbook_lib.drills.stripe_webhooks import faults as stripe_webhooks
from runbook_lib.drills.supabase_rls import faults as supabase_rls

__all__ = ["Fault", "codes", "find"]

_MODULES = (
    operations_checklist,
    failed_request,
    llm_gateway,
    stripe_webhooks,
    deploy_web_api,
    quota_enforcement,
    backup_restore,
    service_levels,
    deploy_llm_gateway,
    supabase_rls,
)
_ALIKE = 6
_FAULTS: dict[str, Fault] = {fault.code: fault for module in _MODULES for fault in module.FAULTS}


def find(code: str) -> Fault:
    """The fault of a cause's code or sub-code. Raises UsageError where there is none, with the codes that are like it."""
    if code in _FAULTS:
        return _FAULTS[code]
    alike = [known for known in _FAULTS if code and known.startswith(code)][:_ALIKE]
    alike = alike or get_close_matches(code, _FAULTS, n=_ALIKE, cutoff=0.6)
    alike = alike or [known for known in _FAULTS if code.rpartition(".")[2] in known.split(".")[1:]][:_ALIKE]
    families = ", ".join(sorted({known.partition(".")[0] for known in _FAULTS}))
    raise UsageError(
        f"There is no fault {code}",
        came_back="" if alike else f"codes begin with one of: {families}",
        do_next=(f"Did you mean: {', '.join(alike)}? " if alike else "")
        + "All of them: docs/causes.md, or runbook drill --list.",
    )


def codes() -> list[str]:
    """Every code that a fault stands under, a cause before its narrower cases."""
    return list(_FAULTS)
