"""05: quota enforcement. What was used, what Stripe holds of it, what was enforced: for one organization, or for all."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from runbook_lib.core.clock import Window, parse_time, parse_window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Observation
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Exhibit, Procedure, Said, step
from runbook_lib.procedures.quota_enforcement import reports
from runbook_lib.procedures.quota_enforcement import verdict as one
from runbook_lib.procedures.quota_enforcement.account import Account, Evidence, meter_of, pick, read
from runbook_lib.procedures.quota_enforcement.audit import Audit
from runbook_lib.procedures.quota_enforcement.billing import plan_at_stripe
from runbook_lib.procedures.quota_enforcement.fleet import diagnose_fleet
from runbook_lib.procedures.quota_enforcement.looks import log_of_refusals, refused_of_all
from runbook_lib.procedures.quota_enforcement.spending import forecasts, told_forecast, usage_exhibit
from runbook_lib.reading.periods import calendar_month, floor_hour, moment
from runbook_lib.sources.postgres import usage as postgres_usage
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.stripe import usage as stripe_usage
from runbook_lib.sources.team import team_files
from runbook_lib.sources.traces import jaeger_orgs, tempo_orgs
from runbook_lib.sources.vercel import logs as vercel

_LONGEST_NAME = 256
_BACK = timedelta(days=29)  # what ledgers and spikes are judged by: four weeks and a day
_RUNS = timedelta(hours=23, minutes=55)  # a log that keeps a day is asked for a little less
_TOLD = (
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "invoice.paid",
)
_CHANGES = timedelta(hours=26)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)


class QuotaEnforcement(Procedure):
    """Parameters: org (id, name or Stripe customer; empty: all), since, until, route, job, report_within."""

    stem = "05_quota_enforcement"

    def prepare(self) -> None:
        """Read the parameters. Raises UsageError for times that are none and for a name too long to be one."""
        now = self.look.now
        self.org = str(self.parameters.get("org") or "").strip()
        if len(self.org) > _LONGEST_NAME or "\x00" in self.org:
            raise UsageError(
                "Cannot look for this organization",
                where="org",
                came_back=f"it is {len(self.org)} characters long, or holds characters that no name has",
                do_next="Give the organization's id, its name, or its Stripe customer (cus_…).",
            )
        self._window = parse_window(
            str(self.parameters.get("since") or "24h"), str(self.parameters.get("until") or "now"), now=now
        )
        self.job = str(self.parameters.get("job") or "usage-report")
        within = _span(str(self.parameters.get("report_within") or "26h"), now)
        self.evidence = Evidence(
            self._window.until,
            self._window,
            self.org,
            str(self.parameters.get("route") or "/api/chat"),
            within,
        )
        self.audit = Audit(self.evidence, self.see)

    @property
    def window(self) -> Window:
        """What was asked of requests; ledgers and limits go by billing periods."""
        return self._window

    def foresee(self) -> Sequence[Look]:
        """Everything that needs no answer first."""
        if not self.org:
            return [*self.audit.foresee(), *self._runs(), *self._changes()]
        looks = [*self._records(), team_files.plan_limits(), stripe_usage.meters(), *self._runs(), *self._changes()]
        if _UUID.fullmatch(self.org.lower()):
            looks += self._requests(self.org.lower())
        return looks

    @step("Which organization is it, and do its record, Stripe and the limits file agree?")
    def find_the_account(self) -> Said:
        """The record of its billing, the plan's limits; then customer and subscriptions at Stripe."""
        if not self.org:
            return self.audit.find_the_accounts()
        record, limits = self.see(*self._records(), team_files.plan_limits())
        self.evidence = replace(self.evidence, records=(record,), limits=limits, billed=())
        if not record.status.answered:
            again = self.see(postgres_usage.organization(self.org, "management"))
            self.evidence = replace(self.evidence, records=(record, *again))
        account = self._account()
        looks = [stripe_usage.meters()]
        if account.customer_id:
            looks += [
                stripe_usage.subscriptions(account.customer_id),
                stripe.customer(account.customer_id),
                stripe_usage.customers_of(account.customer_id, account.org_id),
            ]
        self.evidence = replace(self.evidence, billed=tuple(self.see(*looks)))
        account = self._account()
        if not account.record:
            look = pick(self.evidence.records, "organization")
            return Said(f"The organization could not be found: {look.why if look else ''}.")
        return Said(_told_account(account), (Exhibit("table", "Plan and subscription", _agreement(account)),))

    @step("What did it use in its billing period, and who asked?")
    def add_up_the_usage(self) -> Said:
        """Usage by hour and model, added up in the database; its requests by their traces."""
        if not self.org:
            return self.audit.add_up_the_usage()
        account = self._account()
        if not account.record:
            return Said("Without the organization's record there is nothing to add up.")
        usage = self._usage(account, "database")
        seen = self.see(*usage, *self._requests(account.org_id))
        found, requests = seen[: len(usage)], seen[len(usage) :]
        if not all(look.status.answered or look.status.has_content for look in found):
            found += self.see(*self._usage(account, "management"))
        self.evidence = replace(
            self.evidence,
            usage=tuple(found),
            requests=tuple(requests),
            refusals=(),
            attributed=(),
            everybody=None,
        )
        if not self._account().traces_answered:
            traced = refused_of_all(self._window)
            everybody, *others = self.see(postgres_usage.recorded(self._window), *traced, *self._log_of_refusals())
            attributed, refusals = tuple(others[: len(traced)]), tuple(others[len(traced) :])
            self.evidence = replace(self.evidence, refusals=refusals, attributed=attributed, everybody=everybody)
        account = self._account()
        told = "; ".join(told_forecast(each) for each in forecasts(account))
        exhibits = (Exhibit("usage", "Usage of the billing period", usage_exhibit(account)),) if account.groups else ()
        return Said(
            f"{told or 'no limit is known'}; {len(account.served)} requests served, {len(account.refused)} refused.",
            exhibits,
        )

    @step("Has the daily usage report run, and does Stripe hold what was used?")
    def check_the_report(self) -> Said:
        """Stripe's ledgers against the records, hour by hour; where they differ, what others' ledgers and dropped events say."""
        if not self.org:
            return self.audit.check_the_reports(self._runs())
        account = self._account()
        runs = self.see(*self._runs())
        self.evidence = replace(self.evidence, runs=tuple(runs), ledgers=(), peers=(), errors=())
        if not reports.is_reported(account):
            return Said("None of its usage goes to Stripe: it has no running subscription with a metered price.")
        self.evidence = replace(self.evidence, ledgers=tuple(self.see(*self._ledgers(account))))
        account = self._account()
        reading = reports.report_findings(account)
        if reading.onset is not None:
            self._look_closer(account)
            account = self._account()
            reading = reports.report_findings(account)
        rows = list(reports.ledger_rows(reading))
        table = {"columns": ["day", "recorded", "reported", "difference", "state"], "rows": rows}
        exhibits = (Exhibit("table", "Recorded and reported tokens by day", table),) if rows else ()
        return Said(_told_reports(reading), exhibits)

    @step("Is the limit enforced, and rightly?")
    def check_the_limit(self) -> Said:
        """Where a limit is used up: since when, and what was served since; and what changed before."""
        if not self.org:
            return self.audit.check_the_limits(self._changes())
        account = self._account()
        unpaid = [at for row in account.refused if row["status"] == 402 and (at := moment(row.get("at"))) is not None]
        events = (
            [stripe.events(Window(min(unpaid), self.evidence.now), _TOLD)] if unpaid and account.customer_id else []
        )
        seen = self.see(*self._changes(), *events)
        told, changes = seen[len(seen) - len(events) :], seen[: len(seen) - len(events)]
        self.evidence = replace(self.evidence, changes=tuple(changes), events=tuple(told), crossings=())
        place = one.limit_hour(account)
        if place is None:
            refused = len(account.refused)
            return Said(f"No limit is used up; {refused} of its requests were refused in the window.")
        window, before = place
        limits = {unit: (account.limit or {}).get(unit) for unit in ("tokens", "requests")}
        found = self.see(postgres_usage.crossing(account.org_id, window, before, limits))
        if not found[0].status.answered:
            found += self.see(postgres_usage.crossing(account.org_id, window, before, limits, way="management"))
        self.evidence = replace(self.evidence, crossings=tuple(found))
        value = next((look.value for look in found if isinstance(look.value, dict)), {})
        return Said(
            f"The limit was reached at {value.get('at')}; {value.get('records_after', '?')} records came after it."
        )

    def diagnose(self) -> Conclusion:
        """The verdict on the organization, or on all of them."""
        if not self.org:
            return diagnose_fleet(self.audit.fleet)
        return one.diagnose(self.evidence)

    def _account(self) -> Account:
        return read(self.evidence)

    def _records(self) -> list[Look]:
        return [postgres_usage.organization(self.org)]

    def _usage(self, account: Account, way: postgres_usage.Way) -> list[Look]:
        """Usage since the period's begin, the month's, or four weeks ago, whichever is earliest; cut at the periods' edges."""
        now = self.evidence.now
        edges = [account.period.since]
        ours = moment(account.record.get("current_period_end"))
        edges += [ours] if ours is not None and ours < now else []
        since = floor_hour(min(account.period.since, calendar_month(now).since, now - _BACK))
        return [
            postgres_usage.by_hour(account.org_id, Window(since, now), sorted(set(edges)), way),
            postgres_usage.recorded(self._window, account.org_id, way),
        ]

    def _requests(self, org_id: str) -> list[Look]:
        return [tempo_orgs.of_org(org_id, self._window), jaeger_orgs.of_org(org_id, self._window)]

    def _log_of_refusals(self) -> list[Look]:
        """Where no trace backend tells: the platforms' logs of what was refused and served, whoever's it was."""
        window, route = self._window, self.evidence.route
        return [
            *log_of_refusals(window, route),
            vercel.request_log("api", window, search=route, status="200"),
            railway.logs("api", window, text="quota"),
        ]

    def _runs(self) -> list[Look]:
        window = Window(self.evidence.now - _RUNS, self.evidence.now)
        return [vercel.request_log("api", window, search=self.job)]

    def _changes(self) -> list[Look]:
        window = Window(self.evidence.now - _CHANGES, self.evidence.now)
        return [vercel.deployments("api", window), vercel.env_changes("api"), railway.deployments("api")]

    def _ledgers(self, account: Account) -> list[Look]:
        """Both ledgers, as far as there are any; the meter's over the time for which usage was added up."""
        meters = account.look("meters")
        rows = meters.value if meters is not None and meters.status.has_content else []
        meter = meter_of(rows or [], account.metered_items)
        looks = [stripe_usage.legacy_usage(str(item["id"])) for item in account.metered_items if not item.get("meter")]
        if meter is not None:
            looks.append(
                stripe_usage.meter_usage(str(meter["id"]), account.customer_id, self._reported_window(account))
            )
        return looks

    def _reported_window(self, account: Account) -> Window:
        now = self.evidence.now
        return Window(floor_hour(min(account.period.since, now - _BACK)), floor_hour(now))

    def _look_closer(self, account: Account) -> None:
        """Something is wrong with the ledgers: how others fare, and what Stripe dropped."""
        meters = account.look("meters")
        meter = meter_of((meters.value if meters else None) or [], account.metered_items)
        window = self._reported_window(account)
        looks = [postgres_usage.payers(account.org_id, Window(window.since, account.settled))]
        if meter is not None:
            looks.append(stripe_usage.meter_errors(str(meter["id"]), window))
        peers, *errors = self.see(*looks)
        found: list[Observation] = [peers]
        if meter is not None:
            customers = [row["stripe_customer_id"] for row in peers.value or ()]
            found += self.see(*(stripe_usage.meter_usage(str(meter["id"]), each, window) for each in customers))
        self.evidence = replace(self.evidence, peers=tuple(found), errors=tuple(errors))


