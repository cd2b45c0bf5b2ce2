"""Values that are known to be secret, found in whatever spelling a program may have written them.

A spelling is what encoders make of a character: itself, `%2F` (once or twice), `\\u002f`, `&#47;`, a backslash before it; or of the
whole value: base64 at each of its three alignments, hexadecimal. A line break may stand anywhere.
"""

import base64
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

from runbook_lib.core.masking.linear import linear, literal

SHORTEST_SECRET = 8  # shorter values would mask ordinary words; a key this short is no key
_SHORTEST_CORE = 8  # of a base64 text that one value alone determines
_LONGEST = 4096  # of a value that is looked for whole; of a longer one its beginning

_BREAK = rb"(?:(?:=?\\*(?:\r\n?|\n)|\\+(?:r\\+)?n)[ \t]*)?"
_ENTITIES = {"&": b"amp", "<": b"lt", ">": b"gt", '"': b"quot", "'": b"apos"}
_BASE64 = {ord("+"): rb"(?:\+|-|%2[bB])", ord("/"): rb"(?:\\*/|_|%2[fF])"}


@lru_cache(maxsize=8)
def pattern_of(secrets: frozenset[str]) -> Any:
    """What finds any of these values in any spelling, over bytes; None where there is nothing to look for."""
    spelled = [spelling for secret in sorted(secrets, key=len, reverse=True) for spelling in _spellings(secret)]
    return linear(b"|".join(spelled)) if spelled else None


def worth_looking_for(secrets: Iterable[str]) -> frozenset[str]:
    """Those of the values that are long enough to be told from ordinary words."""
    return frozenset(secret[:_LONGEST] for secret in secrets if len(secret) >= SHORTEST_SECRET)


def _spellings(secret: str) -> Iterator[bytes]:
    raw = secret.encode("utf-8", "surrogatepass")
    yield _BREAK.join(_character(char) for char in secret)
    yield rb"(?i:" + _BREAK.join(literal(digit.encode()) for digit in raw.hex()) + rb")"
    for core in _base64_cores(raw):
        yield _BREAK.join(_BASE64.get(byte) or bytes((byte,)) for byte in core)


def _character(char: str) -> bytes:
    """One character in every spelling of itself."""
    raw = char.encode("utf-8", "surrogatepass")
    code = ord(char)
    units = char.encode("utf-16-be", "surrogatepass")
    spelled = [
        rb"\\*" + literal(raw) if not char.isalnum() else literal(raw),
        rb"".join(rb"%%(?:25)?(?i:%02x)" % byte for byte in raw),
        rb"".join(rb"\\+u(?i:%s)" % units[at : at + 2].hex().encode() for at in range(0, len(units), 2)),
        rb"&#0{0,4}%d;" % code,
        rb"&#[xX]0{0,4}(?i:%x);" % code,
    ]
    if code < 256:
        spelled.append(rb"\\+x(?i:%02x)" % code)
    if char in _ENTITIES:
        spelled.append(b"&" + _ENTITIES[char] + b";")
    if char == " ":
        spelled.append(rb"\+")
    if char == "'":
        spelled += [rb"'\\+''", rb"'\\*\"'\\*\"'"]  # a quote within quotes, as a shell needs it
    return rb"(?:" + rb"|".join(spelled) + rb")"


def _base64_cores(raw: bytes) -> Iterator[bytes]:
    """What base64 makes of a value at each alignment, without the characters that its neighbours share."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        whole = (before + len(raw)) * 8 // 6  # characters that hold nothing but what stands before and the value
        core = encoded[-(-before * 8 // 6) : whole]
        if len(core) >= _SHORTEST_CORE:
            yield core
