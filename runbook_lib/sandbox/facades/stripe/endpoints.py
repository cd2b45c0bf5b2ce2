"""Dashboard webhook endpoints: where events go. The signing secret is shown once, in the answer that makes the endpoint."""

import secrets
from typing import Any

from runbook_lib.sandbox.facades.stripe.call import Call, Page, Refused
from runbook_lib.sandbox.facades.stripe.events import changed
from runbook_lib.sandbox.facades.stripe.state import Book, Obj, new_id
from runbook_lib.sandbox.facades.stripe.versions import is_version


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


def create_endpoint(call: Call) -> Obj:
    """Make an endpoint; at most sixteen in test mode."""
    url = str(call.needed("url"))
    if not url.startswith(("https://", "http://")) or (call.book.livemode and not url.startswith("https://")):
        raise Refused(
            400, "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid", param="url"
        )
    if len(call.book.newest_first("webhook_endpoint")) >= 16:
        raise Refused(400, "You have reached the maximum of 16 test webhook endpoints.")
    version = call.text("api_version")
    if version is not None and not is_version(version):
        raise Refused(400, f"Invalid API version: {version}", param="api_version")
    endpoint = new_endpoint(
        call.book,
        call.now,
        url,
        _events(call),
        api_version=version,
        description=call.text("description"),
        metadata=call.metadata(),
    )
    call.book.add(endpoint)
    return {**endpoint, "secret": endpoint["_secret"]}


def _events(call: Call) -> list[str]:
    events = call.needed("enabled_events")
    if not isinstance(events, list) or not events:
        raise Refused(400, "Invalid array", param="enabled_events")
    return [str(event) for event in events]


def get_endpoint(call: Call) -> Obj:
    """One endpoint, without its secret."""
    return call.get("webhook_endpoint", call.ids["id"])


def list_endpoints(call: Call) -> Page:
    """All endpoints."""
    return Page(call.book.newest_first("webhook_endpoint"), "/v1/webhook_endpoints")


def update_endpoint(call: Call) -> Obj:
    """Change an endpoint; `disabled=true` stops it."""
    endpoint = call.get("webhook_endpoint", call.ids["id"])
    fields: Obj = {}
    if url := call.text("url"):
        fields["url"] = url
    if "enabled_events" in call.params:
        fields["enabled_events"] = _events(call)
    if "disabled" in call.params:
        fields["status"] = "disabled" if call.flag("disabled") else "enabled"
    if "metadata" in call.params:
        fields["metadata"] = call.metadata(endpoint["metadata"])
    changed(endpoint, fields)
    return endpoint


def delete_endpoint(call: Call) -> Obj:
    """Delete an endpoint; nothing is delivered to it any more."""
    endpoint = call.get("webhook_endpoint", call.ids["id"])
    endpoint["deleted"] = True
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}
