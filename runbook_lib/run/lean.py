"""Imports that cost much and serve nobody here, left out before anything asks for them; both are guarded by their importers."""

import sys


def leave_out() -> None:
    """Make two modules look as if they were not installed.

    rfc3987_syntax: jsonschema (by way of nbformat) builds 35 grammars with it, for formats that notebooks do not use; half of
    papermill's start. httpx._main: the command line of httpx, with everything that draws it.
    """
    for name in ("rfc3987_syntax", "httpx._main"):
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]


def leave_out_debugger() -> None:
    """Make debugpy look as if it were not installed: nobody can attach to a kernel without a front end."""
    sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]
