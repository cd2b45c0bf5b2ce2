"""Stripe's events: what raises them, who is told, and how often it is tried again.

An event is for every enabled endpoint that wants its type, and for every listening CLI. `pending_webhooks` counts those
that have not answered with a 2xx yet. The body is indented JSON, signed byte for byte with the endpoint's whole secret.
"""

import asyncio
import copy
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from runbook_lib.sandbox import plain_http
from runbook_lib.sandbox.facades.stripe.call import Call, Page, Refused
from runbook_lib.sandbox.facades.stripe.state import Book, Delivery, Obj, new_id, now_s, stripe_state
from runbook_lib.sandbox.facades.stripe.versions import render
from runbook_lib.sandbox.world import World

_USER_AGENT = "Stripe/1.0 (+https://stripe.com/docs/webhooks)"


@dataclass
class Listener:
    """One listening CLI: its secret, its mode, and the way to send it an event."""

    id: str
    livemode: bool
    secret: str
    device_name: str
    send: Callable[[Obj, Delivery], Awaitable[None]]


@dataclass
class Wire:
    """What is under way: the CLIs that listen, and the tasks that deliver."""

    listeners: dict[str, Listener] = field(default_factory=dict)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


def changed(obj: Obj, fields: dict[str, Any]) -> Obj:
    """Set fields; returns those that differ, as they were."""
    before = {name: obj.get(name) for name, value in fields.items() if obj.get(name) != value}
    obj.update(fields)
    return before


def emit(call: Call, type_: str, obj: Obj, before: Obj | None = None) -> Obj:
    """Raise an event about an object as it is now. `before`: its changed fields as they were (for `…updated`)."""
    request = {"id": call.request_id, "idempotency_key": call.idempotency_key}
    return raise_event(call.world, call.book, type_, obj, before=before, request=request)


def raise_event(
    world: World,
    book: Book,
    type_: str,
    obj: Obj,
    *,
    before: Obj | None = None,
    request: Obj | None = None,
    created: int | None = None,
    deliver: bool = True,
) -> Obj:
    """Write an event down and start telling everybody who wants it.

    `created` None: now. `deliver` False: it is history, and everybody was told.
    """
    data: Obj = {"object": copy.deepcopy(obj)}
    if before is not None:
        data["previous_attributes"] = before
    event = book.add(
        {
            "id": new_id("evt_"),
            "object": "event",
            "api_version": stripe_state(world).account_version,
            "created": now_s(world) if created is None else created,
            "data": data,
            "livemode": book.livemode,
            "pending_webhooks": 0,
            "request": request or {"id": None, "idempotency_key": None},
            "type": type_,
        }
    )
    if deliver:
        for endpoint in book.newest_first("webhook_endpoint"):
            if wants_event(endpoint, type_):
                deliver_to_endpoint(world, book, event, endpoint)
        for listener in list(world.state(Wire).listeners.values()):
            if listener.livemode == book.livemode:
                deliver_to_listener(world, book, event, listener)
    return event


def wants_event(endpoint: Obj, type_: str) -> bool:
    """Whether an endpoint is enabled and asks for this type."""
    return endpoint["status"] == "enabled" and bool({"*", type_} & set(endpoint["enabled_events"]))


def deliver_to_endpoint(world: World, book: Book, event: Obj, endpoint: Obj) -> Delivery:
    """Tell an endpoint, now and again until it answers with a 2xx."""
    delivery = _delivery(book, event, endpoint["id"])
    _start(world, _keep_trying(world, book, event, endpoint, delivery))
    return delivery


def deliver_to_listener(world: World, book: Book, event: Obj, listener: Listener) -> Delivery:
    """Send an event to a listening CLI, once; its answer comes back over its socket."""
    delivery = _delivery(book, event, listener.id)
    _start(world, listener.send(event, delivery))
    return delivery


def _delivery(book: Book, event: Obj, target: str) -> Delivery:
    known = next((d for d in book.deliveries if (d.event_id, d.target) == (event["id"], target)), None)
    if known is None:
        known = Delivery(event["id"], target)
        book.deliveries.append(known)
    count_pending(book, event)
    return known


def count_pending(book: Book, event: Obj) -> None:
    """Set `pending_webhooks` from what has been answered."""
    own = [d for d in book.deliveries if d.event_id == event["id"]]
    event["pending_webhooks"] = sum(not d.succeeded for d in own)


