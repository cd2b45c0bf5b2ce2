"""`demo`: the whole product in one command, with no account and no settings."""

from typing import Annotated

import typer


def mount(app: typer.Typer) -> None:
    """Add this command."""
    app.command("demo")(demo)


def demo(as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False) -> None:
    """Break the sandbox and find the fault. Exit 0 only if the verdict was right, else 1; 5 broke."""
    from runbook_lib.sandbox.extra import need_sandbox

    need_sandbox("There is nothing to break")
    from runbook_lib.cli import printing
    from runbook_lib.drills.kit.demo import demonstrate
    from runbook_lib.show.verdict_text import verdict_text

    shown = demonstrate(lambda line: printing.print_note(f"demo: {line}"))
    if shown.run.verdict is None:  # nothing was said, so nothing was said wrongly
        printing.print_note(f"runbook: the run did not become whole ({shown.run.state}): {shown.run.why}")
        printing.print_note(f"what it had: {shown.run.folder}")
        raise typer.Exit(5)
    if as_json:
        printing.print_json({"injected": shown.injected, "is_right": shown.is_right, **shown.run.as_dict()})
    else:
        printing.print_result(verdict_text(shown.run.verdict))
        printing.print_result(f"\nreport    {shown.run.folder / 'report.html'}")
        printing.print_result(f"injected  {shown.injected}: the verdict is {'right' if shown.is_right else 'WRONG'}")
    raise typer.Exit(0 if shown.is_right else 1)
