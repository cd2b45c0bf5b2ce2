"""Executes a notebook's cells in one kernel and tells truly how each ended: nbclient underneath, our own loop above.

The loop watches four things at once: the cell, its own time-out, the whole run's deadline, and whether somebody asked the
run to stop. What has to stop is interrupted first, and killed when it does not heed; its outputs so far are kept.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import Empty
from typing import Any

import zmq
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError

from runbook_lib.run.kernels import Kernel
from runbook_lib.run.outcomes import Ending, Outcome, mark, name_of
from runbook_lib.run.progress import KEY

_GRACE_S = 3.0
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class CellClient(NotebookClient):
    """nbclient with a kernel that is already running, and a watch on it that needs no polling.

    Args:
        notebook: nodes; its cells are changed in place.
        kernel: started by us, ended by us.
        on_output: called after each message that may have changed an output.
        on_progress: called with a cell that tells how it gets on; `metadata.runbook.doing` says it.
    """

    def __init__(
        self, notebook: Any, kernel: Kernel, on_output: Callable[[], None], on_progress: Callable[[Any], None]
    ) -> None:
        super().__init__(notebook, timeout=None, iopub_timeout=30, store_widget_state=True, record_timing=False)
        self._kernel, self._on_output, self._on_progress = kernel, on_output, on_progress

    def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
        """Keep the output, then let the saver look whether it is time."""
        output = super().process_message(msg, cell, cell_index)
        self._on_output()
        doing = msg["content"].get("metadata", {}).get(KEY) if msg["msg_type"].endswith("display_data") else None
        if doing:
            cell.metadata["runbook"]["doing"] = str(doing)
            self._on_progress(cell)
        return output

    async def connect(self, ready_s: float) -> None:
        """Open the channels once the kernel has bound them; raises NotebookError when it does not start."""
        await _readable(self._kernel.ready_end, ready_s)
        self._kernel.check_ready(ready_s)
        manager = AsyncKernelManager(connection_file=str(self._kernel.connection_file), context=zmq.asyncio.Context())
        manager.load_connection_file()
        self.km = manager
        self.kc = manager.client()
        self.kc.start_channels(hb=False)
        self.kc.allow_stdin = False
        info = await self._subscribed(time.monotonic() + ready_s)
        self.nb.metadata["language_info"] = info["content"]["language_info"]

    def close(self) -> None:
        """Close the channels; the kernel is not ours to end."""
        if self.kc is not None:
            self.kc.stop_channels()
            self.kc = None
        if self.km is not None:
            self.km.context.destroy(linger=0)
            self.km = None

    async def _subscribed(self, ends: float) -> Any:
        """The kernel's reply to who it is, once the end of that very question has come on the output channel as well.

        What the kernel says while the subscription is under way is lost, the beginning of an answer without its end too; so
        only "idle" counts, and where it does not come soon after the reply, the question is asked again.
        """
        assert self.kc is not None
        while time.monotonic() < ends and self._kernel.process.poll() is None:
            asked = self.kc.kernel_info()
            reply = await self._reply_to(asked, self.kc.shell_channel, "kernel_info_reply", 5.0)
            if reply is not None and await self._reply_to(asked, self.kc.iopub_channel, "status", 0.2) is not None:
                return reply
        raise DeadKernelError("the kernel died while it was being asked who it is")

    async def _reply_to(self, asked: str, channel: Any, kind: str, wait_s: float) -> Any:
        """The first message of this kind about this question; of a status only the one that ends it. None: not in time."""
        ends = time.monotonic() + wait_s
        while (left := ends - time.monotonic()) > 0:
            with contextlib.suppress(Empty):
                message = await channel.get_msg(timeout=left)
                state = message["content"].get("execution_state", "idle")
                if (message["parent_header"].get("msg_id"), message["msg_type"], state) == (asked, kind, "idle"):
                    return message
        return None

    async def _async_poll_kernel_alive(self) -> None:
        """Wait for the kernel's death itself where the system can tell (a pidfd), else look four times a second."""
        await _death_of(self._kernel)
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    async def _async_check_alive(self) -> None:
        if self._kernel.process.poll() is not None:
            raise DeadKernelError("Kernel died")


async def _readable(handle: int, seconds: float) -> None:
    """Wait until a pipe holds something or was closed, at most so long."""
    loop, came = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, came.set)
    try:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(came.wait(), seconds)
    finally:
        loop.remove_reader(handle)


async def _death_of(kernel: Kernel) -> None:
    try:
        handle = os.pidfd_open(kernel.pid)
    except (AttributeError, OSError):
        while kernel.process.poll() is None:
            await asyncio.sleep(0.25)
        return
    loop, died = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, died.set)
    try:
        await died.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


