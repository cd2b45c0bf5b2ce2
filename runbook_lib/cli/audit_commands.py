"""`audit` and `schedule`: procedures that run unattended, and the units that run them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from runbook_lib.core.errors import RunbookError
    from runbook_lib.run.audits.jobs import Job
    from runbook_lib.run.audits.record import JobResult

File = Annotated[Path | None, typer.Option("--file", help="The audit file; by default audits.toml in the checkout.")]


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("audit")(audit)
    app.command("schedule")(schedule)


def audit(
    procedures: Annotated[
        list[str] | None, typer.Argument(metavar="[P…]", help="Numbers or names; by default all.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="An audit of the file; or a name for this one.")] = None,
    target: Annotated[list[str] | None, typer.Option("--target", help="A target; may be repeated.")] = None,
    org: Annotated[list[str] | None, typer.Option("--org", help="An organization; may be repeated.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", "--parameter", metavar="P:NAME=VALUE", help="A procedure's parameter.")
    ] = None,
    since_last: Annotated[
        bool | None, typer.Option("--since-last/--everything", help="Tell only of what is new or worse.")
    ] = None,
    active: Annotated[
        bool | None,
        typer.Option("--active/--passive", help="Allow looks that leave a mark; by default on the sandbox."),
    ] = None,
    deadline: Annotated[int | None, typer.Option(min=1, metavar="SECONDS", help="Wall time of each procedure.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many run at once; by default one a core.")] = None,
    outputs: Annotated[Path | None, typer.Option(help="The folder for artifacts; by default outputs/.")] = None,
    file: File = None,
    summary: Annotated[Path | None, typer.Option(help="Also add the table to this file, as Markdown.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Audit. Exit the worst of 5 broke, 1 confirmed, 3 could not tell, 0; 2 wrong use, 130/143 cancelled."""
    from datetime import UTC, datetime
    from functools import partial

    from runbook_lib.cli import printing
    from runbook_lib.run import retention
    from runbook_lib.run.audits import compare, record, work
    from runbook_lib.run.audits.asking import plan_from_options
    from runbook_lib.run.audits.table import as_document, headings_and_rows, markdown

    if summary is not None:
        _see_that_it_can_be_written(summary)
    plan, mutes = plan_from_options(
        procedures or [], name=name, file=file, outputs=outputs, targets=target or [], orgs=org or [],
        parameters=parameter or [], since_last=since_last, active=active, deadline_s=deadline,
    )  # fmt: skip
    now = datetime.now(UTC)
    days = retention.keep_days(plan.home)  # a wrong number is told before the work
    cancelled = 0
    with record.hold_folder(plan.folder, now):
        for path in record.settle_killed(plan.folder):
            printing.print_note(f"runbook: an audit was killed; what it had done stands in {path}")
        before = record.last_record(plan.folder)
        with printing.Working(len(plan.jobs)) as shown:
            try:
                ended = work.run_audit(
                    plan, _teller(shown), workers=workers, keep=partial(record.write_record, plan.folder)
                )
            except work.Cancelled as stopped:
                ended, cancelled = stopped.record, 128 + stopped.signum
        path = record.write_record(plan.folder, ended)
        judged = compare.judge_jobs(ended, before, mutes, now.date(), only_changes=plan.audit.since_last)
        if (keep := plan.audit.keep_days or days) and not cancelled:
            record.clear_old(plan.folder, keep, now)
    if days is not None and not cancelled:
        over = retention.expired(plan.home, days, now)
        retention.forget(plan.home, over)
        for each in over:
            printing.print_note(
                f"runbook: incident {each.incident} was forgotten: {each.age_days:.0f} days old, kept are {days:g}"
            )
    for words in compare.unused_mutes(mutes, judged, now.date()):
        printing.print_note(f"runbook: {words}")
    code = cancelled or compare.worst_exit_code(judged)
    if as_json:
        printing.print_json(as_document(ended, judged, path, code))
    else:
        headings, lines = headings_and_rows(judged)
        printing.print_table(headings, lines)
        printing.print_result(f"\nrecord  {path}")
    if summary is not None:
        try:
            with summary.open("a", encoding="utf-8") as stream:
                stream.write(markdown(ended, judged))
        except OSError as error:  # it could be written before the work
            raise _no_summary(summary, error, f"The audit is done, and its record lies in {path}.") from error
    raise typer.Exit(code)


def _see_that_it_can_be_written(summary: Path) -> None:
    """Before hours of work: a summary into nowhere is wrong use. What was not there is not there afterwards either."""
    from runbook_lib.core.errors import UsageError

    is_new = not summary.exists()
    try:
        with summary.open("a", encoding="utf-8"):
            pass
    except OSError as error:
        kept = _no_summary(summary, error, "Give --summary a file in a folder that exists; nothing was run.")
        raise UsageError(kept.tried, where=kept.where, came_back=kept.came_back, do_next=kept.do_next) from error
    if is_new:
        summary.unlink(missing_ok=True)


def _no_summary(summary: Path, error: OSError, do_next: str) -> "RunbookError":
    from runbook_lib.core.errors import RunbookError

    came_back = error.strerror or type(error).__name__
    return RunbookError("Cannot write the summary", where=str(summary), came_back=came_back, do_next=do_next)


def schedule(
    name: Annotated[str, typer.Argument(help="An audit of the file.")] = "nightly",
    kind: Annotated[str, typer.Option("--as", help="cron, systemd or github.")] = "cron",
    file: File = None,
) -> None:
    """Print a ready unit that runs an audit. Exit 0, or 2 for an audit or a kind that there is not."""
    from runbook_lib.cli import printing
    from runbook_lib.run.audits.file import FILE, find_audit, read_audit_file
    from runbook_lib.run.audits.schedule import unit_text
    from runbook_lib.run.home import Home

    home = Home.find()
    path = file or home.root / FILE
    printing.print_result(unit_text(kind, name, find_audit(path, read_audit_file(path), name), home.root).rstrip("\n"))


def _teller(shown: Any) -> Any:
    def tell(job: "Job", result: "JobResult | None") -> None:
        if result is None:
            shown.show_begin(f"{job.target} {job.name}")
        else:
            shown.show_end(
                f"{job.target} {job.name}", f"{result.status or result.why or 'broke'} · {result.seconds:.1f} s"
            )

    return tell
