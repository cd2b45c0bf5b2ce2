"""Text of others never becomes TraceQL: it is spelt, and read back, as exactly itself."""

import re

from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.sources.traces.traceql import ends_with, route_is, text_literal

_ESCAPES = {'\\"': '"', "\\\\": "\\"}
_TOKEN = re.compile(r'\\U[0-9a-f]{8}|\\u[0-9a-f]{4}|\\.|[^\\"]', re.DOTALL)


def _read_as_go(literal: str) -> str:
    """What Go's strconv.Unquote makes of a double-quoted string; fails where Go would."""
    assert literal[0] == literal[-1] == '"'
    inner, read, at = literal[1:-1], [], 0
    while at < len(inner):
        match = _TOKEN.match(inner, at)
        assert match, f"an unescaped quote or a broken escape at {at}"
        token = match[0]
        if token[:2] in ("\\u", "\\U"):
            point = int(token[2:], 16)
            assert not 0xD800 <= point <= 0xDFFF, "Go refuses half of a surrogate pair"
            read.append(chr(point))
        elif token[0] == "\\":
            read.append(_ESCAPES[token])
        else:
            assert token != "\n", "a bare newline ends a Go string"
            read.append(token)
        at = match.end()
    return "".join(read)


@given(st.text())
def test_any_text_is_read_back_as_itself(text: str) -> None:
    assert _read_as_go(text_literal(text)) == text


@given(st.text(alphabet='"\\{}|&=~`\n\r\t\x00/*( )'))
def test_text_made_of_traceqls_own_signs_is_read_back_as_itself(text: str) -> None:
    assert _read_as_go(text_literal(text)) == text


def test_what_utf8_cannot_hold_becomes_the_replacement_character() -> None:
    assert text_literal("a\ud800b") == '"a\ufffdb"'


@given(st.text(min_size=1), st.text())
def test_an_ending_is_matched_as_text_and_not_as_an_expression(text: str, before: str) -> None:
    attribute, _, literal = ends_with("span.x", text).partition(" =~ ")
    pattern = re.compile(_read_as_go(literal), re.DOTALL)
    assert attribute == "span.x"
    assert pattern.fullmatch(before + text)
    assert not pattern.fullmatch(before + text + "!")


def test_a_route_is_looked_for_under_its_new_and_its_old_names() -> None:
    assert route_is("/a") == 'span.http.route = "/a" || span.url.path = "/a" || span.http.target = "/a"'
