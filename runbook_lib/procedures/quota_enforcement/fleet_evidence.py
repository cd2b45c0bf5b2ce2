"""What an audit by procedure 05 has seen, filed by topic, and each organization as it shows in that."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation
from runbook_lib.judging.answers import whole_object, whole_rows
from runbook_lib.judging.evidence import Filed
from runbook_lib.procedures.quota_enforcement.account import Account, meter_of
from runbook_lib.procedures.quota_enforcement.evidence import DAILY, ROUTE, Evidence, Looks, pick, rows_seen
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
        by_customer: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in whole_rows(self.subscriptions):
            by_customer[str(row["customer"])].append(row)
        for of_one in by_customer.values():
            of_one.sort(key=_weight)
        shared = replace(self.base, subscriptions=self.subscriptions)
        known = pick(self.organizations)
        return [
            Account(shared, row, by_customer.get(str(row.get("stripe_customer_id") or ""), []))
            for row in rows_seen([known] if known is not None else [])
        ]

    @cached_property
    def meter(self) -> dict[str, Any] | None:
        """The meter that counts tokens; None where there is none."""
        return meter_of(whole_rows(self.meters), [])

    @property
    def used(self) -> dict[str, dict[str, Any]]:
        """What the database added up, by organization."""
        return whole_object(pick(self.usage))

    @property
    def reported(self) -> dict[str, float | None]:
        """What Stripe holds, by customer (meter) or by item (usage records); of those that it was asked about in time."""
        look = self.ledger
        return look.value if look is not None and look.status.has_content and isinstance(look.value, dict) else {}

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


def _weight(row: dict[str, Any]) -> tuple[int, float]:
    status = str(row.get("status"))
    created = moment(row.get("created_at"))
    return (_WEIGHT.index(status) if status in _WEIGHT else 99, -(created.timestamp() if created else 0))
