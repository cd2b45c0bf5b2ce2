"""Looks at Stripe."""
