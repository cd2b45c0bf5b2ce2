"""Masks what an SQL `insert` writes into a column whose name tells of a secret: there the name and the value stand far apart."""

from runbook_lib.core.masking.linear import linear
from runbook_lib.core.masking.names import ENDINGS, WORDS, is_harmless
from runbook_lib.core.masking.shapes import MASK
from runbook_lib.core.masking.values import quote_at, quoted_end

_INSERT = linear(
    rb"(?i)(?:\b|\\[nrt])insert[ \t]+into[ \t]+[\w.\"\\]{1,200}[ \t]*\(([^()]{1,1000})\)(?:\s|\\+n)*values(?:\s|\\+n)*\("
)
_SECRET_COLUMN = linear(rb"(?i)(?:" + b"".join(WORDS.split()) + rb")" + ENDINGS + rb"[\s\"\\]*$")
_STOP = linear(rb"\\*[\"'`]|[,()]")


def mask_inserts(data: bytes, *, is_json: bool) -> bytes:
    """The bytes without the texts that an `insert` writes into a secret's column."""
    pieces: list[bytes] = []
    kept = at = 0
    while statement := _INSERT.search(data, at):
        at = statement.end()
        columns = {nth for nth, name in enumerate(statement.group(1).split(b",")) if _SECRET_COLUMN.search(name)}
        if not columns:
            continue
        found, at = _texts(data, at, columns, is_json=is_json)
        for begin, end in found:
            pieces += [data[kept:begin], MASK]
            kept = end
    return b"".join((*pieces, data[kept:])) if pieces else data


def _texts(data: bytes, at: int, columns: set[int], *, is_json: bool) -> tuple[list[tuple[int, int]], int]:
    """Where the texts of these columns stand in the rows that begin here, behind the first bracket; and how far was read."""
    found, column, depth = [], 0, 1
    while stop := _STOP.search(data, at):
        at = stop.end()
        char = data[at - 1 : at]
        if char == b",":
            column += depth == 1
        elif char == b"(":
            depth, column = depth + 1, column if depth else 0
        elif char == b")":
            depth -= 1
            if depth == 0 and not data[at : at + 20].lstrip(b" \t\r\n\\n").startswith(b","):
                break
        else:
            opened = quote_at(data, stop.start())
            if opened is None or (is_json and opened[0] == 0 and opened[1] == b'"'):
                break
            escapes, quote, begin = opened
            end = quoted_end(data, begin, escapes, quote, is_json=is_json)
            if column in columns and depth == 1 and not is_harmless(data[begin:end], b"password"):
                found.append((begin, end))
            at = end + escapes + 1
    return found, at
