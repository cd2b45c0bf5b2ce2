"""PostgREST's query-string grammar: select trees, filters, logic trees and order terms, as plain records.

Source: PostgREST docs/references/api/tables_views and resource_embedding (read November 2026).
"""

from collections.abc import Callable
from dataclasses import dataclass

from runbook_lib.sandbox.facades.postgrest.scanner import Scanner, listed, whole

SIMPLE = ("neq", "cs", "cd", "ov", "sl", "sr", "nxr", "nxl", "adj")
QUANTIFIED = ("eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch")
SEARCH = ("fts", "plfts", "phfts", "wfts")
AGGREGATES = ("sum", "avg", "count", "max", "min")
TRILEAN = ("not_null", "null", "true", "false", "unknown")


@dataclass(frozen=True)
class Field:
    """A column with an optional JSON path, each step being its arrow and its key or index."""

    name: str
    path: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class SelectField:
    """One selected column; `aggregate` is sum, avg, count, max or min."""

    field: Field
    alias: str | None = None
    cast: str | None = None
    aggregate: str | None = None


@dataclass(frozen=True)
class SelectEmbed:
    """One embedded resource with its own items. `inner`: rows without it are dropped; `spread`: its columns join ours."""

    target: str
    items: tuple["SelectItem", ...]
    alias: str | None = None
    hint: str | None = None
    inner: bool = False
    spread: bool = False

    @property
    def name(self) -> str:
        """The key under which it appears and by which filters name it."""
        return self.alias or self.target


SelectItem = SelectField | SelectEmbed


@dataclass(frozen=True)
class Filter:
    """One comparison. `values` holds one text, or the list of `in` and of a quantifier; `language` is for text search."""

    field: Field
    operator: str
    values: tuple[str, ...]
    negated: bool = False
    quantifier: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Logic:
    """`and` or `or` over conditions."""

    operator: str
    children: tuple["Condition", ...]
    negated: bool = False


Condition = Filter | Logic


@dataclass(frozen=True)
class OrderTerm:
    """One term of an order; `embed` names the embedded resource whose column it is."""

    field: Field
    embed: str | None
    direction: str | None
    nulls: str | None


def field(scanner: Scanner) -> Field:
    """A name with its JSON path."""
    return Field(scanner.name(), _json_path(scanner))


def _json_path(scanner: Scanner) -> tuple[tuple[str, str], ...]:
    steps = []
    while scanner.peek("->"):
        arrow = "->>" if scanner.take("->>") else "->"
        if arrow == "->":
            scanner.need("->")
        key = scanner.quoted() if scanner.peek('"') else _json_key(scanner)
        steps.append((arrow, key))
    return tuple(steps)


def _json_key(scanner: Scanner) -> str:
    start = scanner.at
    while not scanner.done:
        char = scanner.text[scanner.at]
        starts_number = char == "-" and scanner.at == start
        if not (char.isalnum() or char in "_$ @" or starts_number or (char == "-" and not scanner.peek("->"))):
            break
        scanner.at += 1
    if scanner.at == start:
        raise scanner.unexpected("field name")
    return scanner.text[start : scanner.at]


def select(text: str) -> tuple[SelectItem, ...]:
    """The whole `select` parameter."""
    return whole(text, lambda s: tuple(listed(s, _select_item)))


def _select_item(scanner: Scanner) -> SelectItem:
    scanner.spaces()
    if scanner.take("..."):
        return _embed(scanner, None, scanner.name(), spread=True)
    if scanner.take("count()"):
        return SelectField(Field("*"), cast=_cast(scanner), aggregate="count")
    alias = None
    name = scanner.name()
    if scanner.peek(":") and not scanner.peek("::"):
        scanner.take(":")
        scanner.spaces()
        if scanner.take("count()"):
            return SelectField(Field("*"), alias=name, cast=_cast(scanner), aggregate="count")
        alias, name = name, scanner.name()
    if scanner.peek("!") or scanner.peek("("):
        return _embed(scanner, alias, name)
    path = _json_path(scanner)
    cast = _cast(scanner)
    aggregate = _aggregate(scanner)
    return SelectField(Field(name, path), alias, cast or (_cast(scanner) if aggregate else None), aggregate)


def _cast(scanner: Scanner) -> str | None:
    return scanner.until(".,)").strip() if scanner.take("::") else None


def _aggregate(scanner: Scanner) -> str | None:
    for name in AGGREGATES:
        if scanner.take(f".{name}()"):
            return name
    return None


def _embed(scanner: Scanner, alias: str | None, target: str, *, spread: bool = False) -> SelectEmbed:
    hint, inner = None, False
    while scanner.take("!"):
        word = scanner.name()
        if word == "inner":
            inner = True
        elif word != "left":
            hint = word
    scanner.need("(")
    scanner.spaces()
    items = () if scanner.peek(")") else tuple(listed(scanner, _select_item))
    scanner.need(")")
    return SelectEmbed(target, items, alias, hint, inner, spread)


