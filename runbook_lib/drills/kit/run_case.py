"""One case on one sandbox: break, act as the user, wait as a person would, run the procedure, judge, heal, run again."""

import contextlib
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import OBSERVATIONS
from runbook_lib.artifact.record import read_observations
from runbook_lib.core.errors import ArtifactError, RunbookError, SandboxError
from runbook_lib.drills.failed_request.faults_parts import make_history
from runbook_lib.drills.kit import faults
from runbook_lib.drills.kit.asking import Parameters
from runbook_lib.drills.kit.case import Case, Got, verdict_line, why_wrong
from runbook_lib.drills.kit.commands import runbook
from runbook_lib.drills.kit.fault import Result
from runbook_lib.drills.kit.records import BROKEN, HEALED, Record, record_of
from runbook_lib.run.context import read_context
from runbook_lib.run.headless import HeadlessRun, run_procedure
from runbook_lib.run.targets import Target
from runbook_lib.sandbox import Sandbox
from runbook_lib.sandbox.traffic import USUAL_RATE_PER_S
from runbook_lib.settings import Settings

# The sandbox's spans leave their parts every 0.2 s; a person waits, a drill waits just long enough.
DELAYS = {"RUNBOOK_TRACE_DELAY_S": "0.8", "RUNBOOK_LOG_DELAY_S": "0.4", "RUNBOOK_LOOK_DEADLINE_S": "4"}
_SETTLED_S = 1.0
KERNEL_LIMIT_S = 120.0


@dataclass(frozen=True)
class Outcome:
    """How a case went. `got` None: no verdict; `error` says why. `healed`: the verdict after healing, None where not asked for.
    `lacks`: what the machine lacks for it, so that it did not run. `records`: what its runs saw."""

    case: Case
    got: Got | None
    verdict_s: float | None
    elapsed_s: float
    error: str = ""
    healed: Got | None = None
    verdict: Mapping[str, Any] | None = None
    lacks: str = ""
    records: tuple[Record, ...] = ()

    @property
    def is_correct(self) -> bool:
        """Whether the verdict is the expected one, and, where healing is checked, ruled_out afterwards."""
        return not self.why

    @property
    def why(self) -> str:
        """What is wrong, in a few words; empty where nothing is."""
        if self.lacks:
            return f"did not run: {self.lacks}"
        wrong = why_wrong(self.case, self.got, self.error)
        return wrong or (why_unwell(self.case, self.healed) if self.healed is not None else "")

    def as_dict(self) -> dict[str, Any]:
        """The contract's form, with what went wrong beside it."""
        got = self.got
        return {
            "id": self.case.id,
            "procedure": self.case.procedure,
            "kind": self.case.kind,
            "injected": self.case.injected,
            "expected": {"status": self.case.status, "codes": list(self.case.codes)},
            "got": {"status": got.status, "codes": list(got.codes), "also": list(got.also)} if got else None,
            "correct": self.is_correct,
            "verdict_s": self.verdict_s,
            "why": self.why,
        }


def run_case(case: Case, sandbox: Sandbox, *, kernel: bool) -> Outcome:
    """Run a case and leave the sandbox healed.

    Args:
        kernel: run the real notebook; else the procedure in this process.

    Raises:
        SandboxError: the sandbox could not be healed and is of no more use.
    """
    began = time.monotonic()
    verdict: dict[str, Any] | None = None
    records: list[Record] = []
    healed, error = None, ""
    try:
        verdict = _broken(case, sandbox, kernel, records)
    except (RunbookError, subprocess.TimeoutExpired) as trouble:
        error = f"{type(trouble).__name__}: {trouble}"[:500]
    finally:
        sandbox.heal()
    if case.again is not None and verdict is not None:
        after = _after_healing(case, case.again(sandbox), sandbox)
        records.append(record_of(case.id, HEALED, after))
        healed = Got.of(after.verdict)
    got = Got.of(verdict) if verdict else None
    seconds = float(verdict["verdict_s"]) if verdict else None
    return Outcome(
        case, got, seconds, round(time.monotonic() - began, 2), error, healed, verdict, records=tuple(records)
    )


