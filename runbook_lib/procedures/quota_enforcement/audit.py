"""05 without an organization: the audit of all of them, in the same steps."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Conclusion, Json, Observation
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Exhibit, Said, Topic, step
from runbook_lib.procedures.quota_enforcement.account import Account
from runbook_lib.procedures.quota_enforcement.evidence import pick
from runbook_lib.procedures.quota_enforcement.fleet import diagnose_fleet
from runbook_lib.procedures.quota_enforcement.fleet_evidence import Fleet
from runbook_lib.procedures.quota_enforcement.looks import (
    ADD_UP,
    BACK,
    FIND,
    LIMIT,
    REPORT,
    QuotaEnforcement,
    crossing_of,
    organization_of,
)
from runbook_lib.procedures.quota_enforcement.screening import (
    Screened,
    closer,
    details,
    metered,
    periods,
    recent_since,
    screen,
    shares_of,
)
from runbook_lib.procedures.quota_enforcement.verdict import limit_hour
from runbook_lib.reading.periods import calendar_month, floor_hour
from runbook_lib.sources.postgres import usage as postgres_usage
from runbook_lib.sources.postgres.usage import Way
from runbook_lib.sources.stripe import fleet as stripe_fleet
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.stripe import usage as stripe_usage
from runbook_lib.sources.traces import jaeger_orgs, tempo_orgs

_AT_ONCE = 6  # organizations looked at by the hour at once: each opens a connection to the database


class EveryOrganization(QuotaEnforcement):
    """05 without an organization: sums for all, and the hours of those whose sums do not fit."""

    evidence: Fleet
    topics: ClassVar = {
        **QuotaEnforcement.topics,
        "organizations": Topic(
            lambda _: [postgres_usage.organizations()],
            otherwise=lambda _: [postgres_usage.organizations("management")],
        ),
        "subscriptions": Topic(lambda _: [stripe_fleet.fleet_subscriptions()], is_one=True),
        "customers": Topic(lambda _: [stripe_fleet.fleet_customers()], is_one=True),
        "usage": Topic(
            lambda run: run.sums("database"),
            after=("organizations", "subscriptions"),
            otherwise=lambda run: run.sums("management"),
        ),
        "ledger": Topic(lambda run: run.ledger(), after=("organizations", "subscriptions", "meters"), is_one=True),
    }

    @classmethod
    def is_for(cls, parameters: Mapping[str, Json]) -> bool:
        """Where no organization is named."""
        return not organization_of(parameters)

    def prepare(self) -> None:
        """Read the parameters; see `QuotaEnforcement`."""
        super().prepare()
        self.evidence = Fleet(self.window.until, self.window, self.route, self.report_within)

    @step(FIND)
    def find_the_account(self) -> Said:
        """Every record, every subscription, the limits file."""
        self.ask("organizations", "limits", "subscriptions", "customers", "meters")
        accounts = self.evidence.accounts
        paying = sum(account.is_paid for account in accounts)
        return Said(f"{len(accounts)} organizations, {paying} of them on a paid plan.")

    @step(ADD_UP)
    def add_up_the_usage(self) -> Said:
        """Each organization's usage in its own period, in one query; who was refused; and what Stripe holds, as sums."""
        if not self.evidence.accounts:
            return Said("There is no organization to add up.")
        self.ask("usage", "ledger", "served", "refusals", "attributed")
        self.ask("everybody")
        screened = screen(self.evidence)
        tokens = sum(each.tokens for each in screened)
        shown = Exhibit("usage", "Who spent it", shares_of(screened))
        return Said(f"{tokens:,} tokens in the running periods.", (shown,) if tokens else ())

    @step(REPORT)
    def check_the_report(self) -> Said:
        """Those whose sums do not fit, by the hour."""
        self.ask("runs")
        screened = screen(self.evidence)
        seen = self._some_at_once([self._looks_at(each) for each in closer(screened)])
        self.evidence = self.evidence.filed(closer=tuple(seen))
        unfit = [each for each in screened if each.reasons]
        rows: list[Json] = [
            [
                each.account.subject,
                each.account.plan,
                each.used["settled_tokens"] if each.used else None,
                each.reported,
                ", ".join(each.reasons),
            ]
            for each in unfit[:50]
        ]
        table = {"columns": ["organization", "plan", "recorded and due", "reported", "why"], "rows": rows}
        exhibits = (Exhibit("table", "Organizations that do not fit", table),) if rows else ()
        return Said(f"{len(screened) - len(unfit)} organizations fit by their sums, {len(unfit)} do not.", exhibits)

    @step(LIMIT)
    def check_the_limit(self) -> Said:
        """Where a limit is used up: since when, and what was served since."""
        self.ask("changes")
        looked_at = details(self.evidence, screen(self.evidence))
        places = [(account, place) for account in looked_at if (place := limit_hour(account)) is not None]
        looks = [crossing_of(account, *place, self._way) for account, place in places]
        seen = self._some_at_once([[look] for look in looks])
        self.evidence = self.evidence.filed(crossings=tuple(seen))
        return Said(f"{len(looks)} organizations have used up a limit.")

    def diagnose(self) -> Conclusion:
        """The verdict on all organizations."""
        return diagnose_fleet(self.evidence)

    def sums(self, way: Way) -> list[Look]:
        """What each organization used, in a period of its own."""
        asked = periods(self.evidence)
        if not asked:
            return []
        settled = self.evidence.accounts[0].settled
        return [postgres_usage.fleet(asked, settled, recent_since(self.evidence.now), way)]

    def ledger(self) -> list[Look]:
        """The one look at Stripe's ledger of all: the meter's, else usage records'."""
        wanted = metered(self.evidence)
        if not wanted:
            return []
        if meter := self.evidence.meter:
            asked = [stripe_fleet.Metered(account.customer_id, window) for account, window in wanted]
            return [stripe_fleet.fleet_usage(meter["id"], asked)]
        items = [item["id"] for account, _ in wanted for item in account.metered_items]
        return [stripe_fleet.fleet_legacy(items)]

    @property
    def _way(self) -> Way:
        """The way to the database that brought the sums: the same then brings the hours."""
        look = pick(self.evidence.usage)
        return "management" if look is not None and look.source == "supabase" and look.status.answered else "database"

    def _some_at_once(self, groups: Sequence[Sequence[Look]]) -> list[Observation]:
        """The looks of several organizations, a few organizations at a time."""
        seen: list[Observation] = []
        for start in range(0, len(groups), _AT_ONCE):
            seen += self.see(*(look for group in groups[start : start + _AT_ONCE] for look in group))
        return seen

    def _looks_at(self, each: Screened) -> list[Look]:
        """The same looks as for one organization."""
        account, now = each.account, self.evidence.now
        since = floor_hour(min(account.period.since, calendar_month(now).since, now - BACK))
        window, edges = Window(since, now), [account.period.since]
        looks: list[Look] = [postgres_usage.by_hour(account.org_id, window, edges, self._way)]
        if account.customer_id:
            looks += [
                stripe_usage.subscriptions(account.customer_id),
                stripe.customer(account.customer_id),
                stripe_usage.customers_of(account.customer_id, account.org_id),
            ]
        if "ledger" in each.reasons:
            looks += self._ledgers_of(account)
        if "refused" in each.reasons:
            looks += [
                tempo_orgs.of_org(account.org_id, self.window),
                jaeger_orgs.of_org(account.org_id, self.window),
            ]
        return looks

    def _ledgers_of(self, account: Account) -> list[Look]:
        meter, now = self.evidence.meter, self.evidence.now
        window = Window(floor_hour(min(account.period.since, now - BACK)), floor_hour(now))
        looks: list[Look] = [
            stripe_usage.legacy_usage(item["id"]) for item in account.metered_items if not item["meter"]
        ]
        if meter:
            looks.append(stripe_usage.meter_usage(meter["id"], account.customer_id, window))
            looks.append(stripe_usage.meter_errors(meter["id"], window))
        return looks
