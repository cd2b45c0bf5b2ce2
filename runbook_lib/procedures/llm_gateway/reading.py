"""What 04 saw, by topic, and what it reads as: the calls, the chain, what each provider answers to us."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.gateway import ChainSetting, FlyGatewaySettings
from runbook_lib.core.records.providers import ModelsOnOffer, StatusPage
from runbook_lib.core.records.variables import VariableName
from runbook_lib.judging.answers import rows_of, whole_record
from runbook_lib.judging.evidence import Filed
from runbook_lib.procedures.llm_gateway.calls import Call, Calls, Request
from runbook_lib.procedures.llm_gateway.calls_reading import read_calls
from runbook_lib.procedures.llm_gateway.topics import CHAIN, gateway_settings_in, members_of

PROVIDERS = ("openai", "anthropic", "together")
_NOISE_SHARE, _NOISE_COUNT, _NOISE_AFTER = 0.01, 2, 10


@dataclass(frozen=True)
class Evidence(Filed):
    """Everything the procedure saw, by topic.

    probes: the gateway as it answers us · platform: its deployments, machines, request log, its platform's own state ·
    failed: whole traces with a failure · calls: rows of provider calls · before: the same of as long a time before ·
    logs: lines of gateway and API · providers: what each answers us, its status page · generations: paid probes ·
    settings: the chain and the
    gateway's variables · changes: what changed in the two hours before.
    """

    now: datetime
    window: Window
    probes: tuple[Observation, ...] = ()
    platform: tuple[Observation, ...] = ()
    failed: tuple[Observation, ...] = ()
    calls: tuple[Observation, ...] = ()
    before: tuple[Observation, ...] = ()
    logs: tuple[Observation, ...] = ()
    providers: tuple[Observation, ...] = ()
    generations: tuple[Observation, ...] = ()
    settings: tuple[Observation, ...] = ()
    changes: tuple[Observation, ...] = ()


@dataclass(frozen=True)
class Chain:
    """The members in order, as provider/model. source: platform, settings or traces (then what was seen to be tried).

    since_s: when the platform's value was set last; requests before it may have had another chain. None where unknown.
    is_set: False where the place that was read says that no chain is set.
    """

    members: tuple[str, ...] = ()
    source: str = "traces"
    since_s: float | None = None
    is_set: bool = False
    text: str = ""
    evidence: tuple[str, ...] = ()

    @property
    def providers(self) -> list[str]:
        """Each provider once, in order."""
        return list(dict.fromkeys(member.partition("/")[0] for member in self.members))

    def at(self, request: Request) -> tuple[str, ...]:
        """The members that a request had to try: a model that its caller named comes first. Empty where it cannot be told."""
        if not self.is_set or (self.since_s is not None and request.at_s < self.since_s):
            return ()
        first = request.calls[0].target
        return self.members if first in self.members else (first, *self.members)


@dataclass(frozen=True)
class Reading:
    """The evidence, read."""

    evidence: Evidence
    calls: Calls
    before: Calls
    chain: Chain
    seen_targets: tuple[str, ...] = field(default=())

    def good_calls(self, provider: str, model: str = "") -> list[Call]:
        """The calls that went well, of a provider or one of its models, in the window and before it, by time."""
        return [
            call
            for call in (*self.before.all, *self.calls.all)
            if call.ok and call.provider == provider and model in ("", call.model)
        ]

    @property
    def is_sample(self) -> bool:
        """Whether Tempo's search for the calls came back at its limit: the newest that was read may not be the newest."""
        return any(look.source == "tempo" and look.status is Status.partial for look in self.evidence.calls)

    def is_noise(self, lost: Sequence[Request]) -> bool:
        """Whether these are one or two lost requests among hundreds, with good ones after them: worth a line, no outage."""
        last_s = max((request.at_s for request in lost), default=0.0)
        after = sum(1 for request in self.calls.requests if request.at_s > last_s and not request.failed)
        few = len({request.id for request in lost})
        return few <= _NOISE_COUNT and few < _NOISE_SHARE * len(self.calls.requests) and after >= _NOISE_AFTER

    def look_at(self, source: str, call: str) -> Observation | None:
        """What a provider answered us; None where it was not asked."""
        return next(
            (
                each
                for each in (*self.evidence.providers, *self.evidence.generations)
                if (each.source, each.call) == (source, call)
            ),
            None,
        )

    def offered(self, provider: str) -> tuple[list[str], str] | None:
        """The models on offer to our key, and the look; None where the list was not seen."""
        look = self.look_at(provider, "models")
        offered = whole_record(look, ModelsOnOffer)
        return ([row["id"] for row in offered["models"]], look.id) if look is not None and offered is not None else None

    def is_gateways_key(self, provider: str) -> bool | None:
        """Whether our key is the gateway's; None where that could not be compared."""
        return next(
            (
                same
                for _, settings in gateway_settings_in(self.evidence.settings)
                if (same := settings["same_key"].get(provider)) is not None
            ),
            None,
        )

    def incident(self, provider: str) -> tuple[str, str] | None:
        """What the provider's status page says of the window, and the look; None where it says nothing or was not seen."""
        for look in self.evidence.providers:
            is_its_page = look.source == "status" and look.arguments.get("vendor") == provider
            page = whole_record(look, StatusPage) if is_its_page else None
            if page is not None and page["incidents"]:
                return str(page["incidents"][0]["name"] or page["incidents"][0]["id"]), look.id
            if page is not None and not page["all_good"]:
                return page["description"] or page["indicator"], look.id
        return None


