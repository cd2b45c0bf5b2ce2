"""Runs an audit's jobs side by side, each in a process of its own, so that one that hangs or breaks takes no other with it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runbook_lib.artifact.files import PARTIAL
from runbook_lib.core.clock import to_iso
from runbook_lib.core.errors import UsageError
from runbook_lib.core.model import Json, VerdictStatus
from runbook_lib.run.audits.doctoring import verdict_of_report
from runbook_lib.run.audits.jobs import DOCTOR, Job, Plan
from runbook_lib.run.audits.record import RUNNING, JobResult, Record
from runbook_lib.run.ids import new_run_id
from runbook_lib.run.library import library_sha256, runbook_version
from runbook_lib.run.stops import Stopped, stops_as_exceptions

Tell = Callable[[Job, "JobResult | None"], None]

_OVERTIME_S = 30.0  # what a run may need beyond its own deadline to conclude, report and seal
_GRACE_S = 15.0
_KEPT = ("causes", "also", "states", "blind")


class Cancelled(BaseException):
    """Somebody ended the audit; `record` holds what had been done."""

    def __init__(self, signum: int, record: Record) -> None:
        super().__init__(signum)
        self.signum, self.record = signum, record


def run_audit(
    plan: Plan,
    tell: Tell,
    *,
    workers: int | None = None,
    command: Sequence[str] | None = None,
    keep: Callable[[Record], object] = lambda _: None,
) -> Record:
    """Run every job and return what they came to, in the plan's order.

    Args:
        tell: called with a job as it begins, and again with what it came to.
        workers: how many run at once; by default one for each core.
        command: what runs a job; by default this environment's `runbook`.
        keep: called with the record as far as it got, as the audit begins and after each job, so that a killed one leaves it.

    Raises:
        Cancelled: SIGTERM or Ctrl-C; what was running has been ended, and left its `.partial`.
    """
    started = datetime.now(UTC)
    work = _Work(plan, tell, command or [str(Path(sys.executable).with_name("runbook"))], started, keep)
    keep(work.record(RUNNING))
    with stops_as_exceptions(), ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        futures = [pool.submit(work.do, job) for job in plan.jobs]
        try:
            for future in futures:
                future.result()
        except Stopped as stopped:
            for future in futures:
                future.cancel()
            work.end_all()
            pool.shutdown()
            raise Cancelled(stopped.signum, work.record("cancelled")) from None
    return work.record("done")


class _Work:
    """The jobs under way and what the others came to."""

    def __init__(
        self, plan: Plan, tell: Tell, command: Sequence[str], started: datetime, keep: Callable[[Record], object]
    ) -> None:
        self._plan, self._tell, self._command, self._keep = plan, tell, command, keep
        self._started, self._id = started, new_run_id(started)
        self._results: dict[tuple[str, str, str], JobResult] = {}
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False
        self._lock = threading.Lock()

    def do(self, job: Job) -> None:
        """Run one job to its result."""
        self._tell(job, None)
        began = time.monotonic()
        limit_s = self._plan.audit.deadline_s + _OVERTIME_S
        process = self._start(job)
        if process is None:
            return
        try:
            out, err = process.communicate(timeout=limit_s)
            hung = False
        except subprocess.TimeoutExpired:
            hung = True
            _end(process)
            out, err = process.communicate()
        with self._lock:
            self._running.discard(process)
        why = f"it did not end within {limit_s:g} s" if hung else _last_words(err)
        result = _result(self._plan, job, 5 if hung else process.returncode, out, why, time.monotonic() - began)
        with self._lock:
            self._results[job.key] = result
            with contextlib.suppress(UsageError):  # the whole record is written in the end, and says what is wrong then
                self._keep(self.record(RUNNING))
        self._tell(job, result)

    def end_all(self) -> None:
        """Begin nothing more, and end what runs."""
        with self._lock:
            self._ended = True
            running = list(self._running)
        for process in running:
            _signal(process, signal.SIGTERM)
        for process in running:
            _end(process)

    def record(self, state: str) -> Record:
        """The audit as far as it got."""
        done = [self._results[job.key] for job in self._plan.jobs if job.key in self._results]
        return Record(
            name=self._plan.name,
            id=self._id,
            started_at=to_iso(self._started),
            ended_at=to_iso(datetime.now(UTC)),
            state=state,
            results=tuple(done),
            runbook_version=runbook_version(),
            library_sha256=library_sha256(),
        )

    def _start(self, job: Job) -> "subprocess.Popen[str] | None":
        with self._lock:
            if self._ended:
                return None
            process = subprocess.Popen(
                [*self._command, *_arguments(self._plan, job)],
                env={**os.environ, **self._plan.home.environment()},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,  # Ctrl-C is this process's business, which ends its jobs in order
            )
            self._running.add(process)
            return process


def _arguments(plan: Plan, job: Job) -> list[str]:
    if job.procedure == DOCTOR:
        return [DOCTOR, *job.procedures, "--target", job.target, "--json"]
    given = [word for name, value in job.parameters.items() for word in ("-p", f"{name}={_text(value)}")]
    active = {True: ["--active"], False: ["--passive"], None: []}[plan.audit.active]
    return [
        "run", job.procedure, *given, "--target", job.target, "--incident", plan.incident,
        "--deadline", str(plan.audit.deadline_s), "--outputs", str(plan.home.outputs), *active, "--json",
    ]  # fmt: skip


def _text(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _result(plan: Plan, job: Job, exit_code: int, out: str, why: str, seconds: float) -> JobResult:
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        told = {}
    verdict = verdict_of_report(told) if job.procedure == DOCTOR and "sources" in told else told
    status = verdict.get("status")
    kept = {key: _brief(verdict.get(key, ())) for key in _KEPT} if status else {}
    folder = Path(str(told["artifact"])) if told.get("artifact") else None
    if job.procedure == DOCTOR and status:
        exit_code = 1 if status == VerdictStatus.confirmed else 0
    return JobResult(
        procedure=job.procedure,
        target=job.target,
        org=job.org,
        exit_code=exit_code,
        status=status,
        why="" if status else why or str(told.get("why", "")),
        seconds=round(seconds, 1),
        verdict={"procedure": job.procedure, "target": job.target, "status": status, **kept} if status else {},
        artifact=os.path.relpath(folder, plan.folder) if folder and not folder.name.endswith(PARTIAL) else None,
    )


def _brief(findings: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    return [{key: each[key] for key in ("code", "subject", "summary", "fingerprint")} for each in findings]


def _last_words(err: str) -> str:
    return next((line for line in reversed(err.strip().splitlines()) if line.strip()), "")[:300]


def _signal(process: "subprocess.Popen[str]", signum: int) -> None:
    try:
        os.killpg(process.pid, signum)
    except ProcessLookupError:
        return


def _end(process: "subprocess.Popen[str]") -> None:
    """Ask a job to end, and kill its process group when it does not."""
    _signal(process, signal.SIGTERM)
    end = time.monotonic() + _GRACE_S
    while process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    if process.poll() is None:
        _signal(process, signal.SIGKILL)
