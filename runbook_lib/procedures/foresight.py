"""What a run begins before a step asks for it, so that it lasts as long as its longest chain of dependent looks.

A topic begins as soon as all that it comes after have their answers, though the steps that ask for those may be far ahead.
What came early is known here alone: it becomes evidence, and is recorded, when its step asks; what no step asks for is dropped.
"""

import contextlib
import copy
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from runbook_lib.core.model import Observation

if TYPE_CHECKING:
    from runbook_lib.io.observe import Look
    from runbook_lib.procedures.base import Procedure


class Foresight:
    """Begins the topics of one run; in a replay there is nothing to begin."""

    def __init__(self, procedure: "Procedure") -> None:
        self._procedure = procedure
        self._begun: set[str] = set()
        self._filed: set[str] = set()
        self._early: dict[str, Any] = {}
        self._lock = threading.RLock()

    def begin(self, *names: str) -> None:
        """Begin the topics that a step is about to ask for, so that what comes after them need not wait for the step."""
        with self._lock:
            for name in names:
                if name not in self._begun and not self._waits(name):
                    self._start(name, self._procedure.topics[name].looks(self._procedure))

    def filed(self, name: str) -> None:
        """A topic is evidence now: what its step filed counts, whatever came early."""
        with self._lock:
            self._begun.add(name)
            self._filed.add(name)
            self._early.pop(name, None)
        self.begin_what_can()

    def begin_what_can(self) -> None:
        """Begin every topic that nothing stands before any more."""
        with self._lock:
            seer = self._seer()
            for name, topic in self._procedure.topics.items():
                is_open = all(before in self._filed or before in self._early for before in topic.after)
                if not is_open or name in self._begun or self._waits(name):
                    continue
                if looks := topic.looks(seer):  # one that has nothing to ask yet may have later
                    self._start(name, looks)

    def _waits(self, name: str) -> bool:
        return self._procedure.look.replaying or self._procedure.topics[name].waits

    def _seer(self) -> "Procedure":
        """The procedure as it will be once what came early is filed: it is asked what to look at, and nothing else."""
        seer = copy.copy(self._procedure)
        seer.evidence = seer.evidence.filed(**self._early)
        return seer

    def _start(self, name: str, looks: Sequence["Look"]) -> None:
        self._begun.add(name)
        wait = self._procedure.look.ahead(*looks)
        if any(name in topic.after for topic in self._procedure.topics.values()):
            threading.Thread(target=self._await, args=(name, wait), daemon=True, name=f"foresight of {name}").start()

    def _await(self, name: str, wait: Callable[[], list[Observation]]) -> None:
        # Whatever breaks here breaks again where the step asks, and is told there.
        with contextlib.suppress(Exception):
            seen, other = wait(), self._procedure.topics[name].otherwise
            if other is not None and not any(each.status.answered for each in seen):
                with self._lock:
                    stand_in = self._procedure.look.ahead(*other(self._seer()))
                seen += stand_in()
            with self._lock:
                if name in self._filed:
                    return
                self._early[name] = self._procedure.topics[name].held(seen)
            self.begin_what_can()
