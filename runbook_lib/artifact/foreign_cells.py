"""Which cells of an artifact's notebook this checkout's template has not: they are told of, and never run."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import NOTEBOOK
from runbook_lib.artifact.stranger import StrangersFolder
from runbook_lib.core.errors import ArtifactError

_MOST_SHOWN, _MOST_LINES = 20, 6
_PARAMETERS = frozenset({"parameters", "injected-parameters"})


def foreign_cells(folder: Path, document: Mapping[str, Any]) -> list[str]:
    """A note on each code cell of an artifact's notebook that the template has not: its number and how its source begins.

    Args:
        folder: the artifact's.
        document: this checkout's own notebook of the procedure.

    Returns:
        notes; empty where every cell is the template's. A notebook that cannot be read is one note.
    """
    try:
        notebook = StrangersFolder(folder).json(NOTEBOOK)
        cells = [_source(cell) for cell in notebook["cells"]]
    except (ArtifactError, KeyError, TypeError) as error:
        why = error.came_back if isinstance(error, ArtifactError) else "no notebook"
        return [f"the artifact's notebook is not shown: {why}"]
    known = {source for cell in document["cells"] if (source := _source(cell))}
    foreign = [(number, source) for number, source in enumerate(cells, 1) if source and source not in known]
    if not foreign:
        return []
    head = f"{len(foreign)} cells of the artifact's notebook are not of this checkout's template; shown, never run:"
    return [head, *(f"cell {number}: {_beginning(source)}" for number, source in foreign[:_MOST_SHOWN])]


def _source(cell: Any) -> str:
    """A code cell's source; empty for prose, for the cell that only sets parameters, and for what is no cell."""
    if not isinstance(cell, dict) or cell.get("cell_type") != "code":
        return ""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    if isinstance(tags, list) and _PARAMETERS & {tag for tag in tags if isinstance(tag, str)}:
        return ""  # never run in a replay: the parameters are those of run.json
    source = cell.get("source", "")
    return (
        source if isinstance(source, str) else "".join(map(str, source)) if isinstance(source, list) else ""
    ).strip()


def _beginning(source: str) -> str:
    lines = [textwrap.shorten(line, 120, placeholder=" …") for line in source.splitlines()[: _MOST_LINES + 1]]
    return " ⏎ ".join(lines[:_MOST_LINES]) + (" …" if len(lines) > _MOST_LINES else "")
