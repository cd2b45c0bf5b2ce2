"""Puts checked parameters into a copy of a template: as data, in a cell of their own after the `parameters` cell."""

import copy
from collections.abc import Mapping
from typing import Any

from runbook_lib.core.model import Json
from runbook_lib.run.notebooks import tags

INJECTED = "injected-parameters"


def inject(document: Json, values: Mapping[str, Json], metadata: Mapping[str, Json]) -> Any:
    """The template as nbformat's nodes, with the values assigned and the run's own metadata added.

    Args:
        document: the template's JSON; not changed.
        values: checked; their names are identifiers that the template declares, their values plain JSON.
        metadata: goes into `metadata.runbook`.
    """
    from nbformat import from_dict

    notebook: Any = from_dict(copy.deepcopy(document))  # type: ignore[no-untyped-call]
    notebook.cells = [_joined(cell) for cell in notebook.cells if INJECTED not in tags(cell)]
    at = next(index for index, cell in enumerate(notebook.cells) if "parameters" in tags(cell))
    cell = from_dict(  # type: ignore[no-untyped-call]
        {
            "cell_type": "code",
            "id": "injected-parameters",
            "metadata": {"tags": [INJECTED]},
            "execution_count": None,
            "outputs": [],
            "source": "# Parameters of this run\n" + "\n".join(f"{name} = {value!r}" for name, value in values.items()),
        }
    )
    notebook.cells.insert(at + 1, cell)
    notebook.metadata.setdefault("papermill", {})
    notebook.metadata["runbook"] = {**notebook.metadata.get("runbook", {}), **metadata}
    return notebook


def _joined(cell: Any) -> Any:
    """A cell whose source is one text, as nodes have it in memory."""
    if isinstance(cell.source, list):
        cell.source = "".join(cell.source)
    return cell
