"""00: is everything set up? Variables at every place, keys at their vendors, what answers, what is traced; one table."""

from datetime import timedelta
from typing import ClassVar

from runbook_lib.core.clock import Window, parse_window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Observation, Status
from runbook_lib.core.records.keys import KeyJudgement
from runbook_lib.core.records.parts import PartAnswer
from runbook_lib.io.observe import Look
from runbook_lib.judging.answers import record_of, whole_record
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.operations_checklist import keys, rules, targets, traces, variables
from runbook_lib.procedures.operations_checklist.reading import PARTS, Evidence, Reading, is_without, read
from runbook_lib.sources.fly import env as fly_env
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.postgres import health as postgres
from runbook_lib.sources.providers import provider_keys, status_pages
from runbook_lib.sources.railway import env as railway_env
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.stripe import keys as stripe_keys
from runbook_lib.sources.supabase import keys as supabase_keys
from runbook_lib.sources.team import not_used as team
from runbook_lib.sources.team import team_files
from runbook_lib.sources.this_machine import environment, parts
from runbook_lib.sources.traces import jaeger, tempo
from runbook_lib.sources.vercel import env as vercel_env
from runbook_lib.sources.vercel import logs as vercel

_VENDORS = ("vercel", "railway", "fly")
_PROBES = 3  # one slow or lost answer is chance
_TRACES = 25  # of a busy system; enough to show every part that is called


