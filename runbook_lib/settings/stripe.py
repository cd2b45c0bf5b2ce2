"""Stripe: its API, the keys, the version that NexusCore pins."""

from pydantic import BaseModel

from runbook_lib.settings.field import Secret, Text, Url, setting


class Stripe(BaseModel):
    """Stripe: its API, the keys, the version that NexusCore pins."""

    stripe_api_url: Url = setting(
        "RUNBOOK_STRIPE_API_URL", default="https://api.stripe.com", group="Stripe", about="Stripe's API."
    )
    stripe_key: Secret = setting(
        "RUNBOOK_STRIPE_KEY",
        "STRIPE_SECRET_KEY",
        group="Stripe",
        about="A restricted key rk_…: read customers, subscriptions, events, webhook endpoints, meters.",
    )
    stripe_webhook_secret: Secret = setting(
        "STRIPE_WEBHOOK_SECRET", group="Stripe", about="The API's signing secret whsec_…"
    )
    stripe_publishable_key: Text = setting("NEXT_PUBLIC_STRIPE_PUBLISHABLE_KEY", group="Stripe", about="pk_…")
    stripe_api_version: str = setting(
        "RUNBOOK_STRIPE_API_VERSION", default="2024-06-20", group="Stripe", about="The version NexusCore pins."
    )
    stripe_secret_key: Secret = setting(
        "STRIPE_SECRET_KEY",
        group="Stripe",
        about="The API's own key sk_…: only its mode and its account are looked at.",
    )
    webhook_timeout_s: float | None = setting(
        "RUNBOOK_WEBHOOK_TIMEOUT_S",
        group="Stripe",
        about="Seconds after which a delivery counts as failed; by default 10, for the CLI 30.",
    )
    webhook_delay_s: float = setting(
        "RUNBOOK_WEBHOOK_DELAY_S",
        default=15.0,
        group="Stripe",
        about="Seconds from an event to Stripe's first attempt to deliver it.",
    )
