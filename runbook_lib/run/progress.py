"""How long work in a step gets on, while it goes on: one line below the cell that is written over, in any front end.

The line's metadata say that it is progress, so that whoever runs the notebook without a screen can show it as well.
"""

import time
from collections.abc import Callable
from typing import Any

KEY = "runbook_progress"
_EVERY_S = 0.5


def show_below_the_cell() -> Callable[[str], None]:
    """Shows lines in the cell that is running now, at most two a second; outside of a kernel nothing is shown."""
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    if get_ipython() is None:
        return lambda _: None
    show: Any = display  # IPython has no types for it
    handle: list[Any] = []
    told_at = 0.0

    def tell(text: str) -> None:
        nonlocal told_at
        if time.monotonic() - told_at < _EVERY_S:
            return
        told_at = time.monotonic()
        line = {"text/plain": text}
        if handle:
            handle[0].update(line, raw=True, metadata={KEY: text})
        else:
            handle.append(show(line, raw=True, metadata={KEY: text}, display_id=True))

    return tell
