"""01: a request failed. Find it, its trace, its logs; say what failed first and was not made good, and what the situation is."""

from dataclasses import replace
from datetime import datetime, timedelta

from runbook_lib.clock import Window, from_iso, parse_window
from runbook_lib.diagnose import failed_request as one
from runbook_lib.diagnose import failed_request_reading as reading_of
from runbook_lib.diagnose import failed_request_window as many
from runbook_lib.diagnose import requests as rows
from runbook_lib.diagnose.failed_request_exhibits import attempts_of, deployed_commits, latency_of, waterfall_of
from runbook_lib.diagnose.failed_request_logs import asks_for_platform
from runbook_lib.diagnose.failed_request_quota import may_be_quota
from runbook_lib.diagnose.periods import billing_period
from runbook_lib.errors import UsageError
from runbook_lib.model import Conclusion, Json, Observation
from runbook_lib.observe import Look
from runbook_lib.procedures.base import Exhibit, Procedure, Said, step
from runbook_lib.procedures.failed_request_times import around_call
from runbook_lib.sources import (
    fly,
    jaeger,
    postgres,
    railway,
    status_pages,
    stripe,
    supabase,
    team_files,
    tempo,
    vercel,
)

_AROUND = timedelta(minutes=5)  # an id carries its time; clocks of edge and function differ by less than this
_TRAFFIC = timedelta(hours=1)
_CHANGES = timedelta(hours=2)
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
        self.request_id = asked.request_id
        self.route = str(self.parameters.get("route") or "")
        self.pasted = str(self.parameters.get("pasted_log") or "") or None
        given = str(self.parameters.get("trace_id") or "")
        self.trace_id = _trace_id_of(given)
        context = vercel.parse_traceparent(given)
        if len(self.request_id) > _LONGEST_ID:
            raise UsageError(
                "Cannot look for this request",
                where="request_id",
                came_back=f"it is {len(self.request_id)} characters long; the platforms' ids have fewer than {_LONGEST_ID}",
                do_next="Copy the id from the x-vercel-id response header or from the platform's request log.",
            )
        self.at: datetime | None = asked.at
        self._window = parse_window(
            str(self.parameters.get("since") or "1h"), str(self.parameters.get("until") or "now"), now=now
        )
        if asked.at is not None:
            self._window = Window(asked.at - _AROUND, min(now, asked.at + _AROUND)) if asked.at < now else self._window
        sampled = context[1] if context else None
        self.evidence = reading_of.Evidence(now, self._window, self.request_id, self.trace_id, sampled=sampled)
        self.baseline: tuple[Observation, ...] = ()
        self._reading: reading_of.Reading | None = None

    @property
    def window(self) -> Window:
        """Around the request where its id or its trace tells when it was; else since and until."""
        return self._window

    @property
    def is_one(self) -> bool:
        """Whether one request was asked for, by its id or its trace's."""
        return bool(self.request_id or self.trace_id)

    @step("Which request failed, and what does the platform say of it?")
    def find_the_request(self) -> Said:
        """The platforms' request logs, and the trace backend's search by request id."""
        looks = self._find_one() if self.is_one else self._find_failing()
        seen = self.see(*looks)
        self.evidence = replace(self.evidence, request=tuple(seen))
        if not self.is_one:
            failing = [each for each in rows.rows_of(seen) if rows.is_failed(each.row)]
            listed = Exhibit("table", "Failing requests", _rows_table([each.row for each in failing[:20]]))
            return Said(
                f"{len(failing)} failing requests in the platforms' logs of the window.", (listed,) if failing else ()
            )
        reading = self._read()
        self.trace_id = self.trace_id or reading.trace_id or _first_trace(seen)
        self.evidence = replace(self.evidence, trace_id=self.trace_id)
        if reading.outermost is None:
            return Said(
                "No platform's log told of this request." + (" The trace backend knows it." if self.trace_id else "")
            )
        self.at = self.at or from_iso(str(reading.outermost.row["at"]))
        table = Exhibit("table", "The request on its way", _rows_table([each.row for each in reading.mine]))
        return Said(f"{rows.describe_row(reading.outermost.row)}.", (table,))

    @step("Where did it go: UI, API, gateway, provider, database?")
    def follow_the_trace(self) -> Said:
        """The whole trace; where a called part left no spans, what the part reported meanwhile."""
        if not self.is_one:
            return self._follow_the_window()
        if not self.trace_id:
            return Said("Nobody knows a trace id for it, so there is no trace to follow.")
        seen = self.see(
            tempo.trace(self.trace_id, self._window, at=self.at), jaeger.trace(self.trace_id, self._window, at=self.at)
        )
        self.evidence = replace(self.evidence, traces=tuple(seen), trace_id=self.trace_id)
        reading = self._read()
        if reading.trace is None:
            return Said("The trace could not be seen.")
        self._place_in_time(reading)
        for gap in reading.trace.gaps:
            around = around_call(gap.call["start_ns"], gap.call["end_ns"], self.look.now)
            seen_of_callee = self.see(
                tempo.window_traces(around, limit=50),
                jaeger.window_traces(around, limit=50),
                *self._rows_of_part(gap.part, around),
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
        around = self._around()
        if not self.is_one:
            looks = [railway.logs("gateway", around), railway.logs("api", around), fly.logs(around)]
        else:
            looks = [
                vercel.request_log("web", around),
                vercel.request_log("api", around),
                railway.logs("gateway", around, trace_id=self.trace_id or None, request_id=self.request_id or None),
                railway.logs("api", around, trace_id=self.trace_id or None, request_id=self.request_id or None),
                fly.logs(around, self.trace_id or self.request_id),
            ]
        seen = self.see(*looks)
        self.evidence = replace(self.evidence, logs=tuple(seen))
        if not self.is_one:
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
        middle = self.at or self._window.until
        around = Window(middle - _TRAFFIC, min(self.look.now, middle + _TRAFFIC)) if self.is_one else self._window
        reading = self._read()
        row = reading.outermost.row if reading.outermost else None
        part = str(row.get("part")) if row else "web"
        looks = self._rows_of_part(part, around)
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
        middle = self.at or self._window.since
        before = Window(middle - _CHANGES, self._window.until)
        seen = self.see(
            vercel.deployments("web", before),
            vercel.deployments("api", before),
            vercel.env_changes("web"),
            vercel.env_changes("api"),
            railway.deployments("gateway"),
            railway.deployments("api"),
            fly.releases(),
        )
        self.evidence = replace(self.evidence, changes=tuple(seen))
        changes = one.changes_of(seen, self._window)
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
        period = billing_period(held, self.at or self.look.now)
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
            status_pages.incidents(finding.subject.split("/")[0], self._window)
            for finding in conclusion.causes
            if finding.code.startswith("request.provider_failed")
        ]
        if any(code.startswith("request.stripe_failed") for code in codes):
            looks.append(status_pages.incidents("stripe", self._window))
        if not looks:
            return Said("Nothing behind NexusCore's own parts is involved.")
        seen = self.see(*looks)
        self.evidence = replace(self.evidence, behind=tuple(seen))
        return Said("; ".join(f"{look.source} {look.call}: {look.status}" for look in seen) + ".")

    def diagnose(self) -> Conclusion:
        """The verdict on the request, or on the window."""
        if self.is_one:
            return one.diagnose(self.evidence, self._read())
        return many.diagnose_window(self.evidence, self.baseline, self.route)

    def _read(self) -> reading_of.Reading:
        """The evidence so far, read; a trace is read once."""
        self._reading = reading_of.read(self.evidence, self._reading)
        return self._reading

    def _find_one(self) -> list[Look]:
        if not self.request_id:
            return [
                vercel.request_log("web", self._window, search=self.trace_id, pasted=self.pasted),
                vercel.request_log("api", self._window, search=self.trace_id),
            ]
        return [
            vercel.request_log("web", self._window, request_id=self.request_id, pasted=self.pasted),
            vercel.request_log("api", self._window, request_id=self.request_id),
            tempo.find_request(self.request_id, self._window, at=self.at),
            jaeger.find_request(self.request_id, self._window, at=self.at),
        ]

    def _find_failing(self) -> list[Look]:
        search = self.route or None
        return [
            vercel.request_log("web", self._window, search=search, pasted=self.pasted),
            vercel.request_log("api", self._window, search=search),
            railway.http_log("gateway", self._window),
        ]

    def _follow_the_window(self) -> Said:
        """Whole traces of the window and of as long a time before it."""
        length = self._window.until - self._window.since
        before = Window(self._window.since - length, self._window.since)
        route = self.route or None
        seen = self.see(
            tempo.window_traces(self._window, route),
            jaeger.window_traces(self._window, route),
            tempo.window_traces(before, route),
            jaeger.window_traces(before, route),
        )
        self.evidence = replace(self.evidence, traces=tuple(seen[:2]))
        self.baseline = tuple(seen[2:])
        reading = many.read_window(self.evidence, self.baseline, self.route)
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

    def _rows_of_part(self, part: str, around: Window) -> list[Look]:
        """The request log of a part, on whichever platform it runs."""
        if part == "gateway":
            return [railway.http_log("gateway", around)]  # Fly.io has no such log
        return [vercel.request_log(part, around)]

    def _ask_the_platform(self, reading: reading_of.Reading) -> None:
        """Where a line complains of the gateway and no trace shows the call: what its platform saw in those seconds."""
        for failure in reading.log_failures:
            if asks_for_platform(failure):
                ended = from_iso(str(failure.line["at"]))
                around = Window(
                    ended - timedelta(seconds=5), max(min(self.look.now, ended + timedelta(seconds=2)), ended)
                )
                seen = self.see(*self._rows_of_part("gateway", around), fly.logs(around))
                self.evidence = replace(self.evidence, callee=(*self.evidence.callee, *seen))
                return

    def _around(self) -> Window:
        if not self.is_one or self.at is None:
            return self._window
        return Window(self.at - timedelta(seconds=30), max(min(self.look.now, self.at + timedelta(minutes=2)), self.at))

    def _place_in_time(self, reading: reading_of.Reading) -> None:
        """Take the request's time from its trace where no platform told it."""
        if self.at is None and reading.trace is not None:
            start_s = min(root["start_ns"] for root in reading.trace.trace.roots) / 1e9
            self.at = datetime.fromtimestamp(start_s, self.look.now.tzinfo)


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