def read(evidence: Evidence, earlier: Reading | None = None) -> Reading:
    """Read the evidence gathered so far; `earlier` is a reading of less of it, whose calls are taken where they are the same."""
    was = earlier.evidence if earlier is not None else None
    if (
        earlier is not None
        and was is not None
        and (was.failed, was.calls, was.before, was.logs)
        == (
            evidence.failed,
            evidence.calls,
            evidence.before,
            evidence.logs,
        )
    ):
        calls, before = earlier.calls, earlier.before
    else:
        window = evidence.window
        gateway_logs = [look for look in evidence.logs if _part(look) == "gateway"]
        calls = read_calls(evidence.failed, evidence.calls, gateway_logs, evidence.now.timestamp())
        calls = calls.within(window.since.timestamp(), window.until.timestamp())
        before = read_calls((), evidence.before)
    seen = tuple(dict.fromkeys(call.target for call in calls.all))
    return Reading(evidence, calls, before, _chain(evidence.settings, seen), seen)


def _chain(settings: Sequence[Observation], seen: tuple[str, ...]) -> Chain:
    """The chain as the gateway's platform holds it; else as our settings do; else what was seen to be tried."""
    for look, platform in gateway_settings_in(settings):
        text = platform["values"].get(CHAIN, "")
        if not text and CHAIN in platform["names"]:
            break  # it is set, and its value is hidden
        members = members_of(text) if text else seen
        source = "platform" if text else "traces"
        return Chain(members, source, _changed_at(settings, look), bool(text), text, (look.id,))
    for look in settings:
        ours = whole_record(look, ChainSetting) if (look.source, look.call) == ("gateway", "chain") else None
        if ours is not None:
            return Chain(members_of(ours["chain"]), "settings", None, True, ours["chain"], (look.id,))
    return Chain(seen)


def _changed_at(settings: Sequence[Observation], platform: Observation) -> float | None:
    """When the chain's variable was set last, from the platform's list of variables."""
    fly = whole_record(platform, FlyGatewaySettings) if platform.source == "fly" else None
    told = fly["changed"].get(CHAIN) if fly is not None else None
    names = (row for look in settings if look.call == "variables_names" for row in rows_of(look, VariableName))
    for row in names:
        if row["name"] == CHAIN:
            told = row["updated_at"]
    return from_iso(told).timestamp() if told else None


def _part(look: Observation) -> str:
    return str(look.arguments.get("part") or ("gateway" if look.source == "fly" else ""))