def _span(text: str, now: datetime) -> timedelta:
    """How long `26h` or `2d` is. Raises UsageError for anything else, and for no time at all."""
    if not re.fullmatch(r"0*[1-9]\d{0,5}\s*[smhd]", text.strip(), re.ASCII):
        raise UsageError(
            "Cannot read this span of time",
            where=f"report_within={text[:40]!r}",
            came_back="it is not like `26h` or `2d`, or no time at all",
            do_next="Give how old usage may be before it must have been reported: 26h for a daily report, 2h for an hourly one.",
        )
    return now - parse_time(text, now=now, name="report_within")


def _told_account(account: Account) -> str:
    status = account.subscription.get("status") or account.record.get("status") or "no record"
    since, until = account.period.since, account.period.until
    return (
        f"{account.subject} is on plan {account.plan}, {status}; its period runs from {since:%Y-%m-%d %H:%M:%S} to "
        f"{until:%Y-%m-%d %H:%M:%S} UTC."
    )


def _agreement(account: Account) -> dict[str, list[object]]:
    """Record, Stripe and file side by side."""
    record, theirs, limit = account.record, account.subscription, account.limit or {}
    period = account.stripe_period
    rows: list[object] = [
        [
            "plan",
            record.get("plan"),
            plan_at_stripe(account) or None,
            account.plan if account.limit is not None else None,
        ],
        ["status", record.get("status"), theirs.get("status"), None],
        ["period ends", record.get("current_period_end"), period.as_dict()["until"] if period else None, None],
        ["customer", record.get("stripe_customer_id"), theirs.get("customer"), None],
        ["tokens a period", None, None, limit.get("tokens")],
        ["requests a period", None, None, limit.get("requests")],
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
