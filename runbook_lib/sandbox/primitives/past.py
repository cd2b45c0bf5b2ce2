"""Primitives that write the past: weeks of requests, weeks of Stripe's events. Undone like all others."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive
from runbook_lib.sandbox.store.model import Trace
from runbook_lib.sandbox.store.spans import Store


@primitive
async def history(
    breakage: Breakage,
    part: str,
    since_min: float,
    until_min: float = 0.0,
    per_min: float = 10.0,
    failed: float = 0.0,
    slow: float = 0.0,
    ms: float = 200.0,
    slow_ms: float = 8000.0,
    status: int = 503,
    every_s: float = 900.0,
    traced: float = 1.0,
    traced_failed: float | None = None,
    at_edge: bool = True,
    searchable: bool = False,
) -> None:
    """Requests of web, api or gateway in the past, condensed: metrics count them, no search finds them unless it is said.

    since_min, until_min: from and to how many minutes ago. per_min: requests a minute. failed, slow: shares of them.
    ms, slow_ms: what the ordinary and the slow ones took. status: what the failed ones were answered. every_s: one row
    for each so many seconds. traced, traced_failed: shares that left a span. at_edge: whether the platform saw them.
    searchable: each row is one request, whose trace the backend holds like any other.
    """
    from runbook_lib.sandbox.history import Past, condensed_past

    breakage.part(part)
    shares = {"failed": failed, "slow": slow, "traced": traced, "traced_failed": traced_failed or 0.0}
    if wrong := [name for name, share in shares.items() if not 0 <= share <= 1]:
        raise UsageError("A share lies between 0 and 1", where=", ".join(wrong))
    if not 0 <= until_min < since_min or every_s < 1 or per_min < 0:
        raise UsageError("The past begins before it ends, in steps of a second or more", where="since_min, until_min")
    past = Past(
        since_min,
        until_min,
        per_min,
        failed,
        slow,
        ms,
        slow_ms,
        status,
        every_s,
        traced,
        traced if traced_failed is None else traced_failed,
        at_edge,
    )
    system = breakage.system
    traces, rows = condensed_past(system, part, past)
    store, world = system.store, system.world
    kept_s = since_min * 60 + 86_400
    if store.retention_s < kept_s:
        await breakage.replace_attribute(store, "retention_s", kept_s)
    if searchable:
        store.add(replace(span, count=1) for trace in traces for span in trace.spans)
        breakage.on_heal(_forgetting(store, traces))
    else:
        spans = sorted([*store.condensed, *traces], key=lambda trace: trace.start_ns)
        await breakage.replace_attribute(store, "condensed", spans)
    await breakage.replace_attribute(world, "condensed", sorted([*world.condensed, *rows], key=lambda row: row.at))


def _forgetting(store: "Store", traces: "list[Trace]") -> Callable[[], Awaitable[None]]:
    async def undo() -> None:
        for trace in traces:
            store.forget(trace.trace_id)

    return undo


@primitive
async def events(
    breakage: Breakage,
    type: str,
    count: int,
    undelivered: int = 0,
    since_min: float = 43_000.0,
    until_min: float = 30.0,
) -> None:
    """Stripe's events of the past, evenly over a stretch of time.

    type: for example invoice.paid. count: how many. undelivered: so many of them, the newest, no endpoint has taken.
    since_min, until_min: from and to how many minutes ago.
    """
    from runbook_lib.sandbox.facades.stripe.events import raise_event
    from runbook_lib.sandbox.facades.stripe.state import Delivery, new_id, now_s, stripe_state

    if not 0 <= undelivered <= count or not 0 <= until_min < since_min:
        raise UsageError("At most all events are undelivered, and the past begins before it ends", where="events")
    world = breakage.system.world
    book = stripe_state(world).book(False)
    endpoint = next(iter(book.newest_first("webhook_endpoint")), {"id": new_id("we_")})
    kind = type.rpartition(".")[0].split(".")[-1]
    about = next(iter(book.newest_first(kind)), None)
    if about is None:
        raise UsageError("The sandbox's account holds nothing that such an event could be about", came_back=type)
    now, step_s = now_s(world), (since_min - until_min) * 60 / max(1, count)
    made = []
    for at in range(count):
        created = int(now - since_min * 60 + (at + 0.5) * step_s)
        made.append(raise_event(world, book, type, about, created=created, deliver=False))
    for event in made[len(made) - undelivered :]:
        tried: list[tuple[int, int | None, str]] = [(int(event["created"]), 500, "")]
        book.deliveries.append(Delivery(event["id"], endpoint["id"], tried))
        event["pending_webhooks"] = 1

    async def undo() -> None:
        gone = {event["id"] for event in made}
        for identity in gone:
            book.of("event").pop(identity, None)
        book.deliveries[:] = [each for each in book.deliveries if each.event_id not in gone]

    breakage.on_heal(undo)
