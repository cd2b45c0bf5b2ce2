"""05 without an organization: the looks of the audit, in the order of the procedure's steps."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import chain, islice

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Json, Observation
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Exhibit, Said
from runbook_lib.procedures.quota_enforcement import fleet as all_of_them
from runbook_lib.procedures.quota_enforcement.account import Account, Evidence, pick
from runbook_lib.procedures.quota_enforcement.fleet import Fleet, Screened
from runbook_lib.procedures.quota_enforcement.looks import log_of_refusals, refused_of_all
from runbook_lib.procedures.quota_enforcement.verdict import limit_hour
from runbook_lib.reading.periods import calendar_month, floor_hour
from runbook_lib.sources.postgres import usage as postgres_usage
from runbook_lib.sources.stripe import fleet as stripe_fleet
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.stripe import usage as stripe_usage
from runbook_lib.sources.team import team_files
from runbook_lib.sources.traces import jaeger_orgs, tempo_orgs
from runbook_lib.sources.vercel import logs as vercel

See = Callable[..., list[Observation]]
_BACK = timedelta(days=29)
_AT_ONCE = 6  # organizations looked at by the hour at once: each opens a connection to the database


class Audit:
    """What an audit has seen so far, and how it goes on."""

    def __init__(self, base: Evidence, see: See) -> None:
        self.fleet = Fleet(base)
        self._see = see

    def foresee(self) -> list[Look]:
        """What needs no answer first."""
        return [
            postgres_usage.organizations(),
            team_files.plan_limits(),
            stripe_fleet.fleet_subscriptions(),
            stripe_fleet.fleet_customers(),
            stripe_usage.meters(),
            *refused_of_all(self.fleet.base.window),
        ]

    def find_the_accounts(self) -> Said:
        """Every record, every subscription, the limits file."""
        orgs, limits, subscriptions, customers, meters = self._see(
            postgres_usage.organizations(),
            team_files.plan_limits(),
            stripe_fleet.fleet_subscriptions(),
            stripe_fleet.fleet_customers(),
            stripe_usage.meters(),
        )
        found: tuple[Observation, ...] = (orgs,)
        if not orgs.status.answered:
            found += tuple(self._see(postgres_usage.organizations("management")))
        base = replace(self.fleet.base, limits=limits)
        self.fleet = Fleet(base, found, subscriptions, meters, customers)
        paying = sum(account.is_paid for account in self.fleet.accounts)
        return Said(f"{len(self.fleet.accounts)} organizations, {paying} of them on a paid plan.")

    def add_up_the_usage(self) -> Said:
        """Each organization's usage in its own period, in one query; who was refused; and what Stripe holds, as sums."""
        fleet = self.fleet
        asked, now = all_of_them.periods(fleet), fleet.base.now
        if not asked:
            return Said("There is no organization to add up.")
        settled = fleet.accounts[0].settled
        recent = all_of_them.recent_since(now)
        window, route = fleet.base.window, fleet.base.route
        logs = [vercel.request_log("api", window, search=route, status="200"), *log_of_refusals(window, route)]
        parts = (logs, refused_of_all(window), self._ledger())
        first, everybody, *others = self._see(
            postgres_usage.fleet(asked, settled, recent), postgres_usage.recorded(window), *chain(*parts)
        )
        rest = iter(others)
        logged, refusals, ledger = (tuple(islice(rest, len(looks))) for looks in parts)
        base = replace(fleet.base, everybody=everybody, refusals=logged, attributed=refusals)
        fleet = replace(fleet, base=base)
        found = [first]
        if not (first.status.answered or first.status.has_content):
            found += self._see(postgres_usage.fleet(asked, settled, recent, "management"))
        self.fleet = replace(fleet, usage=tuple(found), refusals=tuple(refusals), ledger=ledger[0] if ledger else None)
        screened = all_of_them.screen(self.fleet)
        tokens = sum(int(each.used.get("tokens") or 0) for each in screened)
        shown = Exhibit("usage", "Who spent it", all_of_them.shares_of(screened))
        return Said(f"{tokens:,} tokens in the running periods.", (shown,) if tokens else ())

    def check_the_reports(self, runs: list[Look]) -> Said:
        """Those whose sums do not fit, by the hour."""
        self.fleet = replace(self.fleet, runs=tuple(self._see(*runs)), details=())
        screened = all_of_them.screen(self.fleet)
        others = all_of_them.up_to_date(screened)
        chosen = all_of_them.closer(screened)
        details: list[Evidence] = []
        for start in range(0, len(chosen), _AT_ONCE):
            details += self._look_closer(chosen[start : start + _AT_ONCE], others)
        self.fleet = replace(self.fleet, details=tuple(details))
        unfit = [each for each in screened if each.reasons]
        rows: list[Json] = [
            [
                each.account.subject,
                each.account.plan,
                each.used.get("settled_tokens"),
                each.reported,
                ", ".join(each.reasons),
            ]
            for each in unfit[:50]
        ]
        table = {"columns": ["organization", "plan", "recorded and due", "reported", "why"], "rows": rows}
        exhibits = (Exhibit("table", "Organizations that do not fit", table),) if rows else ()
        return Said(f"{len(screened) - len(unfit)} organizations fit by their sums, {len(unfit)} do not.", exhibits)

    def check_the_limits(self, changes: list[Look]) -> Said:
        """Where a limit is used up: since when, and what was served since."""
        base = replace(self.fleet.base, changes=tuple(self._see(*changes)))
        details = []
        looks: list[tuple[int, Look]] = []
        for at, detail in enumerate(self.fleet.details):
            account = self._account(detail)
            if place := limit_hour(account):
                window, before = place
                limits = {unit: (account.limit or {}).get(unit) for unit in ("tokens", "requests")}
                looks.append((at, postgres_usage.crossing(account.org_id, window, before, limits)))
        seen: dict[int, Observation] = {}
        for start in range(0, len(looks), _AT_ONCE):
            group = looks[start : start + _AT_ONCE]
            seen |= dict(zip([at for at, _ in group], self._see(*(look for _, look in group)), strict=True))
        for at, detail in enumerate(self.fleet.details):
            crossings = (seen[at],) if at in seen else ()
            details.append(replace(detail, crossings=crossings, changes=base.changes))
        self.fleet = replace(self.fleet, base=base, details=tuple(details))
        return Said(f"{len(looks)} organizations have used up a limit.")

    def _account(self, detail: Evidence) -> Account:
        return all_of_them.account_of(self.fleet, detail)

    def _ledger(self) -> list[Look]:
        """The one look at Stripe's ledger of all: the meter's, else usage records'."""
        wanted = all_of_them.metered(self.fleet)
        if not wanted:
            return []
        if meter := self.fleet.meter:
            asked = [stripe_fleet.Metered(account.customer_id, window) for account, window in wanted]
            return [stripe_fleet.fleet_usage(str(meter["id"]), asked)]
        items = [str(item["id"]) for account, _ in wanted for item in account.metered_items]
        return [stripe_fleet.fleet_legacy(items)]

    def _look_closer(self, chosen: list[Screened], others: float | None) -> list[Evidence]:
        """The same looks as for one organization, for several at once."""
        groups = [self._looks_at(each) for each in chosen]
        seen = iter(self._see(*(look for group in groups for look in group)))
        found = []
        for each, group in zip(chosen, groups, strict=True):
            mine = [next(seen) for _ in group]
            found.append(self._evidence(each.account, mine, others))
        return found

    def _looks_at(self, each: Screened) -> list[Look]:
        account, now = each.account, self.fleet.base.now
        since = floor_hour(min(account.period.since, calendar_month(now).since, now - _BACK))
        looks: list[Look] = [postgres_usage.by_hour(account.org_id, Window(since, now), [account.period.since])]
        if account.customer_id:
            looks += [
                stripe_usage.subscriptions(account.customer_id),
                stripe.customer(account.customer_id),
                stripe_usage.customers_of(account.customer_id, account.org_id),
            ]
        if "ledger" in each.reasons:
            meter, window = (
                self.fleet.meter,
                Window(floor_hour(min(account.period.since, now - _BACK)), floor_hour(now)),
            )
            looks += [
                stripe_usage.legacy_usage(str(item["id"])) for item in account.metered_items if not item.get("meter")
            ]
            if meter:
                looks.append(stripe_usage.meter_usage(str(meter["id"]), account.customer_id, window))
                looks.append(stripe_usage.meter_errors(str(meter["id"]), window))
        if "refused" in each.reasons:
            looks += [
                tempo_orgs.of_org(account.org_id, self.fleet.base.window),
                jaeger_orgs.of_org(account.org_id, self.fleet.base.window),
            ]
        return looks

    def _evidence(self, account: Account, mine: list[Observation], others: float | None) -> Evidence:
        def of(*calls: str) -> tuple[Observation, ...]:
            return tuple(look for look in mine if look.call in calls)

        meters = (self.fleet.meters,) if self.fleet.meters is not None else ()
        records = tuple(look for look in (pick(self.fleet.orgs, "organizations"),) if look is not None)
        return replace(
            self.fleet.base,
            org=account.org_id,
            records=records,
            billed=(*of("subscriptions", "customer", "customers_of"), *meters),
            usage=of("by_hour"),
            ledgers=of("meter_usage", "legacy_usage"),
            errors=of("meter_errors"),
            requests=of("of_org"),
            runs=self.fleet.runs,
            refusals=(),
            attributed=(),
            everybody=None,
            in_fleet=True,
            others_until=others,
        )
