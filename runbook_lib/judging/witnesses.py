"""The law: a cause is ruled out only by a look that would have shown it.

A **witness** says which looks would have shown a cause had it been so: any of several, all of several, or what was read in them.
It is held against everything that a run saw and comes to a `Shown`: the looks that stand for it, or those that would have had
to answer.

    any_of("traces", all_of("api_log", "gateway_log"))     names without a dot are topics of the procedure, see `Topics`
    look("railway.logs", part="api")                       one look by its name, narrowed by its arguments
    proof("a request was served", served, "vercel.log")    what a pure function finds in the looks

"Not configured", "denied", "partial" and the rest are no witness, and neither is a look that nobody made.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from runbook_lib.core.model import Json, Observation, Status

Proof = Callable[["Seen"], Iterable[Observation]]


@dataclass(frozen=True)
class Missing:
    """What would have had to answer: a look by its name, with its last observation where it was made, else why it would help."""

    name: str
    observation: Observation | None = None
    why: str = ""


@dataclass(frozen=True)
class Shown:
    """What a witness came to.

    `by`: the ids of the looks that would have shown it. `missing`: what stands between; empty where it is shown.
    """

    by: tuple[str, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def is_shown(self) -> bool:
        """Whether the cause would have been seen, had it been so."""
        return bool(self.by) and not self.missing


class Seen:
    """Everything that a run looked at, asked by the looks' names.

    Args:
        observations: in the order in which they were made.
        topics: what the names without a dot stand for.
    """

    def __init__(self, observations: Iterable[Observation], topics: "Topics | None" = None) -> None:
        self.observations = tuple(observations)
        self.topics = topics or Topics({})
        self._by_name: dict[str, list[Observation]] = {}
        for each in self.observations:
            self._by_name.setdefault(f"{each.source}.{each.call}", []).append(each)
        self._shown: dict[str, Shown] = {}

    def of(self, *names: str, **arguments: Json) -> tuple[Observation, ...]:
        """The looks of these names whose arguments hold the given values, in the order in which they were made."""
        found = [each for name in names for each in self._by_name.get(name, ())]
        if not arguments:
            return tuple(found)
        return tuple(each for each in found if _has_arguments(each, arguments))

    def shown(self, witness: "Witness | str") -> Shown:
        """What a witness, or a name, comes to. Raises KeyError for a topic that the procedure does not have."""
        if not isinstance(witness, str):
            return witness.held_against(self)
        if "." in witness:
            return Look(witness).held_against(self)
        if witness not in self._shown:
            self._shown[witness] = self.topics.witness(witness).held_against(self)
        return self._shown[witness]


def _has_arguments(observation: Observation, arguments: Mapping[str, Json]) -> bool:
    return all(observation.arguments.get(key) == value for key, value in arguments.items())


class Witness:
    """What would have shown a cause; see the module."""

    def held_against(self, seen: Seen) -> Shown:
        """What it comes to in a run."""
        raise NotImplementedError

    def words(self) -> str:
        """In words, for docs/causes.md."""
        raise NotImplementedError

    def excuses(self, observation: Observation, seen: Seen) -> bool:  # noqa: ARG002 (kinds of witness answer by both)
        """Whether a look of its that is not configured, or partial, leaves nothing unseen: it only helps, another way stands in
        for it, or a part of it is enough."""
        return False


@dataclass(frozen=True)
class Look(Witness):
    """The looks of one name, narrowed by arguments: every one that was made must have answered, and one must have been made.

    Attributes:
        holding: what an answer must be like to be a witness, where not every complete answer is one.
        despite_partial: whether a part of the answer is enough, where what is sought is looked for by itself.
        is_helpful: whether it only helps: that it is not configured is then no gap.
        else_why: what is wrong with an answer that `holding` refuses, in words.
    """

    name: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    holding: Callable[[Observation], bool] | None = None
    despite_partial: bool = False
    is_helpful: bool = False
    else_why: str = ""

    def matches(self, observation: Observation) -> bool:
        """Whether an observation is one of these looks."""
        return f"{observation.source}.{observation.call}" == self.name and _has_arguments(observation, self.arguments)

    def held_against(self, seen: Seen) -> Shown:
        """Shown by the looks of this name."""
        made = seen.of(self.name, **self.arguments)
        if not made:
            return Shown(missing=(Missing(self.name, why="nobody looked"),))
        wrong = [each for each in made if not self._stands(each)]
        if wrong:
            return Shown(missing=tuple(Missing(self.name, each, self._why(each)) for each in wrong))
        return Shown(by=tuple(each.id for each in made))

    def words(self) -> str:
        """The name with its arguments."""
        narrowed = ", ".join(str(value) for value in self.arguments.values())
        return f"{self.name} ({narrowed})" if narrowed else self.name

    def excuses(self, observation: Observation, seen: Seen) -> bool:  # noqa: ARG002 (it needs no other look to tell)
        """Where it only helps, or a part of it is enough."""
        is_enough = self.despite_partial if observation.status is Status.partial else self.is_helpful
        return is_enough and self.matches(observation)

    def _stands(self, each: Observation) -> bool:
        answered = each.status.answered or (self.despite_partial and each.status.has_content)
        return answered and (self.holding is None or self.holding(each))

    def _why(self, each: Observation) -> str:
        return self.else_why if each.status.answered else each.why


@dataclass(frozen=True)
class NotUsed(Witness):
    """The team has said that this system does not have it (RUNBOOK_NOT_USED, see sources.team), and nobody named one to this run.

    Attributes:
        name: as the team says it ("dumps").
        what: in words ("folder of dumps").
        looks: the looks that ask for it: one that is configured all the same, or was given a path, outweighs what the team said.
    """

    name: str
    what: str
    looks: tuple[str, ...]

    def held_against(self, seen: Seen) -> Shown:
        """Shown by the team's word."""
        said = [each for each in seen.of("team.not_used") if each.status is Status.ok and self.name in each.value]
        asked = seen.of(*self.looks)
        if said and all(each.status is Status.not_configured and not each.arguments.get("path") for each in asked):
            return Shown(by=tuple(each.id for each in said))
        return Shown(
            missing=tuple(
                Missing(name, why=f"it may be that there is no {self.what}: RUNBOOK_NOT_USED says so")
                for name in self.looks[:1]
            )
        )

    def words(self) -> str:
        """In words."""
        return f"this system has no {self.what}"

    def why(self, seen: Seen) -> str:
        """For `Cause.not_applicable`: why it cannot be so; empty where it can."""
        return f"this system has no {self.what}, the team says (RUNBOOK_NOT_USED)" if seen.shown(self).is_shown else ""


