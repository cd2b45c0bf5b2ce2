"""What a run begins before a step asks for it, so that it lasts as long as its longest chain of dependent looks.

A topic begins as soon as all that it comes after have their answers, though the steps that ask for those may be far ahead.
What came early is known here alone: it becomes evidence, and is recorded, when its step asks; what no step asks for is dropped.
"""

import contextlib
import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runbook_lib.core.model import Observation

if TYPE_CHECKING:
    from runbook_lib.io.observe import Look
    from runbook_lib.procedures.base import Procedure

Wait = Callable[[], list[Observation]]


class Foresight:
    """Begins the topics of one run; in a replay there is nothing to begin."""

    def __init__(self, procedure: "Procedure") -> None:
        self._procedure = procedure
        self._begun: set[str] = set()
        self._answered: set[str] = set()
        self._early: dict[str, list[Observation]] = {}  # what came before its step, of each topic, as far as it came
        self._lock = threading.RLock()

    def begin(self, asked: Mapping[str, Sequence["Look"]]) -> None:
        """Begin the topics that a step is about to ask for, so that what comes after them need not wait for the step."""
        with self._lock:
            for name, looks in asked.items():
                if not self._is_left(name):
                    self._start(name, looks)

    def filed(self, name: str) -> None:
        """A topic is evidence now: what its step filed counts, whatever came early."""
        with self._lock:
            self._begun.add(name)
            self._answered.add(name)
            self._early.pop(name, None)
        self.begin_what_can()

    def begin_what_can(self) -> None:
        """Begin every topic that nothing stands before any more."""
        with self._lock:
            for name, topic in self._procedure.topics.items():
                if self._is_left(name) or not (topic.eager or self._answered.issuperset(topic.after)):
                    continue
                # one that has nothing to ask yet may have later
                if looks := topic.looks(self._seer(even_parts=topic.eager)):
                    self._start(name, looks)

    def _is_left(self, name: str) -> bool:
        """Whether a topic is not to be begun from here: in a replay none is."""
        return self._procedure.look.replaying or name in self._begun or self._procedure.topics[name].waits

    def _seer(self, *, even_parts: bool = False) -> "Procedure":
        """The procedure as it will be once what came early is filed: it is asked what to look at, and nothing else.

        A topic of which a part came counts as one that did not, unless `even_parts`.
        """
        seer, topics = copy.copy(self._procedure), self._procedure.topics
        early = {name: seen for name, seen in self._early.items() if even_parts or name in self._answered}
        seer.evidence = seer.evidence.filed(**{name: topics[name].held(seen) for name, seen in early.items()})
        return seer

    def _start(self, name: str, looks: Sequence["Look"]) -> None:
        self._begun.add(name)
        waits = [self._procedure.look.ahead(look) for look in looks]
        comes_after = [topic for topic in self._procedure.topics.values() if name in topic.after]
        if comes_after:
            self._beside(self._await_all, name, waits)
        if any(topic.eager for topic in comes_after):
            for wait in waits:
                self._beside(self._await_one, name, wait)

    def _beside(self, work: Callable[..., None], *arguments: Any) -> None:
        def quietly() -> None:
            with contextlib.suppress(Exception):  # what breaks here breaks again where the step asks, and is told there
                work(*arguments)

        threading.Thread(target=quietly, daemon=True, name="foresight").start()

    def _await_one(self, name: str, wait: Wait) -> None:
        self._came(name, wait())

    def _await_all(self, name: str, waits: Sequence[Wait]) -> None:
        seen, other = [each for wait in waits for each in wait()], self._procedure.topics[name].otherwise
        if other is not None and not any(each.status.answered for each in seen):
            with self._lock:
                stand_in = self._procedure.look.ahead(*other(self._seer()))
            seen += stand_in()
        self._came(name, seen, is_all=True)

    def _came(self, name: str, seen: Sequence[Observation], *, is_all: bool = False) -> None:
        with self._lock:
            if name in self._answered:
                return
            self._early[name] = [*seen] if is_all else [*self._early.get(name, ()), *seen]
            if is_all:
                self._answered.add(name)
        self.begin_what_can()
