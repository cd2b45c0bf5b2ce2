"""The account itself, its balance, and checkout sessions."""

from runbook_lib.sandbox.facades.stripe.call import Call, Refused
from runbook_lib.sandbox.facades.stripe.state import Obj, new_id


def get_account(call: Call) -> Obj:
    """The account that the key belongs to."""
    wanted = call.ids.get("id")
    account = call.key.account or call.world.ids.stripe_account
    if wanted not in (None, account):
        message = f"The provided key does not have access to account '{wanted}' (or that account does not exist)."
        raise Refused(403, message, code="account_invalid")
    return {
        "id": account,
        "object": "account",
        "business_profile": {"name": "NexusCore", "url": "https://nexuscore.example"},
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "country": "US",
        "default_currency": "usd",
        "details_submitted": True,
        "email": "billing@nexuscore.example",
        "metadata": {},
        "payouts_enabled": True,
        "settings": {"dashboard": {"display_name": "NexusCore", "timezone": "Etc/UTC"}},
        "type": "standard",
    }


def get_balance(call: Call) -> Obj:
    """What was paid, as pending money."""
    paid = sum(invoice["amount_paid"] for invoice in call.book.of("invoice").values())
    none = {"amount": 0, "currency": "usd", "source_types": {"card": 0}}
    pending = {"amount": paid, "currency": "usd", "source_types": {"card": paid}}
    return {"object": "balance", "available": [none], "livemode": call.book.livemode, "pending": [pending]}


def create_checkout_session(call: Call) -> Obj:
    """A page to pay on; `customer` and `line_items[0][price]` must exist."""
    if customer := call.text("customer"):
        call.get("customer", customer, param="customer")
    lines = call.params.get("line_items")
    for nth, line in enumerate(lines if isinstance(lines, list) else []):
        if price := line.get("price"):
            call.get("price", price, param=f"line_items[{nth}][price]")
    mode = call.text("mode", "payment")
    if not call.text("success_url"):
        raise Refused(400, "Missing required param: success_url.", code="parameter_missing", param="success_url")
    id_ = new_id(f"cs_{'live' if call.book.livemode else 'test'}_", 58)
    session = {
        "id": id_,
        "object": "checkout.session",
        "amount_total": None,
        "cancel_url": call.text("cancel_url"),
        "created": call.now,
        "currency": "usd",
        "customer": customer,
        "customer_email": call.text("customer_email"),
        "client_reference_id": call.text("client_reference_id"),
        "expires_at": call.now + 86_400,
        "invoice": None,
        "livemode": call.book.livemode,
        "metadata": call.metadata(),
        "mode": mode,
        "payment_status": "unpaid",
        "status": "open",
        "subscription": None,
        "success_url": call.text("success_url"),
        "url": f"https://checkout.stripe.com/c/pay/{id_}",
    }
    return call.book.add(session)
