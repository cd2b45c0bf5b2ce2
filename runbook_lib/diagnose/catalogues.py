"""Every procedure's catalogue of causes, in the order of the procedures."""

from runbook_lib.diagnose.backup_restore_causes import CATALOGUE as BACKUP_RESTORE
from runbook_lib.diagnose.causes import Catalogue
from runbook_lib.diagnose.deploy_llm_gateway_causes import CATALOGUE as DEPLOY_LLM_GATEWAY
from runbook_lib.diagnose.deploy_web_api_causes import CATALOGUE as DEPLOY_WEB_API
from runbook_lib.diagnose.failed_request_causes import CATALOGUE as FAILED_REQUEST
from runbook_lib.diagnose.llm_gateway_causes import CATALOGUE as LLM_GATEWAY
from runbook_lib.diagnose.operations_checklist_causes import CATALOGUE as OPERATIONS_CHECKLIST
from runbook_lib.diagnose.quota_enforcement_causes import CATALOGUE as QUOTA_ENFORCEMENT
from runbook_lib.diagnose.service_levels_causes import CATALOGUE as SERVICE_LEVELS
from runbook_lib.diagnose.stripe_webhooks_causes import CATALOGUE as STRIPE_WEBHOOKS
from runbook_lib.diagnose.supabase_rls_causes import CATALOGUE as SUPABASE_RLS

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
