"""Many cases on a few sandboxes side by side: each worker keeps one sandbox as long as there are cases that fit it."""

import contextlib
import os
import queue
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from runbook_lib.core.errors import RunbookError
from runbook_lib.drills.failed_request.faults_parts import make_history
from runbook_lib.drills.kit.case import Case, SandboxKey
from runbook_lib.drills.kit.needs import missing_needs
from runbook_lib.drills.kit.run_case import Outcome, run_case
from runbook_lib.sandbox import Sandbox

WORKERS = 4


class Arena:
    """Runs cases in the background; `futures` holds each one's outcome by its id.

    Args:
        cases: what to run; those that need the same kind of sandbox follow each other.
        kernel: whether the real notebook is run; a function of the case.
        workers: how many sandboxes stand side by side.
    """

    def __init__(self, cases: Sequence[Case], kernel: Callable[[Case], bool], workers: int = WORKERS) -> None:
        self.futures: dict[str, Future[Outcome]] = {case.id: Future() for case in cases}
        self._kernel = kernel
        self._groups: dict[SandboxKey, queue.SimpleQueue[Case]] = defaultdict(queue.SimpleQueue)
        self._left: dict[SandboxKey, int] = defaultdict(int)
        self._at_work: dict[SandboxKey, int] = defaultdict(int)
        for case in cases:
            self._groups[case.sandbox_key].put(case)
            self._left[case.sandbox_key] += 1
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, daemon=True, name=f"drill-{n}")
            for n in range(max(1, min(workers, len(cases))))
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Begin no further case, and wait until the sandboxes are down. Cases that did not run are cancelled."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        for future in self.futures.values():
            future.cancel()

    def _next(self, fitting: SandboxKey | None) -> Case | None:
        """A case for the sandbox at hand, else one of the group where a further sandbox has most to do; None when all are taken."""
        with self._lock:
            if self._stopped.is_set():
                return None
            left = {key: count for key, count in self._left.items() if count}
            key = fitting if fitting in left else None
            if key is None:
                if fitting is not None:
                    self._at_work[fitting] -= 1
                if not left:
                    return None
                key = max(left, key=lambda each: left[each] / (1 + self._at_work[each]))
                self._at_work[key] += 1
            self._left[key] -= 1
            return self._groups[key].get_nowait()

    def _work(self) -> None:
        sandbox: Sandbox | None = None
        fitting: SandboxKey | None = None
        try:
            while (case := self._next(fitting)) is not None:
                if sandbox is not None and case.sandbox_key != fitting:
                    sandbox.down()
                    sandbox = None
                fitting = case.sandbox_key
                sandbox = self._run(case, sandbox)
        finally:
            if sandbox is not None:
                sandbox.down()

    def _run(self, case: Case, sandbox: Sandbox | None) -> Sandbox | None:
        """Run one case; returns the sandbox if it is good for another one."""
        future = self.futures[case.id]
        future.set_running_or_notify_cancel()
        if lacks := missing_needs(case):
            future.set_result(Outcome(case, None, None, 0.0, lacks=lacks))
            return sandbox
        try:
            sandbox = sandbox or new_sandbox(**dict(case.options))
            future.set_result(run_case(case, sandbox, kernel=self._kernel(case)))
            return sandbox
        except RunbookError as error:
            future.set_result(Outcome(case, None, None, 0.0, f"{type(error).__name__}: {error}"[:500]))
        except BaseException as error:  # a bug of ours: it belongs to whoever waits for the outcome
            future.set_exception(error)
        if sandbox is not None:
            with contextlib.suppress(RunbookError):
                sandbox.down()
        return None


def new_sandbox(**options: Any) -> Sandbox:
    """A sandbox of a drill's own, with an ordinary hour behind it."""
    sandbox = Sandbox.up(f"drill-{os.getpid()}-{uuid.uuid4().hex[:6]}", foreground=True, **options)
    try:
        make_history(sandbox)
    except BaseException:
        sandbox.down()
        raise
    return sandbox


@contextmanager
def arena(cases: Sequence[Case], kernel: Callable[[Case], bool], workers: int = WORKERS) -> Iterator[Arena]:
    """Cases running in the background; left with every sandbox down."""
    running = Arena(cases, kernel, workers)
    running.start()
    try:
        yield running
    finally:
        running.stop()
