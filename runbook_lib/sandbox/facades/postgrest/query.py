"""The query string of one request: which columns, which rows, in which order, how many.

Read are `select` of plain columns, filters on a column, `and=(…)` over such filters, `order`, `limit` and `offset`: what NexusCore
and the runbook ask. The rest of PostgREST's grammar is answered 501 by name, never passed over: a filter that is left out means
wrong rows. Source: PostgREST docs/references/api/tables_views (read November 2026).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from runbook_lib.sandbox.facades.postgrest.errors import RestError, parse_failed, unsupported
from runbook_lib.sandbox.facades.postgrest.scanner import GrammarError, Scanner, parse_list, parse_whole

T = TypeVar("T")

COMPARED = ("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike")
IS = ("not_null", "null", "true", "false", "unknown")
_NOT_HERE = (
    *("match", "imatch", "isdistinct", "fts", "plfts", "phfts", "wfts"),
    *("cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj"),
)
_OPERATOR = re.compile(r"([a-z]+)[.(]")


@dataclass(frozen=True)
class Filter:
    """One comparison. `values` holds one text, or the list of `in`."""

    column: str
    operator: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True)
class OrderTerm:
    """One term of an order; None where the direction, or the place of nulls, is not said."""

    column: str
    direction: str | None
    nulls: str | None


@dataclass
class Query:
    """What the query string asks. Every filter must hold; `select` may hold `*`."""

    select: list[str] = field(default_factory=lambda: ["*"])
    filters: list[Filter] = field(default_factory=list)
    order: list[OrderTerm] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0


def parse(pairs: list[tuple[str, str]]) -> Query:
    """What the query string's pairs ask.

    Raises:
        RestError: PGRST100 for a parameter that does not follow the grammar, PGRST103 for a negative limit, 501 for what only the
            real PostgREST does.
    """
    query = Query()
    selects = [value for key, value in pairs if key == "select"]
    if selects and selects[0]:
        query.select = _parsed("select parameter", selects[0], select)
    for key, value in pairs:
        _sort_in(query, key, value)
    if query.limit is not None and query.limit < 0:
        details = "Limit should be greater than or equal to zero."
        raise RestError(416, "PGRST103", "Requested range not satisfiable", details)
    return query


def _sort_in(query: Query, key: str, value: str) -> None:
    if key == "select":
        return
    if key == "order":
        query.order = _parsed("order", value, order)
    elif key in ("limit", "offset"):
        if value.lstrip("-").isdigit():
            setattr(query, key, int(value))
    elif key == "and":
        query.filters += _parsed("logic tree", value, all_of)
    elif key in ("or", "not.and", "not.or", "columns", "on_conflict"):
        raise unsupported(f"the query parameter {key}")
    else:
        column = _parsed("tree path", key, _key)
        query.filters.append(_parsed("filter", value, lambda text: filter_value(column, text)))


def select(text: str) -> list[str]:
    """The columns of a whole `select` parameter."""
    return parse_whole(text, lambda scanner: parse_list(scanner, _selected))


def _selected(scanner: Scanner) -> str:
    if scanner.peek("..."):
        raise unsupported("embedded resources")
    name = scanner.name()
    if not scanner.done and not scanner.peek(","):
        raise unsupported(f"embedded resources, aliases, casts, JSON paths and aggregates: select {scanner.text}")
    return name


def _key(text: str) -> str:
    """The column that a parameter's name means."""
    return parse_whole(text, _column)


def _column(scanner: Scanner) -> str:
    name = scanner.name()
    if scanner.peek("->") or (scanner.peek(".") and _OPERATOR.match(scanner.text, scanner.at + 1) is None):
        raise unsupported(f"JSON paths and columns of embedded resources: {scanner.text}")
    return name


def order(text: str) -> list[OrderTerm]:
    """The terms of a whole `order` parameter."""
    return parse_whole(text, lambda scanner: parse_list(scanner, _order_term))


def _order_term(scanner: Scanner) -> OrderTerm:
    column = scanner.name()
    if scanner.peek("(") or scanner.peek("->"):
        raise unsupported(f"orders by an embedded resource or a JSON path: {scanner.text}")
    direction = nulls = None
    while scanner.take("."):
        word = next((w for w in ("asc", "desc", "nullsfirst", "nullslast") if scanner.take(w)), None)
        if word in ("asc", "desc") and direction is None and nulls is None:
            direction = word
        elif word in ("nullsfirst", "nullslast") and nulls is None:
            nulls = word
        else:
            raise scanner.unexpected('"asc", "desc", "nullsfirst" or "nullslast"')
    return OrderTerm(column, direction, nulls)


def filter_value(column: str, text: str) -> Filter:
    """A filter from the value of a parameter (`eq.5`, `not.in.(1,2)`)."""
    return parse_whole(text, lambda scanner: _comparison(scanner, column, _rest))


def all_of(text: str) -> list[Filter]:
    """The filters of an `and` parameter: `(a.gte.1,b.is.null)`."""

    def rule(scanner: Scanner) -> list[Filter]:
        scanner.need("and")
        scanner.need("(")
        found = parse_list(scanner, _condition)
        if not scanner.take(")"):
            raise scanner.unexpected('"," or ")"')
        return found

    return parse_whole("and" + text, rule)  # errors count their column from the operator on


def _condition(scanner: Scanner) -> Filter:
    if any(scanner.peek(word) for word in ("and(", "or(", "not.")):
        raise unsupported("logic within logic")
    column = _column(scanner)
    scanner.need(".")
    return _comparison(scanner, column, lambda s: s.read_quoted() if s.peek('"') else s.read_until(",)"))


def _rest(scanner: Scanner) -> str:
    value, scanner.at = scanner.text[scanner.at :], len(scanner.text)
    return value


def _comparison(scanner: Scanner, column: str, value: Callable[[Scanner], str]) -> Filter:
    negated = scanner.take("not.")
    found = _OPERATOR.match(scanner.text, scanner.at)
    name = found[1] if found else ""
    if name in _NOT_HERE or (name in COMPARED and scanner.peek(f"{name}(")):
        raise unsupported(f"the operator {scanner.text[scanner.at :].split('.')[0]}")
    if name not in (*COMPARED, "in", "is"):
        raise scanner.unexpected('"not" or operator (eq, gt, ...)')
    scanner.take(name)
    scanner.need(".")
    if name == "in":
        return Filter(column, "in", _list_value(scanner), negated)
    if name == "is":
        word = next((w for w in IS if scanner.text[scanner.at :].lower().startswith(w)), None)
        if word is None:
            raise scanner.unexpected("null or trilean value (unknown, true, false)")
        scanner.at += len(word)
        return Filter(column, "is", (word,), negated)
    return Filter(column, name, (value(scanner),), negated)


def _list_value(scanner: Scanner) -> tuple[str, ...]:
    scanner.need("(")
    if scanner.take(")"):
        return ()
    items = parse_list(scanner, lambda s: s.read_quoted() if s.peek('"') else s.read_until(",)"))
    scanner.need(")")
    return tuple(items)


def _parsed(what: str, text: str, rule: Callable[[str], T]) -> T:
    try:
        return rule(text)
    except GrammarError as error:
        raise parse_failed(what, text, str(error), error.column) from error
