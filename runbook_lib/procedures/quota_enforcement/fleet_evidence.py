"""What an audit by procedure 05 has seen, filed by topic, and each organization as it shows in that."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation
from runbook_lib.core.records.meters import Meter, ReportedTotals
from runbook_lib.core.records.organizations import OrganizationRecord
from runbook_lib.core.records.subscriptions import SubscriptionInShort
from runbook_lib.core.records.usage import UsageByOrganization
from runbook_lib.judging.answers import record_of, rows_of, whole_record, whole_rows
from runbook_lib.judging.evidence import Filed
from runbook_lib.procedures.quota_enforcement.account import Account, meter_of
from runbook_lib.procedures.quota_enforcement.evidence import DAILY, ROUTE, Evidence, Looks, pick
from runbook_lib.reading.periods import moment

_WEIGHT = ("active", "trialing", "past_due", "unpaid", "paused", "incomplete", "canceled", "incomplete_expired")


@dataclass(frozen=True)
class Fleet(Filed):
    """Everything an audit looked at. `closer`: the looks at those that were looked at by the hour, `crossings` with them."""

    now: datetime
    window: Window
    route: str = ROUTE
    report_within: timedelta = DAILY
    organizations: Looks = ()
    limits: Observation | None = None
    subscriptions: Observation | None = None
    customers: Observation | None = None
    meters: Observation | None = None
    usage: Looks = ()
    everybody: Looks = ()
    refusals: Looks = ()
    served: Looks = ()
    attributed: Looks = ()
    ledger: Observation | None = None
    runs: Observation | None = None
    closer: Looks = ()
    crossings: Looks = ()
    changes: Looks = ()

    @cached_property
    def base(self) -> Evidence:
        """What the audit saw of all of them together."""
        return Evidence(
            self.now,
            self.window,
            "",
            self.route,
            self.report_within,
            record=self.organizations,
            limits=self.limits,
            meters=self.meters,
            everybody=self.everybody,
            refusals=self.refusals,
            served=self.served,
            attributed=self.attributed,
            runs=self.runs,
            changes=self.changes,
            in_fleet=True,
        )

    @cached_property
    def accounts(self) -> list[Account]:
        """Every organization with its subscriptions."""
        by_customer: dict[str, list[SubscriptionInShort]] = defaultdict(list)
        for subscription in whole_rows(self.subscriptions, SubscriptionInShort):
            by_customer[subscription["customer"]].append(subscription)
        for of_one in by_customer.values():
            of_one.sort(key=_weight)
        shared = replace(self.base, subscriptions=self.subscriptions)
        return [
            Account(shared, row, by_customer.get(row["stripe_customer_id"] or "", []))
            for row in rows_of(pick(self.organizations), OrganizationRecord)
        ]

    @cached_property
    def meter(self) -> Meter | None:
        """The meter that counts tokens; None where there is none."""
        return meter_of(whole_rows(self.meters, Meter), [])

    @property
    def used(self) -> UsageByOrganization:
        """What the database added up, by organization."""
        return whole_record(pick(self.usage), UsageByOrganization) or {}

    @property
    def reported(self) -> ReportedTotals:
        """What Stripe holds, by customer (meter) or by item (usage records); of those that it was asked about in time."""
        return record_of(self.ledger, ReportedTotals) or {}

    def looked_at(self, account: Account) -> list[Observation]:
        """The looks that were made at one organization alone."""
        return [look for look in (*self.closer, *self.crossings) if _is_of(look, account)]

    def detail(self, account: Account, others: float | None) -> Account:
        """An organization with the looks that were made at it alone; `others`: see `Evidence.others_until`."""
        mine = self.looked_at(account)

        def of(call: str) -> Looks:
            return tuple(look for look in mine if look.call == call)

        own = pick(of("subscriptions"))
        is_own = own is not None and own.status.answered
        evidence = replace(
            self.base,
            org=account.org_id,
            subscriptions=own if is_own else self.subscriptions,
            customer=pick(of("customer")),
            customers_of=pick(of("customers_of")),
            by_hour=of("by_hour"),
            requests=of("of_org"),
            legacy=of("legacy_usage"),
            meter_usage=pick(of("meter_usage")),
            errors=of("meter_errors"),
            crossings=of("crossing"),
            everybody=(),
            refusals=(),
            served=(),
            attributed=(),
            others_until=others,
        )
        return Account(evidence, account.record, None if is_own else account.given_subscriptions)


def _is_of(look: Observation, account: Account) -> bool:
    """Whether a look at a single organization is one at this. What a meter dropped is told of all customers alike."""
    said = look.arguments
    if "org_id" in said:
        return bool(said["org_id"] == account.org_id)
    if "item_id" in said:
        return any(item["id"] == said["item_id"] for item in account.metered_items)
    return "customer_id" not in said or bool(said["customer_id"] == account.customer_id)


def _weight(row: SubscriptionInShort) -> tuple[int, float]:
    status, created = row["status"], moment(row["created_at"])
    return (_WEIGHT.index(status) if status in _WEIGHT else 99, -(created.timestamp() if created else 0))
