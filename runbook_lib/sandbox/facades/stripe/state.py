"""What Stripe holds for this sandbox's account: one book of objects for test mode, one for live mode, and the keys to them.

Objects are dicts in a form that holds every field of every API version; stripe_versions.py shows each version its own.
"""

import random
import string
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.sandbox.world import World

Obj = dict[str, Any]
LATEST_VERSION = "2026-10-28.endive"
ACCOUNT_VERSION = "2024-06-20"

PREFIXES = {
    "cus_": "customer",
    "prod_": "product",
    "price_": "price",
    "pm_": "payment_method",
    "sub_": "subscription",
    "si_": "subscription_item",
    "in_": "invoice",
    "ii_": "invoiceitem",
    "evt_": "event",
    "we_": "webhook_endpoint",
    "mtr_": "billing.meter",
    "cs_": "checkout.session",
}


@dataclass
class Key:
    """An API key. `permissions` None: everything; else read or write by resource, and nothing for what is not named.

    kind: secret, restricted or publishable. `state`: valid, expired or revoked. `account` None: the sandbox's own.
    """

    kind: str
    livemode: bool
    permissions: dict[str, str] | None = None
    state: str = "valid"
    account: str | None = None


@dataclass
class Delivery:
    """One event on its way to one endpoint or listening CLI. `attempts` tells each try: (epoch seconds, status or None, words)."""

    event_id: str
    target: str
    attempts: list[tuple[int, int | None, str]] = field(default_factory=list)
    succeeded: bool = False


@dataclass
class Book:
    """The objects of one mode, by kind and id, in the order in which they were made."""

    livemode: bool
    objects: dict[str, dict[str, Obj]] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    meter_events: list[Obj] = field(default_factory=list)
    meter_errors: list[Obj] = field(default_factory=list)
    usage: dict[str, list[tuple[int, int, str]]] = field(default_factory=dict)

    def add(self, obj: Obj) -> Obj:
        """Keep an object under its kind and id."""
        self.of(obj["object"])[obj["id"]] = obj
        return obj

    def of(self, kind: str) -> dict[str, Obj]:
        """All objects of a kind, by id, oldest first."""
        return self.objects.setdefault(kind, {})

    def newest_first(self, kind: str) -> list[Obj]:
        """All objects of a kind as lists show them; those that are deleted are not among them."""
        alive = [obj for obj in self.of(kind).values() if not obj.get("deleted")]
        alive.reverse()
        return sorted(alive, key=lambda obj: -int(obj.get("created", 0)))

    def find(self, id_: str) -> Obj | None:
        """Any object by its id, or None."""
        kind = next((kind for prefix, kind in PREFIXES.items() if id_.startswith(prefix)), None)
        return self.of(kind).get(id_) if kind else None


@dataclass
class StripeState:
    """The dials of this façade.

    retry_s: the waits between attempts to deliver to an endpoint. meter_delay_s: how long a meter event takes to be counted.
    cli_secret None: the sandbox's own webhook secret, as `stripe listen` shows it. calls_left None means no rate limit.
    """

    keys: dict[str, Key] = field(default_factory=dict)
    books: dict[bool, Book] = field(default_factory=dict)
    account_version: str = ACCOUNT_VERSION
    retry_s: tuple[float, ...] = (2.0, 10.0, 60.0)
    delivery_timeout_s: float = 10.0
    meter_delay_s: float = 0.0
    cli_secret: str | None = None
    calls_left: int | None = None
    idempotent: dict[tuple[bool, str], tuple[str, int, Obj]] = field(default_factory=dict)

    def book(self, livemode: bool) -> Book:
        """The book of one mode."""
        return self.books.setdefault(livemode, Book(livemode))


_RESOURCES = (
    "account balance billing_meter checkout_session customer event invoice payment_method plan product "
    "subscription usage_record webhook"
)
READ_ALL: dict[str, str] = dict.fromkeys(_RESOURCES.split(), "read")


def stripe_state(world: World) -> StripeState:
    """The façade's state, with the sandbox's own keys in it."""
    state = world.state(StripeState)
    if not state.keys:
        state.keys = {
            world.keys.stripe_secret: Key("secret", livemode=False),
            world.keys.stripe_restricted: Key("restricted", livemode=False, permissions=dict(READ_ALL)),
            world.keys.stripe_publishable: Key("publishable", livemode=False),
        }
    return state


def add_key(
    world: World,
    kind: str,
    *,
    livemode: bool,
    permissions: dict[str, str] | None = None,
    account: str | None = None,
) -> str:
    """A further key, of this account unless another one is named; returns it. `kind`: secret, restricted, publishable."""
    prefix = {"secret": "sk", "restricted": "rk", "publishable": "pk"}[kind]
    mode = "live" if livemode else "test"
    key = f"{prefix}_{mode}_51{_letters(97)}"
    stripe_state(world).keys[key] = Key(kind, livemode, permissions, account=account)
    return key


def new_id(prefix: str, count: int = 24) -> str:
    """A fresh id in Stripe's shape: prefix, 1, letters and digits."""
    return f"{prefix}1{_letters(count - 1)}"


def _letters(count: int) -> str:
    return "".join(random.choices(string.ascii_letters + string.digits, k=count))


def now_s(world: World) -> int:
    """The sandbox's clock in whole epoch seconds, Stripe's only form of time."""
    return int(world.now().timestamp())
