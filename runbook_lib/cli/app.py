"""All commands of `runbook`, mounted; errors become one message and the exit code that the contract gives them."""

import json
import os
import sys
from collections.abc import Sequence
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
    run_commands,
    sandbox_commands,
)
from runbook_lib.cli.printing import print_bug, print_error, print_leftovers, print_result
from runbook_lib.core.errors import RunbookError

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
    """Run one command and leave with its exit code."""
    as_json = "--json" in arguments
    try:
        print_leftovers()
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
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has gone
        code = 141
    except Exception as error:  # click's own usage errors know how to show themselves
        show = getattr(error, "show", None)
        if show is not None:
            show()
            code = getattr(error, "exit_code", 2)
        else:
            print_bug(error)
            code = 5
    sys.exit(code or 0)
