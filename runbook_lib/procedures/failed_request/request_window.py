"""01 about a window of requests: which failed, what separates them from the healthy, and what they failed of."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.core.records.log_lines import LogLine
from runbook_lib.judging.answers import rows_of
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.failed_request import looks, question, window
from runbook_lib.procedures.failed_request.exhibits import (
    changes_table,
    deployed_commits,
    deployed_table,
    latency_of,
    rows_table,
    table_of,
)
from runbook_lib.procedures.failed_request.window_reading import WindowEvidence, read_window
from runbook_lib.reading.changes import changes_of
from runbook_lib.reading.request_rows import describe_situation, is_failed, logged_requests, situation_of

if TYPE_CHECKING:
    from runbook_lib.io.observe import Look


class RequestWindow(Procedure):
    """Parameters: since, until, route, pasted_log. Without any of them: the last hour, as an audit does."""

    stem = "01_failed_request"
    evidence: WindowEvidence
    topics: ClassVar = {
        "request": Topic(lambda run: run.search.requests()),
        "traces": Topic(lambda run: run.search.traces()),
        "before": Topic(lambda run: run.search.traces_before()),
        "logs": Topic(lambda run: run.search.logs()),
        "traffic": Topic(lambda run: looks.request_log_of("web", run.search.around_traffic)),
        "changes": Topic(lambda run: run.search.changes()),
        "behind": Topic(lambda run: run.of_what_lies_behind(), after=("request", "traces", "logs")),
    }

    @classmethod
    def is_for(cls, parameters: Mapping[str, Json]) -> bool:
        """Where no id of one request is given."""
        return not question.is_of_one_request(parameters)

    def prepare(self) -> None:
        """Read the window. Raises UsageError for one that is none."""
        self.search = question.read_search(self.parameters, self.look.now)
        self.evidence = WindowEvidence(self.look.now, self.search.window, self.search.route)

    @property
    def window(self) -> Window:
        """since to until."""
        return self.search.window

    @step(question.FIND)
    def find_the_request(self) -> Said:
        """The platforms' request logs."""
        failing = [each for each in logged_requests(self.ask("request")) if is_failed(each.row)]
        listed = Exhibit("table", "Failing requests", rows_table([each.row for each in failing[:20]]))
        told = f"{len(failing)} failing requests in the platforms' logs of the window."
        return Said(told, (listed,) if failing else ())

    @step(question.FOLLOW)
    def follow_the_trace(self) -> Said:
        """Whole traces of the window and of as long a time before it."""
        self.ask("traces", "before")
        reading = read_window(self.evidence)
        exhibits = []
        if reading.traits:
            traits = {"rows": [trait.as_row() for trait in reading.traits]}
            exhibits.append(Exhibit("contrast", "What separates the failing from the healthy", traits))
        if reading.blame:
            blamed = [{**blame.__dict__} for blame in reading.blame[:10]]
            exhibits.append(Exhibit("table", "Where the failures begin, against the time before", table_of(blamed)))
        return Said(f"{len(reading.failing)} of {len(reading.judged)} traces failed.", tuple(exhibits))

    @step(question.READ)
    def read_the_logs(self) -> Said:
        """The lines of the parts in the window."""
        seen = self.ask("logs")
        return Said(f"{sum(len(rows_of(look, LogLine)) for look in seen)} log lines of the window.")

    @step(question.TRAFFIC)
    def look_at_the_traffic(self) -> Said:
        """Web's requests of the window."""
        traffic = self.ask("traffic")
        seen = logged_requests((*self.evidence.request, *traffic))
        situation = situation_of(seen, None, self.look.now, None)
        plot = Exhibit("latency", "Requests of the window", latency_of(seen, None, self.window.as_dict(), []))
        return Said(describe_situation(situation), (plot,))

    @step(question.CHANGED)
    def ask_what_changed(self) -> Said:
        """Deployments and variables of every part in the two hours before."""
        seen = self.ask("changes")
        changes = changes_of(seen, self.window)
        deployed = deployed_commits(seen, ())
        exhibits = [Exhibit("table", "Changes", changes_table(changes))] if changes else []
        exhibits += [Exhibit("table", "What is deployed", deployed_table(deployed))] if deployed else []
        return Said(f"{len(changes)} changes in the two hours before.", tuple(exhibits))

    @step(question.QUOTA)
    def check_the_quota(self) -> Said:
        """Only of one request."""
        return Said("Whether a refusal for the plan was right is judged of one request, or by 05_quota_enforcement.")

    @step(question.BEHIND)
    def ask_what_lies_behind(self) -> Said:
        """Locks and connections where the database failed; the vendor's status page where a vendor did."""
        seen = self.ask("behind")
        if not seen:
            return Said("Nothing behind NexusCore's own parts is involved.")
        return Said("; ".join(f"{look.source} {look.call}: {look.status}" for look in seen) + ".")

    def diagnose(self) -> Conclusion:
        """The verdict on the window."""
        return window.diagnose_window(self.evidence)

    def of_what_lies_behind(self) -> "Sequence[Look]":
        """Whoever the verdict so far is about, asked himself."""
        conclusion = self.diagnose()
        codes = [finding.code for finding in (*conclusion.causes, *conclusion.also)]
        providers = [
            finding.subject.split("/")[0]
            for finding in conclusion.causes
            if finding.code.startswith("request.provider_failed")
        ]
        return looks.of_what_lies_behind(codes, providers, self.window)
