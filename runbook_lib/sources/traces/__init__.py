"""Looks at Tempo and Jaeger."""

from runbook_lib.core.permissions import permit
from runbook_lib.sources.kit.permitted import get

permit(
    "tempo",
    *get(
        "/api/metrics/query_range",
        "/api/search",
        "/api/status/buildinfo",
        "/api/traces/{trace}",
        "/api/v2/traces/{trace}",
    ),
)
permit(
    "jaeger",
    *get(
        "/api/metrics/{what}",
        "/api/services",
        "/api/traces",
        "/api/traces/{trace}",
        "/api/v3/services",
        "/api/v3/traces",
        "/api/v3/traces/{trace}",
    ),
)
