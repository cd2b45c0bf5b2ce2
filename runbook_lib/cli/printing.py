"""What the terminal shows: results on standard output, everything about them on standard error, redacted.

Every line leaves at once: into a pipe Python would keep it until the command ends, and whoever reads it may wait for it.
"""

import io
import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from runbook_lib.core.errors import RunbookError
from runbook_lib.core.model import Json
from runbook_lib.core.visible import visible, visible_lines


class OutputLostError(BaseException):
    """Standard output cannot be written: its reader has gone, or its disk is full. The cause is the OSError that said so."""


def print_result(text: str) -> None:
    """Print a command's result, which may hold others' words: what a terminal would obey is written out.

    Raises OutputLostError: standard output cannot be written; no command catches it.
    """
    _write(visible_lines(text))


def _write(text: str) -> None:
    try:
        print(text, flush=True)  # noqa: T201 (the one place that does)
    except (OSError, ValueError) as error:
        raise OutputLostError from (error if isinstance(error, OSError) else OSError(str(error)))


def print_json(data: Json) -> None:
    """Print a command's result as JSON."""
    print_result(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def print_note(text: str) -> None:
    """Print something about the result, where a program that reads the result does not see it."""
    print(visible_lines(text), file=sys.stderr, flush=True)  # noqa: T201


def print_error(error: RunbookError) -> None:
    """One clear message: what was tried, what came back, what to do next."""
    from runbook_lib.core.redact import Redactor

    clean = Redactor().text(str(error))
    print_note(f"runbook: {visible(clean)}")


def print_bug(error: Exception) -> None:
    """A bug of ours: the traceback, without secrets and without the values of variables."""
    import traceback

    from runbook_lib.core.redact import Redactor

    print_note(Redactor().text("".join(traceback.format_exception(error))))
    print_note("runbook: this is a bug of the runbook itself; nothing it says about the system can be trusted")


def print_address(url: str, notebook: str, *, as_json: bool) -> None:
    """Print where a server listens."""
    print_result(
        json.dumps({"url": url, "notebook": notebook}) if as_json else f"{notebook}\n{url}\n\nCtrl-C ends the server."
    )


def print_table(headings: list[str], rows: list[list[str]]) -> None:
    """Print rows in columns, in color on a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        shown.add_column(heading, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(visible(cell)) for cell in row))
    drawn, is_terminal = io.StringIO(), sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if is_terminal else 200
    Console(file=drawn, force_terminal=is_terminal, highlight=False, width=width).print(shown, end="")
    _write(drawn.getvalue().rstrip("\n"))


def print_leftovers(outputs: Path | None) -> None:
    """Say which runs were killed since the last command, and where what they had is.

    Args:
        outputs: the folder that this command was told to use; None: the usual one.
    """
    from runbook_lib.run.home import Home
    from runbook_lib.run.partials import settle_killed
    from runbook_lib.run.runtime import clear_stale

    clear_stale()
    for each in settle_killed(Home.find(outputs=outputs)):
        print_note(f"runbook: a run did not become whole: {each.why}. What it had: {each.folder}")


class Progress:
    """Shows how a notebook gets on: a line for each step that ended and, on a terminal, what runs at the moment.

    Use as a context manager; `cell` is called with each cell that begins or ends.
    """

    def __init__(self) -> None:
        self._status: Any = None
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True, highlight=False).status("starting the kernel")

    def __enter__(self) -> "Progress":
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def cell(self, cell: Any) -> None:
        """Tell of one cell; those that are no step are passed over."""
        from runbook_lib.run.outcomes import Outcome, name_of

        tags = cell.metadata.get("tags", [])
        if not any(tag in ("setup", "step", "conclusion") for tag in tags):
            return
        name = "opening the run" if "setup" in tags else "concluding" if "conclusion" in tags else name_of(cell)
        name = name.replace("_", " ").replace("-", " ")
        outcome, seconds = cell.metadata["runbook"]["outcome"], cell.metadata["papermill"]["duration"]
        if outcome != Outcome.running:
            line = f"  {name} · {outcome.replace('_', ' ')}" + (f" · {seconds:.1f} s" if seconds else "")
            print_note(line) if self._status is None else self._status.console.print(line, markup=False)
        elif self._status is not None:
            doing = cell.metadata["runbook"].get("doing")
            self._status.update(f"{name} · {doing}" if doing else name)


class Working:
    """Shows how several things at once get on: a line for each that ended and, on a terminal, what runs at the moment.

    Use as a context manager; `show_begin` and `show_end` may be called from any thread.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._running: list[str] = []
        self._lock = threading.Lock()
        self._status: Any = None
        if sys.stderr.isatty():
            from rich.console import Console

            self._status = Console(stderr=True, highlight=False).status(f"0 of {total}")

    def __enter__(self) -> "Working":
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def show_begin(self, name: str) -> None:
        """One of them began."""
        with self._lock:
            self._running.append(name)
            self._show()

    def show_end(self, name: str, how: str) -> None:
        """One of them ended, and how."""
        with self._lock:
            self._running.remove(name)
            self._done += 1
            line = f"  {self._done}/{self._total} {name} · {how}"
            print_note(line) if self._status is None else self._status.console.print(line, markup=False)
            self._show()

    def _show(self) -> None:
        if self._status is not None:
            self._status.update(f"{self._done} of {self._total} · {', '.join(self._running)}")
