"""A change that a procedure proposes: the exact requests, what each replaces, and what it does not undo. Nothing here acts.

A plan is shown and kept with the run; whoever approves it approves its hash, which is over every step, so that what is
carried out cannot differ from what was read.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from runbook_lib.core.model import Json, canonical_json


@dataclass(frozen=True)
class PlanStep:
    """One request of a plan.

    Attributes:
        where: the platform and the object on it ("Railway, service gateway").
        request: exactly what is sent or typed: method, path and body, or a command line; no secrets.
        before, after: what is so now and what would be; None where it cannot be told.
    """

    where: str
    request: str
    before: str | None = None
    after: str | None = None


@dataclass(frozen=True)
class Plan:
    """A proposed change.

    Attributes:
        title: what it is for, in a few words.
        steps: the requests in order.
        back: how it is taken back.
        not_undone: what neither the plan nor taking it back undoes (a database migration); empty where nothing is known of.
    """

    title: str
    steps: tuple[PlanStep, ...]
    back: str = ""
    not_undone: str = ""

    @property
    def sha256(self) -> str:
        """What an approval is bound to: the hash of everything that would be done."""
        return hashlib.sha256(canonical_json([self.title, [asdict(step) for step in self.steps]])).hexdigest()

    def as_data(self) -> dict[str, Json]:
        """What the display "plan" draws, and what is kept among a conclusion's facts."""
        return {**asdict(self), "steps": [asdict(step) for step in self.steps], "sha256": self.sha256}


def facts_of(plans: Sequence[Plan]) -> list[Json]:
    """Plans as a conclusion's facts hold them."""
    return [plan.as_data() for plan in plans]
