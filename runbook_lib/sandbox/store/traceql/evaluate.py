"""A TraceQL query run on one trace.

Semantics are Tempo's: a comparison with a missing attribute is false (also `!=`), except with `nil`; values of different
types never compare, numbers of all kinds do; `=` and `=~` hold when any element of an array fits, `!=` and `!~` when none
does. Regular expressions match the whole text.
"""

import operator as python
from collections.abc import Callable
from typing import Any

from runbook_lib.sandbox.store.model import Span, Trace
from runbook_lib.sandbox.store.traceql.fields import KindWord, StatusWord, getter
from runbook_lib.sandbox.store.traceql.regex import compile_regex
from runbook_lib.sandbox.store.traceql.tree import Comparison, Condition, Field, Filter, Literal, Query

_Holds = Callable[[Span, Trace], bool]
_Test = Callable[[Any], bool]

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": python.eq,
    "!=": python.ne,
    "<": python.lt,
    "<=": python.le,
    ">": python.gt,
    ">=": python.ge,
}
_NUMBERS = (int, float)


def runner(query: Query) -> Callable[[Trace], list[Span]]:
    """A function that gives the spans which the query's filters leave of a trace; an empty list: no match."""
    first = _picker(query.first)
    rest = [(operator == "&&", _picker(one)) for operator, one in query.rest]

    def run(trace: Trace) -> list[Span]:
        spans = first(trace)
        for both, pick in rest:
            more = pick(trace)
            joined = list({id(span): span for span in (*spans, *more)}.values())
            spans = joined if not both or (spans and more) else []
        return spans

    return run


def mentioned_fields(query: Query) -> list[Field]:
    """The fields that the query asks about or selects: Tempo adds these, and no others, to the spans of a reply."""
    found: dict[Field, None] = {}
    for one in (query.first, *(each for _, each in query.rest)):
        if one.condition is not None:
            found.update(dict.fromkeys(_fields_of(one.condition)))
    return list({**found, **dict.fromkeys(query.selected)})


def _fields_of(condition: Condition) -> list[Field]:
    if isinstance(condition, Comparison):
        return [condition.field]
    operands = (condition.first, *(one for _, one in condition.rest))
    return [field for operand in operands for field in _fields_of(operand)]


def _picker(one: Filter) -> Callable[[Trace], list[Span]]:
    if one.condition is None:
        return lambda trace: list(trace.spans)
    holds = _compiled(one.condition)
    return lambda trace: [span for span in trace.spans if holds(span, trace)]


def _compiled(condition: Condition) -> _Holds:
    if isinstance(condition, Comparison):
        read, test = getter(condition.field), _test(condition.operator, condition.literal)
        return lambda span, trace: test(read(span, trace))
    start = _compiled(condition.first)
    steps = [(operator == "&&", _compiled(operand)) for operator, operand in condition.rest]

    def holds(span: Span, trace: Trace) -> bool:
        result = start(span, trace)
        for both, operand in steps:
            if result is both:
                result = operand(span, trace)
        return result

    return holds


def _test(operator: str, literal: Literal) -> _Test:
    """A test against a constant: kept short because it runs once for every span."""
    if operator in ("=~", "!~"):
        return _regex(literal.value, negated=operator == "!~")
    words = {"status": StatusWord, "kind": KindWord}
    value = words[literal.kind](literal.value) if literal.kind in words else literal.value
    if value is None:
        missing = operator == "="
        return lambda found: (found is None) is missing
    kind = type(value)
    if kind not in _NUMBERS and operator == "=":
        return lambda found: found == value if type(found) is kind else _compare("=", found, value)
    return lambda found: _compare(operator, found, value)


def _compare(operator: str, found: Any, value: Any) -> bool:
    """One comparison by TraceQL's rules; `operator` is one of = != < <= > >=."""
    if type(found) is list:
        fits = any(_compare("=" if operator == "!=" else operator, one, value) for one in found)
        return not fits if operator == "!=" else fits
    if type(found) is not type(value) and not (type(found) in _NUMBERS and type(value) in _NUMBERS):
        return False
    try:
        return bool(_COMPARE[operator](found, value))
    except TypeError:
        return False


def _regex(pattern: str, *, negated: bool) -> _Test:
    fullmatch = compile_regex(pattern).fullmatch

    def test(value: Any) -> bool:
        if type(value) is str:
            return (fullmatch(value) is None) is negated
        if type(value) is list:
            fits = any(type(one) is str and fullmatch(one) is not None for one in value)
            return fits is not negated
        return False

    return test
