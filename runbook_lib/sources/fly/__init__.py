"""Looks at Fly.io."""

from runbook_lib.core.permissions import permit
from runbook_lib.sources.kit.permitted import get

permit(
    "fly",
    *get(
        "/v1/apps/{app}",
        "/v1/apps/{app}/machines",
        "/v1/apps/{app}/machines/{machine}/events",
        "/v1/apps/{app}/secrets",
        "/api/v1/apps/{app}/logs",
        "/api/v1/apps/{app}/releases",
        "/prometheus/{organization}/api/v1/query_range",
    ),
)
