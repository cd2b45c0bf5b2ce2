"""Runs that never became whole: found, told once, and their record settled, so that no `.partial` goes unexplained."""

import contextlib
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.artifact.files import PARTIAL
from runbook_lib.core.errors import ArtifactError
from runbook_lib.run.context import is_running, read_context
from runbook_lib.run.home import Home

_OPEN = frozenset({"running", "concluded"})


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
            continue
        if context.state not in _OPEN or is_running(context):
            continue
        concluded = context.state == "concluded"
        why = "it had concluded but was never saved" if concluded else "it was killed before it could conclude"
        with contextlib.suppress(OSError):  # still worth telling; it will be told again
            context.changed(state="killed", why=why).write(folder)
        found.append(Leftover(folder, why))
    return found