def note_attempt(world: World, book: Book, event: Obj, delivery: Delivery, status: int | None, words: str) -> None:
    """Write one attempt down; a 2xx settles the delivery."""
    delivery.attempts.append((now_s(world), status, words[:500]))
    delivery.succeeded = delivery.succeeded or (status is not None and 200 <= status < 300)
    count_pending(book, event)


def _start(world: World, work: Awaitable[None]) -> None:
    async def run() -> None:
        await work

    tasks = world.state(Wire).tasks
    task = asyncio.get_running_loop().create_task(run())
    tasks.add(task)
    task.add_done_callback(tasks.discard)


async def _keep_trying(world: World, book: Book, event: Obj, endpoint: Obj, delivery: Delivery) -> None:
    state = stripe_state(world)
    for nth, wait_s in enumerate((0.0, *state.retry_s)):
        await asyncio.sleep(wait_s)
        is_done = delivery.succeeded and nth > 0  # what is resent is sent, whether it was answered before or not
        if is_done or endpoint.get("deleted") or endpoint["status"] != "enabled":
            return
        status, words = await _post(world, event, endpoint)
        note_attempt(world, book, event, delivery, status, words)
        if delivery.succeeded:
            return


async def _post(world: World, event: Obj, endpoint: Obj) -> tuple[int | None, str]:
    payload = event_payload(event, endpoint["api_version"])
    headers = signed_headers(payload, endpoint["_secret"], now_s(world))
    timeout_s = stripe_state(world).delivery_timeout_s
    try:
        async with asyncio.timeout(timeout_s), plain_http.async_client(timeout=timeout_s) as client:
            answer = await client.post(endpoint["url"], content=payload, headers=headers)
    except (httpx.HTTPError, TimeoutError) as error:
        return None, f"{type(error).__name__}: {error}"
    return answer.status_code, answer.text


def event_payload(event: Obj, api_version: str | None) -> str:
    """The body that is delivered: the event in the endpoint's version, or in the account's without one."""
    version = api_version or event["api_version"]
    shown = {key: value for key, value in event.items() if not key.startswith("_")}
    shown["api_version"] = version
    shown["data"] = {key: render(value, version) for key, value in event["data"].items()}
    return json.dumps(shown, indent=2)


def signed_headers(payload: str, secret: str, at: int) -> dict[str, str]:
    """The headers of a delivery: HMAC-SHA256 over `<t>.<body>` with the whole secret as key."""
    digest = hmac.new(secret.encode(), f"{at}.{payload}".encode(), hashlib.sha256).hexdigest()
    return {
        "User-Agent": _USER_AGENT,
        "Accept": "*/*; q=0.5, application/xml",
        "Cache-Control": "no-cache",
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": f"t={at},v1={digest}",
    }


def list_events(call: Call) -> Page:
    """Events of thirty days, newest first, by type, time and whether all deliveries succeeded."""
    types = call.params.get("types")
    if types is not None and call.text("type"):
        raise Refused(400, "You may only specify one of these parameters: type, types.")
    oldest = call.now - 30 * 86_400
    items = []
    for event in call.book.newest_first("event"):
        if event["created"] < oldest or not call.in_range(event["created"], "created"):
            continue
        if not _is_type(event["type"], call.text("type"), types):
            continue
        if "delivery_success" in call.params and call.flag("delivery_success") != (event["pending_webhooks"] == 0):
            continue
        items.append(event)
    return Page(items, "/v1/events")


def _is_type(type_: str, one: str | None, several: Any) -> bool:
    wanted = [one] if one else list(several or [])
    return not wanted or any(
        type_ == name or (name.endswith("*") and type_.startswith(name[:-1])) for name in wanted if name
    )


def get_event(call: Call) -> Obj:
    """One event."""
    return call.get("event", call.ids["id"])


def retry_event(call: Call) -> Obj:
    """Tell an endpoint, or the listening CLIs, again: what `stripe events resend` asks for."""
    event = call.get("event", call.ids["id"])
    if endpoint_id := call.text("webhook_endpoint"):
        deliver_to_endpoint(
            call.world, call.book, event, call.get("webhook_endpoint", endpoint_id, param="webhook_endpoint")
        )
    elif call.flag("for_stripecli"):
        listening = [x for x in call.world.state(Wire).listeners.values() if x.livemode == call.book.livemode]
        for listener in listening:
            deliver_to_listener(call.world, call.book, event, listener)
    return event
