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
    ("GET", "/v1/balance", account.get_balance, "balance"),
    ("POST", "/v1/checkout/sessions", account.create_checkout_session, "checkout_session"),
    ("GET", "/v1/customers", catalog.list_customers, "customer"),
    ("POST", "/v1/customers", catalog.create_customer, "customer"),
    ("GET", "/v1/customers/{id}", catalog.get_customer, "customer"),
    ("POST", "/v1/payment_methods/{id}/attach", catalog.attach_payment_method, "payment_method"),
    ("POST", "/v1/products", catalog.create_product, "product"),
    ("POST", "/v1/prices", catalog.create_price, "plan"),
    ("GET", "/v1/subscriptions", subscriptions.list_subscriptions, "subscription"),
    ("POST", "/v1/subscriptions", subscriptions.create_subscription, "subscription"),
    ("POST", "/v1/subscriptions/{id}", subscriptions.update_subscription, "subscription"),
    ("DELETE", "/v1/subscriptions/{id}", subscriptions.cancel_subscription, "subscription"),
    ("POST", "/v1/subscription_items/{id}/usage_records", usage.create_usage_record, "usage_record"),
    ("GET", "/v1/subscription_items/{id}/usage_record_summaries", usage.usage_summaries, "usage_record"),
    ("POST", "/v1/invoiceitems", items.create_item, "invoice"),
    ("POST", "/v1/invoices", invoices.create_invoice, "invoice"),
    ("POST", "/v1/invoices/{id}/pay", invoices.pay_invoice, "invoice"),
    ("GET", "/v1/events", events.list_events, "event"),
    ("GET", "/v1/events/{id}", events.get_event, "event"),
    ("POST", "/v1/events/{id}/retry", events.retry_event, "event"),
    ("GET", "/v1/webhook_endpoints", endpoints.list_endpoints, "webhook"),
    ("GET", "/v1/billing/meters", meters.list_meters, "billing_meter"),
    ("GET", "/v1/billing/meters/{id}/event_summaries", meters.event_summaries, "billing_meter"),
    ("POST", "/v1/billing/meter_events", meters.create_meter_event, "billing_meter"),
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
