"""02: Stripe webhooks do not arrive."""
