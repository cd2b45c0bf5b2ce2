"""Every procedure's catalogue of causes, in the order of the procedures."""

from runbook_lib.judging.causes import Catalogue
from runbook_lib.procedures.backup_restore.causes import CATALOGUE as BACKUP_RESTORE
from runbook_lib.procedures.deploy_llm_gateway.causes import CATALOGUE as DEPLOY_LLM_GATEWAY
from runbook_lib.procedures.deploy_web_api.causes import CATALOGUE as DEPLOY_WEB_API
from runbook_lib.procedures.failed_request.causes import CATALOGUE as FAILED_REQUEST
from runbook_lib.procedures.llm_gateway.causes import CATALOGUE as LLM_GATEWAY
from runbook_lib.procedures.operations_checklist.causes import CATALOGUE as OPERATIONS_CHECKLIST
from runbook_lib.procedures.quota_enforcement.causes import CATALOGUE as QUOTA_ENFORCEMENT
from runbook_lib.procedures.service_levels.causes import CATALOGUE as SERVICE_LEVELS
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE as STRIPE_WEBHOOKS
from runbook_lib.procedures.supabase_rls.causes import CATALOGUE as SUPABASE_RLS

CATALOGUES: tuple[Catalogue, ...] = (
    OPERATIONS_CHECKLIST,
    FAILED_REQUEST,
    STRIPE_WEBHOOKS,
    SUPABASE_RLS,
    QUOTA_ENFORCEMENT,
    LLM_GATEWAY,
    DEPLOY_WEB_API,
    BACKUP_RESTORE,
    SERVICE_LEVELS,
    DEPLOY_LLM_GATEWAY,
)


def catalogue_of(procedure: str) -> Catalogue:
    """The catalogue of a procedure's stem. Raises KeyError where there is none."""
    return {catalogue.procedure: catalogue for catalogue in CATALOGUES}[procedure]
