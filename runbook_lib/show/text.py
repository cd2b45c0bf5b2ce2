"""Vendor values as harmless words: control characters made visible, numbers and times readable, cuts announced."""

import math
import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

from runbook_lib.core.model import Json

NOTHING = "–"  # shown where there is no value

_SPACES = re.compile(r"[ \t\r\n\v\f\x85\u2028\u2029]+")
# What could color a terminal, turn the reading direction round, or hide: shown as an escape. Lone surrogates cannot be encoded.
_TRICKS = re.compile("[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def one_line(value: Json, limit: int | None = None) -> str:
    """Any value as one line of harmless text, at most `limit` characters long; a cut ends in an ellipsis. None is a dash."""
    if value is None:
        return NOTHING
    text = value if isinstance(value, str) else str(value)
    if limit is not None and len(text) > 8 * limit + 64:
        text = text[: 8 * limit + 64]  # enough to fill the limit whatever is squeezed out; endless bodies cost nothing
    if not text.isprintable() or "  " in text:  # most texts are harmless, and a trace has a hundred thousand
        text = _TRICKS.sub(_visible, _SPACES.sub(" ", text))
    text = text.strip()
    return text if limit is None or len(text) <= limit else text[: max(0, limit - 1)].rstrip() + "…"


def make_visible(text: str) -> str:
    """A line whose spaces matter, with what could trick a reader or a terminal made visible."""
    return _TRICKS.sub(_visible, text)


def shorten(value: Json, limit: int) -> str:
    """One line of at most about `limit` characters that says how many more there were."""
    text = one_line(value)
    if len(text) <= limit:
        return text
    kept = text[:limit].rstrip()
    return f"{kept}… (+{len(text) - len(kept):,} characters)"


def format_number(value: Json) -> str:
    """A number for reading: thousands separated, three significant digits for fractions; yes and no for booleans."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return NOTHING
        if value == int(value) and abs(value) < 1e15:
            return f"{int(value):,}"
        return f"{value:,.0f}" if 100 <= abs(value) < 1e15 else f"{value:.3g}"
    return one_line(value)


def format_duration(ms: Json) -> str:
    """Milliseconds for reading: 0.4 ms, 340 ms, 2.34 s, 3 min 20 s, 2 h 05 min. A dash for what is not a number."""
    value = finite_number(ms)
    if value is None:
        return NOTHING
    sign, size = ("−" if value < 0 else ""), abs(value)
    if size < 9.995:
        return f"{sign}{size:.2g} ms" if size else "0 ms"
    if size < 999.5:
        return f"{sign}{size:.0f} ms"
    if size < 99_995:
        return f"{sign}{size / 1000:.3g} s"
    whole_s = round(size / 1000)
    if whole_s < 3600:
        return f"{sign}{whole_s // 60} min" + (f" {whole_s % 60:02d} s" if whole_s % 60 else "")
    minutes = whole_s % 3600 // 60
    return f"{sign}{whole_s // 3600:,} h" + (f" {minutes:02d} min" if minutes else "")


_MOST = 1e18  # larger ones overflow in the arithmetic of a picture
_YEARS = range(1970, 2970)


def finite_number(value: Json) -> float | None:
    """The value as a finite float that can still be drawn (below 1e18); None for what is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        asked = float(value)
    except OverflowError:
        return None
    return asked if math.isfinite(asked) and abs(asked) < _MOST else None


def parse_moment(text: Json) -> datetime | None:
    """The aware UTC moment of an ISO 8601 text with a zone; None for what is not a time, and for a placeholder far from
    any incident (Go's zero time is of the year 1), which a picture's axis could not hold."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or moment.year not in _YEARS:
            return None
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def format_moment(text: Json) -> str:
    """An ISO 8601 moment as `2026-11-23 08:54:00 UTC`; anything else as it stands."""
    moment = parse_moment(text)
    return one_line(text, 40) if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def plural(count: int, noun: str, nouns: str = "") -> str:
    """`1 look`, `3 looks`; `nouns` where adding an s is wrong."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def terminal_width(text: str) -> int:
    """Columns that a terminal needs for a text: wide East Asian characters take two, combining marks none."""
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """The text filled with spaces to so many terminal columns, cut with an ellipsis where it is longer."""
    if terminal_width(text) > columns:
        kept, used = "", 0
        for each in text:
            used += terminal_width(each)
            if used > columns - 1:
                break
            kept += each
        text = kept + "…"
    gap = " " * (columns - terminal_width(text))
    return gap + text if right else text + gap


def text_grid(headings: Sequence[str], rows: Sequence[Sequence[str]], *, right: frozenset[int] = frozenset()) -> str:
    """Columns of text in line, each as wide as it needs up to 44; `right` names the columns set flush right."""
    shown = [headings, *rows]
    sizes = [max(1, min(44, max(terminal_width(row[at]) for row in shown))) for at in range(len(headings))]
    lines = ["  ".join(pad(row[at], sizes[at], right=at in right) for at in range(len(sizes))) for row in shown]
    lines.insert(1, "  ".join("─" * size for size in sizes))
    return "\n".join(line.rstrip() for line in lines)


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
