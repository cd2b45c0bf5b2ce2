"""Go's regular expressions (RE2), which TraceQL uses, run by Python's.

RE2 has no look-around, no back-references, no possessive repetition and no `\\Z`; what Python would take and RE2 refuses is
refused here too. What RE2 has and Python lacks (`\\z`, `\\Q…\\E`, `[[:alpha:]]`) is translated. Unicode classes (`\\pL`) are
refused by both.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from runbook_lib.sandbox.store.traceql.tree import TraceqlError

_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "ascii": r"\x00-\x7F", "blank": r"\t ", "cntrl": r"\x00-\x1F\x7F",
    "digit": "0-9", "graph": "!-~", "lower": "a-z", "print": " -~", "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ", "upper": "A-Z", "word": "0-9A-Za-z_", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_PIECE = re.compile(
    r"\\Q(?P<quoted>.*?)(?:\\E|$)"
    r"|\\(?P<escaped>.)"
    r"|(?P<set>\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\\])*\])"
    r"|\((?P<group>\?(?:P?<[=!]|P[=>]|P?<|[^)a-zA-Z:-]|[a-zA-Z-]*[:)]?)?)"
    r"|(?P<repeat>[*+?]|\{\d+(?:,\d*)?\})"
    r"|(?P<plain>.)",
    re.DOTALL,
)
_GROUPS = re.compile(r"\?(?:P?<|[imsU-]*[:)])")
_ESCAPED_IN_PYTHON_ONLY = frozenset("123456789Zku")


@lru_cache(maxsize=256)
def compile_regex(pattern: str) -> re.Pattern[str]:
    """The pattern as RE2 means it. Raises TraceqlError when RE2 would refuse it."""
    try:
        return re.compile("".join(_translated(pattern)))
    except (re.error, RecursionError, OverflowError) as error:
        raise TraceqlError(f"error parsing regexp: {error}: `{pattern}`") from None


def _translated(pattern: str) -> Iterator[str]:
    after_repeat = False
    for piece in _PIECE.finditer(pattern):
        repeat = piece["repeat"]
        if repeat and after_repeat and repeat != "?":
            raise TraceqlError(f"error parsing regexp: invalid nested repetition operator: `{pattern}`")
        after_repeat = repeat is not None
        if piece["quoted"] is not None:
            yield re.escape(piece["quoted"])
        elif piece["escaped"] is not None:
            yield _escape(piece["escaped"], pattern)
        elif piece["set"] is not None:
            yield re.sub(r"\[:(\w+):\]", lambda found: _POSIX.get(found[1], found[0]), piece["set"])
        elif piece["group"] is not None:
            if not _GROUPS.fullmatch(piece["group"]) and piece["group"]:
                raise _unsupported(f"({piece['group']}", pattern)
            yield "(?P<" if piece["group"].endswith("<") else f"({piece['group']}"
        else:
            yield piece[0]


def _escape(char: str, pattern: str) -> str:
    if char in _ESCAPED_IN_PYTHON_ONLY:
        raise _unsupported(f"\\{char}", pattern)
    return {"z": r"\Z", "C": "(?s:.)", "a": r"\x07"}.get(char, f"\\{char}")


def _unsupported(what: str, pattern: str) -> TraceqlError:
    return TraceqlError(f"error parsing regexp: invalid or unsupported Perl syntax: `{what}` in `{pattern}`")
