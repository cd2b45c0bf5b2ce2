"""TraceQL expressions made into functions of a span.

Semantics are Tempo's: a comparison with a missing attribute is false (also `!=`), except with `nil`; values of different
types never compare, numbers of all kinds do; `=` and `=~` hold when any element of an array fits, `!=` and `!~` when none
does; event and link fields hold when any event or link fits. Regular expressions match the whole text.
"""

import math
import operator as python
from collections.abc import Callable
from typing import Any

from runbook_lib.sandbox.store.model import Span, Trace
from runbook_lib.sandbox.store.traceql.fields import Getter, KindWord, Several, StatusWord, getter
from runbook_lib.sandbox.store.traceql.regex import compile_regex
from runbook_lib.sandbox.store.traceql.tree import (
    Attribute,
    Binary,
    Expression,
    Intrinsic,
    Literal,
    Unary,
    logical_chain,
)

Test = Callable[[Any], bool]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": python.eq,
    "!=": python.ne,
    "<": python.lt,
    "<=": python.le,
    ">": python.gt,
    ">=": python.ge,
}
_ARITHMETIC: dict[str, Callable[[Any, Any], Any]] = {
    "+": python.add,
    "-": python.sub,
    "*": python.mul,
    "/": python.truediv,
    "%": math.fmod,
    "^": python.pow,
}
_FLIPPED = {"=": "=", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
_NUMBERS = (int, float)


def compiled(expression: Expression) -> Getter:
    """A function of span and trace that returns the expression's value; None when a part of it is missing."""
    if isinstance(expression, Literal):
        value = runtime_value(expression)
        return lambda _span, _trace: value
    if isinstance(expression, Attribute | Intrinsic):
        return getter(expression)
    if isinstance(expression, Unary):
        return _unary(expression)
    return _binary(expression)


def runtime_value(literal: Literal) -> Any:
    """A literal as the getters would give it."""
    words = {"status": StatusWord, "kind": KindWord}
    return words[literal.kind](literal.value) if literal.kind in words else literal.value


def compare(operator: str, left: Any, right: Any) -> bool:
    """One comparison by TraceQL's rules; `operator` is one of = != < <= > >=."""
    if type(left) is Several:
        return any(compare(operator, one, right) for one in left)
    if type(left) is list:
        fits = any(compare("=" if operator == "!=" else operator, one, right) for one in left)
        return not fits if operator == "!=" else fits
    if type(right) in (list, Several):
        return compare(_FLIPPED[operator], right, left)
    if left is None or right is None:
        return False
    if type(left) is not type(right) and not (type(left) in _NUMBERS and type(right) in _NUMBERS):
        return False
    try:
        return bool(_COMPARE[operator](left, right))
    except TypeError:
        return False


def _unary(expression: Unary) -> Getter:
    inner = compiled(expression.operand)
    if expression.operator == "!":
        return lambda span, trace: inner(span, trace) is False

    def negative(span: Span, trace: Trace) -> Any:
        value = inner(span, trace)
        return -value if type(value) in _NUMBERS else None

    return negative


def _binary(expression: Binary) -> Getter:
    operator = expression.operator
    if operator in ("&&", "||"):
        return _logical(expression)
    left, right = compiled(expression.left), compiled(expression.right)
    if operator in _ARITHMETIC:
        return _arithmetic(_ARITHMETIC[operator], left, right)
    if operator in ("=~", "!~"):
        assert isinstance(expression.right, Literal)
        test = _regex(expression.right.value, negated=operator == "!~")
        return lambda span, trace: test(left(span, trace))
    if isinstance(expression.right, Literal):
        test = _against(operator, runtime_value(expression.right))
        return lambda span, trace: test(left(span, trace))
    if isinstance(expression.left, Literal):
        test = _against(_FLIPPED[operator], runtime_value(expression.left))
        return lambda span, trace: test(right(span, trace))
    return lambda span, trace: compare(operator, left(span, trace), right(span, trace))


def _logical(expression: Binary) -> Getter:
    first, pairs = logical_chain(expression)
    start = compiled(first)
    steps = [(operator == "&&", compiled(operand)) for operator, operand in pairs]

    def holds(span: Span, trace: Trace) -> bool:
        result = start(span, trace) is True
        for both, operand in steps:
            if result is both:
                result = operand(span, trace) is True
        return result

    return holds


def _against(operator: str, literal: Any) -> Test:
    """A test against a constant: the usual case, kept short because it runs once for every span."""
    if literal is None:
        missing = operator == "="
        return lambda value: (value is None or (type(value) is Several and not value)) is missing
    kind = type(literal)
    if kind is not float and kind is not int and operator == "=":
        return lambda value: value == literal if type(value) is kind else compare("=", value, literal)
    return lambda value: compare(operator, value, literal)


def _regex(pattern: str, *, negated: bool) -> Test:
    fullmatch = compile_regex(pattern).fullmatch

    def test(value: Any) -> bool:
        if type(value) is str:
            return (fullmatch(value) is None) is negated
        if type(value) is Several:
            return any(test(one) for one in value)
        if type(value) is list:
            fits = any(type(one) is str and fullmatch(one) is not None for one in value)
            return fits is not negated
        return False

    return test


def _arithmetic(operation: Callable[[Any, Any], Any], left: Getter, right: Getter) -> Getter:
    def compute(span: Span, trace: Trace) -> Any:
        first, second = left(span, trace), right(span, trace)
        if type(first) not in _NUMBERS or type(second) not in _NUMBERS:
            return None
        try:
            # Floats throughout: an int power could grow without bound.
            result = operation(float(first), float(second))
        except (ArithmeticError, ValueError):
            return math.nan
        return result if isinstance(result, float) else math.nan

    return compute
