"""The command line, thin: parse, call one function, print. Nothing heavy is imported before a command needs it."""

import sys


def main() -> None:
    """The `runbook` command."""
    from runbook_lib.run.lean import leave_out

    leave_out()
    from runbook_lib.cli.app import run_app

    run_app(sys.argv[1:])
