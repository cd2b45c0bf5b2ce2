"""What every procedure is: named steps in on-call's order, each a question and some looks, then one conclusion.

The same object is stepped through in a notebook, run headless without a kernel, and replayed from a record. A step may be
run again; what the later steps saw is then stale, and the conclusion looks again before it speaks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from runbook_lib.core.clock import Window
from runbook_lib.core.model import Conclusion, Json, Observation
from runbook_lib.io.observe import Look, Observer
from runbook_lib.procedures.foresight import Foresight


@dataclass(frozen=True)
class Exhibit:
    """Something to look at: `kind` names the display (table, waterfall, latency …), `data` is what it draws."""

    kind: str
    title: str
    data: Json


@dataclass(frozen=True)
class StepView:
    """What one step brought: the question, the observations, one sentence on what they say, and exhibits."""

    name: str
    question: str
    observations: tuple[Observation, ...]
    said: str
    exhibits: tuple[Exhibit, ...] = ()


@dataclass(frozen=True)
class Topic:
    """How a topic of the evidence is asked; its name is the field of the procedure's Evidence that holds what it brought.

    Attributes:
        looks: the looks of it, from the procedure as it stands; none where there is nothing to ask (it was not refused: no quota),
            or nothing yet: it is asked again once another topic is filed.
        after: the topics whose answers `looks` reads. Without any, it begins with the first step; else once those are filed.
        otherwise: asked in addition where no look of it was answered: another way to the same thing.
        is_one: whether it is a single look: its field then holds the observation, or None, instead of a tuple.
        waits: it leaves a mark, or is work that was asked for: it begins with its step and never before.
        eager: it begins as soon as any answer of what it comes after gives it something to ask; `looks` has none until then.
    """

    looks: Callable[[Any], Sequence[Look]]
    after: tuple[str, ...] = ()
    otherwise: Callable[[Any], Sequence[Look]] | None = None
    is_one: bool = False
    waits: bool = False
    eager: bool = False

    def held(self, seen: Sequence[Observation]) -> Observation | tuple[Observation, ...] | None:
        """What its field of the Evidence holds once this was seen."""
        return next(iter(seen), None) if self.is_one else tuple(seen)


@dataclass(frozen=True)
class Step:
    """A step of a procedure: its name (the method's), its question, and the method."""

    name: str
    question: str
    method: Callable[[Any], "Said"]


@dataclass(frozen=True)
class Said:
    """What a step's method returns: one sentence, and exhibits."""

    sentence: str
    exhibits: tuple[Exhibit, ...] = ()


def step(question: str) -> Callable[[Callable[[Any], Said]], Callable[[Any], Said]]:
    """Mark a method as a step. Steps run in the order in which they are written; the question ends in a question mark."""

    def mark(method: Callable[[Any], Said]) -> Callable[[Any], Said]:
        method.__dict__["question"] = question
        return method

    return mark


class Procedure(ABC):
    """One runbook procedure over one Observer.

    Subclasses set `stem`, declare their `topics`, write `@step` methods that ask for topics, and `diagnose`, which hands the
    evidence to the pure rules. A step's method must be safe to run again.

    What can begin early is derived: a topic begins as soon as the topics that it comes after have their answers, so that a run
    lasts as long as its longest chain of dependent looks, whatever the order of its steps (`foresight`).

    Args:
        look: the run's observer, live or replaying.
        parameters: the notebook's parameters, already checked against their types; a secret one is a reference.
    """

    stem: ClassVar[str]
    topics: ClassVar[Mapping[str, Topic]] = {}
    evidence: Any  # the procedure's own Evidence, a `judging.evidence.Filed`

    def __init__(self, look: Observer, parameters: Mapping[str, Json]) -> None:
        self.look = look
        self.parameters = dict(parameters)
        self.executed: list[str] = []
        self._views: dict[str, StepView] = {}
        self._foresight = Foresight(self)
        self.prepare()

    def prepare(self) -> None:
        """Read the parameters. Raises UsageError for what types alone cannot refuse; looks at nothing."""
        return

    @classmethod
    def is_for(cls, parameters: Mapping[str, Json]) -> bool:  # noqa: ARG003 (one of two classes reads them)
        """Whether it is the class that answers these parameters. A stem may have two, of the same steps: one is asked about one
        thing, the other about all of them. Looks at nothing, and refuses nothing: that is for `prepare`."""
        return True

    @classmethod
    def steps(cls) -> tuple[Step, ...]:
        """The steps in the order in which they are written, those of a base first; a step that is written anew keeps its place."""
        asked = {
            name: method.__dict__["question"]
            for each in reversed(cls.__mro__)
            for name, method in vars(each).items()
            if callable(method) and "question" in getattr(method, "__dict__", {})
        }
        return tuple(Step(name, question, getattr(cls, name)) for name, question in asked.items())

    @property
    @abstractmethod
    def window(self) -> Window:
        """The time the run is about."""

    @abstractmethod
    def diagnose(self) -> Conclusion:
        """What the observations so far say; pure, and repeatable."""

    def run_step(self, name: str) -> StepView:
        """Run one step (again) and return what it brought; every later step's view becomes stale.

        Raises:
            KeyError: there is no such step.
        """
        names = [each.name for each in self.steps()]
        this = self.steps()[names.index(name)] if name in names else None
        if this is None:
            raise KeyError(name)
        for later in names[names.index(name) :]:
            self._views.pop(later, None)
        before = len(self.look.observations)
        if not self.executed:
            self._foresight.begin_what_can()
        self.executed.append(name)
        said = this.method(self)
        seen = tuple(self.look.observations[before:])
        self._views[name] = StepView(name, this.question, seen, said.sentence, said.exhibits)
        return self._views[name]

    def finish(self) -> list[StepView]:
        """Run every step that has not run, or whose view is stale, in order; return all views."""
        for each in self.steps():
            if each.name not in self._views:
                self.run_step(each.name)
        return [self._views[each.name] for each in self.steps()]

    def view(self, name: str) -> StepView | None:
        """The current view of a step; None when it has not run, or is stale."""
        return self._views.get(name)

    def conclude(self) -> Conclusion:
        """Finish the steps, then say what is so."""
        self.finish()
        return self.diagnose()

    def ask(self, *topics: str) -> list[Observation]:
        """Ask for topics at once and file what they bring; returns it all, in the order of the topics."""
        looks = {name: self.topics[name].looks(self) for name in topics}
        self._foresight.begin(looks)
        waiting = {name: self.look.begin(*each) for name, each in looks.items()}
        found: dict[str, list[Observation]] = {}
        standing_in: dict[str, Callable[[], list[Observation]]] = {}
        for name in topics:
            found[name] = waiting[name]()
            other = self.topics[name].otherwise
            if other is not None and not any(each.status.answered for each in found[name]):
                standing_in[name] = self.look.begin(*other(self))
            else:
                self._file(name, found[name])
        for name, wait in standing_in.items():
            found[name] += wait()
            self._file(name, found[name])
        return [each for name in topics for each in found[name]]

    def _file(self, name: str, seen: Sequence[Observation]) -> None:
        self.evidence = self.evidence.filed(**{name: self.topics[name].held(seen)})
        self._foresight.filed(name)

    def see(self, *looks: Look) -> list[Observation]:
        """Make independent looks at once."""
        return self.look.together(*looks)


def replay_steps(procedure: Procedure, executed: list[str]) -> None:
    """Run the steps in the order in which the recorded run did, repeats included, so that every look finds its record."""
    for name in executed:
        procedure.run_step(name)
