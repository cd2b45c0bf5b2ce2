"""A TraceQL query as a tree, and how its parts are written in messages and in the labels of replies."""

from dataclasses import dataclass, field
from typing import Any

from runbook_lib.sandbox.store.durations import format_go


class TraceqlError(ValueError):
    """The query cannot be read or makes no sense; the text is what Tempo would answer after `invalid TraceQL query: `."""


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
    """An attribute by key. `scope`: empty (any), span, resource, event, link, instrumentation."""

    scope: str
    key: str

    def __str__(self) -> str:
        return f"{self.scope}.{self.key}"


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """A built-in field by its canonical name; `written` is how the query spelt it."""

    name: str
    written: str = field(compare=False)

    def __str__(self) -> str:
        return self.written


@dataclass(frozen=True, slots=True)
class Unary:
    """`-x` or `!x`."""

    operator: str
    operand: "Expression"

    def __str__(self) -> str:
        return f"{self.operator}{self.operand}"


@dataclass(frozen=True, slots=True)
class Binary:
    """Two expressions and the operator between them."""

    operator: str
    left: "Expression"
    right: "Expression"

    def __str__(self) -> str:
        return f"{_bracketed(self.left)} {self.operator} {_bracketed(self.right)}"


Expression = Literal | Attribute | Intrinsic | Unary | Binary


def logical_chain(expression: "Binary") -> tuple[Expression, list[tuple[str, Expression]]]:
    """`a && b || c …` as its first operand and the (operator, operand) pairs after it, from left to right.

    A query may name thousands of alternatives; walked as the left-leaning tree it is, that would exhaust the stack.
    """
    pairs: list[tuple[str, Expression]] = []
    first: Expression = expression
    while isinstance(first, Binary) and first.operator in ("&&", "||"):
        pairs.append((first.operator, first.right))
        first = first.left
    return first, pairs[::-1]


@dataclass(frozen=True, slots=True)
class Filter:
    """`{ … }`: the spans for which the expression holds."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class SpansetOperation:
    """`{…} >> {…}` and its kin. `operator` without `!` and `&`; `negated` and `union` say they were there."""

    operator: str
    left: "Spanset"
    right: "Spanset"
    negated: bool = False
    union: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate:
    """`count()`, `avg(x)`, `min(x)`, `max(x)`, `sum(x)` over a spanset."""

    name: str
    argument: Expression | None

    def __str__(self) -> str:
        return f"{self.name}({self.argument or ''})"


@dataclass(frozen=True, slots=True)
class ScalarFilter:
    """`count() > 2`: keeps the spansets whose aggregate compares so."""

    aggregate: Aggregate
    operator: str
    literal: Literal


@dataclass(frozen=True, slots=True)
class GroupBy:
    """`by(x)`: one spanset for each value."""

    expression: Expression


@dataclass(frozen=True, slots=True)
class Coalesce:
    """`coalesce()`: all spansets of a trace made one again."""


@dataclass(frozen=True, slots=True)
class Select:
    """`select(a, b)`: fields to add to the reply."""

    fields: tuple[Attribute | Intrinsic, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages, each fed with what the one before left."""

    stages: tuple["Stage", ...]


Spanset = Filter | SpansetOperation | Pipeline
Stage = Spanset | ScalarFilter | GroupBy | Coalesce | Select


@dataclass(frozen=True, slots=True)
class SecondStage:
    """What is done with the series: `topk`, `bottomk`, or a comparison operator with its number."""

    operator: str
    value: float


@dataclass(frozen=True, slots=True)
class Metric:
    """`rate() by (x)` and its kin. `numbers` are the quantiles of quantile_over_time."""

    function: str
    argument: Attribute | Intrinsic | None
    numbers: tuple[float, ...]
    by: tuple[Attribute | Intrinsic, ...]
    after: tuple[SecondStage, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query. `metric` None: a search. `hints` are those of `with(…)`."""

    pipeline: Pipeline
    metric: Metric | None
    hints: dict[str, Any]


def _bracketed(part: Expression) -> str:
    return f"({part})" if isinstance(part, Binary) else str(part)
