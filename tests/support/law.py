"""The law, tried on evidence by hand: sources that say nothing, alone or all of them."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import TypeVar

from runbook_lib.core.model import Observation, Status
from runbook_lib.judging.evidence import Filed
from runbook_lib.procedures.base import Procedure

_Evidence = TypeVar("_Evidence", bound=Filed)


def silenced(evidence: _Evidence, status: Status, keep: Callable[[Observation], bool] = lambda _: False) -> _Evidence:
    """The same evidence in which every look that is not kept came back with this status and nothing else."""

    def said(look: Observation) -> Observation:
        return look if keep(look) else replace(look, status=status, value=None, why="", help="")

    def topic(value: object) -> object:
        if isinstance(value, Observation):
            return said(value)
        if isinstance(value, tuple):
            return tuple(said(each) if isinstance(each, Observation) else each for each in value)
        return value

    return evidence.filed(**{each.name: topic(getattr(evidence, each.name)) for each in fields(evidence)})  # type: ignore[arg-type]


def topics_without_a_field(procedure: type[Procedure], evidence: type[Filed]) -> set[str]:
    """The topics that a procedure asks and its evidence has no place for."""
    return set(procedure.topics) - {each.name for each in fields(evidence)}  # type: ignore[arg-type]
