"""The kernel `runbook-python`: an ordinary ipykernel that starts sooner, keeps no history, and says when it is ready.

Run as `python -P -m runbook_lib.run.kernel -f FILE`: with -P, and with IPython told to ignore the working directory, a file
such as html.py beside a notebook shadows no import.
"""

import os
from typing import Any

from runbook_lib.run.lean import leave_out, leave_out_debugger

READY_VARIABLE = "RUNBOOK_READY_FD"  # a pipe's end: one byte is written when the sockets are bound
HEADLESS_VARIABLE = "RUNBOOK_HEADLESS"


def main() -> None:
    """Start the kernel and serve it until it is told to end."""
    leave_out()
    headless = bool(os.environ.get(HEADLESS_VARIABLE))
    if headless:
        leave_out_debugger()
    ready = os.environ.pop(READY_VARIABLE, "")

    from ipykernel.kernelapp import IPKernelApp
    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False  # what an on-call types belongs into no hidden file
    config.IPKernelApp.ignore_cwd = True
    config.InteractiveShell.banner1 = ""
    if headless:
        config.IPKernelApp.log_level = "CRITICAL"
    app: Any = IPKernelApp.instance(config=config)
    app.initialize()
    if ready:
        os.write(int(ready), b"1")
        os.close(int(ready))
    app.start()


if __name__ == "__main__":
    main()
