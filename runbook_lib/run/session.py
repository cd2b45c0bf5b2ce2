"""A run as a notebook sees it: opened in the setup cell, one call a step, one call to conclude.

    run = open_run("01_failed_request", globals())
    run.find_the_request()
    run.conclude()

The same session serves a kernel that `runbook run` started, JupyterLab, any other front end, and a replay.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from runbook_lib.artifact.files import PARTIAL, VERDICT, write_atomic
from runbook_lib.core.model import Json
from runbook_lib.core.redact import Redactor, our_own
from runbook_lib.io.observe import Observer
from runbook_lib.procedures.base import Procedure, replay_steps
from runbook_lib.run.context import RunContext
from runbook_lib.run.progress import show_below_the_cell
from runbook_lib.run.verdicts import make_verdict, verdict_document

if TYPE_CHECKING:
    from runbook_lib.show.display import Display

FACTS = "facts.json"
VERDICT_MEDIA_TYPE = "application/vnd.runbook.verdict+json"
RUNNING, CONCLUDED = "running", "concluded"


@dataclass
class OpenRun:
    """What a session works with; `continued` gives the same run another folder once its own has been sealed."""

    context: RunContext
    folder: Path
    procedure: Procedure
    observer: Observer
    redactor: Redactor
    warnings: tuple[str, ...]
    continued: "Callable[[OpenRun], OpenRun]"


class Session:
    """A run that is open: `run.<step>()` for each step of its procedure, then `run.conclude()`."""

    def __init__(self, opened: OpenRun) -> None:
        self._opened = opened

    @property
    def verdict(self) -> dict[str, Json] | None:
        """The verdict as verdict.json holds it; None before the conclusion, and when a step ran again after it."""
        path = self._opened.folder / VERDICT
        return orjson.loads(path.read_bytes()) if path.exists() else None

    @property
    def folder(self) -> Path:
        """Where the run is kept until it is whole."""
        return self._opened.folder

    def conclude(self) -> "VerdictDisplay":
        """Run what has not run, say what is so, and write the verdict down; may be called again."""
        self._keep_open()
        opened = self._opened
        procedure, observer = opened.procedure, opened.observer
        recorded = list(opened.context.executed)
        if opened.context.is_replay and procedure.executed != recorded:
            procedure, observer = _replayed_in_order(opened, recorded)
        conclusion = procedure.conclude()
        context = opened.context.changed(executed=tuple(procedure.executed), state=CONCLUDED)
        verdict = verdict_document(make_verdict(context, conclusion, observer, procedure.window), opened.redactor)
        facts = opened.redactor.own(orjson.dumps(dict(conclusion.facts), default=str, option=orjson.OPT_NON_STR_KEYS))
        write_atomic(opened.folder / FACTS, facts)
        write_atomic(opened.folder / VERDICT, our_own(orjson.dumps(verdict, option=orjson.OPT_INDENT_2)))
        if not opened.context.is_replay:
            self._note(context)
        return VerdictDisplay(verdict, self._where() if context.interactive else "")

    def _where(self) -> str:
        whole = self._opened.folder.name.removesuffix(PARTIAL)
        return f"The artifact is completed when this notebook is saved: {self._opened.folder.with_name(whole)}"

    def _step(self, name: str) -> "Display":
        from runbook_lib.show.step import step_view

        self._keep_open()
        opened = self._opened
        for stale in (VERDICT, FACTS):
            (opened.folder / stale).unlink(missing_ok=True)
        opened.observer.tell = show_below_the_cell()
        view = opened.procedure.run_step(name)
        if not opened.context.is_replay:
            self._note(opened.context.changed(executed=tuple(opened.procedure.executed), state=RUNNING))
        return step_view(view)

    def _note(self, context: RunContext) -> None:
        self._opened.context = context
        context.write(self._opened.folder)

    def _keep_open(self) -> None:
        """A run that was sealed in the meantime goes on in a folder of its own; what is sealed stays as it is."""
        if not self._opened.folder.exists():
            self._opened = self._opened.continued(self._opened)

    def __getattr__(self, name: str) -> "Callable[[], Display]":
        names = [] if name.startswith("_") else [each.name for each in self._opened.procedure.steps()]
        if name in names:
            return lambda: self._step(name)
        near = get_close_matches(name, names, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise AttributeError(f"{self._opened.context.procedure} has no step {name}.{hint} Steps: {', '.join(names)}")

    def __dir__(self) -> list[str]:
        return [*(each.name for each in self._opened.procedure.steps()), "conclude", "folder", "verdict"]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        """The target, large, with the window, the incident and the run."""
        from runbook_lib.show.target import target_banner

        context, window = self._opened.context, self._opened.procedure.window
        replayed = (f"This is a replay of {context.run}: nothing outside is looked at.",) if context.is_replay else ()
        banner = target_banner(
            context.target,
            window,
            context.incident,
            context.run,
            live=context.target != "sandbox",
            warnings=(*replayed, *self._opened.warnings),
        )
        return banner._repr_mimebundle_(include, exclude)


class VerdictDisplay:
    """The verdict as a cell shows it; its data names the run, so that whoever saves the notebook can seal the artifact."""

    def __init__(self, verdict: Mapping[str, Json], note: str) -> None:
        self.verdict, self._note = dict(verdict), note

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        shown = self._display()._repr_mimebundle_(include, exclude)
        keys = ("run", "procedure", "incident", "status", "verdict_sha256")
        return {**shown, VERDICT_MEDIA_TYPE: {key: self.verdict[key] for key in keys}}

    def _display(self) -> "Display":
        from runbook_lib.show.display import Display
        from runbook_lib.show.html import join, tag
        from runbook_lib.show.verdict import verdict_card

        card = verdict_card(self.verdict)
        if not self._note:
            return card
        return Display(f"{card.plain}\n\n{self._note}", join([card.body, tag("p", tag("strong", self._note))]))

    def __repr__(self) -> str:
        return self._display().plain


def _replayed_in_order(opened: OpenRun, executed: list[str]) -> tuple[Procedure, Observer]:
    """The recorded run's steps in the order in which it ran them, repeats included, on an observer that starts afresh."""
    observer = opened.observer.afresh()
    procedure = type(opened.procedure)(observer, opened.procedure.parameters)
    replay_steps(procedure, executed)
    return procedure, observer
