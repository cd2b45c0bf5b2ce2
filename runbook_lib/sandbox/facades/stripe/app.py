"""Stripe's API: what billing, webhooks and quota need of it, at NexusCore's version 2024-06-20 and at the newest.

`/v1`, form-encoded, with the real CLI's listening side; of `/v2` only what it says of dropped meter events. State and dials:
stripe_state.StripeState. Money, taxes, refunds and payment intents are left out.
"""

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute

from runbook_lib.sandbox.facades.stripe import (
    account,
    catalog,
    endpoints,
    events,
    invoices,
    meter_errors,
    meters,
    subscriptions,
    usage,
)
from runbook_lib.sandbox.facades.stripe import invoice_items as items
from runbook_lib.sandbox.facades.stripe.cli import CliDoor
from runbook_lib.sandbox.facades.stripe.door import Door, Handler, not_found
from runbook_lib.sandbox.facades.stripe.state import stripe_state
from runbook_lib.sandbox.world import World

# (method, path, handler, the resource that a restricted key needs a permission for)
_ROUTES: tuple[tuple[str, str, Handler, str], ...] = (
    ("GET", "/v1/account", account.get_account, "account"),
    ("GET", "/v1/accounts/{id}", account.get_account, "account"),
    ("GET", "/v1/balance", account.get_balance, "balance"),
    ("GET", "/v1/checkout/sessions", account.list_checkout_sessions, "checkout_session"),
    ("POST", "/v1/checkout/sessions", account.create_checkout_session, "checkout_session"),
    ("GET", "/v1/checkout/sessions/{id}", account.get_checkout_session, "checkout_session"),
    ("POST", "/v1/checkout/sessions/{id}/expire", account.expire_checkout_session, "checkout_session"),
    ("GET", "/v1/customers", catalog.list_customers, "customer"),
    ("POST", "/v1/customers", catalog.create_customer, "customer"),
    ("GET", "/v1/customers/{id}", catalog.get_customer, "customer"),
    ("POST", "/v1/customers/{id}", catalog.update_customer, "customer"),
    ("DELETE", "/v1/customers/{id}", catalog.delete_customer, "customer"),
    ("POST", "/v1/payment_methods", catalog.create_payment_method, "payment_method"),
    ("GET", "/v1/payment_methods/{id}", catalog.get_payment_method, "payment_method"),
    ("POST", "/v1/payment_methods/{id}/attach", catalog.attach_payment_method, "payment_method"),
    ("GET", "/v1/products", catalog.list_products, "product"),
    ("POST", "/v1/products", catalog.create_product, "product"),
    ("GET", "/v1/products/{id}", catalog.get_product, "product"),
    ("GET", "/v1/prices", catalog.list_prices, "plan"),
    ("POST", "/v1/prices", catalog.create_price, "plan"),
    ("GET", "/v1/prices/{id}", catalog.get_price, "plan"),
    ("GET", "/v1/subscriptions", subscriptions.list_subscriptions, "subscription"),
    ("POST", "/v1/subscriptions", subscriptions.create_subscription, "subscription"),
    ("GET", "/v1/subscriptions/{id}", subscriptions.get_subscription, "subscription"),
    ("POST", "/v1/subscriptions/{id}", subscriptions.update_subscription, "subscription"),
    ("DELETE", "/v1/subscriptions/{id}", subscriptions.cancel_subscription, "subscription"),
    ("GET", "/v1/subscription_items", subscriptions.list_items, "subscription"),
    ("GET", "/v1/subscription_items/{id}", subscriptions.get_item, "subscription"),
    ("POST", "/v1/subscription_items/{id}/usage_records", usage.create_usage_record, "usage_record"),
    ("GET", "/v1/subscription_items/{id}/usage_record_summaries", usage.usage_summaries, "usage_record"),
    ("POST", "/v1/invoiceitems", items.create_item, "invoice"),
    ("DELETE", "/v1/invoiceitems/{id}", items.delete_item, "invoice"),
    ("GET", "/v1/invoices", invoices.list_invoices, "invoice"),
    ("POST", "/v1/invoices", invoices.create_invoice, "invoice"),
    ("GET", "/v1/invoices/{id}", invoices.get_invoice, "invoice"),
    ("POST", "/v1/invoices/{id}", invoices.update_invoice, "invoice"),
    ("DELETE", "/v1/invoices/{id}", invoices.delete_invoice, "invoice"),
    ("GET", "/v1/invoices/{id}/lines", invoices.invoice_lines, "invoice"),
    ("POST", "/v1/invoices/{id}/finalize", invoices.finalize_invoice, "invoice"),
    ("POST", "/v1/invoices/{id}/pay", invoices.pay_invoice, "invoice"),
    ("POST", "/v1/invoices/{id}/send", invoices.send_invoice, "invoice"),
    ("POST", "/v1/invoices/{id}/void", invoices.void_invoice, "invoice"),
    ("POST", "/v1/invoices/{id}/mark_uncollectible", invoices.mark_uncollectible, "invoice"),
    ("GET", "/v1/events", events.list_events, "event"),
    ("GET", "/v1/events/{id}", events.get_event, "event"),
    ("POST", "/v1/events/{id}/retry", events.retry_event, "event"),
    ("GET", "/v1/webhook_endpoints", endpoints.list_endpoints, "webhook"),
    ("POST", "/v1/webhook_endpoints", endpoints.create_endpoint, "webhook"),
    ("GET", "/v1/webhook_endpoints/{id}", endpoints.get_endpoint, "webhook"),
    ("POST", "/v1/webhook_endpoints/{id}", endpoints.update_endpoint, "webhook"),
    ("DELETE", "/v1/webhook_endpoints/{id}", endpoints.delete_endpoint, "webhook"),
    ("GET", "/v1/billing/meters", meters.list_meters, "billing_meter"),
    ("POST", "/v1/billing/meters", meters.create_meter, "billing_meter"),
    ("GET", "/v1/billing/meters/{id}", meters.get_meter, "billing_meter"),
    ("POST", "/v1/billing/meters/{id}/deactivate", meters.deactivate_meter, "billing_meter"),
    ("POST", "/v1/billing/meters/{id}/reactivate", meters.reactivate_meter, "billing_meter"),
    ("GET", "/v1/billing/meters/{id}/event_summaries", meters.event_summaries, "billing_meter"),
    ("POST", "/v1/billing/meter_events", meters.create_meter_event, "billing_meter"),
    ("POST", "/v1/billing/meter_event_adjustments", meters.adjust_meter_event, "billing_meter"),
    ("GET", "/v2/core/events", meter_errors.list_thin_events, "event"),
    ("GET", "/v2/core/events/{id}", meter_errors.get_thin_event, "event"),
)


def create_app(world: World) -> Starlette:
    """`api.stripe.com`."""
    stripe_state(world)  # the sandbox's keys are known before anybody turns a dial
    door, cli = Door(world), CliDoor(world)
    routes: list[BaseRoute] = [
        Route(path, door.guarded(handler, resource), methods=[method]) for method, path, handler, resource in _ROUTES
    ]
    routes.append(Route("/v1/stripecli/sessions", door.guarded(cli.create_session, "webhook"), methods=["POST"]))
    routes.append(WebSocketRoute("/subscribe/{account}", cli.listen))
    return Starlette(routes=routes, exception_handlers={404: not_found, 405: not_found})
