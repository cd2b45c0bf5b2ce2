"""Legacy metered usage: records on a subscription item and their summaries by period. Gone since basil (2025-03-31)."""

from runbook_lib.sandbox.facades.stripe.call import Call, Page, Refused
from runbook_lib.sandbox.facades.stripe.state import Book, Obj, new_id
from runbook_lib.sandbox.facades.stripe.versions import is_before_basil


def create_usage_record(call: Call) -> Obj:
    """Report usage: `increment` adds, `set` replaces what stands at that very second."""
    item = _metered_item(call)
    quantity = call.integer("quantity")
    if quantity is None or quantity < 0:
        raise Refused(400, "Missing required param: quantity.", code="parameter_missing", param="quantity")
    action = call.text("action", "increment") or ""
    if action not in ("increment", "set"):
        raise Refused(400, "Invalid action: must be one of increment or set", param="action")
    timestamp = call.now if call.text("timestamp") in (None, "now") else call.integer("timestamp", call.now)
    if timestamp is None or not item["current_period_start"] <= timestamp <= min(
        call.now + 300, item["current_period_end"]
    ):
        message = "Cannot create the usage record with this timestamp because it is not in the current period."
        raise Refused(400, message, code="timestamp_invalid", param="timestamp")
    record_usage(call.book, item["id"], timestamp, quantity, action)
    return {
        "id": new_id("mbur_"),
        "object": "usage_record",
        "livemode": call.book.livemode,
        "quantity": quantity,
        "subscription_item": item["id"],
        "timestamp": timestamp,
    }


def record_usage(book: Book, item_id: str, timestamp: int, quantity: int, action: str = "increment") -> None:
    """Keep a report of usage."""
    book.usage.setdefault(item_id, []).append((timestamp, quantity, action))


def usage_summaries(call: Call) -> Page:
    """Usage by period, newest first; the open period has no invoice yet."""
    item = _metered_item(call)
    rows = call.book.usage.get(item["id"], [])
    ends = sorted(
        (invoice["period_start"], invoice["period_end"], invoice["id"])
        for invoice in call.book.of("invoice").values()
        if invoice["subscription"] == item["subscription"] and invoice["billing_reason"] == "subscription_cycle"
    )
    periods: list[tuple[int, int, str | None]] = [(item["current_period_start"], item["current_period_end"], None)]
    periods += reversed(ends)
    items = [
        {
            "id": f"sis_1{item['id'][-10:]}{start}",
            "object": "usage_record_summary",
            "invoice": invoice,
            "livemode": call.book.livemode,
            "period": {"start": start if invoice else None, "end": end if invoice else None},
            "subscription_item": item["id"],
            "total_usage": _total([row for row in rows if start <= row[0] < end]),
        }
        for start, end, invoice in periods
    ]
    return Page(items, f"/v1/subscription_items/{item['id']}/usage_record_summaries")


def _total(rows: list[tuple[int, int, str]]) -> int:
    """The sum of a period: `set` replaces everything reported for its second before."""
    by_second: dict[int, int] = {}
    for timestamp, quantity, action in rows:
        by_second[timestamp] = quantity + (by_second.get(timestamp, 0) if action == "increment" else 0)
    return sum(by_second.values())


def _metered_item(call: Call) -> Obj:
    if not is_before_basil(call.version):
        path = f"/v1/subscription_items/{call.ids['id']}/usage_record…"
        raise Refused(
            404, f"Unrecognized request URL ({path}). Usage records left the API in version 2025-03-31.basil."
        )
    item = call.get("subscription_item", call.ids["id"])
    if item["price"]["recurring"]["usage_type"] != "metered":
        message = "Cannot create a usage record for a subscription item whose plan has `usage_type=licensed`."
        raise Refused(400, message)
    return item
