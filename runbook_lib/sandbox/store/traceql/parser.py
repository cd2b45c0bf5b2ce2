"""TraceQL tokens made into a tree; `&&` and `||` bind alike, as in Tempo's grammar."""

from runbook_lib.sandbox.store.traceql import lexer
from runbook_lib.sandbox.store.traceql.fields import kind_of
from runbook_lib.sandbox.store.traceql.regex import compile_regex
from runbook_lib.sandbox.store.traceql.tree import (
    Comparison,
    Condition,
    Field,
    Filter,
    Literal,
    Logic,
    Metric,
    Query,
    TraceqlError,
    unsupported,
)

_COMPARISONS = ("=", "!=", ">", ">=", "<", "<=", "=~", "!~")
_METRICS = ("count_over_time", "histogram_over_time")
_WORDS: dict[str, Literal] = {
    "true": Literal("bool", True),
    "false": Literal("bool", False),
    "nil": Literal("nil", None),
    **{word: Literal("status", word) for word in ("ok", "error", "unset")},
    **{word: Literal("kind", word) for word in ("unspecified", "internal", "server", "client", "producer", "consumer")},
}
_NUMBERS = frozenset({"int", "float", "duration"})
_ORDERED = frozenset({*_NUMBERS, "string"})
_MAX_DEPTH = 200


def parse(query: str) -> Query:
    """The tree of a query, with types checked. Raises TraceqlError, its text in Tempo's words."""
    return _Parser(lexer.tokens(query)).query()


class _Parser:
    """Recursive descent over the tokens; `at` is the next one."""

    def __init__(self, tokens: list[lexer.Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0

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
        said = f"parse error at line {token.line}, col {token.column}: syntax error: unexpected {what}{more}"
        return TraceqlError(said) if token.kind == "end" else unsupported(said)

    def query(self) -> Query:
        first, rest = self.filter(), []
        while self.has("&&", "||"):
            operator = self.take().value
            rest.append((operator, self.filter()))
        selected: tuple[Field, ...] = ()
        metric = None
        if self.accept("|"):
            if self.has("select", kind="word"):
                self.take()
                selected = self.fields()
            elif self.has(*_METRICS, kind="word"):
                metric = self.metric()
            else:
                raise self.unexpected()
        if self.next.kind != "end":
            raise self.unexpected()
        return Query(first, tuple(rest), selected, metric)

    def filter(self) -> Filter:
        self.expect("{")
        condition = None if self.has("}") else self.condition()
        self.expect("}")
        return Filter(condition)

    def metric(self) -> Metric:
        function = self.take().value
        self.expect("(")
        if function == "histogram_over_time" and str(self.field()) != "duration":
            raise unsupported("histograms of other fields than duration")
        self.expect(")")
        by: tuple[Field, ...] = ()
        if self.has("by", kind="word"):
            self.take()
            by = self.fields()
        return Metric(function, by)

    def fields(self) -> tuple[Field, ...]:
        self.expect("(")
        found = [self.field()]
        while self.accept(","):
            found.append(self.field())
        self.expect(")")
        return tuple(found)

    def field(self) -> Field:
        if self.next.kind != "field":
            raise self.unexpected()
        found: Field = self.take().value
        return found

    def condition(self) -> Condition:
        first, rest = self.operand(), []
        while self.has("&&", "||"):
            operator = self.take().value
            rest.append((operator, self.operand()))
        return Logic(first, tuple(rest)) if rest else first

    def operand(self) -> Condition:
        if self.accept("("):
            self.depth += 1
            if self.depth > _MAX_DEPTH:  # what could not be walked without exhausting the stack
                raise self.unexpected(": nested too deeply")
            inner = self.condition()
            self.expect(")")
            self.depth -= 1
            return inner
        field = self.field()
        if not self.has(*_COMPARISONS):
            raise self.unexpected(", expecting a comparison")
        comparison = Comparison(field, self.take().value, self.literal())
        _check(comparison)
        return comparison

    def literal(self) -> Literal:
        token = self.next
        if token.kind in ("int", "float", "duration", "string"):
            self.take()
            return Literal(token.kind, token.value)
        if token.kind == "word" and token.value in _WORDS:
            self.take()
            return _WORDS[token.value]
        raise self.unexpected()


def _check(comparison: Comparison) -> None:
    """Raises TraceqlError where field and value cannot be compared so, or the regular expression does not compile."""
    left, right = kind_of(comparison.field), comparison.literal.kind
    kinds = {left, right} - {"attribute"}
    fits = len(kinds) <= 1 or kinds <= _NUMBERS
    if comparison.operator in ("=~", "!~"):
        allowed = kinds == {"string"}
        if allowed:
            compile_regex(comparison.literal.value)
    elif comparison.operator in ("=", "!="):
        allowed = fits or right == "nil"
    else:
        allowed = fits and kinds <= _ORDERED
    if not allowed:
        problem = "illegal operation for the given types" if fits else "binary operations must operate on the same type"
        raise TraceqlError(f"{problem}: {comparison}")
