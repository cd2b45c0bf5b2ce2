"""Invoices: made, finalized, paid or refused."""

from runbook_lib.sandbox.facades.stripe import shapes
from runbook_lib.sandbox.facades.stripe.call import Call, Refused
from runbook_lib.sandbox.facades.stripe.events import emit
from runbook_lib.sandbox.facades.stripe.invoice_items import add_line, item_line, subscription_line
from runbook_lib.sandbox.facades.stripe.state import Obj
from runbook_lib.sandbox.facades.stripe.status import after_payment


def create_invoice(call: Call) -> Obj:
    """A draft; `pending_invoice_items_behavior=include` takes in what waits."""
    customer = call.get("customer", call.require("customer"), param="customer")
    invoice = shapes.invoice(
        call.book,
        call.now,
        customer,
        description=call.text("description"),
        metadata=call.metadata(),
        collection_method=call.text("collection_method", "charge_automatically"),
    )
    if days := call.integer("days_until_due"):
        invoice["due_date"] = call.now + days * 86_400
    call.book.add(invoice)
    if call.text("pending_invoice_items_behavior", "exclude") == "include":
        for item in call.book.newest_first("invoiceitem"):
            if item["customer"] == customer["id"] and item["invoice"] is None:
                item["invoice"] = invoice["id"]
                add_line(invoice, item_line(invoice, item))
    emit(call, "invoice.created", invoice)
    return invoice


def invoice_period(call: Call, subscription: Obj, reason: str, at: int | None = None) -> Obj:
    """The invoice of a subscription's running period: finalized, not paid yet."""
    now = call.now if at is None else at
    customer = call.book.of("customer")[subscription["customer"]]
    period = (
        subscription["items"]["data"][0]["current_period_start"],
        subscription["items"]["data"][0]["current_period_end"],
    )
    invoice = shapes.invoice(
        call.book,
        now,
        customer,
        billing_reason=reason,
        subscription=subscription["id"],
        period_start=period[0],
        period_end=period[1],
        collection_method=subscription["collection_method"],
        parent={
            "quote_details": None,
            "subscription_details": {"metadata": subscription["metadata"], "subscription": subscription["id"]},
            "type": "subscription_details",
        },
    )
    call.book.add(invoice)
    is_trial = subscription["status"] == "trialing"
    for item in subscription["items"]["data"]:
        is_metered = "quantity" not in item
        amount = 0 if is_trial or is_metered else (item["price"]["unit_amount"] or 0) * item["quantity"]
        add_line(invoice, subscription_line(invoice, subscription, item, amount, period))
    subscription["latest_invoice"] = invoice["id"]
    return invoice


def finalize(call: Call, invoice: Obj, at: int | None = None) -> Obj:
    """Number a draft and open it; nothing to pay is paid at once."""
    now = call.now if at is None else at
    customer = call.book.of("customer")[invoice["customer"]]
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    customer["next_invoice_sequence"] += 1
    invoice.update(status="open", number=number, effective_at=now, auto_advance=True)
    invoice["status_transitions"]["finalized_at"] = now
    url = f"https://invoice.stripe.com/i/{invoice['id']}"
    invoice.update(hosted_invoice_url=url, invoice_pdf=f"{url}/pdf")
    emit(call, "invoice.finalized", invoice)
    if invoice["amount_due"] == 0:
        settle(call, invoice)
    return invoice


def pay_invoice(call: Call) -> Obj:
    """Pay an invoice with the customer's card; a declined card is 402 `card_error`."""
    invoice = call.get("invoice", call.ids["id"])
    if invoice["status"] == "draft":
        finalize(call, invoice)
    if invoice["status"] == "paid":
        raise Refused(400, "Invoice is already paid", code="invoice_already_paid")
    if charge(call, invoice, call.text("payment_method")):
        return invoice
    raise Refused(
        402, "Your card was declined.", type_="card_error", code="card_declined", decline_code="generic_decline"
    )


def charge(call: Call, invoice: Obj, card_id: str | None = None) -> bool:
    """Try to take the money; True when it was taken. A subscription that was active is past due afterwards."""
    customer = call.book.of("customer")[invoice["customer"]]
    wanted = card_id or customer["invoice_settings"]["default_payment_method"]
    card = call.book.of("payment_method").get(str(wanted))
    invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1)
    if card is not None and not card["_declines"]:
        settle(call, invoice)
    else:
        invoice["next_payment_attempt"] = call.now + 3 * 86_400
        emit(call, "invoice.payment_failed", invoice)
    after_payment(call, invoice)
    return bool(invoice["paid"])


def settle(call: Call, invoice: Obj, at: int | None = None) -> None:
    """Write an invoice down as paid."""
    invoice.update(
        status="paid",
        paid=True,
        attempted=True,
        amount_paid=invoice["amount_due"],
        amount_remaining=0,
        next_payment_attempt=None,
    )
    invoice["status_transitions"]["paid_at"] = call.now if at is None else at
    emit(call, "invoice.paid", invoice)
    emit(call, "invoice.payment_succeeded", invoice)
