"""What a run is: the record kept in run.json from its first moment on, and the `.partial` folder it lives in until it is whole.

    outputs/<incident>/<procedure>/<run id>.partial/run.json

The runner writes it before a kernel starts, the session in the kernel keeps it current step by step, and whoever ends the
run says how it ended. A run that says `running` and whose process is gone was killed.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import PARTIAL, write_atomic
from runbook_lib.artifact.forms import typed
from runbook_lib.artifact.stranger import StrangersFolder
from runbook_lib.core.clock import from_iso, to_iso
from runbook_lib.core.errors import ArtifactError, UsageError
from runbook_lib.core.model import Json
from runbook_lib.core.redact import our_own
from runbook_lib.run.home import Home
from runbook_lib.run.ids import new_run_id
from runbook_lib.run.library import library_sha256, versions, whoami
from runbook_lib.run.processes import pid_namespace, process_started

RUN_FILE = "run.json"
RUN_VARIABLE = "RUNBOOK_RUN"  # in a kernel that a runner started: the folder of its run
RESERVE = ".reserve"
_RUNNING = "running"
_UNSEEN = timedelta(days=1)


@dataclass(frozen=True)
class RunContext:
    """One run. `state`: running, done, broke, cancelled, deadline, killed, abandoned; `why` explains all but done."""

    run: str
    procedure: str
    incident: str
    target: str
    now: str
    parameters: Mapping[str, Json]
    active: bool
    deadline_s: float | None = None
    origin: str = ""
    executed: tuple[str, ...] = ()
    state: str = _RUNNING
    why: str = ""
    signal: int | None = None
    pid: int = 0
    pid_started: float | None = None
    pid_namespace: int = 0
    continues: str | None = None
    replay_of: str | None = None
    interactive: bool = False
    template_sha256: str = ""
    git: Mapping[str, Json] = field(default_factory=dict)
    who: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    library_sha256: str = ""

    @property
    def is_replay(self) -> bool:
        """Whether a record answers instead of the world."""
        return self.replay_of is not None

    def changed(self, **fields: Any) -> "RunContext":
        """A copy with other values."""
        return replace(self, **fields)

    def write(self, folder: Path) -> None:
        """Keep it as the folder's run.json, atomically."""
        write_atomic(folder / RUN_FILE, our_own(json.dumps(asdict(self), indent=1, sort_keys=True).encode()))


def read_context(folder: Path) -> RunContext:
    """The run a folder belongs to.

    Raises:
        ArtifactError: run.json is missing, or was not written by the runbook.
    """
    try:
        read: RunContext = typed(RunContext, StrangersFolder(folder).json(RUN_FILE))
        from_iso(read.now)
    except (ArtifactError, ValueError, OverflowError) as error:
        raise ArtifactError(
            "Cannot read the run's record",
            where=str(folder / RUN_FILE),
            came_back=error.came_back if isinstance(error, ArtifactError) else str(error)[:200],
            do_next="Give the folder of a run, as `runbook run` printed it.",
        ) from error
    return read


def new_context(
    procedure: str,
    *,
    incident: str,
    target: str,
    parameters: Mapping[str, Json],
    active: bool,
    **more: Any,
) -> RunContext:
    """A run that begins now, in this process; its id is drawn when its folder is made."""
    now = datetime.now(UTC)
    return RunContext(
        run="",
        procedure=procedure,
        incident=incident,
        target=target,
        now=to_iso(now),
        parameters=dict(parameters),
        active=active,
        pid=os.getpid(),
        pid_started=process_started(os.getpid()),
        pid_namespace=pid_namespace(),
        who=whoami(),
        versions=versions(),
        library_sha256=library_sha256(),
        **more,
    )


def make_folder(home: Home, context: RunContext, *, reserve_bytes: int = 0) -> tuple[RunContext, Path]:
    """Make the run's `.partial` folder with its run.json; the id is drawn until the folder is new.

    Args:
        home: where the outputs are.
        context: the run; what is returned carries its id.
        reserve_bytes: kept free in a file RESERVE, so that a disk that fills later still takes the truth.

    Raises:
        UsageError: the outputs folder cannot be written; nothing is left behind.
    """
    parent = home.outputs / context.incident / context.procedure
    made = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    try:
        parent.mkdir(parents=True, exist_ok=True)
        while True:
            named = context.changed(run=new_run_id())
            folder = parent / (named.run + PARTIAL)
            if (parent / named.run).exists():
                continue
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            break
        named.write(folder)
        if reserve_bytes:
            (folder / RESERVE).write_bytes(bytes(reserve_bytes))
    except BaseException as error:
        _undo(made, locals().get("folder"))
        if not isinstance(error, OSError):
            raise
        raise UsageError(
            "Cannot write into the outputs folder",
            where=str(home.outputs),
            came_back=error.strerror or type(error).__name__,
            do_next="Make it writable, free some space, or choose another with --outputs.",
        ) from error
    return named, folder


def is_running(context: RunContext) -> bool:
    """Whether the process that a run belongs to is still there.

    A process of another namespace (a container that shares the folder) cannot be seen from here: until a day after its deadline it
    is taken to run.
    """
    if context.pid_namespace not in (0, pid_namespace()):
        longest = timedelta(seconds=context.deadline_s or 0) + _UNSEEN
        return datetime.now(UTC) < from_iso(context.now) + longest
    return context.pid > 0 and context.pid_started is not None and process_started(context.pid) == context.pid_started


def _undo(made: list[Path], folder: Path | None) -> None:
    """Take back what was made, so that nothing half-written stays."""
    if folder is not None:
        for file in folder.glob("*") if folder.exists() else ():
            file.unlink(missing_ok=True)
        if folder.exists():
            folder.rmdir()
    for each in made:
        try:
            each.rmdir()
        except OSError:
            return
