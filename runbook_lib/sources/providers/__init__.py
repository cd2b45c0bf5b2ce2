"""Looks at the LLM providers and at vendors' status pages."""

from runbook_lib.core.permissions import Request, permit
from runbook_lib.sources.kit.permitted import VALUES_OF_VARIABLES, get

_PROBE = "a model answers, and the account pays for it"

permit(
    "openai",
    *get("/models"),
    Request("POST", "/chat/completions", leaves_a_mark=_PROBE),
    *VALUES_OF_VARIABLES,
)
permit(
    "anthropic",
    *get("/models"),
    Request("POST", "/messages", leaves_a_mark=_PROBE),
    *VALUES_OF_VARIABLES,
)
permit(
    "together",
    *get("/models"),
    Request("POST", "/chat/completions", leaves_a_mark=_PROBE),
    *VALUES_OF_VARIABLES,
)
permit(
    "status",
    *get("/api/v2/incidents.json", "/api/v2/summary.json", "/summary.json", "/index.json", "/current"),
)