def columns(text: str) -> list[str]:
    """`columns` and `on_conflict`: a list of names."""
    return whole(text, lambda s: listed(s, lambda inner: inner.name()))


def order(text: str) -> list[OrderTerm]:
    """The whole `order` parameter."""
    return whole(text, lambda s: listed(s, _order_term))


def _order_term(scanner: Scanner) -> OrderTerm:
    scanner.spaces()
    embed, ordered = None, field(scanner)
    if scanner.take("("):
        embed, ordered = ordered.name, field(scanner)
        scanner.need(")")
    direction = nulls = None
    while scanner.take("."):
        word = next((w for w in ("asc", "desc", "nullsfirst", "nullslast") if scanner.take(w)), None)
        if word in ("asc", "desc") and direction is None and nulls is None:
            direction = word
        elif word in ("nullsfirst", "nullslast") and nulls is None:
            nulls = word
        else:
            raise scanner.unexpected('"asc", "desc", "nullsfirst" or "nullslast"')
    return OrderTerm(ordered, embed, direction, nulls)


def filter_value(target: Field, text: str) -> Filter:
    """A filter from the value of a parameter (`eq.5`, `not.in.(1,2)`)."""
    return whole(text, lambda s: _comparison(s, target, _rest))


def logic(operator: str, negated: bool, text: str) -> Logic:
    """A logic tree from the value of an `and` or `or` parameter: `(a.eq.1,or(b.gt.2,c.is.null))`."""
    scanner_text = operator + text  # errors count their column from the operator on

    def rule(scanner: Scanner) -> Logic:
        scanner.need(operator)
        return Logic(operator, _conditions(scanner), negated)

    return whole(scanner_text, rule)


def _conditions(scanner: Scanner) -> tuple[Condition, ...]:
    scanner.need("(")
    found = tuple(listed(scanner, _condition))
    if not scanner.take(")"):
        raise scanner.unexpected('"," or ")"')
    return found


def _condition(scanner: Scanner) -> Condition:
    scanner.spaces()
    negated = scanner.take("not.")
    for word in ("and", "or"):
        if scanner.peek(f"{word}("):
            scanner.take(word)
            return Logic(word, _conditions(scanner), negated)
    if negated:
        raise scanner.unexpected("logic operator (and, or)")
    target = field(scanner)
    scanner.need(".")
    return _comparison(scanner, target, _logic_value)


def _rest(scanner: Scanner) -> str:
    value, scanner.at = scanner.text[scanner.at :], len(scanner.text)
    return value


def _logic_value(scanner: Scanner) -> str:
    """A value inside a logic tree: quoted, an array literal in braces, or up to a comma or the closing bracket."""
    if scanner.peek('"'):
        return scanner.quoted()
    if scanner.peek("{"):
        value = scanner.until("}")
        scanner.need("}")
        return value + "}"
    return scanner.until(",)")


def _comparison(scanner: Scanner, target: Field, value: Callable[[Scanner], str]) -> Filter:
    negated = scanner.take("not.")
    if scanner.take("in."):
        return Filter(target, "in", _list_value(scanner), negated)
    if scanner.take("isdistinct."):
        return Filter(target, "isdistinct", (value(scanner),), negated)
    if scanner.take("is."):
        word = next((w for w in TRILEAN if scanner.text[scanner.at :].lower().startswith(w)), None)
        if word is None:
            raise scanner.unexpected("null or trilean value (unknown, true, false)")
        scanner.at += len(word)
        return Filter(target, "is", (word,), negated)
    name = _operator(scanner)
    language = quantifier = None
    if scanner.take("("):
        inside = scanner.until(")")
        scanner.need(")")
        if name in SEARCH:
            language = inside
        elif name in QUANTIFIED and inside in ("any", "all"):
            quantifier = inside
        else:
            raise scanner.unexpected('"any" or "all"')
    scanner.need(".")
    if quantifier:
        return Filter(target, name, _array_value(scanner), negated, quantifier)
    return Filter(target, name, (value(scanner),), negated, None, language)


def _operator(scanner: Scanner) -> str:
    names = sorted((*SIMPLE, *QUANTIFIED, *SEARCH), key=len, reverse=True)
    for name in names:
        after = scanner.text[scanner.at + len(name) : scanner.at + len(name) + 1]
        if scanner.peek(name) and after in (".", "("):
            scanner.at += len(name)
            return name
    raise scanner.unexpected('"not" or operator (eq, gt, ...)')


def _list_value(scanner: Scanner) -> tuple[str, ...]:
    scanner.need("(")
    if scanner.take(")"):
        return ()
    items = listed(scanner, lambda s: s.quoted() if s.peek('"') else s.until(",)"))
    scanner.need(")")
    return tuple(items)


def _array_value(scanner: Scanner) -> tuple[str, ...]:
    scanner.need("{")
    items = listed(scanner, lambda s: s.quoted() if s.peek('"') else s.until(",}"))
    scanner.need("}")
    return tuple(items)
