"""The notebook an engineer steps through: a copy of the template in the incident's folder, with checked parameters."""

from pathlib import Path

from runbook_lib.artifact.files import write_atomic
from runbook_lib.core.errors import UsageError
from runbook_lib.run.inject import inject
from runbook_lib.run.lab.masking import masked_bytes
from runbook_lib.run.runner import PreparedRun


def write_working_copy(prepared: PreparedRun) -> Path:
    """Write `outputs/<incident>/<procedure>.ipynb`, or the next free `…-2.ipynb`; a copy that exists is never touched.

    Raises:
        UsageError: the outputs folder cannot be written.
    """
    context = prepared.context
    wanted = {"incident": context.incident, "target": context.target, "active": context.active}
    said = {"working_copy": wanted, "template_sha256": context.template_sha256}
    notebook = inject(prepared.template.document, prepared.values, said)
    folder = prepared.home.outputs / context.incident
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = _free(folder, prepared.template.stem)
        write_atomic(path, masked_bytes(notebook, prepared.redactor))
    except OSError as error:
        raise UsageError(
            "Cannot write into the outputs folder",
            where=str(folder),
            came_back=error.strerror or type(error).__name__,
            do_next="Make it writable, free some space, or choose another with --outputs.",
        ) from error
    return path


def _free(folder: Path, stem: str) -> Path:
    """The first name that no file has yet, taken at once so that nobody else gets it."""
    number = 1
    while True:
        path = folder / (f"{stem}.ipynb" if number == 1 else f"{stem}-{number}.ipynb")
        try:
            path.touch(exist_ok=False)
        except FileExistsError:
            number += 1
            continue
        return path
