"""TraceQL tokens made into a tree.

Precedence as in Tempo's grammar: `&&` and `||` bind alike and least, then all comparisons (between spansets: the structural
operators), then `+ -`, then `* / %`, then `^`; all but `^` group to the left.
"""

from typing import Any

from runbook_lib.sandbox.store.traceql import lexer
from runbook_lib.sandbox.store.traceql.check import check_query
from runbook_lib.sandbox.store.traceql.tree import (
    Aggregate,
    Attribute,
    Binary,
    Coalesce,
    Expression,
    Filter,
    GroupBy,
    Intrinsic,
    Literal,
    Metric,
    Pipeline,
    Query,
    ScalarFilter,
    SecondStage,
    Select,
    Spanset,
    SpansetOperation,
    Stage,
    TraceqlError,
    Unary,
)

_COMPARISONS = ("=", "!=", ">", ">=", "<", "<=")
_BINDING = {"&&": 1, "||": 1, **dict.fromkeys((*_COMPARISONS, "=~", "!~"), 2), "+": 3, "-": 3}
_BINDING.update({"*": 4, "/": 4, "%": 4, "^": 5})
_STRUCTURAL = (">", ">>", "<", "<<", "~")
_SPANSET_BINDING = {"&&": 1, "||": 1}
_SPANSET_BINDING.update({prefix + op: 2 for op in _STRUCTURAL for prefix in ("", "!", "&")})
_WORDS: dict[str, Literal] = {
    "true": Literal("bool", True),
    "false": Literal("bool", False),
    "nil": Literal("nil", None),
    "minInt": Literal("int", -(1 << 63)),
    "maxInt": Literal("int", (1 << 63) - 1),
    **{word: Literal("status", word) for word in ("ok", "error", "unset")},
    **{word: Literal("kind", word) for word in ("unspecified", "internal", "server", "client", "producer", "consumer")},
}
_AGGREGATES = ("count", "avg", "min", "max", "sum")
_METRICS_PLAIN = ("rate", "count_over_time")
_METRICS_OF_FIELD = ("min_over_time", "max_over_time", "avg_over_time", "sum_over_time", "histogram_over_time")
_METRICS = (*_METRICS_PLAIN, *_METRICS_OF_FIELD, "quantile_over_time")
_MAX_DEPTH = 200


def parse(query: str) -> Query:
    """The tree of a query, with types checked. Raises TraceqlError, its text in Tempo's words."""
    parsed = _Parser(lexer.tokens(query)).query()
    check_query(parsed)
    return parsed


