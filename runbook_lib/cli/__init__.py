"""The command line, thin: parse, call one function, print. Nothing heavy is imported before a command needs it.

What stands in this file imports the standard library alone: an import that fails must not leave with 1, which means confirmed.
"""

import contextlib
import sys
import warnings

BROKE = 5


def main() -> None:
    """The `runbook` command. Exit 5 where the runbook itself cannot start."""
    warnings.filterwarnings(
        "ignore", message="XDG_RUNTIME_DIR is not set"
    )  # about the login; our folders are private anyway
    try:
        from runbook_lib.cli.streams import prepare_streams

        prepare_streams()
        from runbook_lib.run.lean import leave_out

        leave_out()
        from runbook_lib.cli.app import run_app
    except KeyboardInterrupt:
        sys.exit(130)
    except BaseException as error:
        _say_broken(error)
        sys.exit(BROKE)
    try:
        run_app(sys.argv[1:])
    except Exception as error:  # what a command imports late is missing, or telling of an error failed itself
        _say_broken(error)
        sys.exit(BROKE)


def _say_broken(error: BaseException) -> None:
    """One message on an install that cannot be imported."""
    words = " ".join(str(error).split())[:300]
    with contextlib.suppress(OSError):  # nowhere to say it; the exit code still does
        print(  # noqa: T201 (the one place that prints may not be importable)
            f"runbook: the runbook cannot start: {type(error).__name__}: {words}. "
            "Its environment is incomplete or of another version: run `make setup` in the checkout (exit 5)",
            file=sys.stderr,
            flush=True,
        )
