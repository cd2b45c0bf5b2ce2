"""The papermill engine `runbook`: true outcomes, atomic saves at a bounded cost, time-outs, and a clean end on SIGTERM or Ctrl-C.

Used by `runbook run`, and by any other caller of papermill: `papermill --engine runbook in.ipynb out.ipynb`. papermill
loads every engine while it is itself being imported, so nothing of papermill is imported at the top.
"""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from runbook_lib.core.redact import Redactor
from runbook_lib.run.kernels import Kernel
from runbook_lib.run.outcomes import Ending, Outcome, mark_ending, mark_fresh
from runbook_lib.run.saving import Saver


class RunbookEngine:
    """What papermill asks of an engine: execute a notebook, and name its kernel and language."""

    @classmethod
    def execute_notebook(
        cls,
        nb: Any,
        kernel_name: str | None = None,
        output_path: str | None = None,
        *,
        kernel: Kernel | None = None,
        saver: Saver | None = None,
        deadline: float | None = None,
        wanted: Callable[[Any], bool] | None = None,
        on_cell: Callable[[Any], None] | None = None,
        execution_timeout: float | None = None,
        start_timeout: float = 60.0,
        **unused: Any,
    ) -> Any:
        """Execute all cells, save as they go, and leave the truth in the metadata.

        Args:
            nb: the notebook's nodes, parameters injected; changed in place.
            kernel_name: ignored; this engine always brings the kernel `runbook-python`.
            output_path: where to save; not used when `saver` is given, nor for what is no local file.
            kernel: one that was started before papermill was imported; None starts one here.
            saver: saves redacted; None saves to `output_path`, masking what patterns find.
            deadline: monotonic time at which the whole run ends.
            wanted: which cells are run at all.
            on_cell: called when a cell begins or ends.
            execution_timeout: seconds for each cell that names no time-out of its own.
            start_timeout: seconds that the kernel may take to start.
            unused: what papermill gives every engine and this one has no use for.

        Returns:
            the notebook; `metadata.runbook.outcome` says how it ended, each cell's `metadata.runbook.outcome` likewise.
        """
        del kernel_name, unused
        from runbook_lib.run.client import CellRunner

        local = output_path is not None and "://" not in output_path
        saver = saver or Saver(Path(output_path) if local and output_path else None, Redactor())
        mark_fresh(nb)
        mark_ending(nb, Ending(Outcome.running))
        saver.save_now(nb)
        own_run = kernel is None  # nobody above will seal what this notebook concludes
        kernel = kernel or Kernel(Path.cwd(), {})
        try:
            runner = CellRunner(
                nb,
                kernel,
                deadline=deadline,
                on_change=lambda: saver.save_if_due(nb),
                on_cell=on_cell or (lambda _: None),
                wanted=wanted or (lambda _: True),
                cell_timeout_s=execution_timeout,
            )
            ending = runner.run(start_timeout)
        finally:
            kernel.kill()
        mark_ending(nb, ending)
        saver.save_now(nb, durable=True)
        if ending.outcome is Outcome.done and own_run:
            _seal(nb)
        return nb

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Always ours: the engine and its kernel belong together."""
        del nb, name
        return "runbook-python"

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Always Python."""
        del nb, language
        return "python"


def ending_of(notebook: Any) -> Ending:
    """How the engine left a notebook."""
    said: Mapping[str, Any] = notebook.metadata.get("runbook", {})
    cells = enumerate(notebook.cells)
    ended = (Outcome.failed, Outcome.timed_out, Outcome.kernel_died, Outcome.cancelled)
    at = next((i for i, cell in cells if cell.metadata.get("runbook", {}).get("outcome") in ended), None)
    return Ending(Outcome(said.get("outcome", "not_run")), at, said.get("why", ""), said.get("signal"))


def _seal(notebook: Any) -> None:
    """Seal the run that an executed notebook concluded, and say where it is."""
    from papermill.log import logger

    from runbook_lib.run.home import Home
    from runbook_lib.run.saving import notebook_bytes
    from runbook_lib.run.sealing import seal_from_notebook

    if sealed := seal_from_notebook(Home.find(), json.loads(notebook_bytes(notebook))):
        logger.info(f"Artifact: {sealed.folder} {sealed.manifest_sha256}")


def seconds_from_now(seconds: float | None) -> float | None:
    """A deadline on the monotonic clock."""
    return None if seconds is None else time.monotonic() + seconds