class CellRunner:
    """Runs the cells one after the other until all are done or one is not.

    Args:
        notebook: nodes, marked fresh.
        kernel: started by us.
        deadline: monotonic time at which the whole run ends; None means none.
        on_change: called after each output and each change of an outcome.
        on_cell: called with each cell that begins or ended.
        wanted: whether a cell is to be run at all; a replay leaves the engineer's own cells out.
    """

    def __init__(
        self,
        notebook: Any,
        kernel: Kernel,
        *,
        deadline: float | None,
        on_change: Callable[[], None],
        on_cell: Callable[[Any], None],
        wanted: Callable[[Any], bool] = lambda _: True,
        cell_timeout_s: float | None = None,
    ) -> None:
        self._notebook, self._kernel, self._deadline = notebook, kernel, deadline
        self._on_change, self._on_cell, self._wanted = on_change, on_cell, wanted
        self._cell_timeout_s = cell_timeout_s
        self._client = CellClient(notebook, kernel, on_change, on_cell)
        self._signal: int | None = None

    def run(self, ready_s: float = 60.0) -> Ending:
        """Run all cells; never raises for what a cell does. In a program that has a loop of its own, a thread gets ours."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self._run(ready_s))
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, self._run(ready_s)).result()

    async def _run(self, ready_s: float) -> Ending:
        stop = asyncio.Event()
        with _signals_set(self._noted(stop)):
            try:
                begun = asyncio.ensure_future(self._client.connect(ready_s))
                await _first(begun, stop)
                if not begun.done():
                    begun.cancel()
                    return self._cancelled(None, "before the first cell")
                begun.result()
                for index, cell in enumerate(self._notebook.cells):
                    if cell.cell_type != "code" or not cell.source.strip():
                        mark(cell, Outcome.done)
                    elif self._wanted(cell) and "skip-execution" not in cell.metadata.get("tags", []):
                        ending = await self._cell(cell, index, stop)
                        if ending.outcome is not Outcome.done:
                            return ending
                self._client.set_widgets_metadata()
                return Ending(Outcome.done)
            except DeadKernelError:
                return Ending(Outcome.kernel_died, None, self._death())
            finally:
                self._client.close()

    async def _cell(self, cell: Any, index: int, stop: asyncio.Event) -> Ending:
        mark(cell, Outcome.running)
        self._on_cell(cell)
        self._on_change()
        own_s = cell.metadata.get("runbook", {}).get("timeout_s") or self._cell_timeout_s
        left_s = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        limit_s = min((s for s in (own_s, left_s) if s is not None), default=None)
        work = asyncio.ensure_future(self._client.async_execute_cell(cell, index))
        await _first(work, stop, limit_s)
        if work.done():
            ending = self._ended(work, cell, index)
        else:
            ending = self._cut_short(cell, index, own_s, left_s)
            await self._end_quickly(work)
        cell.metadata["runbook"].pop("doing", None)
        mark(cell, ending.outcome)
        self._on_cell(cell)
        self._on_change()
        return ending

    def _cut_short(self, cell: Any, index: int, own_s: float | None, left_s: float | None) -> Ending:
        """Why a cell that still runs has to stop."""
        where = name_of(cell)
        if self._signal is not None:
            return self._cancelled(index, f"in: {where}")
        if own_s is not None and (left_s is None or own_s <= left_s):
            return Ending(Outcome.timed_out, index, f"the step's own time of {own_s:g} s was over in: {where}")
        return Ending(Outcome.timed_out, index, f"the run's own deadline was over in: {where}")

    async def _end_quickly(self, work: "asyncio.Future[Any]") -> None:
        """Interrupt what runs, give it a moment to say so, then kill the kernel; the outputs so far stay."""
        self._kernel.interrupt()
        await asyncio.wait({work}, timeout=_GRACE_S)
        if not work.done():
            self._kernel.kill()
            await asyncio.wait({work}, timeout=_GRACE_S)
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await work

    def _ended(self, work: "asyncio.Future[Any]", cell: Any, index: int) -> Ending:
        """How a cell ended that was let run."""
        error = work.exception()
        if error is None:
            problem = next((out for out in cell.outputs if out.output_type == "error"), None)
            if problem is None:
                return Ending(Outcome.done, index)
            return Ending(Outcome.failed, index, f"{problem.ename} in: {name_of(cell)}")
        if isinstance(error, CellExecutionError):
            return Ending(Outcome.failed, index, f"{error.ename} in: {name_of(cell)}")
        if isinstance(error, DeadKernelError):
            return Ending(Outcome.kernel_died, index, f"{self._death()} in: {name_of(cell)}")
        raise error

    def _cancelled(self, index: int | None, where: str) -> Ending:
        assert self._signal is not None
        name = signal.Signals(self._signal).name
        return Ending(Outcome.cancelled, index, f"cancelled by {name} {where}", self._signal)

    def _death(self) -> str:
        with contextlib.suppress(Exception):
            self._kernel.process.wait(timeout=1)
        words = self._kernel.last_words()
        return f"the kernel died ({words})" if words else "the kernel died"

    def _noted(self, stop: asyncio.Event) -> Callable[[int], None]:
        def note(signum: int) -> None:
            self._signal = self._signal or signum
            stop.set()

        return note


async def _first(work: "asyncio.Future[Any]", stop: asyncio.Event, seconds: float | None = None) -> None:
    """Wait for the work, for the request to stop, or for so long, whichever comes first."""
    asked = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, asked}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        asked.cancel()


@contextlib.contextmanager
def _signals_set(handler: Callable[[int], None]) -> Iterator[None]:
    """Within, a request to stop becomes a call in the loop; outside the main thread nothing can be set, and nothing is."""
    loop, before = asyncio.get_running_loop(), {}
    for signum in _STOPS:
        if signum == signal.SIGHUP and signal.getsignal(signum) == signal.SIG_IGN:
            continue  # nohup
        with contextlib.suppress(ValueError, RuntimeError):
            before[signum] = signal.getsignal(signum)
            loop.add_signal_handler(signum, handler, signum)
    try:
        yield
    finally:
        for signum, previous in before.items():
            with contextlib.suppress(ValueError, RuntimeError, TypeError):
                loop.remove_signal_handler(signum)
                signal.signal(signum, previous)
