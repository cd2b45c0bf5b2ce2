"""Text that others wrote, made safe to show: what a terminal would obey, or a reader would not see, is written out.

A terminal obeys control characters (ESC [ 2 J clears it, a carriage return writes over a line); direction marks (U+202E) turn a
name around; characters without width hide in one. Unicode's categories name them: Cc, Cf, Zl, Zp and Cs.
"""

import re

_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_KEPT_IN_LINES = frozenset("\n\t")


def visible(text: str) -> str:
    """One line of text: every such character as an escape of JSON's form (`\\u001b`), line breaks and tabs included."""
    return _HARMFUL.sub(lambda found: _escape(found.group()), text)


def visible_lines(text: str) -> str:
    """Text of several lines, whose line breaks and tabs stay. Of JSON, it stays JSON of the same value."""
    return _HARMFUL.sub(
        lambda found: found.group() if found.group() in _KEPT_IN_LINES else _escape(found.group()), text
    )


def _escape(char: str) -> str:
    if char == "\n":
        return "\\n"
    if char == "\t":
        return "\\t"
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
