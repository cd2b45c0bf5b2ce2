"""Reads what an artifact holds, and says clearly where one is corrupt."""

import json
from pathlib import Path

from runbook_lib.artifact.files import MANIFEST, VERDICT, why_unreadable
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json

_NEEDED = ("procedure", "status", "verdict_sha256", "causes", "also", "states", "blind", "suspects", "not_seen")


def read_verdict(folder: Path) -> dict[str, Json]:
    """An artifact's verdict.json.

    Raises:
        UsageError: the folder is not an artifact, or its verdict cannot be read.
    """
    if not folder.is_dir() or not (folder / MANIFEST).exists():
        raise UsageError(
            "This is not an artifact",
            where=str(folder),
            came_back="no such folder" if not folder.exists() else f"there is no {MANIFEST} in it",
            do_next="Give the folder that `runbook run` printed: outputs/<incident>/<procedure>/<run>.",
        )
    try:
        verdict = json.loads((folder / VERDICT).read_bytes())
        missing = [key for key in _NEEDED if key not in verdict]
    except (OSError, ValueError, TypeError) as error:
        raise _corrupt(folder, why_unreadable(error)) from error
    if not isinstance(verdict, dict) or missing:
        raise _corrupt(folder, f"{VERDICT} lacks {', '.join(missing)}")
    return verdict


def _corrupt(folder: Path, problem: str) -> UsageError:
    return UsageError(
        "This artifact is corrupt",
        where=str(folder / VERDICT),
        came_back=problem,
        do_next="`runbook verify` names what was changed; restore it from where it was attached.",
    )
