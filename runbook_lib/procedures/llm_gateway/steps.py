"""04: the LLM gateway is degraded, or a provider is down. What its own calls say first, then what answers us now."""

from collections.abc import Sequence
from datetime import timedelta
from typing import ClassVar

from runbook_lib.core.clock import Window, parse_window
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Conclusion, Json
from runbook_lib.core.records.parts import PartAnswer
from runbook_lib.io.observe import Look
from runbook_lib.judging.answers import whole_record
from runbook_lib.procedures.base import Exhibit, Procedure, Said, Topic, step
from runbook_lib.procedures.llm_gateway import rules
from runbook_lib.procedures.llm_gateway.plans import plans_for
from runbook_lib.procedures.llm_gateway.reading import PROVIDERS, Evidence, Reading, read
from runbook_lib.procedures.llm_gateway.tables import (
    chain_rows,
    health_rows,
    latency_points,
    provider_rows,
    request_rows,
)
from runbook_lib.procedures.llm_gateway.topics import MOST_BEFORE, MOST_CALLS
from runbook_lib.reading.changes import changes_of
from runbook_lib.sources.fly import logs as fly
from runbook_lib.sources.fly import settings as fly_settings
from runbook_lib.sources.providers import anthropic, openai, status_pages, together
from runbook_lib.sources.railway import logs as railway
from runbook_lib.sources.railway import settings as railway_settings
from runbook_lib.sources.this_machine import gateway, parts
from runbook_lib.sources.traces import jaeger, tempo
from runbook_lib.sources.vercel import logs as vercel

_CHANGES = timedelta(hours=2)
_PROBES = 3
_TRACES = (tempo, jaeger)
_VENDORS = {"openai": openai, "anthropic": anthropic, "together": together}


