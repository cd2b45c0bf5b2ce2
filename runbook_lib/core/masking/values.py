"""Where a value ends that begins here: in quotes at any depth of escaping, to the end of a word, of a line, of a header.

Every function takes the text and a position, and gives the position behind the value; none reads on past a bound.
"""

import re
from typing import Any

from runbook_lib.core.masking.linear import linear

LONGEST_QUOTED = 1 << 20  # of a quoted value whose end is looked for
_QUOTE_BYTES = b"\"'`"
_QUOTES = linear(rb"\\*[\"'`]")
_ESCAPED_QUOTE = re.compile(rb"\\{1,64}[\"'`]")
_BARE_END = linear(rb"[\s\"'`,;&)\]}<>|\\]|%26")
_WORD_END = linear(rb"[\s\"'`\\]")
_LINE_END = linear(rb"[\r\n]|\\+[rn]|\\*\"")
_PLAIN_LINE_END = linear(rb"[\r\n]")
_COOKIE_PAIR = linear(rb";[ \t]{0,4}[^\s;=\"'\\]{1,256}=[^\s;\"'\\]{0,1000}")
_NEW_LINE = linear(rb"\r?\n|\\+(?:r\\+)?n")


def quote_at(data: bytes, at: int) -> tuple[int, bytes, int] | None:
    """The quote that stands here: how many backslashes it has before it, the quote, where the value begins. None: no quote."""
    byte = data[at : at + 1]
    if byte in _QUOTE_BYTES and byte:
        return 0, byte, at + 1
    if byte != b"\\":
        return None
    match = _ESCAPED_QUOTE.match(data, at)
    return None if match is None else (match.end() - at - 1, data[match.end() - 1 : match.end()], match.end())


def quoted_end(data: bytes, begin: int, escapes: int, quote: bytes, *, is_json: bool) -> int:
    """Where the quoted value ends that begins here and whose opening quote had so many backslashes before it.

    Of JSON, no value reaches over the end of the string that it stands in. One that is not closed ends at its bound.
    """
    bound = min(len(data), begin + LONGEST_QUOTED)
    if escapes == 0 and quote == b'"':  # by far the most: it ends at the next quote
        found_at = data.find(quote, begin, bound)
        if found_at >= 0 and data[found_at - 1] != 0x5C:
            return found_at
    at = begin
    while found := _QUOTES.search(data, at, bound):
        run, char = found.end() - found.start() - 1, data[found.end() - 1 : found.end()]
        if char == quote and run < escapes:
            return int(found.start())
        if char == quote and _closes(run, escapes, quote):
            return int(found.end()) - 1 - escapes
        if is_json and char == b'"' and run % 2 == 0:
            return int(found.start())
        at = found.end()
    return bound


def _closes(run: int, escapes: int, quote: bytes) -> bool:
    """Whether a quote with a run of backslashes before it closes a value whose opening quote had `escapes` of them.

    At depth d of JSON within JSON a quote has 2^d - 1 backslashes, and a backslash before it is written 2^d times: an even number
    of those belongs to the value.
    """
    unit = escapes + 1
    if quote != b'"' or unit & (unit - 1):
        return run == escapes
    return (run - escapes) % unit == 0 and ((run - escapes) // unit) % 2 == 0


def bare_end(data: bytes, at: int) -> int:
    """The end of a value within other text: at white space, a quote, or what separates values."""
    return _end(_BARE_END, data, at)


def word_end(data: bytes, at: int) -> int:
    """The end of a value that nothing but white space or a quote ends."""
    return _end(_WORD_END, data, at)


def line_end(data: bytes, at: int, *, is_json: bool, bound: int | None = None) -> int:
    """The end of the line, or the bound; in JSON a line break is written as an escape, and the string's end is a line's end too."""
    return _end(_LINE_END if is_json else _PLAIN_LINE_END, data, at, bound)


def cookies_end(data: bytes, at: int) -> int:
    """The end of `a=b; c=d` that begins here."""
    at = _end(_BARE_END, data, at)
    while pair := _COOKIE_PAIR.match(data, at):
        at = pair.end()
    return at


def block_end(data: bytes, at: int) -> int:
    """The end of the indented lines that follow the line break that stands here (YAML's `|` and `>`)."""
    while (line := _NEW_LINE.match(data, at)) and data[line.end() : line.end() + 1] in (b" ", b"\t"):
        following = _NEW_LINE.search(data, line.end())
        quote = _QUOTES.search(data, line.end(), following.start() if following else len(data))
        if quote or not following:
            return quote.start() if quote else len(data)
        at = following.start()
    return at


def _end(pattern: Any, data: bytes, at: int, bound: int | None = None) -> int:
    """Where the pattern is found next, or the bound."""
    limit = len(data) if bound is None else bound
    match = pattern.search(data, at, limit)
    return int(match.start()) if match else limit
