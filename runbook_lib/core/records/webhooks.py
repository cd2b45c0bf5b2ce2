"""Stripe's webhooks: who brings events to the API, with which secret and key, and what the API's route answers."""

from typing import NotRequired

from typing_extensions import TypedDict

from runbook_lib.core.model import Json


class StripeKeyFacts(TypedDict):
    """A Stripe key without its value. `mode`: test or live; `kind`: secret, restricted, publishable; None where it does not say."""

    mode: str | None
    kind: str | None
    fingerprint: str


class SigningSecretFacts(TypedDict):
    """A signing secret without its value: whether it looks like whsec_…, and whether white space stands around it."""

    fingerprint: str
    is_signing_secret: bool
    is_padded: bool


class StripeKeys(TypedDict):
    """The keys at hand; None where one is not set.

    `account`, `api_account`: to which account the runbook's and the API's key belong; None where Stripe does not tell that key (a
    restricted one may lack the permission). `api_refused`: Stripe's words where it refuses the API's key.
    """

    runbook: StripeKeyFacts | None
    api: StripeKeyFacts | None
    publishable: StripeKeyFacts | None
    account: str | None
    api_account: str | None
    api_refused: str | None
    pinned_version: str


class WebhookEndpoint(TypedDict):
    """A webhook endpoint of the account. `status`: enabled or disabled; `enabled_events`: ["*"] is all; `api_version` None: the
    account's own."""

    id: str
    url: str
    status: str
    enabled_events: list[str]
    api_version: str | None
    created_at: str | None
    livemode: bool


class BillingEvent(TypedDict):
    """An event of Stripe's that matters to billing.

    `pending`: receivers that have not answered with a 2xx. `is_young`: its first attempt may still be under way. `status`, `plan`
    and `period_end` are what its object says: the subscription's status, or what an invoice's event means for it (active,
    past_due).
    """

    id: str
    at: str
    type: str
    customer: str | None
    api_version: str | None
    livemode: bool
    pending: int
    is_young: bool
    status: str | None
    plan: str | None
    period_end: str | None


class ForwardTarget(TypedDict):
    """Where a CLI forwards to; `port` None where it is no number."""

    scheme: str
    host: str
    port: int | None
    path: str


class ListeningCli(TypedDict):
    """A Stripe CLI that listens.

    `how`: binary, npx or container. `own_network`: False where it has a container's network; None where that cannot be told.
    `events` None: all. `mode`: test or live.
    """

    pid: int
    user: str | None
    started_at: str | None
    how: str
    own_network: bool | None
    forward_to: str | None
    target: ForwardTarget | None
    events: list[str] | None
    latest: bool
    configured_webhooks: bool
    mode: str
    key: StripeKeyFacts | None
    project: str | None


class ListeningClis(TypedDict):
    """The Stripe CLIs of this machine that listen. `scope`: all of the machine, or one session."""

    listening: list[ListeningCli]
    scope: str


class StripeCli(TypedDict):
    """What the Stripe CLI at hand says of itself. Where Stripe refuses it, version and key alone.

    `fingerprint`: of the secret with which its events are signed. `is_configured`: whether the runbook's STRIPE_WEBHOOK_SECRET is
    the same; None: not set. `account`: its id, None where nobody tells.
    """

    version: str | None
    key: StripeKeyFacts | None
    fingerprint: NotRequired[str]
    is_configured: NotRequired[bool | None]
    account: NotRequired[str | None]


class PortListener(TypedDict):
    """A process that listens; None where this user may not see it."""

    address: str
    pid: int | None
    name: str | None
    user: str | None
    started_at: str | None


class PortListeners(TypedDict):
    """Who has the local API's port. `accepts`: of 127.0.0.1 and ::1, whether they take connections: accepted, refused or silent."""

    host: str
    port: int
    listeners: list[PortListener]
    accepts: dict[str, str]


class FileSecret(TypedDict):
    """The API's .env file; `secret` None where it does not set STRIPE_WEBHOOK_SECRET."""

    name: str
    changed_at: str | None
    secret: SigningSecretFacts | None


class ProcessSecret(TypedDict):
    """The process on the API's port; `secret` None where the variables it was started with lack it, or may not be read."""

    pid: int
    started_at: str | None
    is_readable: bool
    secret: SigningSecretFacts | None


class ApiSecret(TypedDict):
    """STRIPE_WEBHOOK_SECRET wherever the local API may have it from; None where that is not there, or does not set it."""

    file: FileSecret | None
    process: ProcessSecret | None
    setting: SigningSecretFacts | None


class MachineSight(TypedDict):
    """How much of this machine may be seen, and the Stripe CLI's version; None without one."""

    processes: int
    hidden: int
    cli_version: str | None


class WebhookPlace(TypedDict):
    """Where the API is, by the runbook's settings. `timeout_s`: what a delivery may take; None where that is not set."""

    address: str
    host: str
    port: int
    is_local: bool
    path: str
    timeout_s: float | None


class WebhookAnswer(TypedDict):
    """One answer of the API. Where none came so long, `status_code` is None, and `failed`, the status of that, stands instead of
    the optional ones. `words`: its first 300 characters; `error`: x-vercel-error or the like."""

    status_code: int | None
    ms: float
    words: str
    failed: NotRequired[str]
    json: NotRequired[Json]
    location: NotRequired[str | None]
    content_type: NotRequired[str | None]
    server: NotRequired[str | None]
    error: NotRequired[str | None]


class WebhookRoute(TypedDict):
    """What the API's health page, and its webhook to what is not signed as Stripe signs, answer."""

    address: str
    path: str
    health: WebhookAnswer
    get: WebhookAnswer
    unsigned: WebhookAnswer
    badly_signed: WebhookAnswer


class SignedTest(TypedDict):
    """The answers to the test events of one secret (`secret`: configured or cli); None where one was not sent.

    compact: JSON without spaces, as a re-serialising route would write it; spaced: as Stripe sends it; old: compact, stamped an
    hour ago; future: compact, stamped ahead of every clock, where a fresh stamp was refused.
    """

    secret: str
    fingerprint: str
    compact: WebhookAnswer | None
    spaced: WebhookAnswer | None
    old: WebhookAnswer | None
    future: WebhookAnswer | None


class SignedTests(TypedDict):
    """The signed test events. `reference`: stripe where stamps follow its clock, else own; `offset_s`: ours ahead of Stripe's."""

    reference: str
    offset_s: float | None
    tests: list[SignedTest]