def _broken(case: Case, sandbox: Sandbox, kernel: bool, records: list[Record]) -> dict[str, Any]:
    """The verdict while the case's faults are on; what the run saw is put into `records`."""
    if case.calm:
        _calm(sandbox)
    since = datetime.now(UTC)
    for injected in case.faults:
        faults.find(injected.code)(sandbox, injected.variant)
    for step in case.before:
        step.apply(sandbox)
    got = _acted(case, sandbox)
    time.sleep(case.settle_s)
    parameters = case.ask(sandbox, got, since)
    for step in case.after:
        step.apply(sandbox)
    variables = {**sandbox.env, **DELAYS, **case.settings}
    if kernel:
        return run_notebook(case, parameters, variables, records)
    run = run_here(case.procedure, parameters, variables, active=case.active)
    records.append(record_of(case.id, BROKEN, run))
    return run.verdict


def _calm(sandbox: Sandbox) -> None:
    """Make what happened so far three hours older, with nothing under way that would become half old, and be ordinary again."""
    sandbox.inject("traffic", rate_per_s=0.0)
    time.sleep(_SETTLED_S)
    sandbox.inject("age", by_s=3 * 3600.0)
    make_history(sandbox)
    sandbox.inject("traffic", rate_per_s=USUAL_RATE_PER_S)


def _acted(case: Case, sandbox: Sandbox) -> Result:
    """What the user got."""
    if case.exercise is not None:
        return case.exercise(sandbox)
    if case.faults:
        first = case.faults[0]
        return faults.find(first.code).exercise(sandbox, first.variant)
    return sandbox.visit("chat")


def _after_healing(case: Case, parameters: Parameters, sandbox: Sandbox) -> HeadlessRun:
    """The run on the healed system."""
    time.sleep(case.settle_s)
    return run_here(case.procedure, parameters, {**sandbox.env, **DELAYS, **case.settings}, active=case.active)


def why_unwell(case: Case, healed: Got) -> str:
    """In a few words why the verdict after healing is not the one that the case expects of a system that is well; else empty."""
    if healed.status == "ruled_out" and set(healed.codes) == set(case.healed_codes):
        return ""
    return f"after healing: {verdict_line(healed.status, healed.codes)}"


def run_here(
    procedure: str, parameters: Parameters, variables: Mapping[str, str], *, active: bool | None = None
) -> HeadlessRun:
    """A procedure run in this process, without a kernel."""
    target = Target("sandbox", Settings.from_mapping(variables, origin="the sandbox"), "the sandbox", variables)
    return run_procedure(procedure, parameters, target=target, incident="drill", active=active)


def run_notebook(
    case: Case,
    parameters: Parameters,
    variables: Mapping[str, str],
    records: list[Record],
    *,
    limit_s: float = KERNEL_LIMIT_S,
) -> dict[str, Any]:
    """The verdict of the real notebook, run as a user runs it: `runbook run`, in a process and a kernel of its own; what its
    artifact says it saw is put into `records`.

    Raises:
        SandboxError: the run brought no verdict.
        subprocess.TimeoutExpired: it took longer than the limit.
    """
    with env_file(variables) as (settings, folder):
        done = runbook(
            "run", case.procedure, *_as_options(parameters), "--incident", "drill", "--target", "sandbox",
            "--outputs", str(folder / "outputs"), "--json", *_as_permission(case.active),
            settings=settings, limit_s=limit_s,
        )  # fmt: skip
        for artifact in (path.parent for path in (folder / "outputs").rglob(OBSERVATIONS)):
            with contextlib.suppress(ArtifactError):  # of a run that broke there may be half a record
                records.append(Record(case.id, BROKEN, read_context(artifact), tuple(read_observations(artifact))))
    try:
        verdict: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        verdict = {}
    if not verdict.get("status"):
        raise SandboxError("The notebook brought no verdict", came_back=(done.stderr or done.stdout)[-600:])
    return verdict


@contextlib.contextmanager
def env_file(variables: Mapping[str, str]) -> Iterator[tuple[Path, Path]]:
    """A settings file that only its owner may read, in a folder of its own: (file, folder). Both are gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="runbook-drill-") as name:
        folder = Path(name)
        path = folder / "settings.env"
        path.touch(mode=0o600)
        path.write_text("".join(f"{key}='{value}'\n" for key, value in variables.items()))
        yield path, folder


def _as_permission(active: bool | None) -> list[str]:
    return [] if active is None else ["--active" if active else "--passive"]


def _as_options(parameters: Parameters) -> list[str]:
    return [word for name, value in parameters.items() for word in ("-p", f"{name}={value}")]
