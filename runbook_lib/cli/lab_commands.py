"""`open` and `lab`: a procedure in JupyterLab, stepped through by hand."""

from typing import Annotated

import typer

from runbook_lib.cli.run_commands import Active, Incident, Outputs, Parameters, Procedure, TargetName

AsJson = Annotated[bool, typer.Option("--json", help="Print the address and the notebook as JSON.")]
Browser = Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser, or only print the address.")]


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("open")(open_)
    app.command("lab")(lab)


def open_(
    procedure: Procedure,
    parameter: Parameters = None,
    incident: Incident = None,
    target: TargetName = None,
    active: Active = None,
    outputs: Outputs = None,
    browser: Browser = True,
    as_json: AsJson = False,
) -> None:
    """Write a parameterised working copy for the incident and open it in JupyterLab."""
    from runbook_lib.cli import printing
    from runbook_lib.run.home import Home
    from runbook_lib.run.lab.server import serve
    from runbook_lib.run.lab.working_copy import write_working_copy
    from runbook_lib.run.parameters import parse_pairs
    from runbook_lib.run.runner import prepare

    home = Home.find(outputs=outputs)
    prepared = prepare(
        procedure, parse_pairs(parameter or []), target=target, incident=incident, active=active, home=home
    )
    for warning in prepared.target.warnings:
        printing.print_note(f"runbook: {warning}")
    notebook = write_working_copy(prepared)

    def announce(address: str) -> None:
        printing.print_address(address, str(notebook), as_json=as_json)

    serve(home, notebook, browser=browser, announce=announce)


def lab(outputs: Outputs = None, browser: Browser = True, as_json: AsJson = False) -> None:
    """Open the start page in JupyterLab: choose a procedure, fill in its form, open it."""
    from runbook_lib.cli import printing
    from runbook_lib.run.home import Home
    from runbook_lib.run.lab.server import serve
    from runbook_lib.run.lab.start_page import run_start_page, write_start_page

    home = Home.find(outputs=outputs)
    page = write_start_page(home)

    def announce(address: str) -> None:
        printing.print_address(address, str(page), as_json=as_json)

    serve(home, page, browser=browser, announce=announce, prepare=lambda server: run_start_page(server, home))
