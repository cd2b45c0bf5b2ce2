"""Dashboard webhook endpoints: where events go. The signing secret is shown once, in the answer that makes the endpoint."""

import secrets
from typing import Any

from runbook_lib.sandbox.facades.stripe.call import Call, Page
from runbook_lib.sandbox.facades.stripe.state import Book, Obj, new_id


def new_endpoint(book: Book, now: int, url: str, enabled_events: list[str], **fields: Any) -> Obj:
    """An enabled endpoint with a fresh secret (`_secret`), unless one is given."""
    return {
        "id": new_id("we_"),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": now,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": book.livemode,
        "metadata": {},
        "status": "enabled",
        "url": url,
        "_secret": f"whsec_{secrets.token_hex(32)}",
        **fields,
    }


def list_endpoints(call: Call) -> Page:
    """All endpoints."""
    return Page(call.book.newest_first("webhook_endpoint"), "/v1/webhook_endpoints")
