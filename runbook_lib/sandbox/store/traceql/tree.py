"""A TraceQL query as a tree, and how its parts are written in messages and in the labels of replies."""

from dataclasses import dataclass
from typing import Any

from runbook_lib.sandbox.store.durations import format_go


class TraceqlError(ValueError):
    """The query cannot be read or makes no sense; the text is what Tempo would answer after `invalid TraceQL query: `."""


def unsupported(what: str) -> TraceqlError:
    """The refusal of what Tempo reads and the sandbox's does not."""
    return TraceqlError(f"{what}: the sandbox's Tempo does not read this, though Tempo may")


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. `kind`: string int float duration (nanoseconds) bool nil status kind."""

    kind: str
    value: Any

    def __str__(self) -> str:
        if self.kind == "string":
            return f"`{self.value}`"
        if self.kind == "duration":
            return format_go(self.value)
        if self.kind in ("bool", "nil"):
            return {True: "true", False: "false"}.get(self.value, "nil")
        return str(self.value)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute by key. `scope`: span or resource."""

    scope: str
    key: str

    def __str__(self) -> str:
        return f"{self.scope}.{self.key}"


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """A built-in field by its name."""

    name: str

    def __str__(self) -> str:
        return self.name


Field = Attribute | Intrinsic


@dataclass(frozen=True, slots=True)
class Comparison:
    """`field operator literal`."""

    field: Field
    operator: str
    literal: Literal

    def __str__(self) -> str:
        return f"{self.field} {self.operator} {self.literal}"


@dataclass(frozen=True, slots=True)
class Logic:
    """`a && b || c …`: the first condition and the (operator, condition) pairs after it, which bind from left to right."""

    first: "Condition"
    rest: tuple[tuple[str, "Condition"], ...]


Condition = Comparison | Logic


@dataclass(frozen=True, slots=True)
class Filter:
    """`{ … }`: the spans for which the condition holds; None: every span."""

    condition: Condition | None


@dataclass(frozen=True, slots=True)
class Metric:
    """`count_over_time() by (x)`, or `histogram_over_time(duration) by (x)`."""

    function: str
    by: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query: filters joined by && or ||, fields to add to a reply. `metric` None: a search."""

    first: Filter
    rest: tuple[tuple[str, Filter], ...] = ()
    selected: tuple[Field, ...] = ()
    metric: Metric | None = None
