"""Railway's log filter language, the part of it that its documentation describes.

Bare words and "phrases" match the message, `@key:value` an attribute, `@key:a..b` and `@key:>=n` a range; `AND`, `OR`
and `-` combine, side by side means AND, brackets group. (Railway docs, guides/logs, read November 2026.)
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from graphql import GraphQLError

Test = Callable[["Line"], bool]
_TOKEN = re.compile(r'\s*(?:(\()|(\))|(-?@[\w.\-]+:(?:"[^"]*"|[^\s()]*))|(-?"[^"]*")|([^\s()]+))')
_RANGE = re.compile(r"^(-?[\d.]+)?\.\.(-?[\d.]+)?$")
_COMPARED = re.compile(r"^(>=|<=|>|<)(-?[\d.]+)$")


@dataclass(frozen=True)
class Line:
    """What a filter looks at: the message, and attributes by name."""

    message: str
    attributes: Mapping[str, str]


def compile_filter(text: str | None) -> Test:
    """A test for lines. An empty or absent filter lets everything through. Raises GraphQLError for one that cannot be read."""
    tokens = _split(text or "")
    if not tokens:
        return lambda _: True
    test, rest = _either(tokens)
    if rest:
        raise GraphQLError(f"Invalid filter near: {rest[0]}")
    return test


def _split(text: str) -> list[str]:
    tokens, at = [], 0
    while at < len(text.rstrip()):
        found = _TOKEN.match(text, at)
        if found is None:
            raise GraphQLError(f"Invalid filter near: {text[at : at + 20]}")
        tokens.append(found.group().strip())
        at = found.end()
    return tokens


def _either(tokens: list[str]) -> tuple[Test, list[str]]:
    left, rest = _both(tokens)
    while rest and rest[0].upper() == "OR":
        right, rest = _both(rest[1:])
        left = _any(left, right)
    return left, rest


def _both(tokens: list[str]) -> tuple[Test, list[str]]:
    left, rest = _one(tokens)
    while rest and rest[0] != ")" and rest[0].upper() != "OR":
        right, rest = _one(rest[1:] if rest[0].upper() == "AND" else rest)
        left = _all(left, right)
    return left, rest


def _one(tokens: list[str]) -> tuple[Test, list[str]]:
    if not tokens or tokens[0] == ")" or tokens[0].upper() in ("AND", "OR"):
        raise GraphQLError("Invalid filter: a term is missing")
    head, rest = tokens[0], tokens[1:]
    if head.upper() == "NOT" or head == "-":
        test, rest = _one(rest)
        return _none(test), rest
    if head == "(":
        test, rest = _either(rest)
        if not rest or rest[0] != ")":
            raise GraphQLError("Invalid filter: a bracket is not closed")
        return test, rest[1:]
    if head.startswith("-") and len(head) > 1:
        return _none(_term(head[1:])), rest
    return _term(head), rest


def _term(token: str) -> Test:
    if token.startswith("@"):
        key, _, value = token[1:].partition(":")
        return _attribute(key, value.strip('"'))
    wanted = token.strip('"').lower()
    return lambda line: wanted in line.message.lower()


def _attribute(key: str, wanted: str) -> Test:
    def test(line: Line) -> bool:
        got = line.attributes.get(key)
        if got is None:
            return False
        if (between := _RANGE.match(wanted)) is not None:
            low, high = between.groups()
            number = _number(got)
            return number is not None and (not low or number >= float(low)) and (not high or number <= float(high))
        if (compared := _COMPARED.match(wanted)) is not None:
            number, limit = _number(got), float(compared[2])
            return number is not None and _compare(number, compared[1], limit)
        return got.lower() == wanted.lower()

    return test


def _compare(number: float, sign: str, limit: float) -> bool:
    return {">=": number >= limit, "<=": number <= limit, ">": number > limit, "<": number < limit}[sign]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _any(left: Test, right: Test) -> Test:
    return lambda line: left(line) or right(line)


def _all(left: Test, right: Test) -> Test:
    return lambda line: left(line) and right(line)


def _none(test: Test) -> Test:
    return lambda line: not test(line)
