"""`verify`, `replay` and `diff`: an artifact proved unchanged, run again from its own record, compared with another."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from runbook_lib.core.visible import visible

if TYPE_CHECKING:
    from runbook_lib.artifact.diff import Difference

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Artifact = Annotated[Path, typer.Argument(help="An artifact's folder.")]


def mount(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("verify")(verify)
    app.command("replay")(replay)
    app.command("diff")(diff)


def verify(
    artifact: Artifact,
    expect: Annotated[str | None, typer.Option(help="The SHA-256 that was printed when it was sealed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Prove that an artifact is unchanged. Exit 0 intact, 1 changed, missing or added, 2 not an artifact."""
    from runbook_lib.artifact.verify import verify as check
    from runbook_lib.cli import printing

    found = check(artifact, expect)
    if as_json:
        printing.print_json(found.as_dict())
    else:
        for what in ("changed", "missing", "added"):
            for name in getattr(found, what):
                printing.print_result(f"{what:<8} {visible(name)}")
        printing.print_result(f"{'intact' if found.intact else 'NOT intact'}  {found.manifest_sha256}")
    raise typer.Exit(0 if found.intact else 1)


def replay(
    artifact: Artifact,
    kernel: Annotated[
        bool, typer.Option("--kernel/--no-kernel", help="In a notebook's kernel, or its procedure alone.")
    ] = True,
    not_intact: Annotated[
        bool, typer.Option("--not-intact", help="Even if it was changed since it was sealed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Reach an artifact's verdict again from its own record. Exit as the run's; 6 when the verdict differs."""
    from runbook_lib.cli import printing
    from runbook_lib.run.replay import replay as replayed

    with printing.Progress() as progress:
        again = replayed(artifact, with_kernel=kernel, though_not_intact=not_intact, on_cell=progress.cell)
    for note in again.notes:
        printing.print_note(f"runbook: {visible(note)}")
    if as_json:
        printing.print_json({**again.as_dict(), "exit_code": again.exit_code})
    else:
        printing.print_result(f"{'the same verdict' if again.same else 'ANOTHER verdict'}: {again.after['status']}")
        printing.print_result(f"recorded  {again.recorded_sha256} {again.before['status']}")
        printing.print_result(f"replayed  {again.after['verdict_sha256']} {again.after['status']}")
    raise typer.Exit(again.exit_code)


def diff(
    before: Annotated[Path, typer.Argument(help="An artifact's folder, or an audit's record.")],
    after: Annotated[Path, typer.Argument(help="A later one.")],
    as_json: AsJson = False,
) -> None:
    """Compare two artifacts, or two audits. Exit 0 no change, 1 something new or worse, 2 wrong use, 3 not comparable."""
    from runbook_lib.artifact.diff import diff as compare
    from runbook_lib.artifact.read import read_verdict
    from runbook_lib.cli import printing
    from runbook_lib.run.audits.record import is_record

    if is_record(before) or is_record(after):
        _diff_audits(before, after, as_json=as_json)
    found = compare(read_verdict(before), read_verdict(after))
    if as_json:
        printing.print_json({**found.as_dict(), "exit_code": found.exit_code})
    else:
        _print(found)
    raise typer.Exit(found.exit_code)


def _diff_audits(before: Path, after: Path, *, as_json: bool) -> NoReturn:
    from runbook_lib.cli import printing
    from runbook_lib.run.audits.compare import compare
    from runbook_lib.run.audits.record import read_record

    found = compare(read_record(before), read_record(after))
    if as_json:
        printing.print_json(found.as_dict())
    else:
        for each in found.changes:
            printing.print_result(visible(f"{each.result.target} {each.result.procedure} {each.result.org}".rstrip()))
            if each.difference is None:
                printing.print_result("  nothing to compare with")
            else:
                _print(each.difference, "  ")
        for lost in found.lost:
            printing.print_result(
                visible(f"{lost.target} {lost.procedure} {lost.org}".rstrip()) + "\n  the later audit did not run it"
            )
    raise typer.Exit(found.exit_code)


def _print(found: "Difference", indent: str = "") -> None:
    from runbook_lib.cli import printing

    if found.of_different:
        printing.print_result(f"{indent}not comparable: {visible(found.why_not)}")
        return
    printing.print_result(f"{indent}{found.status[0]} → {found.status[1]}")
    for what in ("new", "worse", "gone"):
        for each in getattr(found, what):
            printing.print_result(
                indent + visible(f"{what:<6} {each['in']:<7} {each['code']} · {each['subject']}: {each['summary']}")
            )
    printing.print_result(f"{indent}{found.same} the same")
    if found.why_not:
        printing.print_note(f"runbook: not comparable: {visible(found.why_not)}")
