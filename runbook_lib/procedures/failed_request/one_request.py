"""01 about one request, by its id or its trace's: find it, its trace, its logs; say what failed first and was not made good."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from runbook_lib.core.clock import Window, from_epoch_s, from_iso
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.core.records.project import BillingCustomer
from runbook_lib.judging.answers import record_of
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.failed_request import looks, question, rules
from runbook_lib.procedures.failed_request.exhibits import (
    attempts_of,
    changes_table,
    deployed_commits,
    deployed_table,
    latency_of,
    rows_table,
    table_of,
    waterfall_of,
)
from runbook_lib.procedures.failed_request.logs import asks_for_platform
from runbook_lib.procedures.failed_request.quota import may_be_quota
from runbook_lib.procedures.failed_request.reading import Evidence, Reading, SearchResult, find, read, timed_row
from runbook_lib.reading.changes import changes_of
from runbook_lib.reading.request_rows import describe_row, describe_situation, logged_requests, situation_of

if TYPE_CHECKING:
    from runbook_lib.io.observe import Look


class OneRequest(Procedure):
    """Parameters: request_id, trace_id (or a traceparent), pasted_log; since and until where the id does not tell its time."""

    stem = "01_failed_request"
    evidence: Evidence
    topics: ClassVar = {
        "request": Topic(lambda run: run.search.requests()),
        "traces": Topic(lambda run: run.search.traces(), after=("request",), eager=True),
        "callee": Topic(lambda run: run.of_silent_callees(), after=("traces",)),
        "logs": Topic(lambda run: run.of_logs(), after=("request",), eager=True),
        "platform": Topic(lambda run: run.of_gateways_platform(), after=("request", "logs")),
        "traffic": Topic(
            lambda run: looks.request_log_of(run.first_part(), run.search.around_traffic), after=("request",)
        ),
        "likes": Topic(lambda run: run.of_likes(), after=("traces",)),
        "changes": Topic(lambda run: run.of_changes()),
        "customer": Topic(lambda run: run.of_customer(), after=("request", "traces", "logs"), eager=True),
        "quota": Topic(lambda run: run.of_quota(), after=("customer",)),
        "behind": Topic(lambda run: run.of_what_lies_behind(), after=("request", "logs", "traffic")),
    }

    @classmethod
    def is_for(cls, parameters: Mapping[str, Json]) -> bool:
        """Where an id of one request is given."""
        return question.is_of_one_request(parameters)

    def prepare(self) -> None:
        """Read the ids. Raises UsageError for a trace id that is none and for an id too long to be one."""
        self._asked = question.read_search(self.parameters, self.look.now)
        self.evidence = Evidence(
            self.look.now,
            self._asked.window,
            self._asked.request_id,
            self._asked.trace_id,
            question.was_sampled(self.parameters),
        )
        self._reading: Reading | None = None

    @property
    def window(self) -> Window:
        """Around the request where its id tells when it was; else since and until."""
        return self._asked.window

    @property
    def found(self) -> SearchResult:
        """What the search for the request brought so far."""
        return find(self.evidence)

    @property
    def search(self) -> looks.RequestSearch:
        """What is looked for, as far as the answers so far tell its trace and its time."""
        found = self.found
        return replace(self._asked, trace_id=found.trace_id, at=self._asked.at or found.at or self._trace_began())

    @step(question.FIND)
    def find_the_request(self) -> Said:
        """The platforms' request logs, and the trace backend's search by request id."""
        self.ask("request")
        reading = self._read()
        if reading.outermost is None:
            known = " The trace backend knows it." if self.found.trace_id else ""
            return Said("No platform's log told of this request." + known)
        table = Exhibit("table", "The request on its way", rows_table([each.row for each in reading.mine]))
        return Said(f"{describe_row(reading.outermost.row)}.", (table,))

    @step(question.FOLLOW)
    def follow_the_trace(self) -> Said:
        """The whole trace; where a called part left no spans, what the part reported meanwhile."""
        if not self.found.trace_id:
            return Said("Nobody knows a trace id for it, so there is no trace to follow.")
        self.ask("traces")
        reading = self._read()
        if reading.trace is None:
            return Said("The trace could not be seen.")
        self.ask("callee")
        exhibits = [Exhibit("waterfall", "The trace", waterfall_of(reading.trace))]
        attempts = attempts_of(reading.trace)
        if len(attempts) > 1:
            exhibits.append(Exhibit("table", "Attempts, retries and fallbacks", table_of(attempts)))
        failed = [failure for failure in reading.trace.failures if failure.fate == "unrecovered"]
        parts = sorted({part for part in reading.trace.parts.values() if part != "other"})
        spans = len(reading.trace.trace.spans)
        told = f"{spans} spans of {', '.join(parts) or 'unknown parts'}; {len(failed)} unrecovered failures."
        missing = "".join(f" {gap.part} was called, and no span of it is there." for gap in reading.trace.gaps)
        return Said(told + missing, tuple(exhibits))

    @step(question.READ)
    def read_the_logs(self) -> Said:
        """The lines of web, API and gateway that carry the request's or the trace's id."""
        self.ask("logs")
        self.ask("platform")
        reading = self._read()
        lines = [
            [line.get("at"), line.get("part"), line.get("level"), line.get("message")] for line, _ in reading.my_lines
        ]
        table = Exhibit("table", "Log lines", {"columns": ["at", "part", "level", "message"], "rows": lines[:50]})
        return Said(
            f"{len(lines)} lines carry its id, {len(reading.log_failures)} of them complain.", (table,) if lines else ()
        )

    @step(question.TRAFFIC)
    def look_at_the_traffic(self) -> Said:
        """The same route's requests in the hour around it."""
        traffic = self.ask("traffic", "likes")
        around, reading = self.search.around_traffic, self._read()
        row = reading.outermost.row if reading.outermost else None
        situation = situation_of(logged_requests((*self.evidence.request, *traffic)), row, self.look.now, None)
        mine, others, _ = timed_row(reading)
        plot = Exhibit("latency", "Requests like it", latency_of(others, mine or None, around.as_dict(), []))
        return Said(describe_situation(situation), (plot,))

    @step(question.CHANGED)
    def ask_what_changed(self) -> Said:
        """Deployments and variables of every part in the two hours before."""
        seen = self.ask("changes")
        changes = changes_of(seen, self.window)
        deployed = deployed_commits(seen, self._read().mine)
        exhibits = [Exhibit("table", "Changes", changes_table(changes))] if changes else []
        exhibits += [Exhibit("table", "What is deployed", deployed_table(deployed))] if deployed else []
        return Said(f"{len(changes)} changes in the two hours before.", tuple(exhibits))

    @step(question.QUOTA)
    def check_the_quota(self) -> Said:
        """Plan, usage and subscription of the organization, only where the answer was 402 or 429."""
        if not self._may_be_quota():
            return Said("It was not refused with 402 or 429.")
        org_id = self._read().org_id
        if not org_id:
            return Said("It was refused, but nothing tells for which organization.")
        self.ask("customer")
        self.ask("quota")
        plan = self._plan()
        return Said(f"Organization {org_id} is on plan {plan['plan'] if plan is not None else '?'}.")

    @step(question.BEHIND)
    def ask_what_lies_behind(self) -> Said:
        """Locks and connections where the database failed; the vendor's status page where a vendor did."""
        seen = self.ask("behind")
        if not seen:
            return Said("Nothing behind NexusCore's own parts is involved.")
        return Said("; ".join(f"{look.source} {look.call}: {look.status}" for look in seen) + ".")

    def diagnose(self) -> Conclusion:
        """The verdict on the request."""
        return rules.diagnose(self.evidence, self._read())

    def first_part(self) -> str:
        """The part that the request first came to; web where no platform's log shows it."""
        row = self.found.row
        return row["part"] if row else "web"

    def of_logs(self) -> "Sequence[Look]":
        """What the parts wrote, once a trace id is known that its lines may carry; without one, once all was searched."""
        is_searched = len(self.evidence.request) == len(self._asked.requests())
        return self.search.logs() if is_searched or self.found.trace_id else []

    def of_changes(self) -> "Sequence[Look]":
        """What changed before it: at once where its id tells when it was, else once it was searched for."""
        return self.search.changes() if self._asked.at or self.evidence.request else []

    def of_silent_callees(self) -> "Sequence[Look]":
        """Looks at each part that was called and left no span."""
        trace = self._read().trace
        gaps = trace.gaps if trace is not None else ()
        return [look for gap in gaps for look in looks.of_silent_callee(gap.part, gap.call, self.look.now)]

    def of_gateways_platform(self) -> "Sequence[Look]":
        """Where a line complains of the gateway and no trace shows the call: what its platform saw in those seconds."""
        reading = self._read()
        complaints = [each for each in reading.log_failures if asks_for_platform(each)] if not reading.trace else []
        return [
            look
            for failure in complaints[:1]
            for look in looks.of_gateways_platform(from_iso(str(failure.line["at"])), self.look.now)
        ]

    def of_likes(self) -> "Sequence[Look]":
        """Traces that begin as its own does."""
        trace = self._read().trace
        roots = trace.trace.roots if trace is not None else []
        return looks.traces_like(roots[0], self.search.around_traffic) if roots else []

    def of_customer(self) -> "Sequence[Look]":
        """The organization's plan, where the request was refused for it."""
        org_id = self._read().org_id
        return looks.customer_of(org_id) if org_id and self._may_be_quota() else []

    def of_quota(self) -> "Sequence[Look]":
        """The organization's usage, limits and subscription, once its plan was asked for."""
        if not self.evidence.customer:
            return []
        return looks.quota_of(self._read().org_id, self._plan(), self.search.at or self.look.now)

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

    def _may_be_quota(self) -> bool:
        reading = self._read()
        statuses = [reading.refusal.status] if reading.refusal else [seen.row["status"] for seen in reading.mine]
        return any(may_be_quota(status) for status in statuses)

    def _plan(self) -> BillingCustomer | None:
        """The organization's plan; None where nobody told it."""
        return next((plan for look in self.evidence.customer if (plan := record_of(look, BillingCustomer))), None)

    def _trace_began(self) -> datetime | None:
        """When the request's trace began; None without one."""
        trace = self._read().trace if self.evidence.traces else None
        if trace is None or not trace.trace.roots:
            return None
        return from_epoch_s(min(root["start_ns"] for root in trace.trace.roots) / 1e9)

    def _read(self) -> Reading:
        """The evidence so far, read; a trace is read once."""
        self._reading = read(self.evidence, self._reading)
        return self._reading