@dataclass(frozen=True)
class AnyOf(Witness):
    """One of several is enough."""

    members: tuple[Witness | str, ...]

    def held_against(self, seen: Seen) -> Shown:
        """Shown by the first member that is, the others are not asked; else by none, and all that is missing would help."""
        missing: list[Missing] = []
        for member in self.members:
            shown = seen.shown(member)
            if shown.is_shown:
                return shown
            missing += shown.missing
        return Shown(missing=_once(missing))

    def words(self) -> str:
        """The members with `or` between them."""
        return " or ".join(_words(member) for member in self.members)


@dataclass(frozen=True)
class FirstOf(AnyOf):
    """Several ways to the same thing: one is enough, and one that is not configured is no gap beside another that is."""

    def excuses(self, observation: Observation, seen: Seen) -> bool:
        """Where another way is configured, or the team has said that there is no such thing."""
        return observation.status is Status.not_configured and _has_another_way(self, observation, seen)


@dataclass(frozen=True)
class AllOf(Witness):
    """Every one of several is needed."""

    members: tuple[Witness | str, ...]

    def held_against(self, seen: Seen) -> Shown:
        """Shown by all members together."""
        each = [seen.shown(member) for member in self.members]
        by = tuple(dict.fromkeys(one for shown in each for one in shown.by))
        return Shown(by=by, missing=_once(missing for shown in each for missing in shown.missing))

    def words(self) -> str:
        """The members with `and` between them."""
        return " and ".join(f"({_words(each)})" if isinstance(each, AnyOf) else _words(each) for each in self.members)


