"""01: a request failed. Find it, its trace, its logs; say what failed first and was not made good, and what the situation is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from runbook_lib.core.clock import Window, from_iso, parse_window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json, Observation
from runbook_lib.io.observe import Look
from runbook_lib.procedures.base import Exhibit, Procedure, Said, step
from runbook_lib.procedures.failed_request import reading as reading_of
from runbook_lib.procedures.failed_request import rules as one
from runbook_lib.procedures.failed_request import window as many
from runbook_lib.procedures.failed_request.exhibits import attempts_of, deployed_commits, latency_of, waterfall_of
from runbook_lib.procedures.failed_request.logs import asks_for_platform
from runbook_lib.procedures.failed_request.looks import Sought, around_call, rows_of_part
from runbook_lib.procedures.failed_request.quota import may_be_quota
from runbook_lib.reading import requests as rows
from runbook_lib.reading.periods import billing_period
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.postgres import health as postgres
from runbook_lib.sources.providers import status_pages
from runbook_lib.sources.stripe import records as stripe
from runbook_lib.sources.supabase import records as supabase
from runbook_lib.sources.team import team_files
from runbook_lib.sources.traces import jaeger, tempo
from runbook_lib.sources.vercel import logs as vercel

_AROUND = timedelta(minutes=5)  # an id carries its time; clocks of edge and function differ by less than this
_LONGEST_ID = 256


class FailedRequest(Procedure):
    """Parameters: request_id, trace_id (or a traceparent), since, until, route, pasted_log.

    With an id it judges that request; without one, the window's failing requests, as an audit does.
    """

    stem = "01_failed_request"

    def prepare(self) -> None:
        """Read ids and window. Raises UsageError for a trace id that is none and for an id too long to be one."""
        now = self.look.now
        asked = vercel.parse_vercel_id(str(self.parameters.get("request_id") or ""))
        given = str(self.parameters.get("trace_id") or "")
        trace_id, context = _trace_id_of(given), vercel.parse_traceparent(given)
        if len(asked.request_id) > _LONGEST_ID:
            raise UsageError(
                "Cannot look for this request",
                where="request_id",
                came_back=f"it is {len(asked.request_id)} characters long; the platforms' ids have fewer than {_LONGEST_ID}",
                do_next="Copy the id from the x-vercel-id response header or from the platform's request log.",
            )
        window = parse_window(
            str(self.parameters.get("since") or "1h"), str(self.parameters.get("until") or "now"), now=now
        )
        if asked.at is not None and asked.at < now:
            window = Window(asked.at - _AROUND, min(now, asked.at + _AROUND))
        route, pasted = str(self.parameters.get("route") or ""), str(self.parameters.get("pasted_log") or "") or None
        self.sought = Sought(now, window, asked.request_id, trace_id, asked.at, route, pasted)
        sampled = context[1] if context else None
        self.evidence = reading_of.Evidence(now, window, asked.request_id, trace_id, sampled=sampled)
        self.baseline: tuple[Observation, ...] = ()
        self._reading: reading_of.Reading | None = None

    @property
    def window(self) -> Window:
        """Around the request where its id or its trace tells when it was; else since and until."""
        return self.sought.window

    def foresee(self) -> Sequence[Look]:
        """Of a window everything but what lies behind; of one request the search, and what changed where its id tells its time."""
        sought = self.sought
        if not sought.is_one:
            rest = [*sought.traces(), *sought.logs(), *rows_of_part("web", sought.window), *sought.changes()]
            return [*sought.requests(), *rest]
        return [*sought.requests(), *(sought.changes() if sought.at else [])]

    @step("Which request failed, and what does the platform say of it?")
    def find_the_request(self) -> Said:
        """The platforms' request logs, and the trace backend's search by request id."""
        seen = self.see(*self.sought.requests())
        self.evidence = replace(self.evidence, request=tuple(seen))
        if not self.sought.is_one:
            failing = [each for each in rows.rows_of(seen) if rows.is_failed(each.row)]
            listed = Exhibit("table", "Failing requests", _rows_table([each.row for each in failing[:20]]))
            return Said(
                f"{len(failing)} failing requests in the platforms' logs of the window.", (listed,) if failing else ()
            )
        reading, had_time = self._read(), self.sought.at is not None
        trace_id = self.sought.trace_id or reading.trace_id or _first_trace(seen)
        row = reading.outermost.row if reading.outermost else None
        at = self.sought.at or (from_iso(str(row["at"])) if row else None)
        self.sought = replace(self.sought, trace_id=trace_id, at=at)
        self.evidence = replace(self.evidence, trace_id=trace_id)
        self.look.ahead(*self._following(row, changes=not had_time))
        if reading.outermost is None:
            return Said(
                "No platform's log told of this request." + (" The trace backend knows it." if trace_id else "")
            )
        table = Exhibit("table", "The request on its way", _rows_table([each.row for each in reading.mine]))
        return Said(f"{rows.describe_row(reading.outermost.row)}.", (table,))

    @step("Where did it go: UI, API, gateway, provider, database?")
    def follow_the_trace(self) -> Said:
        """The whole trace; where a called part left no spans, what the part reported meanwhile."""
        if not self.sought.is_one:
            return self._follow_the_window()
        if not self.sought.trace_id:
            return Said("Nobody knows a trace id for it, so there is no trace to follow.")
        seen = self.see(*self.sought.traces())
        self.evidence = replace(self.evidence, traces=tuple(seen))
        reading = self._read()
        if reading.trace is None:
            return Said("The trace could not be seen.")
        self._place_in_time(reading)
        for gap in reading.trace.gaps:
            around = around_call(gap.call["start_ns"], gap.call["end_ns"], self.look.now)
            seen_of_callee = self.see(
                tempo.window_traces(around, limit=50),
                jaeger.window_traces(around, limit=50),
                *rows_of_part(gap.part, around),
                *([fly.logs(around)] if gap.part == "gateway" else []),
            )
            self.evidence = replace(self.evidence, callee=(*self.evidence.callee, *seen_of_callee))
        exhibits = [Exhibit("waterfall", "The trace", waterfall_of(reading.trace))]
        attempts = attempts_of(reading.trace)
        if len(attempts) > 1:
            exhibits.append(Exhibit("table", "Attempts, retries and fallbacks", _table(attempts)))
        failed = [failure for failure in reading.trace.failures if failure.fate == "unrecovered"]
        parts = sorted({part for part in reading.trace.parts.values() if part != "other"})
        spans = len(reading.trace.trace.spans)
        told = f"{spans} spans of {', '.join(parts) or 'unknown parts'}; {len(failed)} unrecovered failures."
        missing = "".join(f" {gap.part} was called, and no span of it is there." for gap in reading.trace.gaps)
        return Said(told + missing, tuple(exhibits))

    @step("What did the parts themselves log about it?")
    def read_the_logs(self) -> Said:
        """The lines of web, API and gateway that carry the request's or the trace's id."""
        seen = self.see(*self.sought.logs())
        self.evidence = replace(self.evidence, logs=tuple(seen))
        if not self.sought.is_one:
            return Said(
                f"{sum(len(look.value) for look in seen if isinstance(look.value, list))} log lines of the window."
            )
        reading = self._read()
        if reading.trace is None:
            self._ask_the_platform(reading)
        lines = [
            [line.get("at"), line.get("part"), line.get("level"), line.get("message")] for line, _ in reading.my_lines
        ]
        table = Exhibit("table", "Log lines", {"columns": ["at", "part", "level", "message"], "rows": lines[:50]})
        return Said(
            f"{len(lines)} lines carry its id, {len(reading.log_failures)} of them complain.", (table,) if lines else ()
        )

    @step("Is it still going on, since when, and for how many?")
    def look_at_the_traffic(self) -> Said:
        """The same route's requests in the hour around it."""
        around = self.sought.around_traffic
        reading = self._read()
        row = reading.outermost.row if reading.outermost else None
        looks = rows_of_part(_part_of(row), around)
        if reading.trace is not None and reading.trace.trace.roots:
            name = reading.trace.trace.roots[0]["name"]
            looks += [tempo.same_root(name, around), jaeger.same_root(name, around)]
        seen = self.see(*looks)
        traffic = [look for look in seen if look.call != "same_root"]
        likes = [look for look in seen if look.call == "same_root"]
        self.evidence = replace(self.evidence, traffic=tuple(traffic), likes=tuple(likes))
        situation = rows.situation_of(rows.rows_of((*self.evidence.request, *traffic)), row, self.look.now, None)
        mine, others = reading_of.timed(self._read())
        plot = Exhibit("latency", "Requests like it", latency_of(others, mine or None, around.as_dict(), []))
        going = {True: "It is still going on", False: "It is not going on", None: "Whether it goes on cannot be told"}
        count, onset = situation.requests_failed or 0, situation.onset or "a time that cannot be told"
        return Said(f"{going[situation.ongoing]}; {count} requests failed alike, the first at {onset}.", (plot,))

    @step("What changed before it?")
    def ask_what_changed(self) -> Said:
        """Deployments and variables of every part in the two hours before."""
        seen = self.see(*self.sought.changes())
        self.evidence = replace(self.evidence, changes=tuple(seen))
        changes = one.changes_of(seen, self.sought.window)
        deployed = deployed_commits(seen, self._read().mine)
        table = {
            "columns": ["at", "what", "where"],
            "rows": [[change.at, change.what, change.where] for change in changes],
        }
        commits = [{name: each.get(name) for name in ("part", "platform", "commit", "at", "url")} for each in deployed]
        exhibits = [Exhibit("table", "Changes", table)] if changes else []
        exhibits += [Exhibit("table", "What is deployed", _table(commits))] if commits else []
        return Said(f"{len(changes)} changes in the two hours before.", tuple(exhibits))

    @step("If it was refused for the plan: rightly?")
    def check_the_quota(self) -> Said:
        """Plan, usage and subscription of the organization, only where the answer was 402 or 429."""
        reading = self._read()
        statuses = [reading.refusal.status] if reading.refusal else [seen.row.get("status") for seen in reading.mine]
        if not any(may_be_quota(status) for status in statuses):
            return Said("It was not refused with 402 or 429.")
        if not reading.org_id:
            return Said("It was refused, but nothing tells for which organization.")
        (customer,) = self.see(supabase.billing_customer(reading.org_id))
        held = customer.value if isinstance(customer.value, dict) else {}
        period = billing_period(held, self.sought.at or self.look.now)
        looks = [supabase.usage(reading.org_id, period), team_files.plan_limits()]
        if held.get("stripe_customer_id"):
            looks.append(stripe.subscription(str(held["stripe_customer_id"])))
        seen = (customer, *self.see(*looks))
        self.evidence = replace(self.evidence, quota=seen)
        return Said(f"Organization {reading.org_id} is on plan {held.get('plan', '?')}.")

    @step("Do the database and the vendors behind it confirm that?")
    def ask_what_lies_behind(self) -> Said:
        """Locks and connections where the database failed; the vendor's status page where a vendor did."""
        conclusion = self.diagnose()
        codes = {finding.code for finding in (*conclusion.causes, *conclusion.also)}
        looks: list[Look] = []
        if any(code.startswith("request.db_failed") for code in codes):
            looks += [postgres.activity(), supabase.project_health()]
        looks += [
            status_pages.incidents(finding.subject.split("/")[0], self.sought.window)
            for finding in conclusion.causes
            if finding.code.startswith("request.provider_failed")
        ]
        if any(code.startswith("request.stripe_failed") for code in codes):
            looks.append(status_pages.incidents("stripe", self.sought.window))
        if not looks:
            return Said("Nothing behind NexusCore's own parts is involved.")
        seen = self.see(*looks)
        self.evidence = replace(self.evidence, behind=tuple(seen))
        return Said("; ".join(f"{look.source} {look.call}: {look.status}" for look in seen) + ".")

    def diagnose(self) -> Conclusion:
        """The verdict on the request, or on the window."""
        if self.sought.is_one:
            return one.diagnose(self.evidence, self._read())
        return many.diagnose_window(self.evidence, self.baseline, self.sought.route)

    def _read(self) -> reading_of.Reading:
        """The evidence so far, read; a trace is read once."""
        self._reading = reading_of.read(self.evidence, self._reading)
        return self._reading

    def _following(self, row: Mapping[str, Json] | None, *, changes: bool) -> list[Look]:
        """What the next steps will look at, as far as it is known from the first one's answer."""
        looks = self.sought.traces()
        if self.sought.at is not None:
            looks += self.sought.logs()
            looks += rows_of_part(_part_of(row), self.sought.around_traffic)
            looks += self.sought.changes() if changes else []
        return looks

    def _follow_the_window(self) -> Said:
        """Whole traces of the window and of as long a time before it."""
        seen = self.see(*self.sought.traces())
        self.evidence = replace(self.evidence, traces=tuple(seen[:2]))
        self.baseline = tuple(seen[2:])
        reading = many.read_window(self.evidence, self.baseline, self.sought.route)
        exhibits = []
        if reading.traits:
            exhibits.append(
                Exhibit(
                    "contrast",
                    "What separates the failing from the healthy",
                    {"rows": [t.as_row() for t in reading.traits]},
                )
            )
        if reading.blame:
            blamed = [{**blame.__dict__} for blame in reading.blame[:10]]
            exhibits.append(Exhibit("table", "Where the failures begin, against the time before", _table(blamed)))
        return Said(f"{len(reading.failing)} of {len(reading.judged)} traces failed.", tuple(exhibits))

    def _ask_the_platform(self, reading: reading_of.Reading) -> None:
        """Where a line complains of the gateway and no trace shows the call: what its platform saw in those seconds."""
        for failure in reading.log_failures:
            if asks_for_platform(failure):
                ended = from_iso(str(failure.line["at"]))
                around = Window(
                    ended - timedelta(seconds=5), max(min(self.look.now, ended + timedelta(seconds=2)), ended)
                )
                seen = self.see(*rows_of_part("gateway", around), fly.logs(around))
                self.evidence = replace(self.evidence, callee=(*self.evidence.callee, *seen))
                return

    def _place_in_time(self, reading: reading_of.Reading) -> None:
        """Take the request's time from its trace where no platform told it."""
        if self.sought.at is None and reading.trace is not None:
            start_s = min(root["start_ns"] for root in reading.trace.trace.roots) / 1e9
            self.sought = replace(self.sought, at=datetime.fromtimestamp(start_s, self.look.now.tzinfo))


