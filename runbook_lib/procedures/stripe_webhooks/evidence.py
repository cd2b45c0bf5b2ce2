"""What 02 has seen, and what can be read off it before any rule: the way events take, the API's place, the CLIs, the arrivals."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from urllib.parse import urlsplit

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Finding, Json, Observation, Suspect
from runbook_lib.procedures.stripe_webhooks.causes import CATALOGUE

PATH = "/api/stripe/webhook"
V4, V6 = "127.0.0.1", "::1"
LOOPBACK = ("localhost", V4, V6)
Row = Mapping[str, Json]


@dataclass(frozen=True)
class Evidence:
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

    def all(self) -> list[Observation]:
        """Every look, in the order of the fields."""
        found: list[Observation] = []
        for each in fields(self):
            held = getattr(self, each.name)
            found += [held] if isinstance(held, Observation) else list(held) if isinstance(held, tuple) else []
        return found


@dataclass
class Judged:
    """What the rules have found so far."""

    faults: list[Finding] = field(default_factory=list)
    also: list[Finding] = field(default_factory=list)
    states: list[Finding] = field(default_factory=list)
    blind: list[Finding] = field(default_factory=list)
    suspects: list[Suspect] = field(default_factory=list)

    def has(self, *codes: str) -> bool:
        """Whether one of these faults (or a narrower one) is found."""
        return any(found.code == code or found.code.startswith(f"{code}.") for found in self.faults for code in codes)


@dataclass(frozen=True)
class Scene:
    """The evidence with what can be read off it."""

    evidence: Evidence

    @cached_property
    def api(self) -> Row:
        """{"address", "host", "port", "is_local", "timeout_s"}; empty where not even the settings were read."""
        return value_of(self.evidence.place) or {}

    @property
    def where(self) -> str:
        """The API's webhook as people write it: host, port and path."""
        parts = urlsplit(str(self.api.get("address") or ""))
        return f"{parts.netloc or 'the API'}{PATH}"

    @cached_property
    def form(self) -> str | None:
        """The way events take: "cli", "endpoint"; None where that cannot be told.

        Asked for by name; else an API elsewhere has an endpoint, and a local one an endpoint only where one points at it.
        """
        if self.evidence.via in ("cli", "endpoint"):
            return self.evidence.via
        if not self.api:
            return None
        if not self.api["is_local"]:
            return "endpoint"
        endpoints, listening = self.evidence.endpoints, self.evidence.listening
        if self.own_endpoints:
            return "endpoint"
        if self.listens:
            return "cli"
        return (
            "cli"
            if answered(endpoints) and listening is not None and str(listening.status) != "not_configured"
            else None
        )

    @cached_property
    def listens(self) -> list[Row]:
        """The CLIs that listen."""
        return list((value_of(self.evidence.listening) or {}).get("listening") or [])

    @cached_property
    def own_endpoints(self) -> list[Row]:
        """The endpoints whose URL is the API's webhook."""
        return [
            each for each in self.all_endpoints if self._is_own(str(each["url"])) and path_of(str(each["url"])) == PATH
        ]

    @property
    def enabled_endpoints(self) -> list[Row]:
        """Those of them that are enabled."""
        return [each for each in self.own_endpoints if each["status"] == "enabled"]

    @cached_property
    def near_endpoints(self) -> list[Row]:
        """The endpoints at the API's host, whatever their path."""
        return [each for each in self.all_endpoints if self._is_own(str(each["url"]))]

    @property
    def all_endpoints(self) -> list[Row]:
        """Every endpoint of the account in the mode of the runbook's key."""
        return list(rows_of(self.evidence.endpoints))

    def _is_own(self, url: str) -> bool:
        host, port = place_of(url)
        own = str(self.api.get("host") or "")
        return port == self.api.get("port") and (host == own or (host in LOOPBACK and own in LOOPBACK))

    @cached_property
    def version(self) -> str | None:
        """The CLI's version, as it says."""
        found = (value_of(self.evidence.cli_secret) or {}).get("version")
        return str(found) if found else None

    @cached_property
    def pinned_version(self) -> str | None:
        """The API version that NexusCore is written for."""
        found = (value_of(self.evidence.keys) or {}).get("pinned_version")
        return str(found) if found else None

    @cached_property
    def events(self) -> list[Row]:
        """Billing events of the window that had time to be delivered, newest first."""
        return [each for each in rows_of(self.evidence.deliveries) if not each["is_young"]]

    @cached_property
    def failing(self) -> list[Row]:
        """Events that some receiver has not answered with a 2xx, as far as it may be ours: pending_webhooks counts every endpoint
        and every CLI of the account, a colleague's too, so that one whose customer's record says what it says has come here."""
        return [each for each in self.events if each["pending"] > 0 and not self._came_here(each)]

    def _came_here(self, event: Row) -> bool:
        others = [
            each
            for each in self.all_endpoints
            if each not in self.own_endpoints
            and each["status"] == "enabled"
            and {"*", event["type"]} & set(each["enabled_events"])
        ]
        if self.form != "cli" and not others:
            return False
        records = {row["stripe_customer_id"]: row for row in (value_of(self.evidence.records) or {}).get("found", [])}
        mine = [each for each in self.events if each["customer"] == event["customer"] and each["status"]]
        record = records.get(event["customer"])
        return record is not None and bool(mine) and record["status"] == mine[0]["status"]


def answered(look: Observation | None) -> bool:
    """Whether a look was made and came back whole."""
    return look is not None and look.status.answered


def value_of(look: Observation | None) -> Row | None:
    """A look's value where it is an object, whatever its status."""
    return look.value if look is not None and isinstance(look.value, dict) else None


def rows_of(look: Observation | None) -> Iterator[Row]:
    """A look's rows, none where it has none."""
    if look is not None and look.status.has_content and isinstance(look.value, list):
        yield from (row for row in look.value if isinstance(row, dict))


def ids(*looks: Observation | None) -> tuple[str, ...]:
    """The ids of the looks that were made."""
    return tuple(look.id for look in looks if look is not None)


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


def finding(code: str, subject: str, summary: str, *looks: Observation | None, remedy: str = "") -> Finding:
    """A finding with the catalogue's remedy, unless there is an exact one."""
    return Finding(code, subject, summary, ids(*looks), remedy or CATALOGUE.remedy(code))
