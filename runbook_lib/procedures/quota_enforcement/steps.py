"""05: quota enforcement of one organization: what was used, what Stripe holds of it, what was enforced. All of them: `audit`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.core.records.meters import Meter
from runbook_lib.core.records.organizations import PayingOrganization
from runbook_lib.core.records.usage import LimitCrossing
from runbook_lib.io.observe import Look
from runbook_lib.judging.answers import whole_record, whole_rows
from runbook_lib.procedures.base import Exhibit, Said, Topic, step
from runbook_lib.procedures.quota_enforcement import reports
from runbook_lib.procedures.quota_enforcement import verdict as one
from runbook_lib.procedures.quota_enforcement.account import Account, meter_of, read
from runbook_lib.procedures.quota_enforcement.audit import (
    EveryOrganization as EveryOrganization,
)  # found here by its stem
from runbook_lib.procedures.quota_enforcement.billing import plan_at_stripe
from runbook_lib.procedures.quota_enforcement.evidence import Evidence
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
from runbook_lib.procedures.quota_enforcement.spending import forecast_in_words, forecasts, usage_exhibit
from runbook_lib.reading.periods import calendar_month, floor_hour, moment
from runbook_lib.sources.postgres import usage as postgres_usage
from runbook_lib.sources.postgres.usage import Way
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.stripe import usage as stripe_usage
from runbook_lib.sources.traces import jaeger_orgs, tempo_orgs

_TOLD = (
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.paid",
)


def _of_record(looks: Callable[["OneOrganization", Account], list[Look]]) -> Callable[["OneOrganization"], list[Look]]:
    """Looks at an organization that is known; none at one that is not."""
    return lambda run: looks(run, account) if (account := run.account).record else []


def _of_customer(look: Callable[[Account], Look]) -> Topic:
    """A look at the organization's customer at Stripe; none where it has no customer."""
    return Topic(lambda run: [look(run.account)] if run.account.customer_id else [], after=("record",), is_one=True)


def _of_database(looks: Callable[["OneOrganization", Account, Way], list[Look]], after: tuple[str, ...]) -> Topic:
    """Looks at the database, else the same over the Management API."""
    return Topic(
        _of_record(lambda run, account: looks(run, account, "database")),
        after=after,
        otherwise=_of_record(lambda run, account: looks(run, account, "management")),
    )


def _where_traces_are_silent(topic: Topic) -> Topic:
    """What is asked only where no trace backend tells of the organization; it depends on no answer, and so begins at once."""

    def only(
        looks: Callable[["OneOrganization"], Sequence[Look]] | None,
    ) -> Callable[["OneOrganization"], Sequence[Look]]:
        return lambda run: looks(run) if looks is not None and not run.account.traces_answered else []

    return replace(topic, looks=only(topic.looks), otherwise=only(topic.otherwise))


