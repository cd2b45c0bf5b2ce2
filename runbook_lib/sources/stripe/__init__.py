"""Looks at Stripe."""

from runbook_lib.core.permissions import permit
from runbook_lib.sources.kit.permitted import VALUES_OF_VARIABLES, get

permit(
    "stripe",
    *get(
        "/v1/account",
        "/v1/balance",
        "/v1/billing/meters",
        "/v1/billing/meters/{meter}/event_summaries",
        "/v1/customers",
        "/v1/customers/{customer}",
        "/v1/events",
        "/v1/events/{event}",
        "/v1/subscription_items/{item}/usage_record_summaries",
        "/v1/subscriptions",
        "/v1/webhook_endpoints",
        "/v2/core/events",
        "/v2/core/events/{event}",
    ),
    *VALUES_OF_VARIABLES,
    programs=("setting:stripe_cli",),
)
