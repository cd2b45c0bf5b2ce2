"""General ways of breaking what bills: the platform's scheduler, Stripe's ledgers and objects, the team's file of limits."""

import copy
from typing import Any

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox import plain_http
from runbook_lib.sandbox.facades.stripe.state import Book, Obj, add_key, now_s, stripe_state
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive


@primitive
async def cron(breakage: Breakage, run: bool = False, off: bool = False, day: str = "", forget: bool = False) -> int:
    """The platform's scheduler calls the API's daily usage report, or does so no more.

    run: now, for the UTC day `day` (YYYY-MM-DD; empty: yesterday); what it reports to Stripe is taken back when healed.
    off: the job is taken off the list. forget: its past calls and lines are gone from the platform's logs, as after the
    logs' retention, or where there never was a job. Returns the HTTP status of the run; 0 without one, or without an answer.
    """
    system = breakage.system
    if not (run or off or forget):
        raise UsageError("A fault of cron needs something to do", do_next="Give run, off or forget.")
    if off:
        await breakage.replace_attribute(system.cron, "is_on", False)
    if forget:
        await _forget_runs(breakage)
    if not run:
        return 0
    await _keep_ledgers(breakage, stripe_state(system.world).book(False))
    return await system.cron.run(day)


@primitive
async def ledger(
    breakage: Breakage,
    customer: str = "*",
    since_h: float = 24 * 90.0,
    until_h: float = 0.0,
    times: float = 1.0,
    shift_h: float = 0.0,
    dropped: str = "",
) -> int:
    """What Stripe holds of reported usage, meter events and usage records alike, is not what it was.

    customer: an organization's name, a customer's id, or * for all. since_h, until_h: only what is about the time from so
    many hours ago up to so many. times: the share that is there: 0 nothing came, 0.5 half of each report, 2 each came twice.
    shift_h: it came under a time so much later. dropped: meter events were accepted and dropped later under this code of
    Stripe's (meter_event_customer_not_found …), and usage records never came. Returns how many reports were struck.
    """
    system = breakage.system
    names = {org.name: org.customer for org in system.population.organizations}
    wanted = names.get(customer, customer)
    book, now = stripe_state(system.world).book(False), now_s(system.world)
    since, until = now - since_h * 3600, now - until_h * 3600
    await _keep_ledgers(breakage, book)
    kept: list[Obj] = []
    struck = 0
    for event in book.meter_events:
        is_meant = since <= event["timestamp"] < until and wanted in ("*", event["payload"].get("stripe_customer_id"))
        struck += is_meant
        kept += _altered(event, times, shift_h, dropped) if is_meant else [event]
    book.meter_events[:] = kept
    if dropped:
        late = {"created": now, "code": dropped}
        hit = [event for event in kept if event["_dropped"] == dropped]
        book.meter_errors += [{**late, "identifier": event["identifier"]} for event in hit]
    owners = {
        item["id"]: subscription["customer"]
        for subscription in book.of("subscription").values()
        for item in subscription["items"]["data"]
    }
    share = 0.0 if dropped else times
    for item, rows in book.usage.items():
        if wanted in ("*", owners.get(item)):
            book.usage[item] = [row for old in rows for row in _record(old, since, until, share, shift_h)]
    return struck


@primitive
async def stripe(
    breakage: Breakage, method: str, path: str, form: dict[str, str] | None = None, livemode: bool = False
) -> str:
    """Somebody of the team does something at Stripe: one call of its API with a full key, as from the dashboard.

    form: the call's parameters, as the API spells them (`metadata[org_id]`). What the call changes, in either mode, is put
    back when healed; events that it raises are delivered. Returns the id of what was answered.
    """
    world = breakage.system.world
    state = stripe_state(world)
    await breakage.replace_attribute(state, "books", copy.deepcopy(state.books))
    key = add_key(world, "secret", livemode=livemode)
    headers = {"Authorization": f"Bearer {key}", "Stripe-Version": "2024-06-20"}
    async with plain_http.async_client(timeout=10) as client:
        answer = await client.request(method, world.endpoints["stripe"] + path, data=form or {}, headers=headers)
    del state.keys[key]
    if not answer.is_success:
        raise UsageError(f"Stripe refused {method} {path}", came_back=answer.text[:300])
    return str(answer.json().get("id", ""))


@primitive
async def limits(breakage: Breakage, text: str | None = None) -> None:
    """The team's file of plan limits holds another text, or is gone (no text)."""
    file = breakage.system.folder / "plan_limits.toml"
    before = file.read_text()

    async def undo() -> None:
        file.write_text(before)

    breakage.on_heal(undo)
    if text is None:
        file.unlink()
    else:
        file.write_text(text)


def _altered(event: Obj, times: float, shift_h: float, dropped: str) -> list[Obj]:
    """The meter events that stand where one stood."""
    moved = {**copy.deepcopy(event), "timestamp": int(event["timestamp"] + shift_h * 3600)}
    if dropped:
        return [{**moved, "_dropped": dropped}]
    whole = int(times)
    copies = [
        {**copy.deepcopy(moved), "identifier": moved["identifier"] + (f"-{nth}" if nth else "")} for nth in range(whole)
    ]
    rest = int(float(event["payload"]["value"]) * (times - whole))
    if rest:
        copies.append({**copy.deepcopy(moved), "payload": {**event["payload"], "value": str(rest)}})
    return copies


def _record(
    row: tuple[int, int, str], since: float, until: float, times: float, shift_h: float
) -> list[tuple[int, int, str]]:
    at, quantity, action = row
    if not since <= at < until:
        return [row]
    return [(int(at + shift_h * 3600), int(quantity * times), action)] if times else []


async def _keep_ledgers(breakage: Breakage, book: Book) -> None:
    """Let healing put the ledgers back to what they are now."""
    for name in ("meter_events", "meter_errors", "usage"):
        await breakage.replace_attribute(book, name, copy.deepcopy(getattr(book, name)))


async def _forget_runs(breakage: Breakage) -> None:
    world = breakage.system.world
    rows: Any = [row for row in world.requests if "usage-report" not in row.path]
    lines: Any = [line for line in world.logs if line.attributes.get("job") != "usage-report"]
    ids = {row.request_id for row in world.requests if "usage-report" in row.path}
    lines = [line for line in lines if line.request_id not in ids]
    for held, kept in ((world.requests, rows), (world.logs, lines)):
        _replace(breakage, held, kept)


def _replace(breakage: Breakage, held: Any, kept: list[Any]) -> None:
    """Leave only these in a log; healing brings the others back, before what came since."""
    before = list(held)

    async def undo() -> None:
        new = list(held)[len(kept) :]
        held.clear()
        held.extend([*before, *new])

    breakage.on_heal(undo)
    held.clear()
    held.extend(kept)