class _Parser:
    """Recursive descent over the tokens; `at` is the next one."""

    def __init__(self, tokens: list[lexer.Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

    # --- tokens ---

    @property
    def next(self) -> lexer.Token:
        return self.tokens[self.at]

    def take(self) -> lexer.Token:
        token = self.next
        self.at += 1
        return token

    def has(self, *values: str, kind: str = "operator") -> bool:
        return self.next.kind == kind and self.next.value in values

    def accept(self, value: str) -> bool:
        if self.has(value):
            self.at += 1
            return True
        return False

    def expect(self, value: str) -> None:
        if not self.accept(value):
            raise self.unexpected(f", expecting {value}")

    def unexpected(self, more: str = "") -> TraceqlError:
        token = self.next
        what = {"end": "$end", "string": "STRING", "field": "attribute"}.get(token.kind, str(token.value))
        return TraceqlError(
            f"parse error at line {token.line}, col {token.column}: syntax error: unexpected {what}{more}"
        )

    # --- the whole ---

    def query(self) -> Query:
        stages, metric = self.pipeline(metrics_allowed=True)
        hints = self.hints()
        if self.next.kind != "end":
            raise self.unexpected()
        return Query(Pipeline(stages), metric, hints)

    def pipeline(self, *, metrics_allowed: bool) -> tuple[tuple[Stage, ...], Metric | None]:
        stages: list[Stage] = [self.stage(first=True)]
        while self.accept("|"):
            if metrics_allowed and self.next.kind == "word" and self.next.value in _METRICS:
                return tuple(stages), self.metric()
            stages.append(self.stage(first=False))
        return tuple(stages), None

    def stage(self, *, first: bool) -> Stage:
        if self.has("{", "("):
            return self.spanset(0)
        if self.next.kind != "word":
            raise self.unexpected()
        word = self.next.value
        if word in _AGGREGATES:
            return self.scalar_filter()
        if word == "by":
            self.take()
            self.expect("(")
            group = GroupBy(self.expression(0))
            self.expect(")")
            return group
        if word == "select":
            self.take()
            return Select(self.fields())
        if word == "coalesce" and not first:
            self.take()
            self.expect("(")
            self.expect(")")
            return Coalesce()
        raise self.unexpected()

    def hints(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self.next.kind != "word" or self.next.value != "with":
            return found
        self.take()
        self.expect("(")
        while True:
            if self.next.kind != "word":
                raise self.unexpected()
            name = self.take().value
            self.expect("=")
            found[name] = self.literal().value
            if not self.accept(","):
                break
        self.expect(")")
        return found

    # --- spansets ---

    def spanset(self, binding: int) -> Spanset:
        left, deep = self.spanset_operand(), 0
        while self.next.kind == "operator" and _SPANSET_BINDING.get(self.next.value, 0) > binding:
            deep += 1
            self.check_depth(deep)
            operator = self.take().value
            right = self.spanset(_SPANSET_BINDING[operator])
            negated, union = operator.startswith("!"), operator.startswith("&") and operator != "&&"
            left = SpansetOperation(operator[negated or union :], left, right, negated, union)
        return left

    def spanset_operand(self) -> Spanset:
        if self.accept("{"):
            expression: Expression = Literal("bool", True)
            if not self.has("}"):
                expression = self.expression(0)
            self.expect("}")
            return Filter(expression)
        if not self.has("("):
            raise self.unexpected()
        self.enter()
        self.take()
        stages, _ = self.pipeline(metrics_allowed=False)
        self.expect(")")
        self.depth -= 1
        only = stages[0]
        if len(stages) == 1 and isinstance(only, Filter | SpansetOperation | Pipeline):
            return only
        return Pipeline(stages)

    def scalar_filter(self) -> ScalarFilter:
        aggregate = self.aggregate()
        if not self.has(*_COMPARISONS):
            raise self.unexpected()
        operator = self.take().value
        if self.next.kind == "word" and self.next.value in _AGGREGATES:
            raise TraceqlError("scalar filters that compare two aggregates are not yet supported")
        return ScalarFilter(aggregate, operator, self.literal())

    def aggregate(self) -> Aggregate:
        name = self.take().value
        self.expect("(")
        argument = None if name == "count" else self.expression(0)
        self.expect(")")
        return Aggregate(name, argument)

    # --- metrics ---

    def metric(self) -> Metric:
        function = self.take().value
        self.expect("(")
        argument, numbers = None, []
        if function not in _METRICS_PLAIN:
            argument = self.field()
            while function == "quantile_over_time" and self.accept(","):
                numbers.append(self.number())
        self.expect(")")
        if function == "quantile_over_time" and not numbers:
            raise TraceqlError("quantile_over_time requires at least one quantile")
        by: tuple[Attribute | Intrinsic, ...] = ()
        if self.has("by", kind="word"):
            self.take()
            by = self.fields()
        after: list[SecondStage] = []
        while True:
            if self.has(*_COMPARISONS):
                after.append(SecondStage(self.take().value, self.number()))
            elif self.accept("|"):
                if not self.has("topk", "bottomk", kind="word"):
                    raise self.unexpected()
                operator = self.take().value
                self.expect("(")
                after.append(SecondStage(operator, self.number()))
                self.expect(")")
            else:
                return Metric(function, argument, tuple(numbers), by, tuple(after))

    def number(self) -> float:
        literal = self.literal()
        if literal.kind == "duration":
            return float(literal.value) / 1e9
        if literal.kind not in ("int", "float"):
            raise self.unexpected()
        return float(literal.value)

    def fields(self) -> tuple[Attribute | Intrinsic, ...]:
        self.expect("(")
        found = [self.field()]
        while self.accept(","):
            found.append(self.field())
        self.expect(")")
        return tuple(found)

    def field(self) -> Attribute | Intrinsic:
        if self.next.kind != "field":
            raise self.unexpected()
        found: Attribute | Intrinsic = self.take().value
        return found

    # --- expressions ---

    def expression(self, binding: int) -> Expression:
        self.enter()
        left, deep = self.operand(), 0
        while self.next.kind == "operator" and _BINDING.get(self.next.value, 0) > binding:
            deep += self.next.value not in ("&&", "||")
            self.check_depth(deep)
            operator = self.take().value
            # `^` groups to the right: an operand of its own strength belongs to it.
            right = self.expression(_BINDING[operator] - (operator == "^"))
            left = Binary(operator, left, right)
        self.depth -= 1
        return left

    def operand(self) -> Expression:
        if self.accept("("):
            inner = self.expression(0)
            self.expect(")")
            return inner
        if self.has("-", "!"):
            operator = self.take().value
            operand = self.expression(_BINDING["-"])
            if operator == "-" and isinstance(operand, Literal) and operand.kind in ("int", "float", "duration"):
                return Literal(operand.kind, -operand.value)
            return Unary(operator, operand)
        if self.next.kind == "field":
            return self.field()
        return self.literal()

    def literal(self) -> Literal:
        negative = self.accept("-")
        token = self.next
        if token.kind in ("int", "float", "duration"):
            self.take()
            return Literal(token.kind, -token.value if negative else token.value)
        if not negative and token.kind == "string":
            self.take()
            return Literal("string", token.value)
        if not negative and token.kind == "word" and token.value in _WORDS:
            self.take()
            return _WORDS[token.value]
        raise self.unexpected()

    def enter(self) -> None:
        self.depth += 1
        self.check_depth(self.depth)

    def check_depth(self, depth: int) -> None:
        """Refuse what could not be walked without exhausting the stack."""
        if depth > _MAX_DEPTH:
            raise self.unexpected(": nested too deeply")
