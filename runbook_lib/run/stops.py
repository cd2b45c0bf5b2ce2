"""SIGTERM and Ctrl-C outside the engine's loop: the first becomes an exception, at a moment when it does no harm."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stopped(BaseException):
    """Somebody asked the run to stop while no cell was running."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.signum = signum


class Stops:
    """Takes requests to stop; those after the first find the run being ended already."""

    def __init__(self) -> None:
        self._asked: int | None = None
        self._holding = False

    def take(self, signum: int, _frame: object = None) -> None:
        """A signal's handler. Raises Stopped, unless it is held back or one was raised before."""
        if self._asked is None:
            self._asked = signum
            if not self._holding:
                raise Stopped(signum)

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Within, a request waits; at the end it is raised."""
        self._holding = True
        early = self._asked
        try:
            yield
        finally:
            self._holding = False
        if self._asked is not None and early is None:
            raise Stopped(self._asked)


@contextmanager
def stops_as_exceptions() -> Iterator[Stops]:
    """Within, requests to stop are taken by what is returned; in another thread than the main one nothing changes."""
    stops = Stops()
    before: dict[int, Any] = {}
    try:
        for signum in (signal.SIGTERM, signal.SIGINT):
            before[signum] = signal.signal(signum, stops.take)
    except ValueError:
        before = {}  # not the main thread: signals are somebody else's business
    try:
        yield stops
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
