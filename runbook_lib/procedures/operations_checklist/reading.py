"""What 00 reads: every place that holds variables, what each holds, and which places a part runs from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NotRequired, TypedDict

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Observation, Status
from runbook_lib.core.records.variables import (
    LocalVariable,
    PartAddress,
    PlatformVariable,
    RunbookSettings,
    VariableFacts,
)
from runbook_lib.judging.answers import rows_of, whole_record, whole_rows
from runbook_lib.judging.evidence import Filed

PARTS = ("web", "api", "gateway")
RUNBOOK = "runbook"
ENVIRONMENTS = ("production", "preview", "development")


@dataclass(frozen=True)
class Evidence(Filed):
    """Everything that the steps saw, by what it was asked for.

    Attributes:
        local: the variables that the runbook itself was given.
        lists: each platform's variables for each part.
        serving: what serves production on each platform: deployments, services, projects.
        example: the look at `.env.example`, where one was named.
        keys, tokens: judgements on keys: those that the places hold, and what opens the doors of the runbook's own sources.
        probes, again: knocks at the parts' own pages; the second one where a part seemed slow.
        newest: traces of the window's end, where those of the whole window are a sample without the newest.
        expires_within: how soon a key's expiry is worth saying.
        slow_ms: an answer that takes longer is a slow one.
    """

    now: datetime
    window: Window
    not_used: Observation | None = None
    local: Observation | None = None
    lists: tuple[Observation, ...] = ()
    serving: tuple[Observation, ...] = ()
    example: Observation | None = None
    keys: tuple[Observation, ...] = ()
    tokens: tuple[Observation, ...] = ()
    probes: tuple[Observation, ...] = ()
    openapi: Observation | None = None
    pages: tuple[Observation, ...] = ()
    again: tuple[Observation, ...] = ()
    traces: tuple[Observation, ...] = ()
    traffic: tuple[Observation, ...] = ()
    newest: tuple[Observation, ...] = ()
    expires_within: timedelta = timedelta(days=14)
    slow_ms: float = 3000.0


class Where(TypedDict):
    """How a variable's value is read again, inside a look: of this machine by `place`, of a platform by `part` and `id`."""

    platform: str
    place: NotRequired[str]  # local alone
    part: NotRequired[str]  # a platform's
    id: NotRequired[str]  # a platform's


@dataclass(frozen=True)
class Held:
    """A variable as one place holds it. `facts` None: the value is not given back, and `hidden` says why.

    What a value says of itself is None where it is not given back; see VariableFacts.
    """

    name: str
    facts: VariableFacts | None
    hidden: str
    updated_at: str | None
    where: Where

    @property
    def kind(self) -> str | None:
        """The kind of value."""
        return None if self.facts is None else self.facts["kind"]

    @property
    def mode(self) -> str | None:
        """live or test."""
        return None if self.facts is None else self.facts["mode"]

    @property
    def role(self) -> str | None:
        """The role of a key of Supabase."""
        return None if self.facts is None else self.facts["role"]

    @property
    def ref(self) -> str | None:
        """The Supabase project that it names."""
        return None if self.facts is None else self.facts["ref"]

    @property
    def expires_at(self) -> str | None:
        """When it expires, as it says itself."""
        return None if self.facts is None else self.facts["expires_at"]

    @property
    def verifies(self) -> bool | None:
        """Whether it is signed with the project's JWT secret."""
        return None if self.facts is None else self.facts["verifies"]

    @property
    def providers(self) -> list[str]:
        """The providers that a chain names."""
        return (None if self.facts is None else self.facts["providers"]) or []

    @property
    def print(self) -> str | None:
        """The same for the same value."""
        return None if self.facts is None else self.facts["print"]

    @property
    def flaws(self) -> list[str]:
        """What is wrong with its shape."""
        return [] if self.facts is None else self.facts["flaws"]

    @property
    def is_set(self) -> bool:
        """Whether it holds anything at all; a value that is not given back counts as set."""
        return "empty" not in self.flaws


@dataclass(frozen=True)
class Place:
    """Something that holds variables: a project's environment, a service, an app, a file, the process environment.

    `own` names what it does not share with production: one variable may stand for several environments, and is judged once.
    """

    part: str
    platform: str
    environment: str
    observation: Observation
    held: Mapping[str, Held] = field(default_factory=dict)
    own: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """How it is called: `api · vercel production`."""
        where = (
            f"{self.platform} {self.environment}" if self.platform == "vercel" else self.environment or self.platform
        )
        return f"{self.part} · {where}"

    @property
    def is_complete(self) -> bool:
        """Whether a name that is not here is not set."""
        return self.observation.status.answered

    @property
    def serves(self) -> bool:
        """Whether a running part takes its variables from here."""
        return self.part in PARTS and self.environment in ("production", "")