class LlmGateway(Procedure):
    """Parameters: since, until, paid_probe, probe_model (provider/model). Without parameters: the last hour, as an audit."""

    stem = "04_llm_gateway"
    evidence: Evidence
    topics: ClassVar = {
        "probes": Topic(lambda _: [*(parts.probe("gateway") for _ in range(_PROBES)), parts.gateway_openapi()]),
        "platform": Topic(lambda run: run.of_platform()),
        "failed": Topic(lambda run: [backend.failed_traces(run.window) for backend in _TRACES]),
        "calls": Topic(lambda run: [backend.llm_calls(run.window, MOST_CALLS) for backend in _TRACES]),
        "before": Topic(lambda run: [backend.llm_calls(run.time_before(), MOST_BEFORE) for backend in _TRACES]),
        "logs": Topic(lambda run: run.of_logs()),
        "settings": Topic(lambda _: _of_settings()),
        "providers": Topic(lambda run: run.of_providers()),
        "generations": Topic(lambda run: run.generations(), after=("calls", "settings"), waits=True),
        "changes": Topic(lambda run: run.of_changes()),
    }

    def prepare(self) -> None:
        """Read the window and the probe. Raises UsageError for a paid probe that is not allowed, or of no known provider."""
        now = self.look.now
        self._window = parse_window(
            str(self.parameters.get("since") or "1h"), str(self.parameters.get("until") or "now"), now=now
        )
        self.paid = bool(self.parameters.get("paid_probe"))
        self.probe_model = str(self.parameters.get("probe_model") or "").strip()
        if self.paid and not self.look.active and not self.look.replaying:
            raise UsageError(
                "A paid probe costs money and leaves a mark",
                where="paid_probe",
                came_back="this run may only look",
                do_next="Run it again with --active, or without paid_probe.",
            )
        provider, _, model = self.probe_model.partition("/")
        if self.probe_model and (provider not in PROVIDERS or not model):
            raise UsageError(
                "Cannot probe this model",
                where=f"probe_model={self.probe_model[:60]!r}",
                came_back="it is no provider/model of a provider that is known here",
                do_next="Write it as the chain does, for example openai/gpt-4o-mini; providers: "
                + ", ".join(PROVIDERS)
                + ".",
            )
        self.evidence = Evidence(now, self._window)
        self._reading: Reading | None = None

    @property
    def window(self) -> Window:
        """since to until."""
        return self._window

    @step("Does the gateway answer, and what does its platform say of it?")
    def look_at_the_gateway(self) -> Said:
        """A few calls of our own, its description, its deployments or machines, and the requests its platform saw."""
        seen = self.ask("probes", "platform")
        probes = (whole_record(look, PartAnswer) for look in seen if look.call == "probe")
        answered = [answer for answer in probes if answer is not None]
        rows = [[answer["status_code"], answer["ms"], answer["server"]] for answer in answered]
        table = Exhibit(
            "table", "The gateway as it answers here", {"columns": ["status", "took_ms", "server"], "rows": rows}
        )
        return Said(f"{len(answered)} of {_PROBES} calls were answered from here.", (table,) if rows else ())

    @step("What became of its calls to the providers, by its own traces and logs?")
    def read_its_calls(self) -> Said:
        """Attempts, waits, fallbacks and their ends, in the window and before it."""
        self.ask("failed", "calls", "before", "logs")
        reading = self._read()
        exhibits = [Exhibit("table", "By provider and model", _table(provider_rows(reading)))]
        if troubled := request_rows(reading):
            exhibits.append(Exhibit("table", "Attempts, waits and fallbacks where something failed", _table(troubled)))
        if reading.calls.requests:
            exhibits.append(Exhibit("latency", "Calls to providers over time", latency_points(reading)))
        calls, failing = reading.calls.all, reading.calls.failing
        bad = sum(not call.ok for call in calls)
        return Said(
            f"{len(calls)} calls in {len(reading.calls.requests)} requests; {bad} calls failed, {len(failing)} requests with them.",
            tuple(exhibits),
        )

    @step("Which chain is configured, and does each member exist?")
    def read_the_chain(self) -> Said:
        """The chain as the gateway's platform holds it, else as our settings do, else what traces show."""
        self.ask("settings")
        reading = self._read()
        where = {
            "platform": "its platform's variables",
            "settings": "our settings",
            "traces": "what was seen to be tried",
        }
        rows = chain_rows(reading)
        said = f"{len(rows)} members by {where[reading.chain.source]}."
        return Said(said, (Exhibit("table", "The chain", _table(rows)),) if rows else ())

    @step("What do the providers answer here, and what do their status pages say?")
    def ask_the_providers(self) -> Said:
        """Reachability, models, limits, status pages; with paid_probe one smallest generation each."""
        self.ask("providers", "generations")
        rows = health_rows(self._read())
        reached = [row["provider"] for row in rows if row["answers here"] == "ok"]
        told = f"{', '.join(reached) or 'No provider'} answer here. A key that works here need not be the gateway's."
        return Said(told, (Exhibit("table", "The providers as they answer here", _table(rows)),))

    @step("What changed before it?")
    def ask_what_changed(self) -> Said:
        """Deployments and variables of the gateway in the two hours before."""
        seen = self.ask("changes")
        changes = changes_of(seen, self._window)
        table = {"columns": ["at", "what", "where"], "rows": [[each.at, each.what, each.where] for each in changes]}
        return Said(
            f"{len(changes)} changes in the two hours before.", (Exhibit("table", "Changes", table),) if changes else ()
        )

    @step("What would bring it back?")
    def propose_a_change(self) -> Said:
        """The switch of provider or model as the exact change of one variable; nothing is carried out."""
        plans = plans_for(self._read(), self.diagnose().causes)
        if not plans:
            return Said("No change of the chain would help, or none is needed.")
        shown = tuple(Exhibit("plan", plan.title, plan.as_data()) for plan in plans)
        return Said("A change that helps while the cause lasts; it is only printed here.", shown)

    def diagnose(self) -> Conclusion:
        """The verdict on the window."""
        return rules.diagnose(self.evidence, self._read())

    def _read(self) -> Reading:
        """The evidence so far, read; its calls are read once."""
        if self._reading is None or self._reading.evidence is not self.evidence:
            self._reading = read(self.evidence, self._reading)
        return self._reading

    def of_platform(self) -> list[Look]:
        """What the platforms that a gateway may run on say of it."""
        return [
            railway.deployments("gateway"),
            railway.http_log("gateway", self._window),
            fly.machines(),
            railway.incidents(),
        ]

    def time_before(self) -> Window:
        """As long a time before the window, an hour at least."""
        length = self._window.until - self._window.since
        return Window(self._window.since - max(length, timedelta(hours=1)), self._window.since)

    def of_logs(self) -> list[Look]:
        """What gateway and API logged in the window."""
        return [
            railway.logs("gateway", self._window, limit=2000),
            fly.logs(self._window, limit=2000),
            railway.logs("api", self._window),
            vercel.request_log("api", self._window),
        ]

    def of_providers(self) -> list[Look]:
        """Each provider as it answers us, and its status page."""
        return [
            look
            for name, vendor in _VENDORS.items()
            for look in (vendor.reach(), vendor.models(), status_pages.incidents(name, self._window))
        ]

    def generations(self) -> list[Look]:
        """With paid_probe one smallest generation of the model asked for, else of each provider's first member of the chain or
        model seen."""
        if not self.paid:
            return []
        if self.probe_model:
            targets = [self.probe_model]
        else:
            reading = self._read()
            known = (*reading.chain.members, *reading.seen_targets)
            targets = list({target.partition("/")[0]: target for target in reversed(known)}.values())
        return [
            _VENDORS[provider].generation(model)
            for provider, _, model in (target.partition("/") for target in targets)
            if provider in _VENDORS
        ]

    def of_changes(self) -> list[Look]:
        """Deployments and variables of the gateway in the two hours before."""
        before = Window(self._window.since - _CHANGES, self._window.until)
        return [railway.deployments("gateway", before), fly.releases(before)]


def _of_settings() -> list[Look]:
    """The chain as the gateway's platform holds it, and as our settings do."""
    return [
        railway_settings.gateway_settings(),
        fly_settings.gateway_settings(),
        railway.variables_names("gateway"),
        gateway.chain(),
    ]


def _table(found: Sequence[dict[str, Json]]) -> Json:
    names = list(found[0]) if found else []
    return {"columns": names, "rows": [[row.get(name) for name in names] for row in found]}
