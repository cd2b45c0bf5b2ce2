"""`runbook run` from the checked request to the sealed artifact: kernel first, papermill while it starts, the truth at the end.

Everything that can be refused is refused in `prepare`, before a folder is made or a kernel started. After that the run
always leaves a folder that says how it ended: the artifact, or a `.partial`.
"""

import contextlib
import json
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from runbook_lib.artifact.files import NOTEBOOK, OBSERVATIONS, REPORT, VERDICT, write_atomic
from runbook_lib.artifact.record import read_looks
from runbook_lib.core.clock import Window, from_iso
from runbook_lib.core.errors import RunbookError
from runbook_lib.core.model import Json, VerdictStatus
from runbook_lib.core.os_errors import what_failed
from runbook_lib.core.redact import Redactor, our_own
from runbook_lib.io.observe import Observer
from runbook_lib.run.context import RESERVE, RUN_VARIABLE, RunContext, make_folder, new_context, read_context
from runbook_lib.run.engine import ending_of, seconds_from_now
from runbook_lib.run.home import Home
from runbook_lib.run.ids import checked_incident, default_incident
from runbook_lib.run.inject import inject
from runbook_lib.run.kernels import Kernel
from runbook_lib.run.library import git_state
from runbook_lib.run.notebooks import Template, find_template
from runbook_lib.run.opening import make_redactor, mask_parameters
from runbook_lib.run.outcomes import Ending, Outcome
from runbook_lib.run.parameters import check_parameters, declared_parameters
from runbook_lib.run.saving import Saver
from runbook_lib.run.sealing import seal_run, write_report
from runbook_lib.run.stops import Stopped, Stops, stops_as_exceptions
from runbook_lib.run.targets import Target, refuse_unconfigured, resolve_target
from runbook_lib.run.verdicts import EXIT_OF, conclude_cut_off, make_verdict, verdict_document

DEFAULT_DEADLINE_S = 900.0
_RESERVE_BYTES = 256 * 1024
_STATE = {
    Outcome.failed: "broke",
    Outcome.kernel_died: "broke",
    Outcome.not_run: "broke",
    Outcome.running: "broke",
    Outcome.cancelled: "cancelled",
    Outcome.timed_out: "deadline",
}


@dataclass(frozen=True)
class PreparedRun:
    """A run that may begin: everything about it has been checked, and nothing has been written."""

    home: Home
    template: Template
    values: Mapping[str, Json]
    target: Target
    redactor: Redactor
    context: RunContext


@dataclass(frozen=True)
class RunResult:
    """How a run ended. `folder` is the artifact, or the `.partial`; `manifest_sha256` only where it is whole."""

    exit_code: int
    state: str
    why: str
    folder: Path
    verdict: dict[str, Json] | None
    manifest_sha256: str | None = None

    def as_dict(self) -> dict[str, Json]:
        """What `run --json` prints: the verdict, and where the artifact is."""
        return {
            **(self.verdict or {"status": None}),
            "exit_code": self.exit_code,
            "state": self.state,
            "why": self.why,
            "artifact": str(self.folder),
            "report": str(self.folder / REPORT),
            "manifest_sha256": self.manifest_sha256,
        }


def prepare(
    procedure: str,
    given: Mapping[str, Any],
    *,
    from_text: bool = True,
    target: str | None = None,
    incident: str | None = None,
    active: bool | None = None,
    deadline_s: float | None = DEFAULT_DEADLINE_S,
    home: Home | None = None,
    environ: Mapping[str, str] | None = None,
) -> PreparedRun:
    """Check everything about a run that can be checked before it begins.

    Args:
        environ: where the target is read from; None means this process's environment.

    Raises:
        UsageError: unknown procedure or parameter, a value of another type, a secret in clear, an unsafe incident, no target.
    """
    home = home or Home.find()
    incident = checked_incident(default_incident() if incident is None else incident)
    template = find_template(home, procedure)
    parameters = declared_parameters(template)
    values = check_parameters(parameters, given, from_text=from_text)
    looked_at = resolve_target(home, target, environ)
    refuse_unconfigured(home, looked_at, environ)
    check_parameters(parameters, given, from_text=from_text, redactor=Redactor(looked_at.settings.secret_values()))
    redactor = make_redactor(looked_at, incident, values)
    context = new_context(
        template.stem,
        incident=incident,
        target=looked_at.name,
        parameters=mask_parameters(values, redactor),
        active=looked_at.is_sandbox if active is None else active,
        deadline_s=deadline_s,
        origin=looked_at.origin,
        template_sha256=template.sha256,
    )
    _refuse_early(home, template, context, values)
    return PreparedRun(home, template, values, looked_at, redactor, context)


