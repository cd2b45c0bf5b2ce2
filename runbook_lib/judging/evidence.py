"""What a procedure saw, filed by topic: the base of every procedure's Evidence."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Self

from runbook_lib.core.model import Observation


class Filed:
    """A frozen dataclass whose fields named as topics hold the looks of that topic; other fields are facts of the run.

    A topic holds a tuple of observations, or one observation, or None where it was not asked.
    """

    def all(self) -> tuple[Observation, ...]:
        """Every observation, in the order of the topics."""
        return tuple(look for topic in fields(self) for look in _looks(getattr(self, topic.name)))  # type: ignore[arg-type]

    def filed(self, **topics: Any) -> Self:
        """The same with these topics' looks in place of what they held."""
        return replace(self, **topics)  # type: ignore[type-var]


def _looks(value: object) -> Iterator[Observation]:
    if isinstance(value, Observation):
        yield value
    elif isinstance(value, tuple):
        yield from (each for each in value if isinstance(each, Observation))
