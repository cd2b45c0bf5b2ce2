"""What the looks of 05 say of one organization, read once: its record, its subscription, its period, what it used, who asked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from runbook_lib.core.clock import Window, to_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.core.records.meters import Meter
from runbook_lib.core.records.organizations import OrganizationRecord
from runbook_lib.core.records.requests import RequestRow
from runbook_lib.core.records.subscriptions import AnyItem, AnySubscription, Subscription
from runbook_lib.core.records.traces import OrgRequest
from runbook_lib.core.records.usage import PlanLimit, PlanLimits, UsageHour, UsedUnits
from runbook_lib.judging.answers import whole_record, whole_rows
from runbook_lib.procedures.quota_enforcement.evidence import Evidence, rows_seen
from runbook_lib.reading.periods import HOUR_S, floor_hour, moment, period_to
from runbook_lib.reading.plans import ENDED, UNLIMITED

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


class PeriodSums(UsedUnits):
    """What was used in a time, and by how many records; `without_tokens`: those of them that hold none."""

    records: int
    without_tokens: int


@dataclass(frozen=True)
class Refused:
    """A request of an organization that was answered 402 or 429, by its trace or by a line of the API."""

    at: str | None
    status: int


@dataclass(frozen=True)
class Account:
    """One organization as the evidence shows it."""

    evidence: Evidence
    record: OrganizationRecord | None = None
    given_subscriptions: Sequence[AnySubscription] | None = None  # in an audit: out of the list of all

    @property
    def org_id(self) -> str:
        """Its id; what was asked for where nobody knows it."""
        return self.record["org_id"] if self.record else self.evidence.org

    @property
    def subject(self) -> str:
        """What findings are about: its name and id."""
        name = self.record["name"] if self.record else None
        return f"{name} ({self.org_id})" if name else self.org_id

    @property
    def plan(self) -> str:
        """The plan on record; free where there is no record."""
        return (self.record and self.record["plan"]) or FREE

    @property
    def is_paid(self) -> bool:
        """Whether its plan is one that is paid for."""
        return self.plan != FREE

    @property
    def customer_id(self) -> str:
        """Its customer at Stripe by the record; empty without one."""
        return (self.record and self.record["stripe_customer_id"]) or ""

    @property
    def status_on_record(self) -> str | None:
        """How its subscription stands by the record; None where nothing is on record."""
        return self.record["status"] if self.record else None

    @property
    def end_on_record(self) -> datetime | None:
        """When its period ends by the record; None where nothing is on record."""
        return moment(self.record["current_period_end"]) if self.record else None

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
    def subscriptions(self) -> list[AnySubscription]:
        """All of its subscriptions, the one that counts first; empty where there are none or none were seen."""
        if self.given_subscriptions is not None:
            return list(self.given_subscriptions)
        return [*whole_rows(self.look("subscriptions"), Subscription)]

    @property
    def subscription(self) -> AnySubscription | None:
        """The one that counts; None without any."""
        return self.subscriptions[0] if self.subscriptions else None

    @property
    def has_ended(self) -> bool:
        """It has subscriptions, and all have ended."""
        return self.subscription is not None and self.subscription["status"] in ENDED

    @cached_property
    def metered_items(self) -> list[AnyItem]:
        """The items whose price goes by usage, of the subscription that counts."""
        return metered_items_of(self.subscription) if self.subscription is not None else []

    @cached_property
    def stripe_period(self) -> Window | None:
        """The running period by Stripe: of the metered item since basil, of the subscription before; None where there is none."""
        if self.subscription is None or self.has_ended:
            return None
        edges = [(item["period_start"], item["period_end"]) for item in self.metered_items if "period_start" in item]
        for start, end in (*edges, (self.subscription["period_start"], self.subscription["period_end"])):
            since, until = moment(start), moment(end)
            if since is not None and until is not None and since <= self.evidence.now < until:
                return Window(since, until)
        return None

    @cached_property
    def period(self) -> Window:
        """The running billing period: Stripe's, else by the end on record, else the calendar month."""
        return self.stripe_period or period_to(self.end_on_record, self.evidence.now)

    @cached_property
    def limit(self) -> PlanLimit | None:
        """What the plan allows; None without the file, or the plan in it."""
        return (whole_record(self.evidence.limits, PlanLimits) or {}).get(self.plan)

    @property
    def known_limit(self) -> PlanLimit:
        """What the plan allows, as far as that is known: no limit where it is not."""
        return self.limit or UNLIMITED

    @cached_property
    def groups(self) -> list[Group]:
        """What it used, by hour and model, oldest first."""
        rows: list[UsageHour] = whole_rows(self.look("by_hour"), tuple)
        return [Group(start, provider or "?", model or "?", *counts) for start, provider, model, *counts in rows]

    def used(self, since: datetime, until: datetime) -> PeriodSums:
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
    def used_now(self) -> PeriodSums:
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
    def requests(self) -> list[OrgRequest]:
        """Its requests in the window by its traces, oldest first; the metered route's only."""
        mine = [row for row in self._traced if (row["route"] or "").startswith(self.evidence.route)]
        return sorted(mine, key=lambda row: row["at"])

    @property
    def other_routes(self) -> list[str]:
        """The routes of its other requests, by its traces, sorted."""
        return sorted({row["route"] for row in self._traced if row["route"]} - {self.evidence.route})

    @cached_property
    def _traced(self) -> list[OrgRequest]:
        mine = [row for row in rows_seen(self.evidence.requests, OrgRequest) if row["org"] == self.org_id]
        rows = {row["trace"]: row for row in mine}
        since = to_iso(self.evidence.window.since)  # trace backends search by whole seconds, and so bring more
        return [row for row in rows.values() if row["at"] >= since]

    @property
    def served(self) -> list[OrgRequest]:
        """Those that were answered with a 2xx."""
        return [row for row in self.requests if row["status"] in SERVED]

    @property
    def refused(self) -> list[Refused]:
        """Those that were answered 402 or 429; where traces tell nothing, those whose refusal a line of the API tells of."""
        traced = [Refused(row["at"], row["status"]) for row in self.requests if row["status"] in REFUSALS]
        return traced or [refused for org, refused in self.refusal_lines if org == self.org_id]

    @property
    def traces_answered(self) -> bool:
        """Whether a trace backend told, completely, which of its requests were served and refused. One that holds no request of it
        tells nothing: spans need not name an organization, and an idle one looks the same."""
        return any(look.status.answered and look.value for look in self.evidence.requests)

    @cached_property
    def refusal_lines(self) -> list[tuple[str, Refused]]:
        """Refusals by the API's own lines, each with the organization that it names, as some platforms keep them."""
        found = []
        for line in rows_seen(self.evidence.lines, LogLine):
            logged = line["attributes"]
            status = _STATUS_OF.get(str(logged.get("code")))
            if status and logged.get("org_id"):
                found.append((str(logged["org_id"]), Refused(line["at"], status)))
        return sorted(found, key=lambda each: each[1].at or "")

    @property
    def refused_of_unknown(self) -> list[RequestRow]:
        """Refusals of the metered route in the platform's log whose organization no trace tells."""
        known = {row["trace"] for row in rows_seen(self.evidence.attributed, OrgRequest)}
        return [row for row in self.logged(*REFUSALS) if row["trace_id"] not in known]

    def logged(self, *statuses: int) -> list[RequestRow]:
        """Requests of the metered route, whoever's, that the platform's log holds with such a status."""
        seen = rows_seen((*self.evidence.refusals, *self.evidence.served), RequestRow)
        rows = {row["request_id"]: row for row in seen}
        return [
            row
            for row in rows.values()
            if row["status"] in statuses and (row["path"] or "").startswith(self.evidence.route)
        ]


def read(evidence: Evidence) -> Account:
    """The account that the evidence shows."""
    return Account(evidence, whole_record(evidence.look("record"), OrganizationRecord))


def metered_items_of(subscription: AnySubscription) -> list[AnyItem]:
    """The items of a subscription whose price goes by usage."""
    return [item for item in subscription["items"] if item["usage_type"] == "metered" or item["meter"]]


def meter_of(meters: Sequence[Meter], items: Sequence[AnyItem]) -> Meter | None:
    """The meter that counts an organization's tokens: its item's own, else the one active meter that is named for tokens, else the
    only one there is, active or not; None where that cannot be told."""
    named = {item["meter"] for item in items}
    own = [meter for meter in meters if meter["id"] in named]
    active = [meter for meter in meters if meter["status"] == "active"]
    for group in (active, list(meters)):
        tokens = [m for m in group if "token" in f"{m['event_name']} {m['name']}".lower()]
        found = own or tokens or (group if len(group) == 1 else [])
        if found:
            return found[0]
    return None