def run_notebook(prepared: PreparedRun, on_cell: Callable[[Any], None] | None = None) -> RunResult:
    """Run a prepared notebook in a kernel of its own and leave its artifact, or a `.partial` that says why not.

    Args:
        prepared: see `prepare`.
        on_cell: called with each cell that begins or ends, for progress.

    Raises:
        UsageError: the outputs folder cannot be written; nothing ran.
    """
    run: _Run | None = None
    with stops_as_exceptions() as stops:
        try:
            with stops.put_off():  # a folder that is half made could not say that the run was cancelled
                context, folder = make_folder(prepared.home, prepared.context, reserve_bytes=_RESERVE_BYTES)
                run = _Run(prepared, context, folder, on_cell or (lambda _: None), stops)
            return run.execute()
        except Stopped as stopped:
            if run is None:
                raise SystemExit(128 + stopped.signum) from None
            return run.end_incomplete(
                "cancelled", f"cancelled by {signal.Signals(stopped.signum).name}", stopped.signum
            )
        except Exception as error:
            if run is None:
                raise
            if isinstance(error, OSError):
                return run.end_incomplete("broke", what_failed(error))
            ended = run.end_incomplete("broke", str(error) or type(error).__name__)
            if isinstance(error, RunbookError):
                return ended
            raise  # a bug of ours: its traceback belongs on the terminal


