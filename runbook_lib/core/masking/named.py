"""Masks what stands under a name that tells of a secret, in whatever language it is written.

`password=…`, `"apiKey": "…"`, `Authorization: …`, `--token …`, `?sig=…`, `PASSWORD '…'`, `{"key": "cookie", "value": "…"}`,
`('x-api-key', '…')`, `<secret>…</secret>`. The names are found by one pattern in linear time; each value is then read by hand from
where it begins to where it ends, and the search goes on behind it, so no byte is read more than a few times.
"""

import re
from typing import Any

from runbook_lib.core.masking.linear import linear
from runbook_lib.core.masking.names import (
    ENDINGS,
    LONGEST_HARMLESS,
    WORDS,
    is_harmless,
    is_harmless_name,
    is_strict_name,
)
from runbook_lib.core.masking.shapes import MASK
from runbook_lib.core.masking.values import (
    bare_end,
    block_end,
    cookies_end,
    line_end,
    quote_at,
    quoted_end,
    word_end,
)

_LONGEST_NAME = 100
_LONGEST_PLAIN = 4096  # of a value between brackets or tags
_NEAR = 2048  # how far a `value` may stand before its `name` in one object
_NAME_BYTES = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")

# Group 1 closes the name. Then: 2 an assignment, 3 a comma, 4 "is", 5 the end of a tag, an object or a line, 6 white space.
_CANDIDATE = linear(
    rb"(?i)(?:" + b"".join(WORDS.split()) + rb")" + ENDINGS + rb"([\"'`\\\])]{0,64})"
    rb"(?:[ \t]{0,16}(:=|=>|={1,3}|:|%3[ad]|%253[ad])|([ \t]{0,4},[ \t]{0,4})|([ \t]+(?:is|was)[ \t]+)"
    rb"|([ \t]{0,4}(?:[>}]|\r?\n|\\+n))|([ \t]+))"
)
_WORD = linear(rb"(?i)" + b"".join(WORDS.split()))
_VALUE_AFTER = linear(
    rb"(?i)(?:[\s,]|\\+n){0,40}(?:\\*\"type\\*\":[ ]?\\*\"[a-z]{1,12}\\*\",[ ]?)?"
    rb"\\*[\"']?(?:value|val|content|string_?value)\\*[\"']?"
    rb"[ \t]{0,8}[:=][ \t]{0,8}(?:\{[ ]?\\*\"string_?value\\*\":[ ]?)?"
)
_VALUE_BEFORE = linear(
    rb"(?i)\\*[\"'](?:value|val|content)\\*[\"'][ \t]{0,8}[:=][ \t]{0,8}(?:\{[ ]?\\*\"string_?value\\*\":[ ]?)?"
)
_IS_NAME_FIELD = re.compile(
    rb"(?i)(?:\b|\\[nrt])(?:key|name|header|field|variable|var|k)\\*[\"']?[ \t]{0,8}[:=][ \t]{0,8}(?:\\*[\"'])?\Z"
)
_PAIR_OPENS = re.compile(rb"[\[(][ \t]*[bBrRuU]{0,2}\\*[\"']\Z")
_SETS = re.compile(rb"(?i)(?:set|put|config|item|header|env|append|add)[a-z_]{0,12}\([ \t]*[bru]{0,2}\\*[\"']\Z")
_SHELL_SETS = re.compile(rb"(?:\A|[\s\"'`]|\\n)(?:ENV|ARG|setx?|setenv|export|-gx|-x|-Ux)[ \t]+\Z")
_NETRC = re.compile(rb"(?:login|user)[ \t]+\S{1,128}[ \t]+\Z")
_LINE_BEGINS = re.compile(rb"(?:\A|[\r\n]|\\+[rnt]|(?:\A|[\r\n]|\\+n)[ \t>|<*+-]{1,40})\Z")
_QUOTE_BEFORE = re.compile(rb"(\\*)([\"'`])\Z")
_SCHEME = re.compile(rb"(?i)(?:bearer|basic|token|digest|apikey|negotiate|aws4-hmac-sha256|bot)(?:[ \t]+|%20|\+)")
_ANNOTATION = re.compile(rb"[A-Za-z][\w\[\]|., ]{0,60}=[ \t]*")
_CALL = re.compile(rb"(?:new )?[A-Za-z_][\w.]{0,60}\(")
_LONE_USER = re.compile(rb"://([^/@\s:<>]{1,200})@")
_NUMBER = re.compile(rb"[-+]?[0-9][0-9.,_]*\Z")
_IDENTIFIER = re.compile(rb"[A-Za-z_]+\Z")
_ANY_WORD = re.compile(rb"[A-Za-z-]{1,20}[:,.!?]?\Z")
_SMALL_WORD = re.compile(rb"[a-z]{1,20}[.!?]?\Z")
_HEADERS = re.compile(rb"(?i)authorization|cookie|x-[a-z0-9-]*key|signature$")


