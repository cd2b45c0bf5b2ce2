"""Replays an artifact: this checkout's procedure, answered by the artifact's observations, must reach the same verdict.

What runs is this checkout's own: its procedure, and its own notebook where a kernel is wanted. Of the artifact's files none is
executed; they are data. No settings, no network, no clock are read, and nothing is written into the artifact: the kernel's run
lives in a temporary folder that is thrown away.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runbook_lib.artifact.cells import is_template_cell
from runbook_lib.artifact.files import OBSERVATIONS, RESTORE, VERDICT
from runbook_lib.artifact.foreign_cells import foreign_cells
from runbook_lib.artifact.read import corrupt, read_verdict
from runbook_lib.artifact.record import read_observations
from runbook_lib.artifact.verify import verify
from runbook_lib.core.errors import ArtifactError, NotebookError, RunbookError, UsageError
from runbook_lib.core.model import Json, Observation, VerdictStatus, verdict_sha256
from runbook_lib.core.redact import Redactor
from runbook_lib.run.context import RUN_FILE, RUN_VARIABLE, RunContext, read_context
from runbook_lib.run.engine import RunbookEngine, ending_of
from runbook_lib.run.headless import replay_procedure
from runbook_lib.run.home import Home
from runbook_lib.run.kernels import Kernel
from runbook_lib.run.library import library_sha256
from runbook_lib.run.notebooks import Template, templates
from runbook_lib.run.outcomes import Outcome
from runbook_lib.run.saving import Saver
from runbook_lib.run.verdicts import EXIT_OF
from runbook_lib.settings import Settings, variable_names

DIFFERS = 6
_MOST_STEPS = 1000  # a step may run again and again; each is replayed as often


@dataclass(frozen=True)
class Replay:
    """What a replay said beside what the run had said; `notes` tell what could explain a difference.

    `before` is verdict.json as it lies there, `recorded_sha256` the hash of what it says: not the one that it claims, for
    whoever rewrites a verdict may leave its hash alone.
    """

    before: dict[str, Json]
    after: dict[str, Json]
    state: str
    notes: tuple[str, ...] = ()

    @property
    def recorded_sha256(self) -> str:
        """The hash of what verdict.json says."""
        return verdict_sha256(self.before)

    @property
    def same(self) -> bool:
        """The verdict was reached again: what verdict.json says, and the hash that it claims.

        A verdict of schema 1 says nothing of coverage: its own hash must hold, and its status and codes be reached again.
        """
        if self.before.get("schema") == 1:
            is_whole = self.before["verdict_sha256"] == self.recorded_sha256
            return bool(is_whole and _said(self.before) == _said(self.after))
        return bool(self.before["verdict_sha256"] == self.recorded_sha256 == self.after["verdict_sha256"])

    @property
    def exit_code(self) -> int:
        """As the original run; 6 when the verdict differs."""
        if not self.same:
            return DIFFERS
        return 3 if self.state == "deadline" else EXIT_OF[VerdictStatus(self.after["status"])]

    def as_dict(self) -> dict[str, Json]:
        """What `replay --json` prints."""
        return {
            "same": self.same,
            "status": self.after["status"],
            "verdict_sha256": self.after["verdict_sha256"],
            "recorded": {"status": self.before["status"], "verdict_sha256": self.recorded_sha256},
            "notes": list(self.notes),
            "verdict": self.after,
        }


def replay(
    folder: Path,
    *,
    with_kernel: bool = True,
    though_not_intact: bool = False,
    home: Home | None = None,
    on_cell: Callable[[Any], None] | None = None,
) -> Replay:
    """Replay an artifact.

    Args:
        folder: the artifact's.
        with_kernel: run this checkout's notebook in a kernel; otherwise its procedure in this process.
        though_not_intact: replay what was changed since it was sealed as well.
        home: where the procedures are.
        on_cell: called with each cell that begins or ends.

    Raises:
        UsageError: it is not an artifact, is not intact, is of a procedure that is not known here, or its record cannot be read.
        NotebookError: the notebook broke while it was replayed.
    """
    home = home or Home.find()
    before = read_verdict(folder)
    notes = _changes(folder, is_asked_for=though_not_intact)
    try:
        context = read_context(folder)
        record = read_observations(folder)
    except ArtifactError as error:
        raise corrupt(error) from error
    template = _template_of(folder, context, home)
    if len(context.executed) > _MOST_STEPS:
        raise UsageError(
            "This run has more steps than anybody runs",
            where=str(folder / RUN_FILE),
            came_back=f"{len(context.executed):,} in executed; at most {_MOST_STEPS:,} are replayed",
            do_next=RESTORE,
        )
    if before["verdict_sha256"] != verdict_sha256(before):
        notes.append("verdict.json was changed: it is not what its own hash was taken over")
    if context.library_sha256 != library_sha256():
        notes.append("the runbook has changed since the run")
    notes += foreign_cells(folder, template.document)
    after = _by_the_procedure(folder, context, record, home)
    if with_kernel and context.state != "deadline":
        after = _in_a_kernel(folder, context, template, home, on_cell)
    return Replay(before, after, context.state, tuple(notes))


def _changes(folder: Path, *, is_asked_for: bool) -> list[str]:
    """What a reader should know of an artifact that is not intact; such a one is replayed only where somebody asked for it."""
    found = verify(folder)
    if found.intact:
        return []
    differs = [*found.changed, *found.missing, *found.added]
    names = ", ".join(differs[:5]) + (f" and {len(differs) - 5} more" if len(differs) > 5 else "")
    if not is_asked_for:
        raise UsageError(
            "This artifact is not intact, so a replay proves nothing about its run",
            where=str(folder),
            came_back=f"changed, missing or added: {names}",
            do_next=f"{RESTORE} To replay what lies there all the same, say --not-intact.",
        )
    return [f"this artifact is NOT intact ({names}); `runbook verify` says what was changed"]


def _template_of(folder: Path, context: RunContext, home: Home) -> Template:
    """This checkout's notebook of the run's procedure: looked up among those that there are, by the whole of its name."""
    known = {each.stem: each for each in templates(home)}
    if context.procedure not in known:
        raise UsageError(
            "This artifact is of a procedure that is not known here",
            where=str(folder / RUN_FILE),
            came_back=f"procedure {context.procedure[:60]!r}; known are {', '.join(known) or 'none'}",
            do_next="Replay it with the checkout that it was made with: manifest.json names the commit.",
        )
    return known[context.procedure]


def _by_the_procedure(folder: Path, context: RunContext, record: list[Observation], home: Home) -> dict[str, Json]:
    """The verdict that the procedure reaches in this process."""
    try:
        return replay_procedure(context, record, home).verdict
    except RunbookError:
        raise
    except Exception as error:  # a record may hold anything: what a procedure cannot read is no bug of the runbook's
        raise UsageError(
            "The procedure cannot read this record",
            where=str(folder / OBSERVATIONS),
            came_back=f"{type(error).__name__}: {error}"[:200],
            do_next="Where it is your own and `runbook verify` finds it intact, this is a bug: please report it.",
        ) from error


def _in_a_kernel(
    folder: Path, context: RunContext, template: Template, home: Home, on_cell: Callable[[Any], None] | None
) -> dict[str, Json]:
    from nbformat.v4 import reads

    notebook = reads(json.dumps(template.document))  # type: ignore[no-untyped-call]
    with tempfile.TemporaryDirectory(prefix="runbook-replay-") as name:
        temporary = Path(name)
        context.changed(replay_of=str(folder.absolute()), state="running").write(temporary)
        kernel = Kernel(temporary, {RUN_VARIABLE: name, **home.environment()}, without=_setting_names())
        RunbookEngine.execute_notebook(
            notebook, kernel=kernel, saver=Saver(None, Redactor()), wanted=is_template_cell, on_cell=on_cell
        )
        ending = ending_of(notebook)
        if ending.signal is not None:
            raise SystemExit(128 + ending.signal)
        if ending.outcome is not Outcome.done or not (temporary / VERDICT).exists():
            raise NotebookError(
                "The notebook broke while it was replayed",
                where=template.path.name,
                came_back=ending.why or "it ended without a conclusion",
                do_next="Try --no-kernel; see whether the runbook has changed since the run.",
            )
        verdict: dict[str, Json] = json.loads((temporary / VERDICT).read_bytes())
        return verdict


def _said(verdict: dict[str, Json]) -> list[Json]:
    """Status and codes with their subjects."""
    named = [[each["code"], each["subject"]] for key in ("causes", "also", "states", "blind") for each in verdict[key]]
    return [verdict["status"], *named]


def _setting_names() -> frozenset[str]:
    """Every variable a setting is read from: a replay's kernel is given none of them."""
    return frozenset(name for field in Settings.model_fields for name in variable_names(field))
