"""`forget`: artifacts whose time is over are removed, never those of an open incident."""

from pathlib import Path
from typing import Annotated

import typer


def mount(app: typer.Typer) -> None:
    """Add this command."""
    app.command("forget")(forget)


def forget(
    older_than: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Age of an incident's newest run; by default RUNBOOK_KEEP_DAYS.")
    ] = None,
    incident: Annotated[str | None, typer.Option(help="This incident alone.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be removed, and remove nothing.")] = False,
    outputs: Annotated[Path | None, typer.Option(help="The folder of artifacts; by default outputs/.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Remove the artifacts of incidents that are over; one with a younger run or a file OPEN in its folder stays. Exit 0, 2."""
    from datetime import UTC, datetime

    from runbook_lib.cli import printing
    from runbook_lib.core.errors import UsageError
    from runbook_lib.run import retention
    from runbook_lib.run.home import Home

    home = Home.find(outputs=outputs)
    days = retention.keep_days(home) if older_than is None else retention.days_from(older_than, "--older-than")
    if days is None:
        raise UsageError(
            "It is not said how long artifacts are kept",
            where=retention.VARIABLE,
            came_back="it is not set",
            do_next="Set it, or give --older-than DAYS.",
        )
    over = retention.expired(home, days, datetime.now(UTC), incident=incident)
    if not dry_run:
        retention.forget(home, over)
    if as_json:
        printing.print_json({"dry_run": dry_run, "keep_days": days, "incidents": [each.as_dict() for each in over]})
        return
    for each in over:
        printing.print_result(
            f"{each.incident}  {each.age_days:.0f} days old, {len(each.paths)} of its folders and files"
        )
    printing.print_result(
        f"{len(over)} incidents {'would be' if dry_run else 'were'} forgotten; kept are {days:g} days"
    )
