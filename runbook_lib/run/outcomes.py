"""What became of each cell and of the whole notebook, told truly in its metadata; stock papermill calls all of them completed."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from runbook_lib.core.clock import to_iso
from runbook_lib.core.model import Json


class Outcome(StrEnum):
    """How a cell, or a run, ended. `running` stands in a notebook only while it runs, or after a kill -9."""

    not_run = "not_run"
    running = "running"
    done = "done"
    failed = "failed"
    timed_out = "timed_out"
    kernel_died = "kernel_died"
    cancelled = "cancelled"


# The word stock tools know for each of ours (papermill's `status`, `exception`).
_PAPERMILL = {
    Outcome.not_run: ("pending", None),
    Outcome.running: ("running", False),
    Outcome.done: ("completed", False),
}


@dataclass(frozen=True)
class Ending:
    """How a run of a notebook ended: the outcome, the cell's index it ended in, one sentence, the signal that cancelled it."""

    outcome: Outcome
    cell: int | None = None
    why: str = ""
    signal: int | None = None


def mark_fresh(notebook: Any) -> None:
    """Forget what an earlier run left: outputs, counts, outcomes."""
    notebook.metadata.setdefault("papermill", {})
    notebook.metadata.setdefault("runbook", {})
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        cell.metadata.pop("execution", None)
        mark(cell, Outcome.not_run)


def mark(cell: Any, outcome: Outcome) -> None:
    """Write a cell's outcome into its metadata, in our words and in papermill's, with its times."""
    now = to_iso(datetime.now(UTC))
    status, exception = _PAPERMILL.get(outcome, ("failed", True))
    ours = dict(cell.metadata.get("runbook", {}))
    theirs = {"start_time": None, "end_time": None, "duration": None, **cell.metadata.get("papermill", {})}
    ours["outcome"] = str(outcome)
    theirs.update(status=status, exception=exception)
    if outcome is Outcome.not_run:
        theirs.update(start_time=None, end_time=None, duration=None)
    elif outcome is Outcome.running:
        theirs.update(start_time=now, end_time=None, duration=None)
    else:
        theirs["end_time"] = now
        if theirs["start_time"]:
            span = datetime.fromisoformat(now) - datetime.fromisoformat(theirs["start_time"])
            theirs["duration"] = span.total_seconds()
    cell.metadata["runbook"] = ours
    cell.metadata["papermill"] = theirs


def mark_ending(notebook: Any, ending: Ending) -> None:
    """Write how the run ended into the notebook's metadata."""
    said: dict[str, Json] = {"outcome": str(ending.outcome)}
    if ending.why:
        said["why"] = ending.why
    if ending.signal is not None:
        said["signal"] = ending.signal
    notebook.metadata["runbook"] = {**notebook.metadata.get("runbook", {}), **said}
    failed = ending.outcome not in (Outcome.done, Outcome.running)
    notebook.metadata["papermill"] = {**notebook.metadata.get("papermill", {}), "exception": failed or None}


def name_of(cell: Any) -> str:
    """A cell in words: its step's name where it has one, else its first line."""
    for tag in cell.metadata.get("tags", []):
        if tag.startswith("step:"):
            return str(tag.removeprefix("step:"))
    first = next((line.strip() for line in cell.source.splitlines() if line.strip()), "an empty cell")
    return first if len(first) <= 80 else first[:77] + "…"
