"""TraceQL cut into tokens.

Rules as in Tempo's lexer, which stands on Go's text/scanner: strings are `"…"` with Go's escapes and no bare newline, or
`` `…` `` taken as they are; an attribute's name goes on until white space or one of `{}()=~!<>&|^,`, and may have parts in
double quotes with the escapes `\\"` and `\\\\` only; `//` and `/* */` are comments.
"""

import re
from dataclasses import dataclass
from typing import Any

from runbook_lib.sandbox.store.durations import parse_any
from runbook_lib.sandbox.store.traceql.tree import Attribute, Intrinsic, TraceqlError

_OPERATORS = (
    "&>>", "&<<", "!>>", "!<<", "&&", "||", ">>", "<<", ">=", "<=", "!=", "=~", "!~", "&>", "&<", "&~", "!>", "!<",
    "=", ">", "<", "+", "-", "*", "/", "%", "^", "!", "|", "~", "{", "}", "(", ")", ",",
)  # fmt: skip
_ATTRIBUTE_ENDS = frozenset("{}()=~!<>&|^,")
_ATTRIBUTE_SCOPES = frozenset({"span", "resource", "event", "link", "instrumentation", "parent"})
_INTRINSICS = {
    name: name
    for name in (
        "duration", "name", "status", "statusMessage", "kind", "rootName", "rootServiceName", "traceDuration",
        "nestedSetLeft", "nestedSetRight", "nestedSetParent",
    )
}  # fmt: skip
_SCOPED_INTRINSICS = {
    "trace:duration": "traceDuration",
    "trace:rootName": "rootName",
    "trace:rootService": "rootServiceName",
    "trace:id": "trace:id",
    "span:duration": "duration",
    "span:name": "name",
    "span:kind": "kind",
    "span:status": "status",
    "span:statusMessage": "statusMessage",
    "span:id": "span:id",
    "span:parentID": "span:parentID",
    "span:childCount": "span:childCount",
    "event:name": "event:name",
    "event:timeSinceStart": "event:timeSinceStart",
    "link:traceID": "link:traceID",
    "link:spanID": "link:spanID",
    "instrumentation:name": "instrumentation:name",
    "instrumentation:version": "instrumentation:version",
}
_WORD = re.compile(r"[^\W\d]\w*")
_NUMBER = re.compile(r"(?:\d+\.\d*|\.\d+|\d+)(?:[eE][+-]?\d+)?")
_DURATION_TAIL = re.compile(r"[nsumhµdwy\d.]+")
_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)+", re.DOTALL)
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}


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
            self.at = found.end() if (found := _SPACE.match(self.text, self.at)) else self.at
            start = self.at
            if start >= len(self.text):
                self._add("end", None, start)
                return self.found
            self._one(start)

    def _one(self, start: int) -> None:
        text, first = self.text, self.text[start]
        if first == '"':
            self._add("string", self._quoted(), start)
        elif first == "`":
            end = text.find("`", start + 1)
            if end < 0:
                raise self._error("literal not terminated", start)
            self.at = end + 1
            self._add("string", text[start + 1 : end].replace("\r", ""), start)
        elif number := _NUMBER.match(text, start):
            self._number(number[0], start)
        elif first == ".":
            self.at += 1
            self._add("field", self._attribute(""), start)
        elif word := _WORD.match(text, start):
            self.at = word.end()
            self._word(word[0], start)
        else:
            operator = next((op for op in _OPERATORS if text.startswith(op, start)), None)
            if operator is None:
                raise self._error(f"syntax error: unexpected {first!r}", start)
            self.at += len(operator)
            self._add("operator", operator, start)

    def _word(self, word: str, start: int) -> None:
        following = self.text[self.at : self.at + 1]
        if following == "." and word in _ATTRIBUTE_SCOPES:
            if word == "parent":
                raise TraceqlError("parent scoped attributes not yet supported")
            self.at += 1
            self._add("field", self._attribute(word), start)
            return
        if following == ":" and (tail := _WORD.match(self.text, self.at + 1)):
            written = f"{word}:{tail[0]}"
            if written not in _SCOPED_INTRINSICS:
                raise self._error(f"syntax error: unexpected {tail[0]}", start)
            self.at = tail.end()
            self._add("field", Intrinsic(_SCOPED_INTRINSICS[written], written), start)
            return
        if word in _INTRINSICS:
            self._add("field", Intrinsic(word, word), start)
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
        start, parts = self.at, []
        while self.at < len(self.text):
            char = self.text[self.at]
            if char.isspace() or char in _ATTRIBUTE_ENDS:
                break
            self.at += 1
            parts.append(self._quoted_name() if char == '"' else char)
        key = "".join(parts)
        written = self.text[start : self.at]
        # Tempo takes a scope inside a name for a scope: `span.span.type` must be written span."span.type".
        if not key or written.startswith(("span.", "resource.")):
            raise self._error("syntax error: unexpected end of attribute" if not key else
                              f"syntax error: unexpected {written.split('.')[0]}.", start)  # fmt: skip
        return Attribute(scope, key)

    def _quoted_name(self) -> str:
        """The rest of a quoted part of an attribute's name, its opening quote already read."""
        start = self.at
        out: list[str] = []
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                return "".join(out)
            if char == "\\":
                char = self.text[self.at : self.at + 1]
                self.at += 1
                if char not in ('"', "\\"):
                    raise self._error("invalid escape sequence", self.at - 2)
            out.append(char)
        raise self._error('unexpected EOF, expecting "', start)

    def _quoted(self) -> str:
        """A `"…"` literal, as Go's strconv.Unquote reads it."""
        start, out = self.at, bytearray()
        self.at += 1
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                try:
                    return out.decode("utf-8")
                except UnicodeDecodeError:
                    return out.decode("utf-8", "replace")
            if char == "\n":
                break
            out += self._escape() if char == "\\" else char.encode("utf-8", "surrogatepass")
        raise self._error("literal not terminated", start)

    def _escape(self) -> bytes:
        char = self.text[self.at : self.at + 1]
        self.at += 1
        if char in _ESCAPES:
            return _ESCAPES[char].encode()
        size = _HEX_ESCAPES.get(char, 0)
        digits = self.text[self.at : self.at + size] if size else self.text[self.at - 1 : self.at + 2]
        pattern = rf"[0-9a-fA-F]{{{size}}}" if size else "[0-3][0-7]{2}"
        if not char or not re.fullmatch(pattern, digits):
            raise self._error("invalid char escape", self.at - 2)
        self.at += size or 2
        code = int(digits, 16 if size else 8)
        if char in "uU":
            if code > 0x10FFFF or 0xD800 <= code < 0xE000:
                raise self._error("escape is invalid Unicode code point", self.at - 2)
            return chr(code).encode()
        return bytes([code])

    def _add(self, kind: str, value: Any, start: int) -> None:
        self.found.append(Token(kind, value, *self._position(start)))

    def _position(self, start: int) -> tuple[int, int]:
        line = self.text.count("\n", 0, start) + 1
        return line, start - self.text.rfind("\n", 0, start)

    def _error(self, message: str, start: int) -> TraceqlError:
        line, column = self._position(start)
        return TraceqlError(f"parse error at line {line}, col {column}: {message}")