class OperationsChecklist(Procedure):
    """Parameters: since, env_example, expires_within_days, slow_ms. It runs without any; that is its audit form."""

    stem = "00_operations_checklist"
    evidence: Evidence
    topics: ClassVar = {
        "not_used": Topic(lambda _: [team.not_used()], is_one=True),
        "local": Topic(lambda _: [environment.variables()], is_one=True),
        "lists": Topic(
            lambda _: [
                vercel_env.variables("web"),
                vercel_env.variables("api"),
                railway_env.variables("api"),
                railway_env.variables("gateway"),
                fly_env.variables(),
            ]
        ),
        "serving": Topic(
            lambda _: [
                vercel_env.serving("web"),
                vercel_env.serving("api"),
                vercel_env.projects(),
                railway.deployments("api"),
                railway.deployments("gateway"),
                railway_env.services(),
                fly.releases(),
            ]
        ),
        "example": Topic(lambda run: [team_files.variable_names(run.example)] if run.example else [], is_one=True),
        "keys": Topic(lambda run: run.key_looks(), after=("local", "lists")),
        "tokens": Topic(
            lambda _: [
                vercel_env.token(),
                railway_env.token(),
                fly_env.token(),
                supabase_keys.access_token(),
                postgres.health(),
            ]
        ),
        # What is timed waits for its step: beside all the other looks everything seems slow. The status pages are the measure.
        "probes": Topic(
            lambda run: [parts.probe(part) for part in run.parts() for _ in range(_PROBES)],
            after=("not_used", "local"),
        ),
        "openapi": Topic(
            lambda run: [parts.gateway_openapi()] if "gateway" in run.parts() else [],
            after=("not_used", "local"),
            is_one=True,
        ),
        "pages": Topic(lambda _: [*(status_pages.incidents(vendor) for vendor in _VENDORS), railway.incidents()]),
        "again": Topic(
            lambda run: [parts.probe(part) for part in targets.parts_to_knock_again(run.evidence)],
            after=("probes", "pages"),
            waits=True,  # alone: the crowd of looks may be what was slow
        ),
        "traces": Topic(
            lambda run: [
                tempo.health(),
                jaeger.health(),
                tempo.window_traces(run.window, limit=_TRACES),
                jaeger.window_traces(run.window, limit=_TRACES),
            ]
        ),
        "traffic": Topic(
            lambda run: [
                vercel.request_log("web", run.window, limit=100),
                vercel.request_log("api", run.window, limit=100),
                railway.http_log("api", run.window, limit=100),
                railway.http_log("gateway", run.window, limit=100),
                fly.logs(run.window, limit=200),
            ]
        ),
        "newest": Topic(lambda run: run.newest_looks(), after=("local", "traces", "traffic")),
    }

    def prepare(self) -> None:
        """Read the parameters. Raises UsageError for numbers that are no such limits."""
        now = self.look.now
        self._window = parse_window(str(self.parameters.get("since") or "30m"), "now", now=now)
        self.example = str(self.parameters.get("env_example") or "")
        days = _number(self.parameters.get("expires_within_days"), 14.0, "expires_within_days", 3650.0)
        slow_ms = _number(self.parameters.get("slow_ms"), 3000.0, "slow_ms", 60_000.0)
        self.evidence = Evidence(now, self._window, expires_within=timedelta(days=days), slow_ms=slow_ms)
        self._diagnosed: tuple[Evidence, Conclusion] | None = None

    @property
    def window(self) -> Window:
        """The time whose traffic and spans are looked at."""
        return self._window

    @step("Which variables does each part have, and are they what their names say?")
    def list_the_variables(self) -> Said:
        """What the runbook was given, what each platform holds for each part, and since when what serves has been serving."""
        self.ask("not_used", "local", "lists", "serving", "example")
        reading = self._reading()
        rows = [
            [
                place.name,
                len(place.held),
                sum(each.facts is None for each in place.held.values()),
                str(place.observation.status),
            ]
            for place in reading.places
        ]
        wins = ", ".join(variables.find_overridden(reading))
        also = f" The process environment holds another value than .env, and wins: {wins}." if wins else ""
        table = Exhibit(
            "table",
            "Places that hold variables",
            {"columns": ["place", "variables", "values hidden", "list"], "rows": rows},
        )
        return Said(f"{len(reading.places)} places hold variables.{also}", (table,) if rows else ())

    @step("Do the vendors take the keys?")
    def show_the_keys(self) -> Said:
        """Each key that has the right shape is shown once to its own vendor, in a way that costs nothing."""
        seen = self.ask("keys", "tokens")
        asked = [look for look in seen if look.status != Status.not_configured]
        taken = [said for _, said in keys.key_judgements(self.evidence) if said["accepted"]]
        rows = [_key_row(look) for look in asked]
        columns = ["key", "place", "taken", "asked with", "lacks", "expires"]
        return Said(
            f"{len(taken)} of {len(asked)} keys are taken.",
            (Exhibit("table", "Keys at their vendors", {"columns": columns, "rows": rows}),) if rows else (),
        )

    @step("Do web, API and gateway answer, and are they NexusCore's?")
    def knock_at_the_doors(self) -> Said:
        """Each part's own page, several times; the platforms' status pages; what is live elsewhere."""
        self.evidence = self.evidence.filed(again=())
        self.ask("probes", "openapi", "pages")
        self.ask("again")
        rows = [
            [look.arguments["part"], answer["status_code"], answer["ms"], answer["server"]]
            if (answer := whole_record(look, PartAnswer)) is not None
            else [look.arguments["part"], str(look.status), None, look.why]
            for look in (*self.evidence.probes, *self.evidence.again)
        ]
        good = sum(row[1] == 200 for row in rows)
        table = {"columns": ["part", "answer", "ms", "server"], "rows": rows}
        return Said(f"{good} of {len(rows)} knocks were answered with 200.", (Exhibit("table", "What answers", table),))

    @step("Do spans of every part arrive, under the names that are expected?")
    def look_for_spans(self) -> Said:
        """The trace backend's window, and the parts' own logs: a part without traffic has no spans to send."""
        self.evidence = self.evidence.filed(newest=())
        self.ask("traces", "traffic")
        self.ask("newest")
        spans = traces.arrivals_in(self.evidence).spans
        rows = [[name or "(none)", ", ".join(sorted(of))] for name, of in sorted(spans.names.items())]
        table = Exhibit(
            "table", "Whose spans arrive under which name", {"columns": ["service.name", "parts"], "rows": rows}
        )
        return Said(
            f"{spans.traces} traces, with spans of {', '.join(sorted(spans.parts)) or 'nobody'}.",
            (table,) if rows else (),
        )

    @step("What does it come to, part by part?")
    def read_the_table(self) -> Said:
        """One table of everything seen; beside each red cell what to do."""
        table = self.diagnose().facts["table"]
        shown = [Exhibit("matrix", "The checklist", table["matrix"])]
        if table["remedies"]:
            rows = [[each["part"], each["check"], each["what"], each["do"]] for each in table["remedies"]]
            columns = ["part", "check", "what is so", "what to do"]
            shown.append(Exhibit("table", "What to do about each red cell", {"columns": columns, "rows": rows}))
        count = len(table["remedies"])
        return Said(
            "Nothing is red." if not count else f"{count} findings; what to do about each is beside it.", tuple(shown)
        )

    def diagnose(self) -> Conclusion:
        """The verdict on the list; the table's own, where nothing was seen since."""
        if self._diagnosed is None or self._diagnosed[0] is not self.evidence:
            self._diagnosed = self.evidence, rules.diagnose(self.evidence)
        return self._diagnosed[1]

    def parts(self) -> list[str]:
        """The parts that this system has: at the address of one that it has not, somebody else may answer."""
        said, local = self.evidence.not_used, self.evidence.local
        return [part for part in PARTS if not is_without(part, said, local)]

    def key_looks(self) -> list[Look]:
        """Each key that is worth showing, at its own vendor."""
        checks = keys.keys_to_check(self._reading(), self.evidence)
        return [look for check in checks if (look := _key_look(check)) is not None]

    def newest_looks(self) -> list[Look]:
        """Where a search came back at its limit and leaves open whether a part fell silent: the stretch that tells."""
        doubt = traces.arrivals_in(self.evidence).in_doubt
        if doubt is None:
            return []
        sampled = {each.source for each in self.evidence.traces if each.status is Status.partial}
        return [
            backend.window_traces(doubt, limit=_TRACES)
            for backend, source in ((tempo, "tempo"), (jaeger, "jaeger"))
            if source in sampled
        ]

    def _reading(self) -> Reading:
        return read(self.evidence.local, self.evidence.lists)


def _key_look(check: keys.KeyCheck) -> Look | None:
    if check.name in provider_keys.NAMES:
        return provider_keys.check(check.name, check.where, check.label)
    if check.name in stripe_keys.NAMES:
        return stripe_keys.check(check.name, check.where, check.label)
    if check.name in supabase_keys.NAMES:
        return supabase_keys.check(check.name, check.where, check.label, check.address)
    return None


def _key_row(look: Observation) -> list[object]:
    said = record_of(look, KeyJudgement) if keys.is_at_a_key(look) else None
    if said is None:
        name = look.arguments.get("name") or f"{look.source} {look.call}"
        return [name, look.arguments.get("place"), str(look.status), None, look.why, None]
    taken = "yes" if said["accepted"] else said["refusal"]
    return [
        said["name"],
        look.arguments.get("place"),
        taken,
        said["permission"],
        said["lacks"] or None,
        said["expires_at"],
    ]


def _number(given: object, usual: float, name: str, most: float) -> float:
    """A parameter that is a number above zero. Raises UsageError for anything else."""
    if given in (None, ""):
        return usual
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= most:
        raise UsageError(
            f"{name} is no limit",
            where=name,
            came_back=str(given)[:40],
            do_next=f"Give a number above 0, at most {most:g}.",
        )
    return float(given)
