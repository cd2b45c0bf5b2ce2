"""`who`: whom a pseudonym in an artifact stands for, on the machine that made it."""

from typing import Annotated

import typer


def mount(app: typer.Typer) -> None:
    """Add this command."""
    app.command("who")(who)


def who(
    pseudonym: Annotated[str, typer.Argument(help="As an artifact shows it, in quotes: '<email:0123456789>'.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Whom a pseudonym stands for; known on the machine that made the run alone. Exit 0, or 2 where nobody knows it."""
    from runbook_lib.cli import printing
    from runbook_lib.run.people import who as resolved

    value = resolved(pseudonym)
    if as_json:
        printing.print_json({"pseudonym": pseudonym, "value": value})
    else:
        printing.print_result(value)
