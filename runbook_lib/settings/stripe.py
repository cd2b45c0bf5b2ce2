"""Stripe: its API, the keys, the version that NexusCore pins."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, Url, named


class Stripe(BaseModel):
    """Stripe: its API, the keys, the version that NexusCore pins."""

    stripe_api_url: Url = named(
        "RUNBOOK_STRIPE_API_URL", default="https://api.stripe.com", group="Stripe", about="Stripe's API."
    )
    stripe_key: Secret = named(
        "RUNBOOK_STRIPE_KEY",
        "STRIPE_SECRET_KEY",
        group="Stripe",
        about="A restricted key rk_…: read customers, subscriptions, events, webhook endpoints, meters.",
    )
    stripe_webhook_secret: Secret = named(
        "STRIPE_WEBHOOK_SECRET", group="Stripe", about="The API's signing secret whsec_…"
    )
    stripe_publishable_key: Text = named("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", group="Stripe", about="pk_…")
    stripe_api_version: str = named(
        "RUNBOOK_STRIPE_API_VERSION", default="2024-06-20", group="Stripe", about="The version NexusCore pins."
    )
