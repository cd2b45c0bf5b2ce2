"""What a TraceQL query must satisfy beyond its grammar: types that fit, booleans in filters, regular expressions that compile."""

from runbook_lib.sandbox.store.traceql.regex import compile_regex
from runbook_lib.sandbox.store.traceql.tree import (
    Attribute,
    Binary,
    Expression,
    Filter,
    GroupBy,
    Intrinsic,
    Literal,
    Pipeline,
    Query,
    ScalarFilter,
    SpansetOperation,
    Stage,
    TraceqlError,
    Unary,
    logical_chain,
)

INTRINSIC_KINDS = {
    "duration": "duration",
    "traceDuration": "duration",
    "event:timeSinceStart": "duration",
    "status": "status",
    "kind": "kind",
    "nestedSetLeft": "int",
    "nestedSetRight": "int",
    "nestedSetParent": "int",
    "span:childCount": "int",
}
_NUMBERS = frozenset({"int", "float", "duration"})
_ORDERED = frozenset({*_NUMBERS, "string", "attribute"})


def check_query(query: Query) -> None:
    """Raises TraceqlError when the query makes no sense."""
    _check_stage(query.pipeline)
    if query.metric and query.metric.argument:
        kind = kind_of(query.metric.argument)
        if kind not in _NUMBERS and kind != "attribute":
            raise TraceqlError(f"{query.metric.function} needs a number, not {query.metric.argument}")


def kind_of(expression: Expression) -> str:
    """The type of an expression: a literal's kind, or `attribute` when only the data tells. Raises TraceqlError."""
    if isinstance(expression, Literal):
        return expression.kind
    if isinstance(expression, Attribute):
        return "attribute"
    if isinstance(expression, Intrinsic):
        return INTRINSIC_KINDS.get(expression.name, "string")
    if isinstance(expression, Unary):
        return _unary(expression)
    return _binary(expression)


def _check_stage(stage: Stage) -> None:
    if isinstance(stage, Pipeline):
        for one in stage.stages:
            _check_stage(one)
    elif isinstance(stage, SpansetOperation):
        _check_stage(stage.left)
        _check_stage(stage.right)
    elif isinstance(stage, Filter):
        if kind_of(stage.expression) not in ("bool", "attribute"):
            raise TraceqlError(f"span filter field expressions must resolve to a boolean: {{ {stage.expression} }}")
    elif isinstance(stage, GroupBy):
        kind_of(stage.expression)
        if not references_span(stage.expression):
            raise TraceqlError(f"grouping field expressions must reference the span: by({stage.expression})")
    elif isinstance(stage, ScalarFilter):
        _check_scalar(stage)


def _check_scalar(stage: ScalarFilter) -> None:
    argument = stage.aggregate.argument
    if argument is not None:
        if kind_of(argument) not in (*_NUMBERS, "attribute"):
            raise TraceqlError(f"aggregate field expressions must resolve to a number type: {stage.aggregate}")
        if not references_span(argument):
            raise TraceqlError(f"aggregate field expressions must reference the span: {stage.aggregate}")
    if stage.literal.kind not in _NUMBERS:
        raise TraceqlError(
            f"binary operations must operate on the same type: {stage.aggregate} {stage.operator} {stage.literal}"
        )


def references_span(expression: Expression) -> bool:
    """Whether any field is in the expression."""
    return bool(fields_of(expression))


def fields_of(expression: Expression) -> list[Attribute | Intrinsic]:
    """The fields in an expression, from left to right."""
    if isinstance(expression, Binary) and expression.operator in ("&&", "||"):
        first, pairs = logical_chain(expression)
        return [field for operand in (first, *(one for _, one in pairs)) for field in fields_of(operand)]
    if isinstance(expression, Binary):
        return [*fields_of(expression.left), *fields_of(expression.right)]
    if isinstance(expression, Unary):
        return fields_of(expression.operand)
    return [] if isinstance(expression, Literal) else [expression]


def _unary(expression: Unary) -> str:
    kind = kind_of(expression.operand)
    if expression.operator == "-":
        if kind in _NUMBERS or kind == "attribute":
            return kind
    elif kind in ("bool", "attribute"):
        return "bool"
    raise TraceqlError(f"illegal operation for the given type: {expression}")


def _binary(expression: Binary) -> str:
    operator = expression.operator
    if operator in ("&&", "||"):
        return _logical(expression)
    left, right = kind_of(expression.left), kind_of(expression.right)
    kinds = {left, right} - {"attribute"}
    if operator in ("=~", "!~"):
        allowed = left in ("string", "attribute") and isinstance(expression.right, Literal) and right == "string"
        if allowed and isinstance(expression.right, Literal):
            compile_regex(expression.right.value)
    elif operator in ("=", "!="):
        kinds -= {"nil"}
        allowed = len(kinds) <= 1 or kinds <= _NUMBERS
    elif operator in ("<", "<=", ">", ">="):
        allowed = kinds <= _ORDERED and (len(kinds) <= 1 or kinds <= _NUMBERS)
    else:
        if kinds <= _NUMBERS:
            return "duration" if "duration" in kinds else "attribute" if not kinds else max(kinds, key=len)
        allowed = False
    if not allowed:
        raise _mismatch(kinds, str(expression))
    return "bool"


def _logical(expression: Binary) -> str:
    first, pairs = logical_chain(expression)
    before, kind = str(first) if not isinstance(first, Binary) else f"({first})", kind_of(first)
    for operator, operand in pairs:
        kinds = {kind, kind_of(operand)} - {"attribute"}
        if not kinds <= {"bool"}:
            raise _mismatch(kinds, f"{before} {operator} {operand}")
        before, kind = "…", "bool"
    return "bool"


def _mismatch(kinds: set[str], written: str) -> TraceqlError:
    differ = len(kinds) > 1 and not kinds <= _NUMBERS
    problem = "binary operations must operate on the same type" if differ else "illegal operation for the given types"
    return TraceqlError(f"{problem}: {written}")
