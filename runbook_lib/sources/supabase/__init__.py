"""Looks at Supabase's APIs."""

from runbook_lib.core.permissions import Request, permit
from runbook_lib.sources.kit.permitted import VALUES_OF_VARIABLES, get

permit(
    "supabase",
    *get(
        "/auth/v1/.well-known/jwks.json",
        "/auth/v1/admin/users/{user}",
        "/auth/v1/health",
        "/auth/v1/settings",
        "/rest/v1/{table}",
        "/v1/projects/{ref}",
        "/v1/projects/{ref}/analytics/endpoints/{logs}",
        "/v1/projects/{ref}/database/backups",
        "/v1/projects/{ref}/database/backups/schedule",
        "/v1/projects/{ref}/database/migrations",
        "/v1/projects/{ref}/health",
    ),
    Request("POST", "/v1/projects/{ref}/database/query/read-only", reads_by_post="SQL by a role that may only read"),
    *VALUES_OF_VARIABLES,
)
