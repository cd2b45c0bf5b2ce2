"""The interpreter leaves while looks that nobody waits for still run: none of them may be inside a C++ library then.

Python ends a daemon thread by unwinding its stack. Through C++ that is no exception that may pass, so the process aborts (SIGABRT)
instead of leaving with its exit code. Work in such a library is done within `inside()`; at exit nobody enters any more, and who is
inside is waited for.
"""

import atexit
import contextlib
import threading
from collections.abc import Iterator

_LONGEST_S = 10.0
_changed = threading.Condition()
_inside = 0
_leaving = False


@contextlib.contextmanager
def inside() -> Iterator[None]:
    """Work that must not be cut off by the interpreter's end; once that has begun, a thread waits here for ever."""
    global _inside
    with _changed:
        while _leaving and threading.current_thread().daemon:
            _changed.wait()
        _inside += 1
    try:
        yield
    finally:
        with _changed:
            _inside -= 1
            _changed.notify_all()


@atexit.register
def _leave() -> None:
    global _leaving
    with _changed:
        _leaving = True
        _changed.wait_for(lambda: _inside == 0, timeout=_LONGEST_S)
