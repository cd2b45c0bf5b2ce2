"""`list` and `show`: which procedures there are, and what one takes."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("list")(list_procedures)
    app.command("show")(show_procedure)


def list_procedures(as_json: AsJson = False) -> None:
    """The procedures: number, symptom, services, minutes, what they change."""
    from runbook_lib.cli import printing
    from runbook_lib.run.home import Home
    from runbook_lib.run.notebooks import templates

    found = templates(Home.find())
    if as_json:
        printing.print_json([each.as_dict() for each in found])
        return
    rows = [
        [each.stem, each.title, ", ".join(each.services), f"{each.minutes or '?'} min", each.changes] for each in found
    ]
    printing.print_table(["procedure", "symptom", "services", "takes", "changes"], rows)


def show_procedure(
    procedure: Annotated[str, typer.Argument(help="A number (03) or a name (supabase_rls).")], as_json: AsJson = False
) -> None:
    """One procedure: its steps, and its parameters with types, defaults and help."""
    from runbook_lib.cli import printing
    from runbook_lib.run.home import Home
    from runbook_lib.run.notebooks import find_template
    from runbook_lib.run.parameters import declared_parameters

    home = Home.find()
    template = find_template(home, procedure)
    parameters = declared_parameters(template)
    steps = [{"name": each.name, "question": each.question} for each in home.procedure(template.stem).steps()]
    if as_json:
        printing.print_json(
            {**template.as_dict(), "parameters": [each.as_dict() for each in parameters], "steps": steps}
        )
        return
    printing.print_result(f"{template.stem}: {template.title}")
    printing.print_result(f"services: {', '.join(template.services)} · changes: {template.changes}\n")
    for number, each in enumerate(steps, 1):
        printing.print_result(f"  {number}. {each['question']}")
    printing.print_result("")
    rows = [[each.name, each.annotation, repr(each.default), each.help] for each in parameters]
    printing.print_table(["parameter", "type", "default", "meaning"], rows)
    printing.print_result(f"\nrunbook run {template.number} -p name=value … --incident NAME")