class OneOrganization(QuotaEnforcement):
    """05 with an organization."""

    evidence: Evidence
    topics: ClassVar = {
        **QuotaEnforcement.topics,
        "record": Topic(
            lambda run: [postgres_usage.organization(run.org)],
            otherwise=lambda run: [postgres_usage.organization(run.org, "management")],
        ),
        "subscriptions": _of_customer(lambda account: stripe_usage.subscriptions(account.customer_id)),
        "customer": _of_customer(lambda account: stripe.customer(account.customer_id)),
        "customers_of": _of_customer(lambda account: stripe_usage.customers_of(account.customer_id, account.org_id)),
        "by_hour": _of_database(lambda run, account, way: run.by_hour(account, way), ("record",)),
        "recorded": _of_database(
            lambda run, account, way: [postgres_usage.recorded(run.window, account.org_id, way)], ("record",)
        ),
        "requests": Topic(
            _of_record(
                lambda run, account: [
                    tempo_orgs.of_org(account.org_id, run.window),
                    jaeger_orgs.of_org(account.org_id, run.window),
                ]
            ),
            after=("record",),
        ),
        **{
            name: _where_traces_are_silent(QuotaEnforcement.topics[name])
            for name in ("everybody", "attributed", "refusals", "served")
        },
        "lines": _where_traces_are_silent(Topic(lambda run: [railway.logs("api", run.window, text="quota")])),
        "legacy": Topic(lambda run: run.sums(), after=("subscriptions",)),
        "meter_usage": Topic(
            lambda run: run.hours_of(run.account.customer_id), after=("subscriptions", "meters"), is_one=True
        ),
        "payers": Topic(
            lambda run: run.where_it_differs(lambda: [run.payers("database")]),
            after=("by_hour",),
            otherwise=lambda run: run.where_it_differs(lambda: [run.payers("management")]),
        ),
        "errors": Topic(lambda run: run.where_it_differs(run.dropped), after=("by_hour",)),
        "peers": Topic(lambda run: run.peers(), after=("payers",)),
        "events": Topic(lambda run: run.events(), after=("requests",), is_one=True),
        "crossings": Topic(
            lambda run: run.crossing("database"),
            after=("by_hour", "limits"),
            otherwise=lambda run: run.crossing("management"),
        ),
    }

    @classmethod
    def is_for(cls, parameters: Mapping[str, Json]) -> bool:
        """Where an organization is named."""
        return bool(organization_of(parameters))

    def prepare(self) -> None:
        """Read the parameters; see `QuotaEnforcement`."""
        super().prepare()
        self.evidence = Evidence(self.window.until, self.window, self.org, self.route, self.report_within)
        self._account = read(self.evidence)

    @property
    def account(self) -> Account:
        """The organization by what was seen so far; read once for each state of the evidence."""
        if self._account.evidence is not self.evidence:
            self._account = read(self.evidence)
        return self._account

    @step(FIND)
    def find_the_account(self) -> Said:
        """The record of its billing, the plan's limits; then customer and subscriptions at Stripe."""
        self.ask("record", "limits")
        self.ask("meters", "subscriptions", "customer", "customers_of")
        account = self.account
        if not account.record:
            look = self.evidence.look("record")
            return Said(f"The organization could not be found: {look.why if look else ''}.")
        return Said(_told_account(account), (Exhibit("table", "Plan and subscription", _agreement(account)),))

    @step(ADD_UP)
    def add_up_the_usage(self) -> Said:
        """Usage by hour and model, added up in the database; its requests by their traces."""
        if not self.account.record:
            return Said("Without the organization's record there is nothing to add up.")
        self.ask("by_hour", "recorded", "requests")
        self.ask("attributed", "refusals", "served", "lines")
        self.ask("everybody")
        account = self.account
        told = "; ".join(forecast_in_words(each) for each in forecasts(account))
        exhibits = (Exhibit("usage", "Usage of the billing period", usage_exhibit(account)),) if account.groups else ()
        return Said(
            f"{told or 'no limit is known'}; {len(account.served)} requests served, {len(account.refused)} refused.",
            exhibits,
        )

    @step(REPORT)
    def check_the_report(self) -> Said:
        """Stripe's ledgers against the records, hour by hour; where they differ, what others' ledgers and dropped events say."""
        self.ask("runs", "legacy", "meter_usage")
        if not reports.is_reported(self.account):
            return Said("None of its usage goes to Stripe: it has no running subscription with a metered price.")
        self.ask("payers", "errors")
        self.ask("peers")
        reading = reports.report_findings(self.account)
        rows = list(reports.ledger_rows(reading))
        table = {"columns": ["day", "recorded", "reported", "difference", "state"], "rows": rows}
        exhibits = (Exhibit("table", "Recorded and reported tokens by day", table),) if rows else ()
        return Said(_told_reports(reading), exhibits)

    @step(LIMIT)
    def check_the_limit(self) -> Said:
        """Where a limit is used up: since when, and what was served since; and what changed before."""
        self.ask("changes", "events", "crossings")
        if not self.evidence.crossings:
            refused = len(self.account.refused)
            return Said(f"No limit is used up; {refused} of its requests were refused in the window.")
        crossing = whole_record(self.evidence.look("crossings"), LimitCrossing)
        at, later = (crossing["at"], crossing["records_after"]) if crossing else (None, "?")
        return Said(f"The limit was reached at {at}; {later} records came after it.")

    def diagnose(self) -> Conclusion:
        """The verdict on the organization."""
        return one.diagnose(self.evidence)

    def by_hour(self, account: Account, way: Way) -> list[Look]:
        """Usage since the period's begin, the month's, or four weeks ago, whichever is earliest; cut at the periods' edges. None as
        long as its subscriptions, and so Stripe's period, are still to come."""
        if account.customer_id and self.evidence.subscriptions is None:
            return []
        now = self.evidence.now
        edges = [account.period.since]
        ours = account.end_on_record
        edges += [ours] if ours is not None and ours < now else []
        since = floor_hour(min(account.period.since, calendar_month(now).since, now - BACK))
        return [postgres_usage.by_hour(account.org_id, Window(since, now), sorted(set(edges)), way)]

    def sums(self) -> list[Look]:
        """Usage records of the items that no meter counts; none where nothing of it goes to Stripe."""
        account = self.account
        items = account.metered_items if reports.is_reported(account) else []
        return [stripe_usage.legacy_usage(item["id"]) for item in items if not item["meter"]]

    def hours_of(self, customer_id: str) -> list[Look]:
        """A customer's usage by the organization's meter, over the time for which usage was added up; none without a meter."""
        meter, account = self._meter(), self.account
        if meter is None or not reports.is_reported(account):
            return []
        return [stripe_usage.meter_usage(meter["id"], customer_id, self._reported_window(account))]

    def where_it_differs(self, looks: Callable[[], list[Look]]) -> list[Look]:
        """Looks that are made only where something is wrong with the ledgers."""
        return looks() if reports.report_findings(self.account).onset is not None else []

    def payers(self, way: Way) -> Look:
        """Others whose usage must be at Stripe as well."""
        account = self.account
        return postgres_usage.payers(account.org_id, Window(self._reported_window(account).since, account.settled), way)

    def dropped(self) -> list[Look]:
        """What Stripe dropped of the meter's events."""
        meter = self._meter()
        return [] if meter is None else [stripe_usage.meter_errors(meter["id"], self._reported_window(self.account))]

    def peers(self) -> list[Look]:
        """How others fare."""
        others = whole_rows(self.evidence.look("payers"), PayingOrganization)
        return [look for row in others for look in self.hours_of(row["stripe_customer_id"])]

    def events(self) -> list[Look]:
        """What Stripe told of its subscriptions since it was first refused for one."""
        account = self.account
        unpaid = [at for each in account.refused if each.status == 402 and (at := moment(each.at)) is not None]
        if not unpaid or not account.customer_id:
            return []
        return [stripe.events(Window(min(unpaid), self.evidence.now), _TOLD)]

    def crossing(self, way: Way) -> list[Look]:
        """Since when a limit is used up; none where no limit is."""
        account = self.account
        place = one.limit_hour(account)
        return [] if place is None else [crossing_of(account, *place, way)]

    def _meter(self) -> Meter | None:
        return meter_of(whole_rows(self.evidence.meters, Meter), self.account.metered_items)

    def _reported_window(self, account: Account) -> Window:
        now = self.evidence.now
        return Window(floor_hour(min(account.period.since, now - BACK)), floor_hour(now))


