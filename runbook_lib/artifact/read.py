"""Reads what an artifact says, and tells clearly where one is corrupt."""

from pathlib import Path

from runbook_lib.artifact.files import MANIFEST, RESTORE, SEAL, VERDICT
from runbook_lib.artifact.forms import VerdictForm, fault_of
from runbook_lib.artifact.stranger import StrangersFolder
from runbook_lib.core.errors import ArtifactError, UsageError
from runbook_lib.core.model import Json


def refuse_what_is_none(folder: Path) -> None:
    """See that a folder may be an artifact. Raises UsageError where there is none, or neither manifest nor seal in it."""
    if folder.is_dir() and any((folder / name).is_symlink() or (folder / name).exists() for name in (MANIFEST, SEAL)):
        return
    raise UsageError(
        "This is not an artifact",
        where=str(folder),
        came_back=f"there is no {MANIFEST} in it" if folder.is_dir() else "no such folder",
        do_next="Give the folder that `runbook run` printed: outputs/<incident>/<procedure>/<run>.",
    )


def read_verdict(folder: Path) -> dict[str, Json]:
    """An artifact's verdict.json, in the form that its readers rely on.

    Raises:
        UsageError: the folder is not an artifact, or its verdict cannot be read or has another form.
    """
    refuse_what_is_none(folder)
    try:
        verdict: dict[str, Json] = StrangersFolder(folder).json(VERDICT)
    except ArtifactError as error:
        raise corrupt(error) from error
    if why := fault_of(VerdictForm, verdict):
        raise corrupt(ArtifactError("", where=str(folder / VERDICT), came_back=why))
    return verdict


def corrupt(error: ArtifactError) -> UsageError:
    """The same as wrong use (exit 2): whoever gave the folder has to give another."""
    return UsageError("This artifact is corrupt", where=error.where, came_back=error.came_back, do_next=RESTORE)
