"""What invoices are made of: amounts that wait for one, and their lines."""

from typing import Any

from runbook_lib.sandbox.facades.stripe.call import Call, Refused
from runbook_lib.sandbox.facades.stripe.events import emit
from runbook_lib.sandbox.facades.stripe.state import Obj, new_id


def create_item(call: Call) -> Obj:
    """An amount that waits for the customer's next invoice."""
    customer = call.get("customer", call.require("customer"), param="customer")
    amount = call.integer("amount", 0) or 0
    item = {
        "id": new_id("ii_"),
        "object": "invoiceitem",
        "amount": amount,
        "currency": (call.text("currency") or "usd").lower(),
        "customer": customer["id"],
        "date": call.now,
        "created": call.now,
        "description": call.text("description"),
        "discountable": True,
        "discounts": [],
        "invoice": call.text("invoice"),
        "livemode": call.book.livemode,
        "metadata": call.metadata(),
        "parent": None,
        "period": {"start": call.now, "end": call.now},
        "plan": None,
        "price": None,
        "pricing": {"type": "price_details", "unit_amount_decimal": str(amount), "price_details": None},
        "proration": False,
        "quantity": 1,
        "subscription": None,
        "tax_rates": [],
        "test_clock": None,
        "unit_amount": amount,
    }
    call.book.add(item)
    emit(call, "invoiceitem.created", item)
    if item["invoice"]:
        invoice = require_draft(call, item["invoice"])
        add_line(invoice, item_line(invoice, item))
    return item


def require_draft(call: Call, id_: str) -> Obj:
    """An invoice that can still be changed. Raises Refused for any other."""
    invoice = call.get("invoice", id_)
    if invoice["status"] != "draft":
        raise Refused(400, "This invoice is no longer editable", code="invoice_not_editable")
    return invoice


def item_line(invoice: Obj, item: Obj) -> Obj:
    """The line that a waiting amount becomes."""
    details = {"invoice_item": item["id"], "proration": False, "proration_details": None, "subscription": None}
    parent = {"type": "invoice_item_details", "invoice_item_details": details, "subscription_item_details": None}
    return _line(
        invoice, item["amount"], item["description"], (item["period"]["start"], item["period"]["end"]), parent, None
    ) | {
        "type": "invoiceitem",
        "invoice_item": item["id"],
    }


def subscription_line(invoice: Obj, subscription: Obj, item: Obj, amount: int, period: tuple[int, int]) -> Obj:
    """The line of one item of a subscription for one period."""
    details = {
        "invoice_item": None,
        "proration": False,
        "proration_details": None,
        "subscription": subscription["id"],
        "subscription_item": item["id"],
    }
    parent = {"type": "subscription_item_details", "invoice_item_details": None, "subscription_item_details": details}
    return _line(invoice, amount, "Subscription", period, parent, item["price"]) | {
        "type": "subscription",
        "subscription": subscription["id"],
        "subscription_item": item["id"],
        "plan": item["plan"],
        "quantity": item.get("quantity"),
    }


def _line(invoice: Obj, amount: int, words: Any, period: tuple[int, int], parent: Obj, price: Obj | None) -> Obj:
    pricing = {"type": "price_details", "unit_amount_decimal": str(amount), "price_details": None}
    if price is not None:
        pricing["price_details"] = {"price": price["id"], "product": price["product"]}  # type: ignore[assignment]
    return {
        "id": new_id("il_"),
        "object": "line_item",
        "amount": amount,
        "currency": invoice["currency"],
        "description": words,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": invoice["livemode"],
        "metadata": {},
        "parent": parent,
        "period": {"start": period[0], "end": period[1]},
        "plan": None,
        "pretax_credit_amounts": None,
        "price": price,
        "pricing": pricing,
        "proration": False,
        "quantity": 1,
        "subscription": None,
        "subtotal": amount,
        "tax_amounts": [],
        "tax_rates": [],
        "taxes": [],
    }


def add_line(invoice: Obj, line: Obj) -> None:
    """Put a line on an invoice and add it up again."""
    invoice["lines"]["data"].append(line)
    total = sum(row["amount"] for row in invoice["lines"]["data"])
    invoice.update(amount_due=total, amount_remaining=total, subtotal=total, total=total)
