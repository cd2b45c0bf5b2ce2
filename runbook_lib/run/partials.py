"""Runs that never became whole: found, told once, and their record settled, so that no `.partial` goes unexplained."""

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.artifact.files import PARTIAL, remove_drafts
from runbook_lib.core.errors import ArtifactError, RunbookError
from runbook_lib.run.context import RESERVE, RunContext, is_running, read_context
from runbook_lib.run.home import Home
from runbook_lib.run.sealing import seal_run

_YOUNG_S = 60.0
_OPEN = frozenset({"running", "concluded"})
_WHOLE = frozenset({"done", "deadline"})  # written last: but for the seal, everything is there


@dataclass(frozen=True)
class Leftover:
    """A `.partial` that no process works on any more, and what became of it."""

    folder: Path
    why: str


def settle_killed(home: Home) -> list[Leftover]:
    """Find the runs that were killed since the last look, write down that they were, and return them.

    A run that said itself how it ended (cancelled, broke) has told already and is not returned.
    """
    found = []
    for folder in sorted(home.outputs.glob(f"*/*/*{PARTIAL}")):
        try:
            context = read_context(folder)
        except ArtifactError:
            if _holds_nothing(folder):
                found.append(Leftover(folder, "it was killed as it began, and held nothing: it was removed"))
            continue
        if context.state not in _OPEN | _WHOLE or is_running(context):
            continue
        if context.state in _WHOLE:
            found.append(_completed(folder, context))
            continue
        concluded = context.state == "concluded"
        why = "it had concluded but was never saved" if concluded else "it was killed before it could conclude"
        with contextlib.suppress(OSError):  # still worth telling; it will be told again
            context.changed(state="killed", why=why).write(folder)
        found.append(Leftover(folder, why))
    return found


def _holds_nothing(folder: Path) -> bool:
    """Remove a folder that was made and got nothing, not even its run.json; whether it was one. A young one may get it yet."""
    with contextlib.suppress(OSError):
        if time.time() - folder.stat().st_mtime > _YOUNG_S:
            remove_drafts(folder)
            (folder / RESERVE).unlink(missing_ok=True)
            folder.rmdir()  # refuses where anything is left
            return True
    return False


def _completed(folder: Path, context: RunContext) -> Leftover:
    """Seal a run that was killed between its end and its seal; what it had is all there."""
    try:
        remove_drafts(folder)
        sealed = seal_run(folder, context)
    except (OSError, RunbookError) as error:
        return Leftover(folder, f"it had ended, and cannot be sealed: {error}")
    return Leftover(sealed.folder, f"it was killed before it was sealed, and is sealed now: {sealed.manifest_sha256}")
