"""What 02 has seen, and what can be read off it before any rule: the way events take, the API's place, the CLIs, the arrivals."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from urllib.parse import urlsplit

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.billing_records import BillingRecord, BillingRecords
from runbook_lib.core.records.webhooks import (
    BillingEvent,
    ListeningCli,
    ListeningClis,
    PortListeners,
    SignedTest,
    SignedTests,
    StripeCli,
    StripeKeys,
    WebhookEndpoint,
    WebhookPlace,
)
from runbook_lib.judging.answers import record_of, rows_of, whole_record
from runbook_lib.judging.evidence import Filed
from runbook_lib.judging.witnesses import Seen
from runbook_lib.procedures.stripe_webhooks.arrivals import PATH, Arrival, arrivals_of

V4, V6 = "127.0.0.1", "::1"
LOOPBACK = ("localhost", V4, V6)
CLI, ENDPOINT = "cli", "endpoint"  # the two ways by which events come

LOOKS: Mapping[str, str] = {
    # topics that are one look each
    "place": "webhook.place",
    "listening": "host.stripe_listen",
    "endpoints": "stripe.webhook_endpoints",
    "cli_secret": "host.cli_secret",
    "api_secret": "host.api_secret",
    "keys": "stripe.keys",
    "listeners": "host.listeners",
    "route": "webhook.route",
    "signed": "webhook.signed",
    "deliveries": "stripe.deliveries",
    "last_delivered": "stripe.last_delivered",
    "records": "supabase.billing_records",
}
ARRIVALS = ("vercel.request_log", "railway.http_log", "tempo.window_traces", "jaeger.window_traces")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Evidence(Filed):
    """The looks of a run; None (or empty) where one was not made. `via`: auto, cli or endpoint, as it was asked."""

    now: datetime
    window: Window
    via: str = "auto"
    event_id: str = ""
    place: Observation | None = None
    listening: Observation | None = None
    cli_secret: Observation | None = None
    listeners: Observation | None = None
    api_secret: Observation | None = None
    route: Observation | None = None
    signed: Observation | None = None
    endpoints: Observation | None = None
    keys: Observation | None = None
    deliveries: Observation | None = None
    last_delivered: Observation | None = None
    records: Observation | None = None
    arrivals: tuple[Observation, ...] = ()
    changes: tuple[Observation, ...] = ()

    @classmethod
    def of(cls, seen: Seen) -> "Evidence":
        """The same from everything that was seen, for what looks alone say: without a moment, a window and a question."""
        one = {topic: next(reversed(seen.of(name)), None) for topic, name in LOOKS.items()}
        return cls(_NEVER, Window(_NEVER, _NEVER)).filed(**one, arrivals=seen.of(*ARRIVALS))


@dataclass(frozen=True)
class Scene:
    """The evidence with what can be read off it."""

    evidence: Evidence

    @cached_property
    def api(self) -> WebhookPlace | None:
        """Where the API is; None where not even the settings were read."""
        return record_of(self.evidence.place, WebhookPlace)

    @property
    def where(self) -> str:
        """The API's webhook as people write it: host, port and path."""
        parts = urlsplit(self.address)
        return f"{parts.netloc or 'the API'}{PATH}"

    @property
    def address(self) -> str:
        """The API's address, empty where it is not known."""
        return self.api["address"] if self.api else ""

    @cached_property
    def form(self) -> str | None:
        """The way events take: "cli", "endpoint"; None where that cannot be told.

        Asked for by name; else an API elsewhere has an endpoint, and a local one an endpoint only where one points at it.
        """
        if self.evidence.via in (CLI, ENDPOINT):
            return self.evidence.via
        if not self.api:
            return None
        if not self.api["is_local"] or self.own_endpoints:
            return ENDPOINT
        if self.listens:
            return CLI
        listening = self.evidence.listening
        is_looked_for = listening is not None and listening.status is not Status.not_configured
        return CLI if is_looked_for and answered(self.evidence.endpoints) else None

    @cached_property
    def listens(self) -> list[ListeningCli]:
        """The CLIs that listen."""
        seen = record_of(self.evidence.listening, ListeningClis)
        return seen["listening"] if seen else []

    @cached_property
    def accepts(self) -> Mapping[str, str]:
        """Which loopback addresses take connections at the API's port: {"127.0.0.1", "::1": accepted, refused or silent}."""
        seen = whole_record(self.evidence.listeners, PortListeners) or record_of(self.evidence.listeners, PortListeners)
        return seen["accepts"] if seen else {}

    @cached_property
    def tests(self) -> list[SignedTest]:
        """The signed test events, one row a secret."""
        seen = record_of(self.evidence.signed, SignedTests)
        return seen["tests"] if seen else []

    @cached_property
    def arrivals(self) -> list[Arrival]:
        """What came to the webhook, oldest first."""
        return arrivals_of(self.evidence.arrivals)

    @cached_property
    def own_endpoints(self) -> list[WebhookEndpoint]:
        """The endpoints whose URL is the API's webhook."""
        return [each for each in self.all_endpoints if self._is_own(each["url"]) and path_of(each["url"]) == PATH]

    @property
    def enabled_endpoints(self) -> list[WebhookEndpoint]:
        """Those of them that are enabled."""
        return [each for each in self.own_endpoints if each["status"] == "enabled"]

    @cached_property
    def near_endpoints(self) -> list[WebhookEndpoint]:
        """The endpoints at the API's host, whatever their path."""
        return [each for each in self.all_endpoints if self._is_own(each["url"])]

    @property
    def all_endpoints(self) -> list[WebhookEndpoint]:
        """Every endpoint of the account in the mode of the runbook's key."""
        return rows_of(self.evidence.endpoints, WebhookEndpoint)

    def _is_own(self, url: str) -> bool:
        if not self.api:
            return False
        host, port = place_of(url)
        own = self.api["host"]
        return port == self.api["port"] and (host == own or (host in LOOPBACK and own in LOOPBACK))

    @cached_property
    def version(self) -> str | None:
        """The CLI's version, as it says; it says it too where Stripe refuses it, and so whatever the look's status."""
        look = self.evidence.cli_secret
        found: StripeCli | None = look.value if look is not None else None
        return found["version"] if found else None

    @cached_property
    def pinned_version(self) -> str | None:
        """The API version that NexusCore is written for."""
        return self.keys["pinned_version"] if self.keys else None

    @cached_property
    def keys(self) -> StripeKeys | None:
        """The keys at hand; None where Stripe could not be asked about them."""
        return record_of(self.evidence.keys, StripeKeys)

    @cached_property
    def cli(self) -> StripeCli | None:
        """What the CLI at hand says, where Stripe took it; else None."""
        return record_of(self.evidence.cli_secret, StripeCli)

    @cached_property
    def account_version(self) -> str | None:
        """The account's own API version, as its newest events carry it."""
        rows = (*self.events, *rows_of(self.evidence.last_delivered, BillingEvent))
        return next((each["api_version"] for each in rows if each["api_version"]), None)

    @cached_property
    def events(self) -> list[BillingEvent]:
        """Billing events of the window that had time to be delivered, newest first."""
        return [each for each in rows_of(self.evidence.deliveries, BillingEvent) if not each["is_young"]]

    @cached_property
    def failing(self) -> list[BillingEvent]:
        """Events that some receiver has not answered with a 2xx, as far as it may be ours: pending_webhooks counts every endpoint
        and every CLI of the account, a colleague's too, so that one whose customer's record says what it says has come here."""
        return [each for each in self.events if not self.was_answered(each)]

    def was_answered(self, event: BillingEvent) -> bool:
        """Whether every receiver has answered it, or this one at least."""
        return event["pending"] == 0 or self._came_here(event)

    @cached_property
    def records(self) -> dict[str, BillingRecord]:
        """The billing records that were found, by Stripe's customer."""
        seen = record_of(self.evidence.records, BillingRecords)
        return {row["stripe_customer_id"]: row for row in seen["found"]} if seen else {}

    def _came_here(self, event: BillingEvent) -> bool:
        others = [
            each
            for each in self.all_endpoints
            if each not in self.own_endpoints
            and each["status"] == "enabled"
            and {"*", event["type"]} & set(each["enabled_events"])
        ]
        if self.form != CLI and not others:
            return False
        mine = [each for each in self.events if each["customer"] == event["customer"] and each["status"]]
        record = self.records.get(event["customer"] or "")
        return record is not None and bool(mine) and record["status"] == mine[0]["status"]


def answered(look: Observation | None) -> bool:
    """Whether a look was made and came back whole."""
    return look is not None and look.status.answered


def made(*looks: Observation | None) -> list[Observation]:
    """Those of the looks that were made."""
    return [look for look in looks if look is not None]


def place_of(url: str) -> tuple[str, int | None]:
    """Host and port that a URL leads to; (…, None) where it is none."""
    parts = urlsplit(url)
    try:
        return (parts.hostname or "").lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", None


def path_of(url: str) -> str:
    """The path of a URL, without a slash at its end."""
    return urlsplit(url).path.rstrip("/") or "/"
