"""Every drill case there is, and which of them are meant."""

from collections.abc import Sequence
from dataclasses import replace

from runbook_lib.core.errors import UsageError
from runbook_lib.drills.backup_restore import blind as backup_restore_blind
from runbook_lib.drills.backup_restore import cases as backup_restore_cases
from runbook_lib.drills.deploy_llm_gateway import cases as deploy_llm_gateway_cases
from runbook_lib.drills.deploy_llm_gateway import decoys as deploy_llm_gateway_decoys
from runbook_lib.drills.deploy_web_api import blind as deploy_blind
from runbook_lib.drills.deploy_web_api import cases as deploy_web_api_cases
from runbook_lib.drills.deploy_web_api import decoys as deploy_web_api_decoys
from runbook_lib.drills.failed_request import blind as failed_request_blind
from runbook_lib.drills.failed_request import cases as failed_request_cases
from runbook_lib.drills.failed_request import decoys as failed_request_decoys
from runbook_lib.drills.kit.case import Case
from runbook_lib.drills.llm_gateway import blind as llm_gateway_blind
from runbook_lib.drills.llm_gateway import cases as llm_gateway_cases
from runbook_lib.drills.llm_gateway import decoys as llm_gateway_decoys
from runbook_lib.drills.operations_checklist import cases as operations_checklist_cases
from runbook_lib.drills.operations_checklist import decoys as operations_checklist_decoys
from runbook_lib.drills.quota_enforcement import blind as quota_blind
from runbook_lib.drills.quota_enforcement import cases as quota_cases
from runbook_lib.drills.quota_enforcement import decoys as quota_decoys
from runbook_lib.drills.service_levels import blind as service_levels_blind
from runbook_lib.drills.service_levels import cases as service_levels_cases
from runbook_lib.drills.service_levels import decoys as service_levels_decoys
from runbook_lib.drills.stripe_webhooks import blind as stripe_webhooks_blind
from runbook_lib.drills.stripe_webhooks import cases as stripe_webhooks_cases
from runbook_lib.drills.stripe_webhooks import decoys as stripe_webhooks_decoys
from runbook_lib.drills.supabase_rls import blind as supabase_rls_blind
from runbook_lib.drills.supabase_rls import cases as supabase_rls_cases
from runbook_lib.drills.supabase_rls import decoys as supabase_rls_decoys

_LISTED: tuple[Case, ...] = (
    *operations_checklist_cases.CASES,
    *operations_checklist_decoys.CASES,
    *failed_request_cases.CASES,
    *failed_request_decoys.CASES,
    *failed_request_blind.CASES,
    *stripe_webhooks_cases.CASES,
    *stripe_webhooks_decoys.CASES,
    *stripe_webhooks_blind.CASES,
    *supabase_rls_cases.CASES,
    *supabase_rls_decoys.CASES,
    *supabase_rls_blind.CASES,
    *llm_gateway_cases.CASES,
    *llm_gateway_decoys.CASES,
    *llm_gateway_blind.CASES,
    *quota_cases.CASES,
    *quota_decoys.CASES,
    *quota_blind.CASES,
    *deploy_web_api_cases.CASES,
    *deploy_web_api_decoys.CASES,
    *deploy_llm_gateway_cases.CASES,
    *deploy_llm_gateway_decoys.CASES,
    *deploy_blind.CASES,
    *backup_restore_cases.CASES,
    *backup_restore_blind.CASES,
    *service_levels_cases.CASES,
    *service_levels_decoys.CASES,
    *service_levels_blind.CASES,
)


def cause_of(code: str) -> str:
    """The cause that a code or a narrower one names: its first two parts."""
    return ".".join(code.split(".")[:2])


def _healed_once(cases: Sequence[Case]) -> tuple[Case, ...]:
    """The cases, with the check after healing left in one of each cause: what its narrower ones and its variants break is
    healed in the same way."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for case in cases:
        cause = (case.procedure, cause_of(case.faults[0].code)) if case.faults else None
        if case.again is not None and case.kind == "fault" and cause is not None:
            kept.append(replace(case, again=None) if cause in seen else case)
            seen.add(cause)
        else:
            kept.append(case)
    return tuple(kept)


CASES: tuple[Case, ...] = _healed_once(_LISTED)


def select(
    codes: Sequence[str] = (), *, ids: Sequence[str] = (), procedure: str = "", kinds: Sequence[str] = ()
) -> list[Case]:
    """The cases of these codes (and their narrower ones), ids, procedure (number or name) and kinds; all without.

    Raises:
        UsageError: something is named that no case has.
    """
    chosen = list(CASES)
    if procedure:
        chosen = [case for case in chosen if procedure in (case.procedure, case.procedure[:2], case.procedure[3:])]
        if not chosen:
            raise UsageError("No drill case is of this procedure", came_back=procedure, do_next="See: runbook list")
    for wanted in (*codes, *ids):
        if not any(_is_meant(case, wanted) for case in chosen):
            raise UsageError(
                f"No drill case is of {wanted}", do_next="See the cases: runbook drill --list, or docs/drills.md."
            )
    if codes or ids:
        chosen = [case for case in chosen if any(_is_meant(case, wanted) for wanted in (*codes, *ids))]
    return [case for case in chosen if not kinds or case.kind in kinds]


def through_the_notebook(cases: Sequence[Case]) -> frozenset[str]:
    """The ids of those that run through the real notebook: of every fault its first case. The others repeat it, in another
    variant, on another kind of system or asked in another way, and call the procedure without a kernel."""
    first: dict[tuple[str, str], str] = {}
    for case in cases:
        if case.kind == "fault" and case.faults:
            first.setdefault((case.procedure, case.faults[0].code), case.id)
    return frozenset(first.values())


def once_per_cause(cases: Sequence[Case]) -> list[Case]:
    """Of every cause of every procedure one case: a fault that is looked at after healing too, else any fault, else any case."""
    chosen: dict[tuple[str, str], Case] = {}
    for case in sorted(cases, key=lambda case: (case.kind != "fault", case.again is None)):
        for code in case.injected:
            chosen.setdefault((case.procedure, cause_of(code)), case)
    ids = {case.id for case in chosen.values()}
    return [case for case in cases if case.id in ids]


def _is_meant(case: Case, wanted: str) -> bool:
    return case.id == wanted or any(code == wanted or code.startswith(f"{wanted}.") for code in case.injected)
