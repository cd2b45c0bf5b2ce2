"""What the looks of 05 say of one organization, read once: its record, its subscription, its period, what it used, who asked."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation
from runbook_lib.reading.periods import HOUR_S, floor_hour, moment, period_to
from runbook_lib.reading.plans import ENDED

FREE = "free"
_OF_ALL = {"organization": "organizations", "subscriptions": "fleet_subscriptions", "by_hour": "fleet"}
SERVED = range(200, 300)
REFUSALS = (402, 429)
_STATUS_OF = {"quota_exceeded": 429, "payment_required": 402}  # NexusCore's own words for a refusal


def pick(looks: Iterable[Observation], call: str) -> Observation | None:
    """Of several ways to the same answer the first that answered, else one with something, else the first; None without any."""
    named = [look for look in looks if look.call == call]
    answered = [look for look in named if look.status.answered] or [look for look in named if look.status.has_content]
    return next(iter(answered or named), None)


@dataclass(frozen=True)
class Evidence:
    """Everything that was looked at for one organization. Each look may be there in two ways; the one that answered counts.

    Attributes:
        now: the moment that the run is about.
        window: what was asked of requests; ledgers and limits go by the billing period.
        route: the metered route.
        report_within: what is older must have been reported.
        in_fleet: it is one of many in an audit, in which all ledgers were seen; others_until is then up to when (epoch s) others'
            usage is at Stripe, None where nobody's is.
    """

    now: datetime
    window: Window
    org: str = ""
    route: str = "/api/chat"
    report_within: timedelta = timedelta(hours=26)
    records: tuple[Observation, ...] = ()  # organization
    limits: Observation | None = None
    billed: tuple[Observation, ...] = ()  # subscriptions, customer, customers_of, meters
    usage: tuple[Observation, ...] = ()  # by_hour, recorded
    ledgers: tuple[Observation, ...] = ()  # meter_usage, legacy_usage
    requests: tuple[Observation, ...] = ()  # of_org
    refusals: tuple[
        Observation, ...
    ] = ()  # where traces tell nothing: the platform's log of 402 and 429, and of what was served
    everybody: Observation | None = (
        None  # where traces tell nothing: how many records all organizations wrote in the window
    )
    attributed: tuple[Observation, ...] = ()  # where traces tell nothing of it: whom of all they tell that was refused
    events: tuple[Observation, ...] = ()  # what Stripe told of its subscriptions since it was refused for one
    runs: tuple[Observation, ...] = ()  # the platform's request log of the report
    crossings: tuple[Observation, ...] = ()
    errors: tuple[Observation, ...] = ()  # meter_errors
    peers: tuple[Observation, ...] = ()  # meter_usage of other customers
    changes: tuple[Observation, ...] = ()
    others_until: float | None = None
    in_fleet: bool = False

    @property
    def looks(self) -> tuple[Observation, ...]:
        """All of them, in the order in which the steps made them."""
        limits = tuple(look for look in (self.limits, self.everybody) if look is not None)
        return (
            *self.records, *limits, *self.billed, *self.usage, *self.requests, *self.refusals, *self.attributed,
            *self.ledgers, *self.runs, *self.peers, *self.errors, *self.crossings, *self.events, *self.changes,
        )  # fmt: skip


@dataclass(frozen=True)
class Group:
    """What was used in one hour, or the part of it on one side of an edge, of one model."""

    start: int
    provider: str
    model: str
    tokens: int
    requests: int
    records: int
    without_tokens: int


@dataclass(frozen=True)
class Account:
    """One organization as the evidence shows it."""

    evidence: Evidence
    record: Mapping[str, Any] = field(default_factory=dict)
    given_subscriptions: Sequence[dict[str, Any]] | None = None  # in an audit: out of the list of all

    @property
    def org_id(self) -> str:
        """Its id; what was asked for where nobody knows it."""
        return str(self.record.get("org_id") or self.evidence.org)

    @property
    def subject(self) -> str:
        """What findings are about: its name and id."""
        name = self.record.get("name")
        return f"{name} ({self.org_id})" if name else self.org_id

    @property
    def plan(self) -> str:
        """The plan on record; free where there is no record."""
        return str(self.record.get("plan") or FREE)

    @property
    def is_paid(self) -> bool:
        """Whether its plan is one that is paid for."""
        return self.plan != FREE

    @property
    def customer_id(self) -> str:
        """Its customer at Stripe by the record; empty without one."""
        return str(self.record.get("stripe_customer_id") or "")

    def look(self, call: str) -> Observation | None:
        """The look of this name that counts; in an audit the fleet's, where there is none of this organization alone."""
        return pick(self.evidence.looks, call) or pick(self.evidence.looks, _OF_ALL.get(call, call))

    def cite(self, *calls: str) -> list[str]:
        """The ids of these looks, as far as they were made and answered."""
        found = [self.look(call) for call in calls]
        return [look.id for look in found if look is not None and (look.status.answered or look.status.has_content)]

    @cached_property
    def subscriptions(self) -> list[dict[str, Any]]:
        """All of its subscriptions, the one that counts first; empty where there are none or none were seen."""
        if self.given_subscriptions is not None:
            return list(self.given_subscriptions)
        look = self.look("subscriptions")
        return list(look.value or []) if look is not None and look.status.has_content else []

    @property
    def subscription(self) -> dict[str, Any]:
        """The one that counts; empty without any."""
        return self.subscriptions[0] if self.subscriptions else {}

    @property
    def has_ended(self) -> bool:
        """It has subscriptions, and all have ended."""
        return bool(self.subscriptions) and str(self.subscription.get("status")) in ENDED

    @cached_property
    def metered_items(self) -> list[dict[str, Any]]:
        """The items whose price goes by usage, of the subscription that counts."""
        items = self.subscription.get("items") or []
        return [item for item in items if item.get("usage_type") == "metered" or item.get("meter")]

    @cached_property
    def stripe_period(self) -> Window | None:
        """The running period by Stripe: of the metered item since basil, of the subscription before; None where there is none."""
        if self.has_ended:
            return None
        holders = [*self.metered_items, self.subscription]
        for held in holders:
            since, until = moment(held.get("period_start")), moment(held.get("period_end"))
            if since is not None and until is not None and since <= self.evidence.now < until:
                return Window(since, until)
        return None

    @cached_property
    def period(self) -> Window:
        """The running billing period: Stripe's, else by the end on record, else the calendar month."""
        return self.stripe_period or period_to(moment(self.record.get("current_period_end")), self.evidence.now)

    @cached_property
    def limit(self) -> dict[str, Any] | None:
        """What the plan allows: {"tokens", "requests"}, None in it for no limit; None without the file, or the plan in it."""
        look = self.evidence.limits
        plans = look.value if look is not None and isinstance(look.value, dict) else {}
        found = plans.get(self.plan)
        return found if isinstance(found, dict) else None

    @cached_property
    def groups(self) -> list[Group]:
        """What it used, by hour and model, oldest first."""
        look = self.look("by_hour")
        rows = look.value if look is not None and look.status.has_content else None
        return [Group(int(r[0]), str(r[1] or "?"), str(r[2] or "?"), *map(int, r[3:7])) for r in rows or ()]

    def used(self, since: datetime, until: datetime) -> dict[str, int]:
        """Tokens, requests, records and records without tokens of a time whose edges are full hours, or were asked for."""
        start, end = since.timestamp(), until.timestamp()
        mine = [group for group in self.groups if start <= group.start < end]
        return {
            "tokens": sum(group.tokens for group in mine),
            "requests": sum(group.requests for group in mine),
            "records": sum(group.records for group in mine),
            "without_tokens": sum(group.without_tokens for group in mine),
        }

    @cached_property
    def used_now(self) -> dict[str, int]:
        """What it used of the running period."""
        return self.used(self.period.since, self.evidence.now)

    @cached_property
    def hours(self) -> dict[int, int]:
        """Tokens by full hour, whatever edges lie within."""
        found: dict[int, int] = {}
        for group in self.groups:
            start = group.start - group.start % HOUR_S
            found[start] = found.get(start, 0) + group.tokens
        return found

    @property
    def settled(self) -> datetime:
        """What is older must have been reported. A report that is given a day or more reports whole UTC days: a day's usage is due
        as long after its midnight as it is given beyond a day."""
        now, within = self.evidence.now, self.evidence.report_within
        if within < timedelta(days=1):
            return floor_hour(now - within)
        return floor_hour(now - (within - timedelta(days=1))).replace(hour=0)

    @cached_property
    def requests(self) -> list[dict[str, Any]]:
        """Its requests in the window by its traces, oldest first; the metered route's only."""
        mine = [row for row in self._traced if str(row.get("route") or "").startswith(self.evidence.route)]
        return sorted(mine, key=lambda row: str(row["at"]))

    @property
    def other_routes(self) -> list[str]:
        """The routes of its other requests, by its traces, sorted."""
        return sorted({str(row["route"]) for row in self._traced if row.get("route")} - {self.evidence.route})

    @cached_property
    def _traced(self) -> list[dict[str, Any]]:
        rows: dict[str, dict[str, Any]] = {}
        for look in self.evidence.requests:
            if look.status.has_content and isinstance(look.value, list):
                rows |= {row["trace"]: row for row in look.value if row.get("org") == self.org_id}
        since = to_iso(self.evidence.window.since)  # trace backends search by whole seconds, and so bring more
        return [row for row in rows.values() if str(row["at"]) >= since]

    @property
    def served(self) -> list[dict[str, Any]]:
        """Those that were answered with a 2xx."""
        return [row for row in self.requests if row.get("status") in SERVED]

    @property
    def refused(self) -> list[dict[str, Any]]:
        """Those that were answered 402 or 429; where traces tell nothing, those whose refusal a line of the API tells of."""
        told = [row for row in self.requests if row.get("status") in REFUSALS]
        return told or [row for row in self.refusal_lines if row["org"] == self.org_id]

    @property
    def traces_answered(self) -> bool:
        """Whether a trace backend told, completely, which of its requests were served and refused. One that holds no request of it
        tells nothing: spans need not name an organization, and an idle one looks the same."""
        return any(look.status.answered and look.value for look in self.evidence.requests)

    @cached_property
    def refusal_lines(self) -> list[dict[str, Any]]:
        """Refusals by the API's own lines with the organization in them, as some platforms keep them."""
        rows = []
        for look in self.evidence.refusals:
            for line in look.value or () if look.call == "logs" and look.status.has_content else ():
                said = line.get("attributes") or {}
                status = _STATUS_OF.get(str(said.get("code")))
                if status and said.get("org_id"):
                    rows.append({"at": line["at"], "status": status, "org": str(said["org_id"])})
        return sorted(rows, key=lambda row: str(row["at"]))

    @property
    def refused_of_unknown(self) -> list[dict[str, Any]]:
        """Refusals of the metered route in the platform's log whose organization no trace tells."""
        looks = [look for look in self.evidence.attributed if look.status.has_content]
        known = {row["trace"] for look in looks for row in look.value or ()}
        return [row for row in self.logged(*REFUSALS) if row.get("trace_id") not in known]

    def logged(self, *statuses: int) -> list[dict[str, Any]]:
        """Requests of the metered route, whoever's, that the platform's log holds with such a status."""
        rows: dict[str, dict[str, Any]] = {}
        for look in self.evidence.refusals:
            if look.call in ("request_log", "http_log") and look.status.has_content:
                rows |= {str(row["request_id"]): row for row in look.value or ()}
        return [
            row
            for row in rows.values()
            if row.get("status") in statuses and str(row.get("path") or "").startswith(self.evidence.route)
        ]


def read(evidence: Evidence) -> Account:
    """The account that the evidence shows."""
    look = pick(evidence.records, "organization") or pick(evidence.records, "organizations")
    held = look.value if look is not None else None
    if isinstance(held, list):
        held = next((row for row in held if row.get("org_id") == evidence.org), None)
    return Account(evidence, held if isinstance(held, dict) else {})


def meter_of(meters: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The meter that counts an organization's tokens: its item's own, else the one active meter that is named for tokens, else the
    only one there is, active or not; None where that cannot be told."""
    named = {str(item.get("meter")) for item in items if item.get("meter")}
    own = [meter for meter in meters if meter.get("id") in named]
    active = [meter for meter in meters if meter.get("status") == "active"]
    for group in (active, list(meters)):
        tokens = [m for m in group if "token" in f"{m.get('event_name')} {m.get('name')}".lower()]
        found = own or tokens or (group if len(group) == 1 else [])
        if found:
            return dict(found[0])
    return None