@dataclass(frozen=True)
class Reading:
    """The places, in the order of the parts, and what the runbook itself was given; None where that did not come back whole."""

    places: tuple[Place, ...]
    settings: RunbookSettings | None
    local: Observation | None

    def serving(self, part: str) -> list[Place]:
        """The places that a running part takes its variables from."""
        return [place for place in self.places if place.part == part and place.serves]

    def of(self, part: str) -> list[Place]:
        """Every place of a part."""
        return [place for place in self.places if place.part == part]


def settings_in(local: Observation | None) -> RunbookSettings | None:
    """What the runbook was given; None where that did not come back whole."""
    return whole_record(local, RunbookSettings)


def address_of(part: str, settings: RunbookSettings | None) -> PartAddress | None:
    """Where a part is said to be; None where that is not known."""
    return settings["parts"].get(part) if settings is not None else None


def is_without(part: str, said: Observation | None, local: Observation | None) -> bool:
    """Whether the system has no such part: the team says so, and no address or platform was named for it all the same."""
    named = address_of(part, settings_in(local))
    return part in whole_rows(said, str) and named is not None and not (named["is_given"] or named["hosts"])


def read(local: Observation | None, lists: Sequence[Observation]) -> Reading:
    """The places that the looks at variables show."""
    settings = settings_in(local)
    places = _local_places(local, settings["rows"]) if local is not None and settings is not None else []
    for look in lists:
        if look.status.has_content:
            places += _platform_places(look)
    running = {place.part for place in places if place.serves}
    for part in PARTS:
        address = address_of(part, settings)
        if address is None or local is None or part in running:
            continue
        if address["is_local"] and not address["hosts"] and not _is_anywhere(part, lists):
            places.append(_merged(part, places, local))
    order = (*PARTS, RUNBOOK)
    return Reading(tuple(sorted(places, key=lambda place: order.index(place.part))), settings, local)


def _is_anywhere(part: str, looks: Sequence[Observation]) -> bool:
    """Whether a platform is said to run the part, though it may not answer."""
    return any(look.arguments.get("part") == part and look.status != Status.not_configured for look in looks)


def _local_places(look: Observation, rows: Sequence[LocalVariable]) -> list[Place]:
    return [
        Place(
            RUNBOOK,
            "local",
            name,
            look,
            {
                row["name"]: Held(row["name"], row["facts"], "", None, {"platform": "local", "place": name})
                for row in rows
                if row["place"] == name
            },
            frozenset(row["name"] for row in rows if row["place"] == name),
        )
        for name in dict.fromkeys(row["place"] for row in rows)
    ]


def _merged(part: str, places: Sequence[Place], local: Observation) -> Place:
    """A part that runs on this machine has what the files say, overridden by the process environment."""
    held: dict[str, Held] = {}
    for place in sorted(places, key=lambda each: each.environment == "environment"):
        if place.platform == "local":
            held |= {name: each for name, each in place.held.items() if each.is_set or name not in held}
    return Place(part, "local", "", local, held, frozenset(held))


def _platform_places(look: Observation) -> list[Place]:
    """A platform's list of variables, by environment; one that holds nothing of NexusCore's is not in use."""
    found_places: list[Place] = []
    for environment in ENVIRONMENTS:
        listed = rows_of(look, PlatformVariable)
        rows = [row for row in listed if environment in row["environments"] and not row["branch"]]
        rows.sort(key=lambda row: not row["shared"])  # a project's own wins over a shared one
        held = {row["name"]: _held(row) for row in rows}
        if held or (environment == "production" and look.status.answered):
            part, platform = str(look.arguments["part"]), look.source
            production = found_places[0].held if found_places and environment != "production" else {}
            own = frozenset(
                name for name, each in held.items() if name not in production or production[name].where != each.where
            )
            found_places.append(Place(part, platform, environment, look, held, own))
    return found_places


def _held(row: PlatformVariable) -> Held:
    where: Where = {"platform": row["platform"], "part": row["part"], "id": row["id"]}
    return Held(row["name"], row["facts"], row["hidden"], row["updated_at"], where)
