"""`run`: a procedure's notebook, headless, to a verdict and an artifact."""

from pathlib import Path
from typing import Annotated, Any

import typer

Procedure = Annotated[str, typer.Argument(help="A number (03) or a name (supabase_rls).")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("-p", "--parameter", metavar="NAME=VALUE", help="A parameter; secrets as env:NAME or file:PATH."),
]
Incident = Annotated[str | None, typer.Option(help="The incident this belongs to; by default adhoc-<UTC date>.")]
TargetName = Annotated[str | None, typer.Option("--target", help="sandbox, live, or NAME with a .env.NAME.")]
Active = Annotated[
    bool | None,
    typer.Option("--active/--passive", help="Allow looks that leave a mark; by default on the sandbox only."),
]
DeadlineOption = Annotated[
    float, typer.Option("--deadline", min=1.0, metavar="SECONDS", help="The whole run's wall time.")
]
Outputs = Annotated[Path | None, typer.Option(help="The folder for artifacts; by default outputs/.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("run")(run)


def run(
    procedure: Procedure,
    parameter: Parameters = None,
    incident: Incident = None,
    target: TargetName = None,
    active: Active = None,
    deadline: DeadlineOption = 900.0,
    outputs: Outputs = None,
    as_json: AsJson = False,
) -> None:
    """Run a procedure. Exit 0 ruled out, 1 confirmed, 2 wrong use, 3 could not tell, 5 broke, 130/143 cancelled."""
    from runbook_lib.cli import printing
    from runbook_lib.run.home import Home
    from runbook_lib.run.parameters import parse_pairs
    from runbook_lib.run.runner import prepare, run_notebook

    prepared = prepare(
        procedure,
        parse_pairs(parameter or []),
        target=target,
        incident=incident,
        active=active,
        deadline_s=deadline,
        home=Home.find(outputs=outputs),
    )
    for warning in prepared.target.warnings:
        printing.print_note(f"runbook: {warning}")
    printing.print_note(
        f"{prepared.template.stem} on {prepared.target.name.upper()}, incident {prepared.context.incident}"
    )
    with printing.Progress() as progress:
        ended = run_notebook(prepared, on_cell=progress.cell)
    if as_json:
        printing.print_json(ended.as_dict())
    elif ended.verdict is not None:
        printing.print_result(_verdict_text(ended.verdict))
    if ended.manifest_sha256 is None:
        printing.print_note(f"runbook: the run did not become whole ({ended.state}): {ended.why}")
        printing.print_note(f"what it had: {ended.folder}")
    elif not as_json:
        printing.print_result(f"\nartifact  {ended.folder}\nreport    {ended.folder / 'report.html'}")
        printing.print_result(f"sealed    {ended.manifest_sha256}")
    raise typer.Exit(ended.exit_code)


def _verdict_text(verdict: dict[str, Any]) -> str:
    from runbook_lib.show.verdict_text import verdict_text

    return verdict_text(verdict)
