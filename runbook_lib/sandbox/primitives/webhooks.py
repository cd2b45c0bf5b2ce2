"""Ways of breaking what lies between Stripe's events and billing_customers: CLI, endpoints, route, the events themselves.

Primitives as in `primitives`; here because they belong together.
"""

import asyncio
import contextlib
import copy

import psycopg

from runbook_lib.core.errors import UsageError
from runbook_lib.sandbox.facades.stripe import plant as stripe_plant
from runbook_lib.sandbox.facades.stripe.endpoints import new_endpoint
from runbook_lib.sandbox.facades.stripe.events import Wire, deliver_to_endpoint, deliver_to_listener
from runbook_lib.sandbox.facades.stripe.state import Book, Obj, add_key, new_id, now_s, stripe_state
from runbook_lib.sandbox.primitives.breakage import Breakage
from runbook_lib.sandbox.primitives.registry import primitive
from runbook_lib.sandbox.server import has_address
from runbook_lib.sandbox.world import World


@primitive
async def stripe_cli(
    breakage: Breakage,
    action: str = "restart",
    forward_to: str | None = None,
    events: list[str] | None = None,
    flags: list[str] | None = None,
    arguments: list[str] | None = None,
    key: str = "",
    by_npx: bool = False,
) -> int | None:
    """The real Stripe CLI ends (stop), starts otherwise (restart), or once more beside the one that runs (start).

    forward_to, events: instead of the usual ones (the API's own process, every billing event). flags: more of them.
    arguments: all of them instead. key: "live" is one of live mode, "other_account" one of another account; by default
    the login of its settings file. by_npx: as npx starts it. Returns None when it listens, else its exit code. Healing
    puts back what ran when the sandbox came up.
    """
    if key not in ("", "live", "other_account"):
        raise UsageError("The key is live, other_account, or none", came_back=key)
    if action not in ("stop", "start", "restart"):
        raise UsageError("The action is stop, start or restart", came_back=action)
    system = breakage.system
    await _keep_stripe(breakage)  # a key of its own, and events, end with it
    breakage.is_first("stripe cli")
    if action in ("stop", "restart"):
        await system.stripe_cli.stop()
    if action == "stop":
        return None
    target = forward_to or f"{system.api_url.removeprefix('http://')}/api/stripe/webhook"
    given = arguments or [*system.stripe_cli.usual(target, events or stripe_plant.BILLING_EVENTS), *(flags or [])]
    other = new_id("acct_", 16) if key == "other_account" else None
    given_key = add_key(system.world, "secret", livemode=key == "live", account=other) if key else None
    return await system.stripe_cli.start(given, given_key, by_npx=by_npx)


@primitive
async def webhook_endpoints(
    breakage: Breakage,
    action: str = "change",
    url: str | None = None,
    status: str | None = None,
    enabled_events: list[str] | None = None,
    api_version: str | None = None,
    secret: str | None = None,
) -> None:
    """The dashboard's endpoints change (change), a further one is made (add), or all are deleted (remove).

    url: another one; status: enabled or disabled; enabled_events, api_version: others. secret: what it signs with from
    now on. What is not given stays, or is the usual: the API's webhook, every billing event.
    """
    if action not in ("change", "add", "remove"):
        raise UsageError("The action is change, add or remove", came_back=action)
    book = await _keep_stripe(breakage)
    known = book.newest_first("webhook_endpoint")
    if action == "remove":
        for endpoint in known:
            endpoint["deleted"] = True
        return
    if action == "add":
        usual = f"{breakage.system.api_url}/api/stripe/webhook"
        known = [book.add(new_endpoint(book, now_s(breakage.system.world), usual, list(stripe_plant.BILLING_EVENTS)))]
    wished = {
        "url": url, "status": status, "enabled_events": enabled_events, "api_version": api_version, "_secret": secret
    }  # fmt: skip
    for endpoint in known:
        endpoint.update({name: value for name, value in wished.items() if value is not None})


@primitive
async def subscription(
    breakage: Breakage,
    org: str,
    status: str = "past_due",
    deliver: bool = True,
    seconds_ago: int = 0,
    wait_s: float = 8.0,
) -> str:
    """Stripe changes an organization's subscription, as time or a refused card would, and raises the event; returns its id.

    org: its name or id. deliver: False: nobody is told of it. seconds_ago: when it happened. wait_s: the longest that the
    first attempt to deliver it is waited for; the CLI does not tell Stripe of one that reached nobody.
    """
    book = await _keep_stripe(breakage)
    await _keep_billing_records(breakage)
    world = breakage.system.world
    customer = _customer(breakage, org)
    before = set(book.of("event"))
    stripe_plant.set_subscription(world, customer, deliver=deliver, at=now_s(world) - seconds_ago, status=status)
    event = next(event for event in book.of("event") if event not in before)
    await _first_attempts(book, event, 1, wait_s)
    return event