@dataclass(frozen=True)
class Proven(Witness):
    """What a pure function finds in the looks: the observations that prove it; none where it is not proven.

    Attributes:
        what: what is so then, in words: "the request was not refused".
        helps: names of looks that would help where it is not proven.
    """

    what: str
    prove: Proof
    helps: tuple[str, ...] = ()

    def held_against(self, seen: Seen) -> Shown:
        """Shown by what the function names."""
        by = tuple(dict.fromkeys(each.id for each in self.prove(seen)))
        if by:
            return Shown(by=by)
        hidden = [
            Missing(name, each, each.why) for name in self.helps for each in seen.of(name) if not each.status.answered
        ]
        return Shown(
            missing=tuple(hidden)
            or (Missing(self.helps[0] if self.helps else "", why=f"nothing shows that {self.what}"),)
        )

    def words(self) -> str:
        """What is so then."""
        return self.what


def look(
    name: str,
    *,
    holding: Callable[[Observation], bool] | None = None,
    despite_partial: bool = False,
    is_helpful: bool = False,
    else_why: str = "",
    **arguments: Json,
) -> Look:
    """The looks of one name; see `Look`."""
    return Look(name, arguments, holding, despite_partial, is_helpful, else_why)


def not_used(name: str, what: str, *looks: str) -> NotUsed:
    """That the team says that this system does not have something; see `NotUsed`."""
    return NotUsed(name, what, looks)


def any_of(*members: Witness | str) -> AnyOf:
    """One of these is enough."""
    return AnyOf(members)


def first_of(*members: Witness | str) -> FirstOf:
    """Several ways to the same thing; see `FirstOf`."""
    return FirstOf(members)


def all_of(*members: Witness | str) -> AllOf:
    """All of these are needed."""
    return AllOf(members)


def proof(what: str, prove: Proof, *helps: str) -> Proven:
    """What a pure function finds in the looks; see `Proven`."""
    return Proven(what, prove, helps)


class Topics:
    """The named evidence of a procedure: what the witnesses of its causes are made of.

    Args:
        witnesses: by name, without a dot; a topic may be made of others.
    """

    def __init__(self, witnesses: Mapping[str, Witness]) -> None:
        self._witnesses = dict(witnesses)

    def witness(self, name: str) -> Witness:
        """The witness of a name. Raises KeyError where there is none."""
        return self._witnesses[name]

    def is_gap(self, observation: Observation, seen: Seen) -> bool:
        """Whether a look that proves nothing leaves something unseen.

        It does not where it is not configured and only helps, or stands in a first-of beside another way that is configured; nor
        where it is partial, and a part of it is enough.
        """
        if observation.status not in (Status.partial, Status.not_configured):
            return True
        inside = (each for witness in self._witnesses.values() for each in _inside(witness))
        return not any(each.excuses(observation, seen) for each in inside)


def _has_another_way(several: FirstOf, observation: Observation, seen: Seen) -> bool:
    """Whether a first-of holds this look in one member, and another member has a look that is configured."""
    if any(isinstance(member, NotUsed) and seen.shown(member).is_shown for member in several.members):
        return any(each.matches(observation) for member in several.members for each in _looks_in(member))
    members = [_looks_in(member) for member in several.members]
    holding = [looks for looks in members if any(each.matches(observation) for each in looks)]
    others = [each for looks in members if looks not in holding for each in looks]
    return bool(holding) and any(
        made.status is not Status.not_configured for each in others for made in seen.of(each.name, **each.arguments)
    )


def _looks_in(member: Witness | str) -> list[Look]:
    if isinstance(member, str):
        return [Look(member)] if "." in member else []
    return [each for each in _inside(member) if isinstance(each, Look)]


def _inside(witness: Witness | str) -> Iterable[Witness]:
    """A witness and everything that it is made of; a look's bare name is that look, a topic's stands for itself."""
    if isinstance(witness, str):
        if "." in witness:
            yield Look(witness)
        return
    yield witness
    if isinstance(witness, AnyOf | AllOf):
        for member in witness.members:
            yield from _inside(member)


def _once(missing: Iterable[Missing]) -> tuple[Missing, ...]:
    kept: dict[tuple[str, str], Missing] = {}
    for each in missing:
        kept.setdefault((each.name, each.observation.id if each.observation else ""), each)
    return tuple(kept.values())


def _words(member: Witness | str) -> str:
    if isinstance(member, str):
        return member if "." in member else member.replace("_", " ")
    return member.words()


def first_missing(shown: Sequence[Missing]) -> Missing | None:
    """The one to mention: a look that was made and did not answer, before one that nobody made."""
    return next((each for each in shown if each.observation is not None), shown[0] if shown else None)
