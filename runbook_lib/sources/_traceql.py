"""Text of others as data in a TraceQL query. Everything that comes from outside goes through `text_literal`.

TraceQL reads strings in double quotes as Go does, with \\", \\\\, \\uXXXX and \\UXXXXXXXX (grafana/tempo, pkg/traceql/lexer.go).
"""

import re
from collections.abc import Iterable

_ROUTE_ATTRIBUTES = ("span.http.route", "span.url.path", "span.http.target")
_REGEX_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def text_literal(text: str) -> str:
    """A TraceQL string that means exactly this text, quotes included. A lone surrogate, which UTF-8 lacks, becomes U+FFFD."""
    return '"' + "".join(_spelt(character) for character in text) + '"'


def _spelt(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    point = ord(character)
    if 0xD800 <= point <= 0xDFFF:
        return "\ufffd"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def any_equal(attributes: Iterable[str], text: str) -> str:
    """A condition: one of the attributes holds this text."""
    literal = text_literal(text)
    return " || ".join(f"{name} = {literal}" for name in attributes)


def ends_with(attribute: str, text: str) -> str:
    """A condition: the attribute's text ends with this one (Tempo's expressions match whole values; RE2 syntax)."""
    pattern = ".*" + _REGEX_SPECIAL.sub(lambda match: "\\" + match[0], text)
    return f"{attribute} =~ {text_literal(pattern)}"


def route_is(route: str) -> str:
    """A condition: the span is of this route, by the new or the old attribute name."""
    return any_equal(_ROUTE_ATTRIBUTES, route)
