"""`doctor`: what of a target can be seen from here, and what is missing."""

from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from runbook_lib.run.doctor import Check, Report

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("doctor")(doctor)


def doctor(
    procedure: Annotated[
        list[str] | None, typer.Argument(help="Only what these need; by default every procedure.")
    ] = None,
    target: Annotated[str | None, typer.Option("--target", help="sandbox, live, or NAME with a .env.NAME.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is configured, reachable and permitted. Exit 0 all that is needed is usable, 1 something is missing or refused."""
    from runbook_lib.cli import printing
    from runbook_lib.run.doctor import examine_sources
    from runbook_lib.run.home import Home
    from runbook_lib.run.notebooks import find_template, templates
    from runbook_lib.run.targets import resolve_target

    home = Home.find()
    chosen = [find_template(home, each) for each in procedure] if procedure else templates(home)
    report = examine_sources(resolve_target(home, target), chosen)
    if as_json:
        printing.print_json(report.as_dict())
    else:
        _print(report)
    raise typer.Exit(report.exit_code)


def _print(report: "Report") -> None:
    from runbook_lib.cli import printing

    printing.print_result(f"target {report.target.upper()}")
    headings = ["source", "configured", "reachable", "permitted", "why", "what would help"]
    printing.print_table(headings, [_row(check) for check in report.checks])
    for check in report.checks:
        for need in check.needs if not check.usable else ():
            printing.print_result(f"{check.name}: {need}")
    for key in report.keys:
        printing.print_result(_key(key))
    for stem, services in report.missing.items():
        printing.print_result(f"{stem} lacks {', '.join(services)}")
    for warning in report.warnings:
        printing.print_note(f"runbook: {warning}")


def _row(check: "Check") -> list[str]:
    def mark(value: bool | None) -> str:
        return "?" if value is None else "yes" if value else "NO"

    return [
        check.name,
        mark(check.configured),
        mark(check.reachable),
        mark(check.permitted),
        shorten(check.why, 120, placeholder=" …"),
        "" if check.usable else shorten(check.what_would_help, 160, placeholder=" …"),
    ]


def _key(key: dict[str, Any]) -> str:
    """A line on a key's life, refused and expired ones standing out, and one on what it may do."""
    if key["can_write"] is None:
        return _life(key)
    return f"{_life(key)}\n    can write: {key['can_write']} · opens: {key['opens']}\n    least: {key['least']}"


def _life(key: dict[str, Any]) -> str:
    if key["refused"] and not key["expired"]:
        return f"{key['setting']} REFUSED by its vendor ({key['refused']})"
    if key["expired"]:
        return f"{key['setting']} EXPIRED {key['expires_at'] or '(its vendor says so)'}"
    if key["expires_at"]:
        return f"{key['setting']} expires {key['expires_at']} (said by {key['said_by']})"
    return (
        f"{key['setting']} tells no expiry; lives {key['lives']}"
        if key["lives"]
        else f"{key['setting']} tells no expiry"
    )
