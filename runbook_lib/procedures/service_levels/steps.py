"""09: are the promises kept, and would somebody be told if not? Objectives, counts, budgets; rules, routes, receivers."""

from collections.abc import Callable
from typing import ClassVar

from runbook_lib.core.clock import Window, parse_time
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Observation, Status
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.service_levels import exhibits as shown
from runbook_lib.procedures.service_levels import rules
from runbook_lib.procedures.service_levels.alerts import alert_findings, test_labels
from runbook_lib.procedures.service_levels.evidence import WEBHOOKS, Evidence
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.fly import metrics as fly_metrics
from runbook_lib.sources.metrics import alertmanager, prometheus
from runbook_lib.sources.railway import alerts as railway_alerts
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.railway import metrics as railway_metrics
from runbook_lib.sources.stripe import delivery_counts as stripe_delivery_counts
from runbook_lib.sources.team import team_files
from runbook_lib.sources.traces import jaeger_monitor, raw_counts, tempo_metrics
from runbook_lib.sources.vercel import alerts as vercel_alerts
from runbook_lib.sources.vercel import logs as vercel

_LONGEST_DAYS = 92


class ServiceLevels(Procedure):
    """Parameters: period_days (0: as the file says), until, objectives (names, comma between; empty: all)."""

    stem = "09_service_levels"
    evidence: Evidence
    topics: ClassVar = {
        "file": Topic(lambda _: [team_files.service_levels()], is_one=True),
        "counts": Topic(lambda run: run.count_looks(), after=("file",)),
        "webhooks": Topic(lambda run: run.webhook_looks(), after=("file",)),
        "changes": Topic(lambda run: run.deployment_looks(), after=("file",)),
        "raw": Topic(lambda run: run.raw_count_looks(), after=("counts",)),
        "rules": Topic(lambda run: run.teller_looks(), after=("file",)),
        "fired": Topic(lambda run: run.fired_looks(), after=("file",)),
    }

    def prepare(self) -> None:
        """Read period and names. Raises UsageError for a period that is none."""
        days = int(self.parameters.get("period_days") or 0)
        if not 0 <= days <= _LONGEST_DAYS:
            raise UsageError(
                "Cannot judge this period",
                where="period_days",
                came_back=f"{days} days",
                do_next=f"Give whole days from 1 to {_LONGEST_DAYS}, or 0 for the period of service_levels.toml.",
            )
        self._held: tuple[tuple[object, ...], rules.Weighed] | None = None
        until = parse_time(str(self.parameters.get("until") or "now"), now=self.look.now, name="until")
        names = str(self.parameters.get("objectives") or "")
        only = tuple(name.strip() for name in names.split(",") if name.strip())
        self.evidence = Evidence(until, days, only)

    @property
    def window(self) -> Window:
        """The period."""
        return self.evidence.window

    @step("What was promised?")
    def read_the_promises(self) -> Said:
        """The team's file."""
        (file,) = self.ask("file")
        levels = self.evidence.levels
        if levels is None:
            return Said(f"The objectives could not be read: {file.why or file.status}.")
        rows = shown.promises(self.evidence)
        return Said(
            f"{len(self.evidence.objectives())} objectives over {self.window.seconds / 86_400:g} days.",
            (Exhibit("table", f"Promised in {levels['file']}", rows),),
        )

    @step("What was counted over the period, and by whom?")
    def count_the_requests(self) -> Said:
        """Requests by service from every source that counts, and what was deployed meanwhile."""
        self.ask("counts", "webhooks", "changes")
        self.ask("raw")
        rows = shown.counted(self.evidence)
        return Said(shown.who_counts(self._weighed().judged), (Exhibit("table", "What was counted", rows),))

    @step("How much of each budget is left, how fast does it burn, and when did it go?")
    def weigh_the_budgets(self) -> Said:
        """Each objective judged; where its budget went, by hour and by deployment."""
        weighed = self._weighed()
        exhibits = [Exhibit(each["kind"], each["title"], each["data"]) for each in weighed.glance]
        return Said(shown.sentence(weighed.judged), tuple(exhibits))

    @step("Are the rules there, and the routes from them to people?")
    def check_the_routes(self) -> Said:
        """Rules, Alertmanager's routing and silences, the platforms' own notifications; as far as the team's file names them."""
        if not self.ask("rules"):
            return Said("The team's file names no alerts and no routes.")
        found, _ = alert_findings(self.evidence, self._weighed().judged)
        return Said(shown.routes_sentence(found), (Exhibit("table", "Who is told", shown.routes(self.evidence)),))

    @step("Did the alerts fire when they should have, and only then?")
    def look_at_what_fired(self) -> Said:
        """What fired in the period, against what the budgets say should have."""
        if not self.ask("fired"):
            return Said("No objective names an alert.")
        return Said(shown.fired_sentence(self.evidence), (Exhibit("table", "What fired", shown.fired(self.evidence)),))

    @step("Does a test alert arrive?")
    def send_a_test_alert(self) -> Said:
        """One test alert along each route from traces, one after the other so that counters tell them apart; only with --active."""
        ways = test_labels(self.evidence)
        if not ways:
            return Said("There is no route from traces to try.")
        if not self.look.active:
            return Said("Not tried: a test alert reaches people. Run with --active to send one along each route.")
        tested: list[Observation] = []
        for number, labels in enumerate(ways):  # no topic: its looks would begin at once
            tested += self.see(alertmanager.test_alert(labels, f"{int(self.look.now.timestamp())}-{number}"))
        self.evidence = self.evidence.filed(tested=tuple(tested))
        return Said(shown.tested_sentence(self.evidence))

    def diagnose(self) -> Conclusion:
        """The verdict."""
        return rules.diagnose(self.evidence, self._weighed())

    def _weighed(self) -> rules.Weighed:
        """The objectives judged; once for the same counts, for all that the alerts' looks add changes none of them."""
        evidence = self.evidence
        counted = (evidence.file, evidence.counts, evidence.raw, evidence.webhooks, evidence.changes)
        if self._held is None or any(one is not other for one, other in zip(self._held[0], counted, strict=True)):
            self._held = (counted, rules.weigh(evidence))
        return self._held[1]

    def _wanted(self) -> list[tuple[str, float | None]]:
        """(service, limit of latency in ms or None) of every count that an objective needs; one count serves several."""
        limits: dict[str, list[float | None]] = {}
        for objective in self.evidence.objectives():
            if objective["service"] is not None:
                held = limits.setdefault(objective["service"], [])
                if objective["within_ms"] not in held:
                    held.append(objective["within_ms"])
        return [
            (service, limit)
            for service, held in limits.items()
            for limit in [each for each in held if each is not None] or held[:1]
        ]

    def count_looks(self) -> list[Look]:
        """Every service from every source that may count it; those that do not know it, or are not there, say so."""
        looks = []
        for service, within_ms in self._wanted():
            sources: list[Callable[[str, Window, float | None], Look]] = [
                tempo_metrics.service_counts,
                prometheus.service_counts,
                jaeger_monitor.service_counts,
            ]
            if service in ("api", "gateway"):
                sources.append(railway_metrics.service_counts)
            if service == "gateway":
                sources.append(fly_metrics.service_counts)
            looks += [count(service, self.window, within_ms) for count in sources]
        return looks

    def raw_count_looks(self) -> list[Look]:
        """Raw traces of the services that nothing counts; not from a backend that hangs."""
        looks: list[Look] = []
        for service, within_ms in self._wanted():
            asked = {look.source: look.status for look in self.evidence.counts if look.arguments["service"] == service}
            if any(status.has_content for status in asked.values()):
                continue
            ways = (("tempo", raw_counts.tempo), ("jaeger", raw_counts.jaeger))
            looks += [
                count(service, self.window, within_ms) for source, count in ways if asked[source] != Status.timed_out
            ]
        return looks

    def webhook_looks(self) -> list[Look]:
        """Stripe's events, for each objective that is about them."""
        return [
            stripe_delivery_counts.webhook_counts(self.window, each["events"])
            for each in self.evidence.objectives()
            if each["kind"] == WEBHOOKS
        ]

    def deployment_looks(self) -> list[Look]:
        """What was deployed in the period and in as long a time before: whether a part is younger than the period."""
        until, looks = self.window.until, list[Look]()
        window = Window(self.window.since - (until - self.window.since), until)
        for service in dict.fromkeys(service for service, _ in self._wanted()):
            if service in ("web", "api"):
                looks.append(vercel.deployments(service, window))
            if service in ("api", "gateway"):
                looks.append(railway.deployments(service, window))
            if service == "gateway":
                looks.append(fly.releases(window))
        return looks

    def fired_looks(self) -> list[Look]:
        """What fired in the period and what fires now, where an objective names an alert."""
        if not any(each["alerts"] for each in self.evidence.objectives()):
            return []
        return [prometheus.alerts_fired(self.window), alertmanager.alerts()]

    def teller_looks(self) -> list[Look]:
        """The looks at whoever tells, as far as the team's file names them."""
        routes = {route["from"] for route in self.evidence.routes()}
        guarded = any(each["alerts"] for each in self.evidence.objectives())
        looks: list[Look] = []
        if guarded or "traces" in routes:
            looks += [prometheus.alert_rules(), alertmanager.routing(), alertmanager.silences()]
        if "vercel" in routes:
            looks += [vercel_alerts.alert_rules(part) for part in ("web", "api")]
        return [*looks, railway_alerts.alert_rules()] if "railway" in routes else looks
