"""The named evidence of 00, and what kinds of witness it needs besides the usual: every platform of a part, every key, a trail."""

from collections.abc import Iterable
from dataclasses import dataclass

from runbook_lib.core.model import Observation, Status
from runbook_lib.judging.witnesses import (
    Missing,
    Seen,
    Shown,
    Topics,
    Witness,
    all_of,
    any_of,
    first_of,
    look,
    not_used,
    proof,
)
from runbook_lib.procedures.operations_checklist.reading import (
    PARTS,
    RUNBOOK,
    address_of,
    is_without,
    read,
    settings_in,
)
from runbook_lib.procedures.operations_checklist.spans import Arrivals, Trail

_LISTS = ("vercel.variables", "railway.variables", "fly.variables")
_SERVING = ("vercel.serving", "railway.deployments", "fly.releases")
_LOGS = ("vercel.request_log", "railway.http_log", "fly.logs")
_TRACES = ("tempo.window_traces", "jaeger.window_traces")
# The looks at what opens a door of the runbook's own, and the variables without any of which there is nothing to judge.
TOKENS = {
    "vercel.token": ("RUNBOOK_VERCEL_TOKEN",),
    "railway.token": ("RUNBOOK_RAILWAY_TOKEN", "RUNBOOK_RAILWAY_PROJECT_TOKEN"),
    "fly.token": ("RUNBOOK_FLY_TOKEN",),
    "supabase.access_token": ("RUNBOOK_SUPABASE_ACCESS_TOKEN",),
    "postgres.health": ("RUNBOOK_DATABASE_URL",),
    "tempo.health": ("RUNBOOK_TEMPO_TOKEN",),
    "jaeger.health": ("RUNBOOK_JAEGER_TOKEN",),
}
NO_FLY = not_used("fly", "app on Fly.io", "fly.releases", "fly.variables", "fly.logs", "fly.token")
NO_RAILWAY = not_used("railway", "service on Railway", "railway.services", "railway.variables", "railway.http_log")
NO_VERCEL = not_used("vercel", "project on Vercel", "vercel.projects", "vercel.variables", "vercel.request_log")


@dataclass(frozen=True)
class Everywhere(Witness):
    """One question, asked at several places: each that is set up must have answered, and one must be set up.

    Attributes:
        names: the look at each place.
        part: which part of NexusCore it is about. A platform that is named for it, or was asked anything about it, is set up; so
            is every other place that was asked anything at all.
        is_here_enough: whether this machine's files stand in where the part runs on no platform.
        despite_partial: whether a part of an answer is enough.
        wanted: names that another question needs however this one is answered.
    """

    names: tuple[str, ...]
    part: str = ""
    is_here_enough: bool = False
    despite_partial: bool = False
    wanted: tuple[str, ...] = ()

    def held_against(self, seen: Seen) -> Shown:
        """Shown by all that are set up."""
        asked = self._asked(seen)
        wrong = [
            each for each in asked if not (each.status.answered or (self.despite_partial and each.status.has_content))
        ]
        if wrong:
            return _missing(wrong)
        here = () if asked or not self.is_here_enough else _here(seen, self.part)
        by = tuple(each.id for each in (asked or here or _without(seen, self.part)))
        return Shown(by) if by else _missing(self._made(seen), self.names)

    def words(self) -> str:
        """The looks, each where it is set up."""
        about = f" ({self.part})" if self.part else ""
        return f"{', '.join(self.names)}{about}, each that is set up"

    def excuses(self, observation: Observation, seen: Seen) -> bool:
        """A place that is not set up beside another one that is; a part of an answer where that is enough."""
        name = f"{observation.source}.{observation.call}"
        if name in self.wanted or name not in self.names:
            return False
        if not any(each is observation for each in self._made(seen)):
            return False
        if observation.status is Status.partial:
            return self.despite_partial
        asked = self._asked(seen)
        return all(each is not observation for each in asked) and (bool(asked) or self.held_against(seen).is_shown)

    def _made(self, seen: Seen) -> list[Observation]:
        made = seen.of(*self.names)
        return [each for each in made if not self.part or each.arguments.get("part", "gateway") == self.part]

    def _asked(self, seen: Seen) -> list[Observation]:
        set_up = _set_up(seen, self.part) if self.part else {each.source for each in _configured(seen.observations)}
        return [each for each in self._made(seen) if each.source in set_up]


