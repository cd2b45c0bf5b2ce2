"""What changes a subscription's status: how its invoice went, and its end."""

from runbook_lib.sandbox.facades.stripe.call import Call
from runbook_lib.sandbox.facades.stripe.events import changed, emit
from runbook_lib.sandbox.facades.stripe.state import Obj


def after_payment(call: Call, invoice: Obj) -> None:
    """Set a subscription's status by how its invoice went, and tell it when it changed."""
    subscription = call.book.of("subscription").get(str(invoice["subscription"]))
    if subscription is None or subscription["status"] in ("canceled", "trialing"):
        return
    refused = "incomplete" if invoice["billing_reason"] == "subscription_create" else "past_due"
    status = "active" if invoice["paid"] else refused
    before = changed(subscription, {"status": status})
    if before:
        emit(call, "customer.subscription.updated", subscription, before)


def end_subscription(call: Call, subscription: Obj) -> Obj:
    """Write a subscription down as ended, and tell it."""
    subscription.update(status="canceled", canceled_at=call.now, ended_at=call.now, cancel_at_period_end=False)
    subscription["cancellation_details"]["reason"] = "cancellation_requested"
    emit(call, "customer.subscription.deleted", subscription)
    return subscription
