"""09: are the promises kept, and would somebody be told if not? Objectives, counts, budgets; rules, routes, receivers."""

from dataclasses import replace
from datetime import timedelta

from runbook_lib.clock import Window, parse_time
from runbook_lib.diagnose import service_levels as levels
from runbook_lib.diagnose import service_levels_exhibits as shown
from runbook_lib.diagnose.service_levels_judging import judge_all
from runbook_lib.diagnose.service_levels_reading import Evidence
from runbook_lib.errors import UsageError
from runbook_lib.model import Conclusion
from runbook_lib.observe import Look
from runbook_lib.procedures.base import Exhibit, Procedure, Said, step
from runbook_lib.sources import fly, railway, stripe_delivery_counts, team_files, tempo_metrics, vercel

_LONGEST_DAYS = 92
_USUAL_DAYS = 30


class ServiceLevels(Procedure):
    """Parameters: period_days (0: as the file says), until, objectives (names, comma between; empty: all)."""

    stem = "09_service_levels"

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
        self.days = days
        self.until = parse_time(str(self.parameters.get("until") or "now"), now=self.look.now, name="until")
        names = str(self.parameters.get("objectives") or "")
        only = tuple(name.strip() for name in names.split(",") if name.strip())
        self.evidence = Evidence(now=self._window().as_dict()["until"], window=self._window(), only=only)

    @property
    def window(self) -> Window:
        """The period."""
        return self.evidence.window

    def _window(self, days: int = 0) -> Window:
        """The period, up to the last whole minute: a step that is not over yet has not been counted."""
        until = self.until.replace(second=0, microsecond=0)
        return Window(until - timedelta(days=self.days or days or _USUAL_DAYS), until)

    @step("What was promised?")
    def read_the_promises(self) -> Said:
        """The team's file."""
        (file,) = self.see(team_files.service_levels())
        self.evidence = replace(self.evidence, file=file)
        if not file.status.has_content:
            return Said(f"The objectives could not be read: {file.why or file.status}.")
        window = self._window(int(file.value["period_days"]))
        self.evidence = replace(self.evidence, window=window, now=window.as_dict()["until"])
        known = [each["name"] for each in file.value["objectives"]]
        if unknown := [name for name in self.evidence.only if name not in known]:
            raise UsageError(
                "There is no such objective",
                where="objectives",
                came_back=", ".join(unknown),
                do_next=f"{file.value['file']} has: {', '.join(known)}.",
            )
        rows = shown.promises(self.evidence)
        return Said(
            f"{len(self.evidence.objectives())} objectives over {window.seconds / 86_400:g} days.",
            (Exhibit("table", f"Promised in {file.value['file']}", rows),),
        )

    @step("What was counted over the period, and by whom?")
    def count_the_requests(self) -> Said:
        """Requests by service from every source that counts, and what was deployed meanwhile."""
        window, looks, changes = self.window, [], []
        for service, within_ms in self._wanted():
            looks += self._counts(service, window, within_ms)
        for service in dict.fromkeys(service for service, _ in self._wanted()):
            changes += self._deployments(service, window)
        events = [
            stripe_delivery_counts.webhook_counts(window, each["events"])
            for each in self.evidence.objectives()
            if each["kind"] == "webhooks"
        ]
        seen = self.see(*looks, *events, *changes)
        first, second = len(looks), len(looks) + len(events)
        counts, webhooks, changed = tuple(seen[:first]), tuple(seen[first:second]), tuple(seen[second:])
        self.evidence = replace(self.evidence, counts=counts, webhooks=webhooks, changes=changed)
        rows = shown.counted(self.evidence)
        return Said(shown.who_counts(self.evidence), (Exhibit("table", "What was counted", rows),))

    @step("How much of each budget is left, how fast does it burn, and when did it go?")
    def weigh_the_budgets(self) -> Said:
        """Each objective judged; where its budget went, by hour and by deployment."""
        judged = judge_all(self.evidence)
        exhibits = [Exhibit("table", "Objectives", shown.budgets(judged))]
        where = shown.where_it_went(judged, self.evidence)
        if where["rows"]:
            exhibits.append(Exhibit("table", "Where the budget went", where))
        return Said(shown.sentence(judged), tuple(exhibits))

    def diagnose(self) -> Conclusion:
        """The verdict."""
        return levels.diagnose(self.evidence)

    def _wanted(self) -> list[tuple[str, float | None]]:
        """(service, limit of latency in ms or None) of every count that an objective needs; one count serves several."""
        limits: dict[str, list[float | None]] = {}
        for objective in self.evidence.objectives():
            if objective["kind"] != "webhooks":
                held = limits.setdefault(objective["service"], [])
                if objective["within_ms"] not in held:
                    held.append(objective["within_ms"])
        return [
            (service, limit)
            for service, held in limits.items()
            for limit in [each for each in held if each is not None] or held[:1]
        ]

    def _counts(self, service: str, window: Window, within_ms: float | None) -> list[Look]:
        return [tempo_metrics.service_counts(service, window, within_ms)]

    def _deployments(self, service: str, window: Window) -> list[Look]:
        if service in ("web", "api"):
            found = [vercel.deployments(service, window)]
            return [*found, railway.deployments(service, window)] if service == "api" else found
        return [railway.deployments(service, window), fly.releases(window)] if service == "gateway" else []