class _Run:
    """One run that has its folder."""

    def __init__(
        self, prepared: PreparedRun, context: RunContext, folder: Path, on_cell: Callable[[Any], None], stops: Stops
    ) -> None:
        self._prepared, self._context, self._folder = prepared, context, folder
        self._on_cell, self._stops = on_cell, stops
        self._saver = Saver(folder / NOTEBOOK, prepared.redactor)
        self._kernel: Kernel | None = None

    def execute(self) -> RunResult:
        """Kernel, papermill, cells; then the verdict, the report and the seal."""
        deadline = seconds_from_now(self._context.deadline_s)
        try:
            with self._stops.put_off():  # a kernel that nobody knows of could not be ended
                self._kernel = Kernel(Path.cwd(), self._environment())
            self._context = self._context.changed(git=git_state(self._prepared.home.root))
            self._context.write(self._folder)
            notebook = self._through_papermill(self._kernel, deadline)
        finally:
            if self._kernel is not None:
                self._kernel.kill()
        self._context = read_context(self._folder)
        ending = ending_of(notebook)
        if ending.outcome is Outcome.done and not (self._folder / VERDICT).exists():
            ending = Ending(Outcome.failed, None, "the notebook ended without a conclusion")
        state = "done" if ending.outcome is Outcome.done else _STATE[ending.outcome]
        if state == "deadline" and (self._folder / VERDICT).exists():
            state = "done"  # it had concluded; what was cut off is an engineer's own cell, and its outcome says so
        if state == "deadline":
            self._conclude_cut_off(ending.why)
        elif state != "done":
            return self.end_incomplete(state, ending.why, ending.signal)
        return self._seal(state, ending.why)

    def end_incomplete(self, state: str, why: str, signum: int | None = None) -> RunResult:
        """Leave a `.partial` that says how the run ended, with the notebook and a report as far as it got."""
        (self._folder / RESERVE).unlink(missing_ok=True)
        exit_code = 128 + signum if signum is not None else 5
        try:
            context = read_context(self._folder)
        except RunbookError:
            context = self._context
        context = context.changed(state=state, why=self._prepared.redactor.text(why)[:4000], signal=signum)
        try:
            if not (self._folder / NOTEBOOK).exists():
                write_atomic(
                    self._folder / NOTEBOOK,
                    self._prepared.redactor.data(orjson.dumps(self._prepared.template.document)),
                )
            write_report(self._folder, context, self._prepared.redactor)
        except OSError as error:
            why = f"{why}; and the folder could not be completed: {what_failed(error)}"
        with contextlib.suppress(OSError):  # last, and tried in any case: until it says so, the run counts as killed
            context.changed(why=self._prepared.redactor.text(why)[:4000]).write(self._folder)
        return RunResult(exit_code, state, why, self._folder, None)

    def _through_papermill(self, kernel: Kernel, deadline: float | None) -> Any:
        from papermill import execute_notebook
        from papermill.exceptions import PapermillExecutionError
        from papermill.execute import remove_error_markers

        notebook = inject(self._prepared.template.document, self._prepared.values, self._metadata())
        with contextlib.suppress(PapermillExecutionError):  # what failed is in the cells' own metadata
            execute_notebook(
                notebook,
                None,
                engine_name="runbook",
                kernel_name="runbook-python",
                progress_bar=False,
                kernel=kernel,
                saver=self._saver,
                deadline=deadline,
                on_cell=self._on_cell,
            )
        executed = remove_error_markers(self._saver.notebook)
        self._saver.save_now(executed, durable=True)
        return executed

    def _conclude_cut_off(self, why: str) -> None:
        """Write the verdict of a run that its deadline ended."""
        self._context = self._context.changed(state="deadline", why=why)
        (self._folder / OBSERVATIONS).touch()  # a kernel that was still starting had not made it
        looks = read_looks(self._folder)
        conclusion = conclude_cut_off(self._context.procedure, looks, why)
        assert conclusion.status is VerdictStatus.could_not_tell
        now = from_iso(self._context.now)
        observer = Observer(now=now, record=[])
        observer.observations.extend(looks)
        window = self._window() or Window(now, now)
        verdict = verdict_document(make_verdict(self._context, conclusion, observer, window), self._prepared.redactor)
        verdict["verdict_s"] = self._context.deadline_s
        write_atomic(self._folder / VERDICT, our_own(orjson.dumps(verdict, option=orjson.OPT_INDENT_2)))

    def _window(self) -> Window | None:
        observer = Observer(now=from_iso(self._context.now), record=[])
        try:
            values = self._prepared.values
            return self._prepared.home.procedure(self._context.procedure, values)(observer, values).window
        except RunbookError:
            return None

    def _seal(self, state: str, why: str) -> RunResult:
        (self._folder / RESERVE).unlink(missing_ok=True)
        context = self._context.changed(state=state, why=why)
        write_report(self._folder, context, self._prepared.redactor)
        context.write(self._folder)  # after everything else: a `.partial` that says so lacks its seal alone
        verdict = json.loads((self._folder / VERDICT).read_bytes())
        sealed = seal_run(self._folder, context)
        status = VerdictStatus(verdict["status"])
        exit_code = 3 if state == "deadline" else EXIT_OF[status]
        return RunResult(exit_code, state, why, sealed.folder, verdict, sealed.manifest_sha256)

    def _environment(self) -> dict[str, str]:
        """What the kernel is told beside what this process was told: its run, its home, its target."""
        told = {RUN_VARIABLE: str(self._folder), **self._prepared.home.environment()}
        if self._prepared.target.is_sandbox:
            told["RUNBOOK_SANDBOX"] = self._prepared.target.origin
        return told

    def _metadata(self) -> dict[str, Json]:
        context = self._context
        return {
            "run": context.run,
            "incident": context.incident,
            "target": context.target,
            "parameters": dict(context.parameters),
            "template_sha256": context.template_sha256,
        }


def _refuse_early(home: Home, template: Template, context: RunContext, values: Mapping[str, Json]) -> None:
    """Let the procedure itself refuse what types cannot: a window that ends before it begins, a time without zone."""
    observer = Observer(now=from_iso(context.now), record=[])
    home.procedure(template.stem, values)(observer, values)