@dataclass(frozen=True)
class EveryKey(Witness):
    """Every key that could be shown to its vendor was judged, and so was what opens the runbook's own doors."""

    def held_against(self, seen: Seen) -> Shown:
        """Shown by the judgements."""
        keys = [each for each in seen.observations if each.call == "key"]
        set_here = _set_here(seen)
        doors = [
            each
            for name, variables in TOKENS.items()
            for each in seen.of(name)
            if each.status is not Status.not_configured or set_here is None or set_here & set(variables)
        ]
        wrong = [each for each in (*keys, *doors) if not each.status.answered]
        if wrong:
            return _missing(wrong)
        by = tuple(each.id for each in (*keys, *doors))
        return (
            Shown(by)
            if keys
            else Shown(missing=(Missing("", why="no key could be read, so that none was shown to its vendor"),))
        )

    def words(self) -> str:
        """In words."""
        return "every key that could be read, shown to its vendor"


@dataclass(frozen=True)
class TrailOf(Witness):
    """A part's spans arrive, or its traffic's log says that nobody came."""

    part: str

    def held_against(self, seen: Seen) -> Shown:
        """Shown by its spans, or by the logs."""
        if without := _without(seen, self.part):
            return Shown(tuple(each.id for each in without))
        told = arrivals_of(seen).trail_of(self.part)
        if told.trail in (Trail.arrives, Trail.idle):
            return Shown(tuple(each.id for each in told.looks))
        unseen = [each for each in (*seen.of(*_TRACES), *self._logs(seen)) if not each.status.answered]
        set_up = [each for each in unseen if each.status is not Status.not_configured]
        if not unseen:
            why = f"what was seen does not tell whether spans of {self.part} are missing"
            return Shown(missing=(Missing(_TRACES[0], why=why),))
        return _missing(set_up or unseen)

    def words(self) -> str:
        """In words."""
        return f"spans of {self.part}, or a log of its traffic in which there is no request"

    def _logs(self, seen: Seen) -> list[Observation]:
        return [each for each in seen.of(*_LOGS) if each.arguments.get("part", "gateway") == self.part]


@dataclass(frozen=True)
class Without(Witness):
    """The team says that its system has no such part, and nothing was named for one to this run."""

    part: str

    def held_against(self, seen: Seen) -> Shown:
        """Shown by the team's word."""
        return Shown(tuple(each.id for each in _without(seen, self.part)))

    def words(self) -> str:
        """In words."""
        return f"this system has no {self.part}"


def arrivals_of(seen: Seen) -> Arrivals:
    """The looks at spans and traffic among everything that was seen."""
    return Arrivals(_local(seen), seen.of(*_TRACES), seen.of(*_LOGS), seen.of("parts.probe"))


def _spans_or_nobody(seen: Seen) -> tuple[Observation, ...]:
    arrivals = arrivals_of(seen)
    if arrivals.spans.traces:
        return tuple(each for each in arrivals.spans.looks if each.status.has_content)
    return (*arrivals.traffic, *arrivals.clocks) if arrivals.is_quiet else ()


def _some_spans(seen: Seen) -> tuple[Observation, ...]:
    arrivals = arrivals_of(seen)
    return arrivals.spans.looks if arrivals.spans.traces else ()


def _no_example(seen: Seen) -> tuple[Observation, ...]:
    """A run to which no `.env.example` was named has none to compare: what the runbook was given says so."""
    asked = seen.of("team.variable_names")
    return () if asked else tuple(each for each in seen.of("environment.variables") if each.status.answered)


