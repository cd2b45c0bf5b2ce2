"""The table exhibit: `{"columns": […], "rows": [[…]]}` for reading, with units understood from column names and cuts announced."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.html import Html, join, muted, rows_table, tag
from runbook_lib.show.text import (
    NOTHING,
    finite_number,
    format_duration,
    format_moment,
    format_number,
    plural,
    shorten,
    text_grid,
)

if TYPE_CHECKING:
    import pandas

ROWS_SHOWN = 200
PLAIN_ROWS_SHOWN = 40
CELL_CHARACTERS = 400


@dataclass(frozen=True, repr=False)
class TableDisplay(Display):
    """A shown table that also hands out its values, uncut, for the engineer's own cells."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Json, ...], ...] = field(default=())

    @property
    def frame(self) -> "pandas.DataFrame":
        """All rows as a pandas DataFrame, unformatted."""
        import pandas

        return pandas.DataFrame([list(row) for row in self.rows], columns=list(self.columns))


def table(data: Mapping[str, Json]) -> TableDisplay:
    """A table of vendor values: everything escaped, long cells and long tables cut with a word on how much.

    Columns that end in `_ms`, `_s`, `_bytes`, `_ratio` or `_at` are shown in that unit; a column of numbers stands flush right.
    Rows shorter than the columns are filled with dashes.
    """
    columns = tuple(str(column) for column in data.get("columns") or ())
    rows = tuple(tuple(row)[: len(columns)] for row in data.get("rows") or ())
    full = [row + (None,) * (len(columns) - len(row)) for row in rows]
    right = frozenset(at for at in range(len(columns)) if _is_numeric([row[at] for row in full]))
    shown = [[_cell(columns[at], row[at]) for at in range(len(columns))] for row in full[:ROWS_SHOWN]]
    headings = [_heading(column) for column in columns]
    if not rows:
        nothing = f"no rows ({', '.join(headings)})" if headings else "nothing"
        return TableDisplay(nothing, tag("p", muted(nothing)), columns=columns, rows=rows)
    body = rows_table(headings, ((cells, None, None) for cells in shown), right=right)
    return TableDisplay(
        _more(text_grid(headings, shown[:PLAIN_ROWS_SHOWN], right=right), len(rows), PLAIN_ROWS_SHOWN),
        join([body, _more_html(len(rows))]),
        columns=columns,
        rows=rows,
    )


def _more(text: str, count: int, shown: int) -> str:
    return text if count <= shown else f"{text}\n… {plural(count - shown, 'more row')} of {count:,}"


def _more_html(count: int) -> Html:
    if count <= ROWS_SHOWN:
        return Html("")
    return tag("p", muted(f"… {plural(count - ROWS_SHOWN, 'more row')} of {count:,}; the record holds all of them"))


def _percent(value: float) -> str:
    return f"{value * 100:.3g} %"


def _bytes(value: float) -> str:
    size, unit = value, "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if abs(size) < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.3g} {unit}" if unit != "B" else f"{size:,.0f} B"


_UNITS: Mapping[str, Callable[[float], str]] = {
    "_ms": format_duration,
    "_s": lambda value: format_duration(value * 1000),
    "_bytes": _bytes,
    "_ratio": _percent,
}


def _unit_of(column: str) -> str:
    return next((unit for unit in (*_UNITS, "_at") if f"_{column}".endswith(unit)), "")


def _heading(column: str) -> str:
    """The column's name without the unit, which its cells show themselves."""
    unit = _unit_of(column)
    bare = column[: -len(unit)] if unit and unit != "_at" and column.endswith(unit) else column
    return shorten(bare.replace("_", " ") or column, 80)


def _cell(column: str, value: Json) -> str:
    unit, size = _unit_of(column), finite_number(value)
    if unit == "_at" and isinstance(value, str):
        return format_moment(value)
    if unit in _UNITS and size is not None:
        return _UNITS[unit](size)
    if value is None:
        return NOTHING
    if isinstance(value, bool | int | float):
        return format_number(value)
    return shorten(value if isinstance(value, str) else compact(value), CELL_CHARACTERS)


def compact(value: Json) -> str:
    """A nested value on one line, as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_numeric(values: Sequence[Any]) -> bool:
    known = [value for value in values if value is not None]
    return bool(known) and all(isinstance(value, int | float) and not isinstance(value, bool) for value in known)
