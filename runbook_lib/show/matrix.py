"""The matrix exhibit: rows against columns, one word and one tone per cell, readable at a glance and without color."""

from collections.abc import Mapping

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.html import AMBER, GREEN, RED, Html, join, muted, tag
from runbook_lib.show.text import plural, shorten, text_grid

# tone -> (mark, color, word); a tone that nobody knows is shown as unknown, never as good
TONES: Mapping[str, tuple[str, str, str]] = {
    "good": ("✔", GREEN, "good"),
    "bad": ("✖", RED, "bad"),
    "unknown": ("?", AMBER, "cannot be told"),
    "neutral": ("·", "", "neutral"),
}


def matrix(data: Mapping[str, Json]) -> Display:
    """A matrix `{"rows": […], "columns": […], "cells": [[{"text", "tone"}]]}`; a missing cell is unknown, never good."""
    rows = [shorten(row, 60) for row in data.get("rows") or ()]
    columns = [shorten(column, 40) for column in data.get("columns") or ()]
    given = list(data.get("cells") or ())
    cells = [[_cell(given, row, column) for column in range(len(columns))] for row in range(len(rows))]
    counts = {tone: sum(cell[1] == tone for line in cells for cell in line) for tone in TONES}
    said = " · ".join(f"{TONES[tone][0]} {TONES[tone][2]} {count:,}" for tone, count in counts.items() if count)
    shape = f"{plural(len(rows), 'row')} × {plural(len(columns), 'column')}"
    plain = text_grid(
        ["", *columns],
        [
            [name, *(f"{TONES[tone][0]} {text}".rstrip() for text, tone in line)]
            for name, line in zip(rows, cells, strict=True)
        ],
    )
    head = tag("tr", tag("th"), [tag("th", column, scope="col") for column in columns])
    body = [
        tag("tr", tag("th", name, scope="row"), [_shown(*cell) for cell in line])
        for name, line in zip(rows, cells, strict=True)
    ]
    drawn = tag("table", tag("thead", head), tag("tbody", body), cls="nx-table")
    summary = f"{said or 'no cells'} ({shape})"
    return Display(
        f"{plain}\n{summary}", join([tag("div", drawn, cls="nx-scroll", style="overflow-x:auto"), muted(summary)])
    )


def _cell(given: list[Json], row: int, column: int) -> tuple[str, str]:
    try:
        cell = given[row][column]
        tone = cell["tone"] if cell["tone"] in TONES else "unknown"
        return ("" if cell.get("text") is None else shorten(cell["text"], 80)), tone
    except (IndexError, KeyError, TypeError):
        return "", "unknown"


def _shown(text: str, tone: str) -> Html:
    mark, color, _ = TONES[tone]
    look = f"border-left:4px {'dashed' if tone == 'unknown' else 'solid'} {color}" if color else None
    sign = tag("b", mark, style=f"color:{color}") if color else join(mark)
    return tag("td", sign, " ", text, style=look)
