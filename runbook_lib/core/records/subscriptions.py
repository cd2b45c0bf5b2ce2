"""Stripe's customers and their subscriptions. The list of all subscriptions of an account brings each in short."""

from collections.abc import Mapping
from typing import final

from typing_extensions import TypedDict

from runbook_lib.core.model import Json


class PricedItem(TypedDict):
    """What a subscription bills for. `usage_type`: licensed or metered. `meter`: the billing meter that counts it."""

    id: str
    lookup_key: str | None
    usage_type: str | None
    meter: str | None


class SubscriptionItem(PricedItem):
    """An item of one customer's subscription. Its period: None in versions before basil, which keep it at the subscription."""

    price: str
    nickname: str | None
    product: str | None
    quantity: int | None
    period_start: str | None
    period_end: str | None


@final
class ItemInShort(PricedItem):
    """An item as the list of all subscriptions brings it."""


class SubscriptionState(TypedDict):
    """How a subscription stands. Its period: its own or, in newer versions, its first item's.

    `paused`: its invoices are not collected. `plan`, `org_id`: of its metadata.
    """

    id: str
    customer: str
    status: str
    period_start: str | None
    period_end: str | None
    plan: str | None
    org_id: str | None
    paused: bool
    created_at: str | None


class Subscription(SubscriptionState):
    """A subscription of one customer. `latest_invoice`: its id."""

    cancel_at_period_end: bool
    canceled_at: str | None
    ended_at: str | None
    livemode: bool
    latest_invoice: str | None
    items: list[SubscriptionItem]


class CurrentSubscription(Subscription):
    """The subscription that counts: active before past_due before canceled, then the newest. `others`: how many more there are."""

    others: int


@final
class SubscriptionInShort(SubscriptionState):
    """A subscription as the list of all brings it."""

    items: list[ItemInShort]


AnySubscription = Subscription | SubscriptionInShort
AnyItem = SubscriptionItem | ItemInShort


class StripeCustomer(TypedDict):
    """A customer. `balance`: in the currency's smallest unit; owed where it is positive."""

    id: str
    email: str | None
    name: str | None
    livemode: bool
    delinquent: bool | None
    currency: str | None
    balance: int | None
    created_at: str | None
    metadata: Mapping[str, Json]


class DeletedCustomer(TypedDict):
    """That a customer was deleted."""

    deleted: bool


class OtherCustomer(TypedDict):
    """Another customer that stands for the same organization. `same`: what tells so, org_id or email. `subscriptions`: how many are
    not ended."""

    id: str
    created_at: str | None
    same: str
    subscriptions: int


class StripeEvent(TypedDict):
    """An event of Stripe's. `object`: the id of what it is about. `request`: which call caused it.

    `pending_webhooks`: how many endpoints have not answered it with a 2xx.
    """

    id: str
    at: str | None
    type: str
    object: str | None
    customer: str | None
    api_version: str | None
    livemode: bool
    pending_webhooks: int | None
    request: str | None


class StripeAccess(TypedDict):
    """What the key may read: `may_read` by customers, subscriptions, events."""

    livemode: bool
    api_version: str
    may_read: Mapping[str, bool]