def _local(seen: Seen) -> Observation | None:
    return next(iter(seen.of("environment.variables")), None)


def _without(seen: Seen, part: str) -> tuple[Observation, ...]:
    """The team's word that its system has no such part; none where it has one, or nobody says."""
    local = _local(seen)
    said = next(iter(seen.of("team.not_used")), None)
    is_without_it = not _set_up(seen, part) and is_without(part, said, local)
    return (said, local) if said and local and is_without_it else ()


def _set_up(seen: Seen, part: str) -> set[str]:
    """The platforms that are named for a part, or that could be asked anything about it."""
    named = address_of(part, settings_in(_local(seen)))
    asked = _configured(seen.of(*_LISTS, *_SERVING, *_LOGS))
    return {
        *(named["hosts"] if named else ()),
        *(each.source for each in asked if each.arguments.get("part", "gateway") == part),
    }


def _configured(looks: Iterable[Observation]) -> list[Observation]:
    return [each for each in looks if each.status is not Status.not_configured]


def _here(seen: Seen, part: str) -> tuple[Observation, ...]:
    """The look at this machine's files, where the part runs on it and on no platform."""
    local = _local(seen)
    places = read(local, seen.of(*_LISTS)).serving(part)
    return tuple(place.observation for place in places if place.platform == "local")


def _set_here(seen: Seen) -> set[str] | None:
    """The names of the runbook's own variables that are set; None where that could not be seen."""
    local = _local(seen)
    if local is None or not local.status.answered:
        return None
    return {name for place in read(local, ()).of(RUNBOOK) for name, held in place.held.items() if held.is_set}


def _missing(looks: Iterable[Observation], names: tuple[str, ...] = ()) -> Shown:
    missing = tuple(Missing(f"{each.source}.{each.call}", each, each.why) for each in looks)
    return Shown(missing=missing or tuple(Missing(name, why="nobody looked") for name in names[:1]))


def _of_each_part(topic: str) -> Witness:
    return all_of(*(f"{part}_{topic}" for part in PARTS))


TOPICS = Topics(
    {
        "local": look("environment.variables"),
        "said": look("team.not_used", is_helpful=True),
        **{f"{part}_variables": Everywhere(_LISTS, part, is_here_enough=True) for part in PARTS},
        **{
            f"{part}_serving": Everywhere(_SERVING, part, is_here_enough=True, wanted=("fly.releases",))
            for part in PARTS
        },
        **{f"{part}_traffic": Everywhere(_LOGS, part, despite_partial=True) for part in PARTS},
        **{f"{part}_answers": any_of(look("parts.probe", part=part), Without(part)) for part in PARTS},
        **{f"{part}_trail": TrailOf(part) for part in PARTS},
        "variables": all_of("local", _of_each_part("variables")),
        "applied": all_of("variables", _of_each_part("serving")),
        "example": any_of(look("team.variable_names"), proof("no .env.example was named", _no_example)),
        "keys": EveryKey(),
        "tokens": all_of(*(look(name, is_helpful=True) for name in TOKENS)),
        "judged": all_of("variables", "keys"),
        "answers": _of_each_part("answers"),
        "openapi": any_of(look("parts.gateway_openapi"), Without("gateway")),
        "pages": Everywhere(("status.incidents", "railway.incidents")),
        "platforms": all_of(
            first_of(look("vercel.projects"), NO_VERCEL),
            first_of(look("railway.services"), NO_RAILWAY),
            first_of(look("fly.releases"), NO_FLY),
            _of_each_part("serving"),
        ),
        "backends": Everywhere(("tempo.health", "jaeger.health")),
        "windows": Everywhere(_TRACES, despite_partial=True),
        "spans": proof("spans of the window are there, or nobody came", _spans_or_nobody, *_TRACES, *_LOGS),
        "any_span": proof("spans of the window are there", _some_spans, *_TRACES),
        "trails": _of_each_part("trail"),
    }
)
