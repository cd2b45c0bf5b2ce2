"""How long artifacts are kept: RUNBOOK_KEEP_DAYS, enforced by every audit and by `runbook forget`; not set, for ever.

An incident is forgotten as a whole, when its newest run is older than that. It is open, and kept, while any of its runs is younger,
while one is running, and while somebody keeps a file OPEN in its folder. What is removed are sealed artifacts, runs that never
became whole, working copies, and what this machine knows of its people; anything else in the folder is not ours, and stays.
Audits' own folders are cleared by their records (`keep_days` in audits.toml, by default this setting).
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from runbook_lib.artifact.files import MANIFEST, PARTIAL
from runbook_lib.artifact.stranger import StrangersFolder
from runbook_lib.core.clock import from_iso
from runbook_lib.core.errors import ArtifactError, UsageError
from runbook_lib.core.model import Json
from runbook_lib.run.context import RunContext, is_running, read_context
from runbook_lib.run.home import Home
from runbook_lib.run.people import forget_people
from runbook_lib.settings import read_env_file

VARIABLE = "RUNBOOK_KEEP_DAYS"
OPEN = "OPEN"
_AUDITS = "audit-"
_ASIDE = ".forgotten-"


@dataclass(frozen=True)
class Forgotten:
    """An incident whose time is over: its name, the folders and files that go, and how old its newest run is, in days."""

    incident: str
    paths: tuple[Path, ...]
    age_days: float

    def as_dict(self) -> dict[str, Json]:
        """What `forget --json` prints."""
        return {
            "incident": self.incident,
            "removed": [str(path) for path in self.paths],
            "age_days": round(self.age_days, 1),
        }


def keep_days(home: Home) -> float | None:
    """The setting: of this process's environment, else of the home's `.env`; None where it is not set.

    Raises:
        UsageError: it is no number of days above zero.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not text and (home.root / ".env").is_file():
        text = read_env_file(home.root / ".env").get(VARIABLE, "").strip()
    return days_from(text, VARIABLE) if text else None


def days_from(text: str, where: str) -> float:
    """A number of days. Raises UsageError where it is none, or not above zero."""
    try:
        days = float(text)
        if 0 < days < 100_000:
            return days
    except ValueError:
        pass
    raise UsageError(
        "This is no number of days", where=where, came_back=repr(text[:40]), do_next="Give a number above zero: 90."
    )


def expired(home: Home, days: float, now: datetime, *, incident: str | None = None) -> list[Forgotten]:
    """The incidents whose time is over, by name; nothing is touched.

    Args:
        days: how long the newest run of an incident is kept.
        incident: look at this one alone.
    """
    if not home.outputs.is_dir():
        return []
    found = []
    for folder in sorted(home.outputs.iterdir()):
        if folder.is_symlink() or not folder.is_dir() or folder.name.startswith((_AUDITS, ".")):
            continue
        if incident is None or folder.name == incident:
            over = _if_over(folder, days, now)
            found += [over] if over else []
    return found


def forget(home: Home, over: list[Forgotten]) -> None:
    """Remove what was found; what is killed in between is finished by the next call. Raises OSError where it cannot be removed."""
    for left in home.outputs.glob(f"{_ASIDE}*"):
        shutil.rmtree(left)
    for each in over:
        aside = home.outputs / (_ASIDE + secrets.token_hex(4))
        aside.mkdir()
        for number, path in enumerate(each.paths):
            path.rename(aside / str(number))  # whole or not at all: no half of an artifact stays under its name
        shutil.rmtree(aside)
        forget_people(each.incident)
        _remove_empty(home.outputs / each.incident)


def _if_over(folder: Path, days: float, now: datetime) -> Forgotten | None:
    """The incident in a folder, where its time is over and it is ours."""
    runs = [(path, context) for path in sorted(folder.glob("*/*")) if (context := _run_in(path)) is not None]
    if (
        not runs
        or (folder / OPEN).exists()
        or any(is_running(context) for path, context in runs if path.name.endswith(PARTIAL))
    ):
        return None
    newest = max(from_iso(context.now) for _, context in runs)
    if now - newest <= timedelta(days=days):
        return None
    paths = (*(path for path, _ in runs), *_working_copies(folder))
    return Forgotten(folder.name, paths, (now - newest) / timedelta(days=1))


def _run_in(path: Path) -> RunContext | None:
    """The run that a folder is: a sealed artifact or a `.partial`, of the name, procedure and incident that it stands under."""
    if path.is_symlink() or not path.is_dir():
        return None
    is_partial = path.name.endswith(PARTIAL)
    if not is_partial and not (path / MANIFEST).is_file():
        return None
    try:
        context = read_context(path)
    except ArtifactError:
        return None
    stands = (path.name.removesuffix(PARTIAL), path.parent.name, path.parent.parent.name)
    return context if stands == (context.run, context.procedure, context.incident) else None


def _working_copies(folder: Path) -> Iterator[Path]:
    """The notebooks that engineers stepped through, and what JupyterLab kept beside them."""
    for path in sorted(folder.glob("*.ipynb")):
        try:
            notebook = StrangersFolder(folder).json(path.name)
            is_ours = "working_copy" in notebook["metadata"]["runbook"]
        except (ArtifactError, KeyError, TypeError):
            continue
        if is_ours:
            yield path
            checkpoint = folder / ".ipynb_checkpoints" / f"{path.stem}-checkpoint.ipynb"
            if checkpoint.is_file() and not checkpoint.is_symlink():
                yield checkpoint


def _remove_empty(folder: Path) -> None:
    for path in [*sorted(folder.rglob("*"), reverse=True), folder]:
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
