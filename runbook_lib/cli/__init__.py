"""The command line, thin: parse, call one function, print. Nothing heavy is imported before a command needs it."""

import sys
import warnings


def main() -> None:
    """The `runbook` command."""
    warnings.filterwarnings(
        "ignore", message="XDG_RUNTIME_DIR is not set"
    )  # about the login; our folders are private anyway
    from runbook_lib.run.lean import leave_out

    leave_out()
    from runbook_lib.cli.app import run_app

    run_app(sys.argv[1:])
