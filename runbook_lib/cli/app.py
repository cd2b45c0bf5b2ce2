"""All commands of `runbook`, mounted; errors become one message and the exit code that the contract gives them."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from runbook_lib.cli import (
    artifact_commands,
    audit_commands,
    demo_commands,
    doctor_commands,
    drill_commands,
    lab_commands,
    look_commands,
    people_commands,
    retention_commands,
    run_commands,
    sandbox_commands,
)
from runbook_lib.cli.printing import OutputLostError, print_bug, print_error, print_leftovers, print_note, print_result
from runbook_lib.core.errors import RunbookError
from runbook_lib.core.os_errors import as_runbook_error

app = typer.Typer(
    name="runbook",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    demo_commands,
    look_commands,
    run_commands,
    lab_commands,
    artifact_commands,
    people_commands,
    retention_commands,
    audit_commands,
    doctor_commands,
    drill_commands,
    sandbox_commands,
):
    module.mount(app)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from runbook_lib.run.library import runbook_version

        print_result(runbook_version())
        raise typer.Exit


@app.callback()
def _of_every_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """NexusCore's procedures as notebooks that find the fault themselves, prove it, and can be replayed."""


def run_app(arguments: Sequence[str]) -> None:
    """Run one command and leave with its exit code. Only a command's own result is 1; whatever else happens is not."""
    as_json = "--json" in arguments
    try:
        code = _run(arguments, as_json=as_json)
        sys.stdout.flush()
    except (OutputLostError, OSError) as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left in a buffer has somewhere to go
        cause = error.__cause__ or error
        code = 141 if isinstance(cause, BrokenPipeError) else 5
        if code == 5:
            print_note(f"runbook: the result could not be written to standard output: {cause}")
    sys.exit(code)


def _outputs_in(arguments: Sequence[str]) -> Path | None:
    """The folder that `--outputs` names; None where it names none. What is wrong with it, the command itself says."""
    for at, argument in enumerate(arguments):
        if argument.startswith("--outputs="):
            return Path(argument.partition("=")[2])
        if argument == "--outputs" and at + 1 < len(arguments):
            return Path(arguments[at + 1])
    return None


def _run(arguments: Sequence[str], *, as_json: bool) -> int:
    """Run one command; its exit code. Raises OutputLostError where standard output cannot be written."""
    try:
        print_leftovers(_outputs_in(arguments))
        code = app(list(arguments), standalone_mode=False)
    except typer.Exit as leaving:
        code = leaving.exit_code
    except typer.Abort:
        code = 130
    except RunbookError as error:
        if as_json:
            print_result(json.dumps({**error.as_dict(), "exit_code": error.exit_code}))
        print_error(error)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except (
        SystemExit
    ) as left:  # a signal's code is our own; any other is a library's, and says nothing about the system
        code = left.code if isinstance(left.code, int) and left.code >= 128 else 5
        if code == 5:
            print_note(f"runbook: something left the program by itself ({left.code!r}); this is a bug of the runbook")
    except ImportError:
        raise  # a broken install; `main` says so
    except OSError as error:
        refused = as_runbook_error(error)
        if as_json:
            print_result(json.dumps({**refused.as_dict(), "exit_code": refused.exit_code}))
        print_error(refused)
        code = refused.exit_code
    except Exception as error:  # click's own usage errors know how to show themselves
        show = getattr(error, "show", None)
        if show is not None:
            show()
            code = getattr(error, "exit_code", 2)
        else:
            print_bug(error)
            code = 5
    return code or 0
