"""Looks at Vercel."""

from runbook_lib.core.permissions import permit
from runbook_lib.sources.kit.permitted import get

permit(
    "vercel",
    *get(
        "/alerts/v2/alert-rules",
        "/api/logs/request-logs",
        "/v1/env",
        "/v1/projects/{project}/env/{id}",
        "/v10/projects",
        "/v10/projects/{project}/env",
        "/v13/deployments/{deployment}",
        "/v2/teams/{team}",
        "/v2/user",
        "/v3/deployments/{deployment}/events",
        "/v5/user/tokens/current",
        "/v6/deployments",
        "/v7/deployments",
        "/v9/projects/{project}",
    ),
)
