"""New Stripe objects: every field of every version with its usual value. The handlers fill in what was sent.

Shapes: stripe/openapi fixtures of 2025-02 and 2026-07, and the types of stripe-python 10.12 and 16.1 (tests/specs/stripe).
"""

from typing import Any

from runbook_lib.sandbox.facades.stripe.state import Book, Obj, new_id

_NO_TAX = {"enabled": False, "liability": None, "status": None, "disabled_reason": None, "provider": None}


def listing(items: list[Obj], url: str) -> Obj:
    """A list inside an object."""
    return {"object": "list", "data": items, "has_more": False, "url": url}


def customer(book: Book, now: int, **fields: Any) -> Obj:
    """A customer."""
    return {
        "id": new_id("cus_", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": new_id("", 8).upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": book.livemode,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
        **fields,
    }


def product(book: Book, now: int, **fields: Any) -> Obj:
    """A product."""
    return {
        "id": new_id("prod_", 14),
        "object": "product",
        "active": True,
        "created": now,
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": book.livemode,
        "marketing_features": [],
        "metadata": {},
        "name": "",
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "type": "service",
        "unit_label": None,
        "updated": now,
        "url": None,
        **fields,
    }


def price(book: Book, now: int, **fields: Any) -> Obj:
    """A price. `recurring` None: one-time."""
    row = {
        "id": new_id("price_"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": now,
        "currency": "usd",
        "custom_unit_amount": None,
        "livemode": book.livemode,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": "",
        "recurring": None,
        "tax_behavior": "unspecified",
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": 0,
        "unit_amount_decimal": "0",
        **fields,
    }
    return {
        **row,
        "type": "recurring" if row["recurring"] else "one_time",
        "unit_amount_decimal": str(row["unit_amount"]),
    }


def recurring(interval: str = "month", **fields: Any) -> Obj:
    """A price's recurring part."""
    return {
        "aggregate_usage": None,
        "interval": interval,
        "interval_count": 1,
        "meter": None,
        "trial_period_days": None,
        "usage_type": "licensed",
        **fields,
    }


def plan(of: Obj) -> Obj:
    """The plan that stands beside a recurring price in its items."""
    part = of["recurring"] or recurring()
    return {
        "id": of["id"],
        "object": "plan",
        "active": of["active"],
        "aggregate_usage": part["aggregate_usage"],
        "amount": of["unit_amount"],
        "amount_decimal": of["unit_amount_decimal"],
        "billing_scheme": of["billing_scheme"],
        "created": of["created"],
        "currency": of["currency"],
        "interval": part["interval"],
        "interval_count": part["interval_count"],
        "livemode": of["livemode"],
        "metadata": of["metadata"],
        "meter": part["meter"],
        "nickname": of["nickname"],
        "product": of["product"],
        "tiers_mode": None,
        "transform_usage": None,
        "trial_period_days": None,
        "usage_type": part["usage_type"],
    }


def payment_method(book: Book, now: int, token: str) -> Obj:
    """A card. Test tokens and ids tell what happens to it: one with `Fail` or `declined` in its name is declined."""
    tail = "0341" if is_declined(token) else "4242"
    return {
        "id": new_id("pm_"),
        "object": "payment_method",
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "card": {
            "brand": "visa",
            "country": "US",
            "exp_month": 12,
            "exp_year": 2034,
            "funding": "credit",
            "last4": tail,
        },
        "created": now,
        "customer": None,
        "livemode": book.livemode,
        "metadata": {},
        "type": "card",
        "_declines": is_declined(token),
    }


def is_declined(token: str) -> bool:
    """Whether Stripe's test card of this name is declined when it is charged."""
    return any(word in token.lower() for word in ("fail", "declined", "threedsecure2required"))


def subscription(book: Book, now: int, **fields: Any) -> Obj:
    """A subscription without items."""
    return {
        "id": new_id("sub_"),
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"enabled": False, "liability": None, "disabled_reason": None},
        "billing_cycle_anchor": now,
        "billing_cycle_anchor_config": None,
        "billing_mode": {"type": "classic", "flexible": None, "updated_at": None},
        "billing_schedules": [],
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": now,
        "currency": "usd",
        "customer": "",
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discount": None,
        "discounts": [],
        "ended_at": None,
        "invoice_settings": {"account_tax_ids": None, "issuer": {"type": "self"}},
        "items": listing([], "/v1/subscription_items"),
        "latest_invoice": None,
        "livemode": book.livemode,
        "metadata": {},
        "next_pending_invoice_item_invoice": None,
        "on_behalf_of": None,
        "pause_collection": None,
        "payment_settings": None,
        "pending_invoice_item_interval": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": now,
        "status": "active",
        "test_clock": None,
        "transfer_data": None,
        "trial_end": None,
        "trial_settings": {"end_behavior": {"missing_payment_method": "create_invoice"}},
        "trial_start": None,
        **fields,
    }


def subscription_item(of: Obj, price_: Obj, now: int, period: tuple[int, int], quantity: int | None = 1) -> Obj:
    """One price of a subscription and its period. A metered price has no quantity."""
    is_metered = bool(price_["recurring"]) and price_["recurring"]["usage_type"] == "metered"
    row = {
        "id": new_id("si_", 14),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": now,
        "current_period_end": period[1],
        "current_period_start": period[0],
        "discounts": [],
        "metadata": {},
        "plan": plan(price_),
        "price": price_,
        "quantity": quantity,
        "subscription": of["id"],
        "tax_rates": [],
    }
    if is_metered:
        del row["quantity"]
    return row


def invoice(book: Book, now: int, customer_: Obj, **fields: Any) -> Obj:
    """A draft invoice without lines."""
    id_ = new_id("in_")
    return {
        "id": id_,
        "object": "invoice",
        "account_country": "US",
        "account_name": "NexusCore",
        "account_tax_ids": None,
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "application": None,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": dict(_NO_TAX),
        "billing_reason": "manual",
        "charge": None,
        "collection_method": "charge_automatically",
        "created": now,
        "currency": "usd",
        "custom_fields": None,
        "customer": customer_["id"],
        "customer_address": None,
        "customer_email": customer_["email"],
        "customer_name": customer_["name"],
        "customer_phone": None,
        "customer_shipping": None,
        "customer_tax_exempt": "none",
        "customer_tax_ids": [],
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discount": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "footer": None,
        "from_invoice": None,
        "hosted_invoice_url": None,
        "invoice_pdf": None,
        "issuer": {"type": "self"},
        "last_finalization_error": None,
        "latest_revision": None,
        "lines": listing([], f"/v1/invoices/{id_}/lines"),
        "livemode": book.livemode,
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "on_behalf_of": None,
        "paid": False,
        "paid_out_of_band": False,
        "parent": None,
        "payment_intent": None,
        "payment_settings": {"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "quote": None,
        "receipt_number": None,
        "rendering": None,
        "shipping_cost": None,
        "shipping_details": None,
        "starting_balance": 0,
        "statement_descriptor": None,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subscription": None,
        "subtotal": 0,
        "tax": None,
        "test_clock": None,
        "total": 0,
        "webhooks_delivered_at": None,
        **fields,
    }
