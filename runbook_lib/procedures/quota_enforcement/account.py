"""What the looks of 05 say of one organization, read once: its record, its subscription, its period, what it used, who asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.judging.answers import whole_object, whole_rows
from runbook_lib.procedures.quota_enforcement.evidence import Evidence, rows_seen
from runbook_lib.reading.periods import HOUR_S, floor_hour, moment, period_to
from runbook_lib.reading.plans import ENDED

FREE = "free"
SERVED = range(200, 300)
REFUSALS = (402, 429)
_STATUS_OF = {"quota_exceeded": 429, "payment_required": 402}  # NexusCore's own words for a refusal


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

    def look(self, topic: str) -> Observation | None:
        """The look of a topic that counts."""
        return self.evidence.look(topic)

    def cite(self, *topics: str) -> list[str]:
        """The ids of these topics' looks, as far as they were made and brought something."""
        found = [self.look(topic) for topic in topics]
        return [look.id for look in found if look is not None and (look.status.answered or look.status.has_content)]

    def has_answered(self, topic: str) -> bool:
        """Whether a topic was asked and completely answered."""
        look = self.look(topic)
        return look is not None and look.status.answered

    @property
    def is_at_stripe(self) -> bool:
        """Whether its customer was seen at Stripe: a subscription that has ended may be a deleted customer's."""
        look = self.look("customer")
        return look is not None and look.status is Status.ok

    @property
    def is_billed_as_seen(self) -> bool:
        """Whether it is known what Stripe bills it for, and so over which period it is counted: it has no customer, or its
        subscriptions were seen."""
        return bool(self.record) and (not self.customer_id or self.has_answered("subscriptions"))

    @cached_property
    def subscriptions(self) -> list[dict[str, Any]]:
        """All of its subscriptions, the one that counts first; empty where there are none or none were seen."""
        if self.given_subscriptions is not None:
            return list(self.given_subscriptions)
        return whole_rows(self.look("subscriptions"))

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
        return metered_items_of(self.subscription)

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
        found = whole_object(self.evidence.limits).get(self.plan)
        return found if isinstance(found, dict) else None

    @cached_property
    def groups(self) -> list[Group]:
        """What it used, by hour and model, oldest first."""
        rows = whole_rows(self.look("by_hour"))
        return [Group(int(r[0]), str(r[1] or "?"), str(r[2] or "?"), *map(int, r[3:7])) for r in rows]

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
        mine = [row for row in rows_seen(self.evidence.requests) if row.get("org") == self.org_id]
        rows = {str(row["trace"]): row for row in mine}
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
        for line in rows_seen(self.evidence.lines):
            said = line.get("attributes") or {}
            status = _STATUS_OF.get(str(said.get("code")))
            if status and said.get("org_id"):
                rows.append({"at": line["at"], "status": status, "org": str(said["org_id"])})
        return sorted(rows, key=lambda row: str(row["at"]))

    @property
    def refused_of_unknown(self) -> list[dict[str, Any]]:
        """Refusals of the metered route in the platform's log whose organization no trace tells."""
        known = {row["trace"] for row in rows_seen(self.evidence.attributed)}
        return [row for row in self.logged(*REFUSALS) if row.get("trace_id") not in known]

    def logged(self, *statuses: int) -> list[dict[str, Any]]:
        """Requests of the metered route, whoever's, that the platform's log holds with such a status."""
        seen = rows_seen((*self.evidence.refusals, *self.evidence.served))
        rows = {str(row["request_id"]): row for row in seen}
        return [
            row
            for row in rows.values()
            if row.get("status") in statuses and str(row.get("path") or "").startswith(self.evidence.route)
        ]


def read(evidence: Evidence) -> Account:
    """The account that the evidence shows."""
    return Account(evidence, whole_object(evidence.look("record")))


def metered_items_of(subscription: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items of a subscription whose price goes by usage."""
    items = subscription.get("items") or []
    return [item for item in items if item.get("usage_type") == "metered" or item.get("meter")]


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