def mask_named(data: bytes, *, is_json: bool) -> bytes:
    """The bytes without the values that stand under a telling name.

    Args:
        is_json: the bytes are encoded JSON: no value reaches over the end of the string that it stands in.
    """
    return _Reader(data, is_json=is_json).mask()


class _Reader:
    """One text, read from name to name."""

    def __init__(self, data: bytes, *, is_json: bool) -> None:
        self._data, self._is_json = data, is_json
        self._pieces: list[bytes] = []
        self._kept = 0  # up to here the text is in the pieces

    def mask(self) -> bytes:
        """The whole text, masked."""
        at = 0
        while candidate := _CANDIDATE.search(self._data, at):
            at = max(self._after(candidate), candidate.start(1))
        return b"".join((*self._pieces, self._data[self._kept :])) if self._pieces else self._data

    def _after(self, candidate: Any) -> int:
        """Mask the value that belongs to a name, and say where to go on."""
        data, ends = self._data, candidate.start(1)
        begin = self._name_begins(candidate.start())
        name, before = data[begin:ends], data[max(0, begin - 160) : begin]
        if is_harmless_name(name):
            return int(ends)
        closed, assigned, comma, says, bracket, _ = candidate.groups()
        if assigned is not None:
            return self._value(
                candidate.end(), begin, name, assigned, before, is_quoted_name=bool(closed.strip(b"\\])"))
            )
        if _IS_NAME_FIELD.search(before):
            return self._paired(candidate, name, begin)
        if comma is not None:
            return self._listed(candidate.end(), name, before)
        if says is not None:
            return self._said(candidate.end(), name)
        if bracket is not None:
            return self._tagged(candidate.end(), before) if bracket.strip() == b">" else int(ends)
        return self._spaced(candidate.end(), name, before, closed)

    def _name_begins(self, word: int) -> int:
        """Where the name begins that ends in a telling word."""
        data = self._data
        if data[word] == 0x5C:
            return word + 2  # it began with an escaped line break
        begin = word
        limit = max(self._kept, word - _LONGEST_NAME)
        while begin > limit and data[begin - 1] in _NAME_BYTES:
            begin -= 1
        if begin and data[begin - 1] == 0x5C and begin < word and data[begin] in b"nrt":
            begin += 1  # the letter of an escaped line break
        return begin

    def _hide(self, begin: int, end: int, mask: bytes = MASK) -> int:
        self._pieces += [self._data[self._kept : begin], mask]
        self._kept = end
        return end

    # each of the following masks what it finds, and gives the position to go on at

    def _value(self, at: int, begin: int, name: bytes, assigned: bytes, before: bytes, *, is_quoted_name: bool) -> int:
        """What is assigned to a name."""
        data = self._data
        at = _skip_blanks(data, at)
        annotation = _ANNOTATION.match(data, at, at + 70) if assigned == b":" and not is_quoted_name else None
        if annotation:
            end = word_end(data, annotation.end())
            if quote_at(data, _skip_prefix(data, annotation.end())):
                at = annotation.end()
            elif is_harmless(data[annotation.end() : min(end, annotation.end() + LONGEST_HARMLESS + 1)], name):
                return annotation.end()
        opened = data[at : at + 1]
        if opened == b"(":
            at = _skip_blanks(data, at + 1)
            if quote_at(data, _skip_prefix(data, at)) is None:
                return self._plain(at, self._to(b")", at), name)
        if quote_at(data, _skip_prefix(data, at)):
            return self._quoted(_skip_prefix(data, at), name)
        if opened in (b"[", b"{"):
            return self._members(at, name)
        return self._bare(at, begin, name, assigned, before)

    def _quoted(self, at: int, name: bytes) -> int:
        opened = quote_at(self._data, at)
        assert opened is not None
        escapes, quote, begin = opened
        end = quoted_end(self._data, begin, escapes, quote, is_json=self._is_json)
        return self._plain(begin, end, name)

    def _plain(self, begin: int, end: int, name: bytes) -> int:
        """A value whose bounds are known."""
        value = self._data[begin : min(end, begin + LONGEST_HARMLESS + 1)]
        if is_harmless(value, name):
            return begin if len(value) > 40 else end
        names_a_place = b"dsn" in name.lower() or b"string" in name.lower()
        if names_a_place and (b"://" in value or b"=" in value) and len(value) <= LONGEST_HARMLESS:
            user = _LONE_USER.search(value)  # its host is no secret; its password is found by its own name or shape
            return self._hide(begin + user.start(1), begin + user.end(1)) if user else begin
        scheme = _SCHEME.match(value)
        return self._hide(begin + scheme.end() if scheme and scheme.end() < end - begin else begin, end)

    def _bare(self, at: int, begin: int, name: bytes, assigned: bytes, before: bytes) -> int:
        data = self._data
        if call := _CALL.match(data, at, at + 70):
            inner = _skip_prefix(data, _skip_blanks(data, call.end()))
            return self._quoted(inner, name) if quote_at(data, inner) else call.end()
        end = self._bare_ends(at, begin, name, assigned, before)
        value = data[at : min(end, at + LONGEST_HARMLESS + 1)]
        if not value:
            return at
        if _NUMBER.match(value):
            return self._number(at, end, name, before)
        if self._is_reference(value, end, before) or self._is_prose(value, end, name, assigned):
            return end if len(value) <= 40 else at
        return self._plain(at, end, name)

    def _bare_ends(self, at: int, begin: int, name: bytes, assigned: bytes, before: bytes) -> int:
        """Where a value ends that stands in no quotes, by the language that it seems to be."""
        data = self._data
        at_line_begin = begin == 0 or _LINE_BEGINS.search(before) is not None
        quote = _QUOTE_BEFORE.search(before)
        if _HEADERS.search(name) and assigned == b":":
            if quote:
                stop = quoted_end(data, at, len(quote[1]), quote[2], is_json=self._is_json)
                return line_end(data, at, is_json=self._is_json, bound=stop)
            if at_line_begin:
                return line_end(data, at, is_json=self._is_json)
            scheme = _SCHEME.match(data, at, at + 40)
            return cookies_end(data, at) if b"ookie" in name else word_end(data, scheme.end() if scheme else at)
        if assigned == b":" and (at_line_begin or quote) and data[at - 1 : at] in (b" ", b"\t"):
            if data[at : at + 1] in (b"|", b">"):
                return block_end(data, line_end(data, at, is_json=self._is_json))
            bound = quoted_end(data, at, len(quote[1]), quote[2], is_json=self._is_json) if quote else None
            end = line_end(data, at, is_json=self._is_json, bound=bound)
            comment = data.find(b" #", at, end)
            return comment if comment > 0 else end
        in_query = before[-1:] in (b"?", b"&", b";")
        if not in_query and (b"ignature" in name or (assigned == b"=" and (at_line_begin or name == name.upper()))):
            return word_end(data, at)
        return bare_end(data, at)

    def _is_reference(self, value: bytes, end: int, before: bytes) -> bool:
        """Whether a value is the name of a variable that is handed on: `call(token=token)`."""
        is_within = before[-1:] in (b"(", b",") or before[-2:] == b", "
        is_last = self._data[end : end + 1] in (b",", b")", b"(")
        return is_within and is_last and _IDENTIFIER.match(value) is not None and _WORD.search(value) is not None

    def _is_prose(self, value: bytes, end: int, name: bytes, assigned: bytes) -> bool:
        """Whether a value is a word of a sentence: `invalid token: malformed`, `api_keys: relation does not exist`."""
        if assigned != b":" or (is_strict_name(name) and not name.lower().endswith(b"s")):
            return False
        is_followed = self._data[end : end + 1] == b" " and self._data[end + 1 : end + 2] != b"#"
        return bool(_SMALL_WORD.match(value)) or (is_followed and bool(_ANY_WORD.match(value)))

    def _number(self, at: int, end: int, name: bytes, before: bytes) -> int:
        """A number is a secret under a password's name, and where it is long; the value of a JSON field stays a JSON value."""
        if not (is_strict_name(name) or end - at >= 6):
            return end
        quote = _QUOTE_BEFORE.search(before)
        if self._is_json and quote and self._data[end : end + 1] in (b",", b"}", b"]"):
            return self._hide(at, end, quote[0] + MASK + quote[0])
        return self._hide(at, end)

    def _members(self, at: int, name: bytes) -> int:
        """The texts of a list under a telling name; of an object only where its name is a header's: others are structure."""
        data = self._data
        is_object = data[at : at + 1] == b"{"
        if is_object and b"ookie" not in name and b"uthorization" not in name:
            return at + 1
        at = _skip_blanks(data, at + 1)
        while opened := quote_at(data, _skip_prefix(data, at)):
            if is_object:
                escapes, quote, begin = opened
                closing = quoted_end(data, begin, escapes, quote, is_json=self._is_json) + escapes + 1
                at = _skip_blanks(data, closing)
                if data[at : at + 1] != b":" or not quote_at(data, at := _skip_blanks(data, at + 1)):
                    return at
                opened = quote_at(data, at)
                assert opened is not None
            at = self._quoted(_skip_prefix(data, at), name) if is_object else self._element(at, name)
            at = _skip_blanks(data, at + opened[0] + 1)
            if data[at : at + 1] != b",":
                return at
            at = _skip_blanks(data, at + 1)
        return at

    def _element(self, at: int, name: bytes) -> int:
        """One text of a list. A list of words (columns, roles) tells names, not secrets."""
        opened = quote_at(self._data, _skip_prefix(self._data, at))
        assert opened is not None
        escapes, quote, begin = opened
        end = quoted_end(self._data, begin, escapes, quote, is_json=self._is_json)
        if re.fullmatch(rb"[A-Za-z_.-]{0,40}", self._data[begin:end]):
            return end
        self._plain(begin, end, name)
        return end

    def _paired(self, candidate: Any, name: bytes, begin: int) -> int:
        """`name` and `value` side by side in one object, in either order."""
        data = self._data
        if after := _VALUE_AFTER.match(data, candidate.end(1)):
            if quote_at(data, after.end()):
                return self._quoted(after.end(), name)
            return self._plain(after.end(), line_end(data, after.end(), is_json=self._is_json), name)
        opened = data.rfind(b"{", max(self._kept, begin - _NEAR), begin)
        if opened >= 0 and (value := _VALUE_BEFORE.search(data, opened, begin)) and quote_at(data, value.end()):
            self._quoted(value.end(), name)
        return int(candidate.end(1))

    def _listed(self, at: int, name: bytes, before: bytes) -> int:
        """The text behind a name in a list: of a pair, of a call that sets something, of a command's arguments."""
        data = self._data
        at = _skip_prefix(data, at)
        opened = quote_at(data, at)
        if opened is None:
            return at
        escapes, quote, begin = opened
        if name.startswith(b"--") or _SETS.search(before):
            return self._quoted(at, name)
        if not _PAIR_OPENS.search(before):
            return at
        end = quoted_end(data, begin, escapes, quote, is_json=self._is_json)
        is_pair = data[_skip_blanks(data, end + escapes + 1) :][:1] in (b"]", b")")
        if is_pair and (
            _HEADERS.search(name) or not re.fullmatch(rb"[a-z_]{0,40}", data[begin : min(end, begin + 41)])
        ):
            return self._plain(begin, end, name)
        return at

    def _said(self, at: int, name: bytes) -> int:
        """`the password is …`: a text in quotes, or a word with a digit in it."""
        if quote_at(self._data, at):
            return self._quoted(at, name)
        return self._random(at, name)

    def _tagged(self, at: int, before: bytes) -> int:
        """`<password>…</password>`."""
        if not before.endswith(b"<") and not re.search(rb"<[\w-]{1,40}:\Z", before):
            return at
        return self._plain(at, self._to(b"<", at), b"")

    def _spaced(self, at: int, name: bytes, before: bytes, closed: bytes) -> int:
        """White space between name and value: a command's option, a shell's or a Dockerfile's assignment, SQL, .netrc."""
        data = self._data
        is_set = _SHELL_SETS.search(before) or _NETRC.search(before)
        if quote_at(data, at) and not closed and (is_strict_name(name) or name.startswith(b"-") or is_set):
            return self._quoted(at, name)
        if (name.startswith(b"-") or is_set) and data[at : at + 1] != b"-":
            return self._plain(at, word_end(data, at), name)
        if not closed and (is_strict_name(name) or _HEADERS.search(name)):
            return self._random(at, name)
        return at

    def _random(self, at: int, name: bytes) -> int:
        """A word that stands behind a name without anything between: one with digits and letters in it is no word."""
        end = bare_end(self._data, at)
        value = self._data[at : min(end, at + 4096)]
        is_random = len(value) >= 6 and re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value)
        return self._plain(at, end, name) if is_random else at

    def _to(self, char: bytes, at: int) -> int:
        """The position of the next such character on this line, or the line's end."""
        bound = min(len(self._data), at + _LONGEST_PLAIN)
        found = self._data.find(char, at, bound)
        return line_end(self._data, at, is_json=self._is_json, bound=found if found >= 0 else bound)


def _skip_blanks(data: bytes, at: int) -> int:
    """Behind blanks, 64 at most."""
    end = min(len(data), at + 64)
    while at < end and data[at] in b" \t":
        at += 1
    return at


def _skip_prefix(data: bytes, at: int) -> int:
    """Behind what a language writes before a quote: b'', f"", E''."""
    for length in (1, 2):
        if data[at : at + length].isalpha() and data[at + length : at + length + 1] in (b"'", b'"'):
            return at + length
    return at
