"""Customers, their cards, products and prices."""

from typing import Any

from runbook_lib.sandbox.facades.stripe import shapes
from runbook_lib.sandbox.facades.stripe.call import Call, Page, Refused, as_integer
from runbook_lib.sandbox.facades.stripe.events import emit
from runbook_lib.sandbox.facades.stripe.state import Obj

_CUSTOMER_TEXTS = ("description", "email", "name", "phone", "test_clock")


def create_customer(call: Call) -> Obj:
    """A customer; `payment_method` or `source` attaches a test card at once."""
    fields = {name: value for name in _CUSTOMER_TEXTS if (value := call.text(name)) is not None}
    customer = shapes.customer(call.book, call.now, metadata=call.metadata(), **fields)
    if token := call.text("payment_method") or call.text("source"):
        card = _attach(call, token, customer)
        customer["invoice_settings"]["default_payment_method"] = card["id"]
    _set_default_card(call, customer)
    call.book.add(customer)
    emit(call, "customer.created", customer)
    return customer


def _set_default_card(call: Call, customer: Obj) -> None:
    settings = call.params.get("invoice_settings")
    if isinstance(settings, dict) and (token := settings.get("default_payment_method")):
        customer["invoice_settings"]["default_payment_method"] = _attach(call, token, customer)["id"]


def _attach(call: Call, token: str, customer: Obj) -> Obj:
    """The customer's own card for this id or test token: a test card's name makes a new card."""
    card = call.book.of("payment_method").get(token)
    if card is None:
        own = [c for c in call.book.of("payment_method").values() if c["customer"] == customer["id"]]
        card = next((c for c in own if c["_token"] == token), None)
    if card is None:
        card = _test_card(call, token)
    card["customer"] = customer["id"]
    return card


def _test_card(call: Call, token: str) -> Obj:
    if call.book.livemode or not token.startswith(("pm_card_", "tok_")):
        raise Refused(400, f"No such PaymentMethod: '{token}'", code="resource_missing", param="payment_method")
    return call.book.add({**shapes.payment_method(call.book, call.now, token), "_token": token})


def get_customer(call: Call) -> Obj:
    """A customer; one that is deleted is little more than its id."""
    customer = call.get("customer", call.ids["id"])
    if customer.get("deleted"):
        return {"id": customer["id"], "object": "customer", "deleted": True}
    return customer


def list_customers(call: Call) -> Page:
    """Customers, by e-mail and time."""
    items = [
        c
        for c in call.book.newest_first("customer")
        if call.matches(c, "email", "test_clock") and call.in_range(c["created"], "created")
    ]
    return Page(items, "/v1/customers")


def attach_payment_method(call: Call) -> Obj:
    """Give a card to a customer."""
    customer = call.get("customer", call.require("customer"), param="customer")
    card = _attach(call, call.ids["id"], customer)
    emit(call, "payment_method.attached", card)
    return card


def create_product(call: Call) -> Obj:
    """A product."""
    fields: Obj = {"name": call.require("name"), "description": call.text("description"), "metadata": call.metadata()}
    if id_ := call.text("id"):
        if id_ in call.book.of("product"):
            raise Refused(400, "Product already exists.", code="resource_already_exists", param="id")
        fields["id"] = id_
    product = call.book.add(shapes.product(call.book, call.now, **fields))
    emit(call, "product.created", product)
    return product


def create_price(call: Call) -> Obj:
    """A price of a product; `recurring` makes it one for subscriptions."""
    product = call.text("product")
    if product is None:
        data = call.params.get("product_data")
        if not isinstance(data, dict) or not data.get("name"):
            raise Refused(400, "You must specify either `product` or `product_data`.", param="product")
        product = call.book.add(shapes.product(call.book, call.now, name=data["name"]))["id"]
    call.get("product", product, param="product")
    sent = call.params.get("recurring")
    price = shapes.price(
        call.book,
        call.now,
        product=product,
        currency=str(call.require("currency")).lower(),
        unit_amount=call.integer("unit_amount", 0),
        lookup_key=call.text("lookup_key"),
        nickname=call.text("nickname"),
        metadata=call.metadata(),
        recurring=_recurring(sent) if isinstance(sent, dict) else None,
    )
    call.book.add(price)
    emit(call, "price.created", price)
    if price["recurring"]:
        emit(call, "plan.created", shapes.plan(price))
    return price


def _recurring(sent: dict[str, Any]) -> Obj:
    interval = sent.get("interval")
    if interval not in ("day", "week", "month", "year"):
        raise Refused(
            400, "Invalid recurring[interval]: must be one of day, month, week, or year", param="recurring[interval]"
        )
    return shapes.recurring(
        interval,
        interval_count=as_integer(sent.get("interval_count", 1), "recurring[interval_count]"),
        usage_type=sent.get("usage_type", "licensed"),
        meter=sent.get("meter"),
        aggregate_usage="sum" if sent.get("usage_type") == "metered" and not sent.get("meter") else None,
    )
