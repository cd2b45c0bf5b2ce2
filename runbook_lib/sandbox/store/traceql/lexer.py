"""TraceQL cut into tokens.

Rules as in Tempo's lexer, which stands on Go's text/scanner: strings are `"…"` with Go's escapes and no bare newline; an
attribute's name goes on until white space or one of `{}()=~!<>&|^,`.
"""

import re
from dataclasses import dataclass
from typing import Any

from runbook_lib.sandbox.store.durations import parse_any
from runbook_lib.sandbox.store.traceql.fields import INTRINSICS
from runbook_lib.sandbox.store.traceql.tree import Attribute, Intrinsic, TraceqlError, unsupported

_OPERATORS = ("&&", "||", ">=", "<=", "!=", "=~", "!~", "=", ">", "<", "|", "{", "}", "(", ")", ",")
_ATTRIBUTE_ENDS = frozenset("{}()=~!<>&|^,")
_SCOPES_NOT_HERE = ("event", "link", "instrumentation", "parent")
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?")
_DURATION_TAIL = re.compile(r"[nsumhµdwy\d.]+")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_UNICODE_ESCAPES = {"u": 4, "U": 8}


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `kind`: operator word string int float duration field end; `line` and `column` count from 1."""

    kind: str
    value: Any
    line: int
    column: int


def tokens(query: str) -> list[Token]:
    """The tokens of a query, the last one of kind `end`. Raises TraceqlError with Tempo's position prefix."""
    return _Lexer(query).run()


class _Lexer:
    """Walks the text once; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found: list[Token] = []

    def run(self) -> list[Token]:
        while True:
            while self.text[self.at : self.at + 1].isspace():
                self.at += 1
            start = self.at
            if start >= len(self.text):
                self._add("end", None, start)
                return self.found
            self._one(start)

    def _one(self, start: int) -> None:
        text, first = self.text, self.text[start]
        if first == '"':
            self._add("string", self._quoted(), start)
        elif number := _NUMBER.match(text, start):
            self._number(number[0], start)
        elif word := _WORD.match(text, start):
            self.at = word.end()
            self._word(word[0], start)
        else:
            operator = next((op for op in _OPERATORS if text.startswith(op, start)), None)
            if operator is None:
                raise self._refused(f"syntax error: unexpected {first!r}", start)
            self.at += len(operator)
            self._add("operator", operator, start)

    def _word(self, word: str, start: int) -> None:
        following = self.text[self.at : self.at + 1]
        if following == ":" or (following == "." and word in _SCOPES_NOT_HERE):
            raise self._refused(f"syntax error: unexpected {word}{following}", start)
        if following == "." and word in ("span", "resource"):
            self.at += 1
            self._add("field", self._attribute(word), start)
        elif word in INTRINSICS:
            self._add("field", Intrinsic(word), start)
        else:
            self._add("word", word, start)

    def _number(self, digits: str, start: int) -> None:
        self.at = start + len(digits)
        if tail := _DURATION_TAIL.match(self.text, self.at):
            try:
                duration_ns = parse_any(digits + tail[0])
            except ValueError:
                pass
            else:
                self.at = tail.end()
                self._add("duration", duration_ns, start)
                return
        if digits.isdigit():
            if int(digits) >= 1 << 63:
                raise self._error(f'strconv.Atoi: parsing "{digits}": value out of range', start)
            self._add("int", int(digits), start)
        else:
            self._add("float", float(digits), start)

    def _attribute(self, scope: str) -> Attribute:
        start = self.at
        while self.at < len(self.text) and not (self.text[self.at].isspace() or self.text[self.at] in _ATTRIBUTE_ENDS):
            self.at += 1
        key = self.text[start : self.at]
        if '"' in key:
            raise self._refused("syntax error: a name in quotes", start)
        # Tempo takes a scope inside a name for a scope.
        if not key or key.startswith(("span.", "resource.")):
            what = f"{key.split('.')[0]}." if key else "end of attribute"
            raise self._error(f"syntax error: unexpected {what}", start)
        return Attribute(scope, key)

    def _quoted(self) -> str:
        """A `"…"` literal, as Go's strconv.Unquote reads it."""
        start, out = self.at, list[str]()
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                return "".join(out)
            if char == "\n":
                break
            out.append(self._escape() if char == "\\" else char)
        raise self._error("literal not terminated", start)

    def _escape(self) -> str:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char in _ESCAPES:
            return _ESCAPES[char]
        size = _UNICODE_ESCAPES.get(char, 0)
        digits = self.text[self.at : self.at + size]
        if not size or not re.fullmatch(rf"[0-9a-fA-F]{{{size}}}", digits):
            raise self._error("invalid char escape", self.at - 2)
        self.at += size
        code = int(digits, 16)
        if code > 0x10FFFF or 0xD800 <= code < 0xE000:
            raise self._error("escape is invalid Unicode code point", self.at - 2)
        return chr(code)

    def _add(self, kind: str, value: Any, start: int) -> None:
        self.found.append(Token(kind, value, *self._position(start)))

    def _position(self, start: int) -> tuple[int, int]:
        line = self.text.count("\n", 0, start) + 1
        return line, start - self.text.rfind("\n", 0, start)

    def _error(self, message: str, start: int) -> TraceqlError:
        line, column = self._position(start)
        return TraceqlError(f"parse error at line {line}, col {column}: {message}")

    def _refused(self, message: str, start: int) -> TraceqlError:
        return unsupported(str(self._error(message, start)))