@primitive
async def deliver_again(breakage: Breakage, org: str, nth: int = 1) -> str:
    """An event of an organization's subscription is delivered once more, as Stripe's retries do; returns its id.

    nth: 0 is the newest of them, 1 the one before it.
    """
    book = await _keep_stripe(breakage)
    world, customer = breakage.system.world, _customer(breakage, org)
    mine = [
        event
        for event in reversed(book.of("event").values())
        if event["type"].startswith("customer.subscription.") and event["data"]["object"].get("customer") == customer
    ]
    if len(mine) <= nth:
        raise UsageError("There is no such event", came_back=f"{len(mine)} of this organization")
    event = str(mine[nth]["id"])
    tried = sum(len(each.attempts) for each in book.deliveries if each.event_id == event)
    _deliver(book, mine[nth], world)
    await _first_attempts(book, event, tried + 1, 8.0)
    return event


@primitive
async def webhook_code(
    breakage: Breakage, rewrites_body: bool = False, ignores_events: bool = False, verifies: bool = True
) -> None:
    """A bug in the API's webhook route.

    rewrites_body: the body is parsed and written anew before its signature is checked. ignores_events: events are
    answered with 200 and not acted on. verifies: False: events are taken without a signature.
    """
    await breakage.tamper(
        "api", rewrites_body=rewrites_body, ignores_events=ignores_events, takes_unsigned=not verifies
    )


@primitive
async def address(breakage: Breakage, part: str, host: str = "::1") -> None:
    """An HTTP part listens on another loopback address: ::1 instead of 127.0.0.1."""
    if host not in ("127.0.0.1", "::1"):
        raise UsageError("The address is 127.0.0.1 or ::1", came_back=host)
    if not has_address(host):
        raise UsageError("This machine has no such address", came_back=host)
    if part in breakage.system.parts:
        await breakage.tamper(part, listens_on=host)
        return
    server = breakage.server(part)

    async def undo() -> None:
        await server.move(server.port, "127.0.0.1")

    breakage.on_heal(undo)
    await server.move(server.port, host)


def _customer(breakage: Breakage, org: str) -> str:
    found = next((o for o in breakage.system.population.organizations if org in (o.id, o.name)), None)
    if found is None or found.customer is None:
        paying = [each.name for each in breakage.system.population.organizations if each.customer]
        raise UsageError(
            "There is no such paying organization",
            where="organizations of this sandbox",
            came_back=org,
            do_next=f"There are: {', '.join(paying)}.",
        )
    return found.customer


async def _first_attempts(book: Book, event: str, count: int, wait_s: float) -> None:
    """Return when every delivery of an event was tried, and so many attempts are written down; at the latest after `wait_s`."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(wait_s):
            while mine := [each for each in book.deliveries if each.event_id == event]:
                if all(each.attempts for each in mine) and sum(len(each.attempts) for each in mine) >= count:
                    return
                await asyncio.sleep(0.01)


def _deliver(book: Book, event: Obj, world: World) -> None:
    for endpoint in book.newest_first("webhook_endpoint"):
        if endpoint["status"] == "enabled":
            deliver_to_endpoint(world, book, event, endpoint)
    for listener in list(world.state(Wire).listeners.values()):
        if listener.livemode == book.livemode:
            deliver_to_listener(world, book, event, listener)


async def _keep_stripe(breakage: Breakage) -> Book:
    """From now on work on a copy of all that Stripe holds, which healing throws away; returns its test book.

    Copied once between healings: what is under way goes on in the same book.
    """
    state = stripe_state(breakage.system.world)
    if breakage.is_first("stripe"):
        await breakage.replace_attribute(state, "books", copy.deepcopy(state.books))
        await breakage.replace_attribute(state, "keys", dict(state.keys))

        async def end_deliveries() -> None:
            for task in list(breakage.system.world.state(Wire).tasks):
                task.cancel()

        breakage.on_heal(end_deliveries)  # what Stripe would still try belongs to the copy
    return state.book(False)


async def _keep_billing_records(breakage: Breakage) -> None:
    """Have healing put billing_customers back to what it is now."""
    if not breakage.is_first("billing records"):
        return
    postgres = breakage.system.postgres
    try:
        async with postgres.connect() as connection:
            found = await connection.execute(
                b"select plan, status, current_period_end, stripe_customer_id, org_id from public.billing_customers"
            )
            rows = await found.fetchall()
    except psycopg.OperationalError:
        return  # it is down: nobody will change a record

    async def undo() -> None:
        async with postgres.connect() as connection, connection.cursor() as cursor:
            await cursor.executemany(
                "update public.billing_customers"
                " set plan = %s, status = %s, current_period_end = %s, stripe_customer_id = %s where org_id = %s",
                rows,
            )

    breakage.on_heal(undo)