def _trace_id_of(text: str) -> str:
    """A trace id in hex from a trace id or a traceparent; empty for empty. Raises UsageError for anything else."""
    if not text.strip():
        return ""
    parsed = vercel.parse_traceparent(text)
    found = parsed[0] if parsed else vercel.trace_id_hex(text)
    if found is None:
        raise UsageError(
            "Cannot follow this trace",
            where="trace_id",
            came_back="it is neither 32 hex digits nor a traceparent",
            do_next="Copy it from the request log, or from the traceparent header: 00-<32 hex>-<16 hex>-01.",
        )
    return found


def _part_of(row: Mapping[str, Json] | None) -> str:
    """The part that a request first came to; web where no platform's log shows it."""
    return str(row["part"]) if row else "web"


def _first_trace(seen: list[Observation]) -> str:
    """The trace that the trace backend found by the request's id; empty where it found none."""
    for look in seen:
        if look.call == "find_request" and look.status.has_content and isinstance(look.value, list) and look.value:
            return str(look.value[0]["trace"])
    return ""


def _rows_table(found: list[rows.Row]) -> Json:
    names = ["part", "platform", "at", "method", "path", "status", "duration_ms", "trace_id", "error"]
    return {"columns": names, "rows": [[row.get(name) for name in names] for row in found]}


def _table(found: list[dict[str, object]] | list[dict[str, Json]]) -> Json:
    names = list(found[0]) if found else []
    return {"columns": names, "rows": [[row.get(name) for name in names] for row in found]}