def _told_account(account: Account) -> str:
    status = (account.subscription and account.subscription["status"]) or account.status_on_record or "no record"
    since, until = account.period.since, account.period.until
    return (
        f"{account.subject} is on plan {account.plan}, {status}; its period runs from {since:%Y-%m-%d %H:%M:%S} to "
        f"{until:%Y-%m-%d %H:%M:%S} UTC."
    )


def _agreement(account: Account) -> dict[str, list[object]]:
    """Record, Stripe and file side by side."""
    theirs, limit, period = account.subscription, account.known_limit, account.stripe_period
    ends = account.record["current_period_end"] if account.record else None
    rows: list[object] = [
        [
            "plan",
            account.record["plan"] if account.record else None,
            plan_at_stripe(account) or None,
            account.plan if account.limit is not None else None,
        ],
        ["status", account.status_on_record, theirs["status"] if theirs else None, None],
        ["period ends", ends, period.as_dict()["until"] if period else None, None],
        ["customer", account.customer_id or None, theirs["customer"] if theirs else None, None],
        ["tokens a period", None, None, limit["tokens"]],
        ["requests a period", None, None, limit["requests"]],
    ]
    return {"columns": ["", "billing_customers", "Stripe", "limits file"], "rows": rows}


def _told_reports(reading: reports.Reports) -> str:
    if reading.findings:
        return reading.findings[0].summary + "."
    meter = reading.meter
    if meter is None:
        return "Stripe's ledger could not be held against the records."
    late = f"; {meter.quantity(meter.late):,.0f} tokens are newer than the last report" if meter.late else ""
    return f"{meter.matched} {'hours' if meter.unit_s == 3600 else 'days'} agree{late}."
