"""What 00 reads: every place that holds variables, what each holds, and which places a part runs from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Json, Observation, Status
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


@dataclass(frozen=True)
class Held:
    """A variable as one place holds it. `facts` None: the value is not given back, and `hidden` says why."""

    name: str
    facts: Mapping[str, Json] | None
    hidden: str
    updated_at: str | None
    where: Mapping[str, Json]

    def says(self, what: str) -> Json:
        """One of the facts; None where the value is not given back."""
        return None if self.facts is None else self.facts.get(what)

    @property
    def flaws(self) -> list[str]:
        """What is wrong with its shape."""
        return list(self.says("flaws") or ())

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
    """The places, in the order of the parts, and what the runbook itself was told."""

    places: tuple[Place, ...]
    told: Mapping[str, Json]
    local: Observation | None

    def serving(self, part: str) -> list[Place]:
        """The places that a running part takes its variables from."""
        return [place for place in self.places if place.part == part and place.serves]

    def of(self, part: str) -> list[Place]:
        """Every place of a part."""
        return [place for place in self.places if place.part == part]


def told_by(local: Observation | None) -> dict[str, Any]:
    """What the runbook was told of the system besides variables; empty where that did not come back whole."""
    is_whole = local is not None and local.status == Status.ok and isinstance(local.value, dict)
    return local.value if local is not None and is_whole else {}


def is_without(part: str, said: Observation | None, local: Observation | None) -> bool:
    """Whether the system has no such part: the team says so, and no address or platform was named for it all the same."""
    is_said = said is not None and said.status == Status.ok and part in said.value
    named = (told_by(local).get("parts") or {}).get(part)
    return is_said and named is not None and not (named.get("is_given") or named.get("hosts"))


def read(local: Observation | None, lists: Sequence[Observation]) -> Reading:
    """The places that the looks at variables show."""
    told = told_by(local)
    places = _local_places(local, told.get("rows") or ())
    for look in lists:
        if look.status.has_content and isinstance(look.value, list):
            places += _platform_places(look)
    running = {place.part for place in places if place.serves}
    for part in PARTS:
        address = (told.get("parts") or {}).get(part) or {}
        elsewhere = address.get("hosts") or _is_anywhere(part, lists)
        if part not in running and address.get("is_local") and not elsewhere and local:
            places.append(_merged(part, places, local))
    order = (*PARTS, RUNBOOK)
    return Reading(tuple(sorted(places, key=lambda place: order.index(place.part))), told, local)


def _is_anywhere(part: str, looks: Sequence[Observation]) -> bool:
    """Whether a platform is said to run the part, though it may not answer."""
    return any(look.arguments.get("part") == part and look.status != Status.not_configured for look in looks)


def _local_places(look: Observation | None, rows: Sequence[Mapping[str, Any]]) -> list[Place]:
    if look is None:
        return []
    names = dict.fromkeys(str(row["place"]) for row in rows)
    return [
        Place(
            RUNBOOK,
            "local",
            name,
            look,
            {
                str(row["name"]): Held(row["name"], row["facts"], "", None, {"platform": "local", "place": name})
                for row in rows
                if row["place"] == name
            },
            frozenset(str(row["name"]) for row in rows if row["place"] == name),
        )
        for name in names
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
        rows = [row for row in look.value if environment in row["environments"] and not row["branch"]]
        rows.sort(key=lambda row: not row["shared"])  # a project's own wins over a shared one
        held = {str(row["name"]): _held(row) for row in rows}
        if held or (environment == "production" and look.status.answered):
            part, platform = str(look.arguments["part"]), look.source
            production = found_places[0].held if found_places and environment != "production" else {}
            own = frozenset(
                name for name, each in held.items() if name not in production or production[name].where != each.where
            )
            found_places.append(Place(part, platform, environment, look, held, own))
    return found_places


def _held(row: Mapping[str, Any]) -> Held:
    where = {"platform": row["platform"], "part": row["part"], "id": row["id"]}
    return Held(str(row["name"]), row["facts"], str(row["hidden"]), row["updated_at"], where)
