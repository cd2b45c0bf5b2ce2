"""`drill`: break the sandbox in every known way and see that the runbook finds it, and only it."""

from collections.abc import Sequence
from concurrent.futures import as_completed
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from runbook_lib.drills.kit.run_case import Outcome


def mount(app: typer.Typer) -> None:
    """Add this command."""
    app.command("drill")(drill)


def drill(
    codes: Annotated[
        list[str] | None, typer.Argument(metavar="[CODE…]", help="Causes; the narrower ones are meant too.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every case there is.")] = False,
    case: Annotated[list[str] | None, typer.Option("--case", help="A case by its id; may be repeated.")] = None,
    procedure: Annotated[str, typer.Option(help="Only cases of this procedure.")] = "",
    kind: Annotated[list[str] | None, typer.Option(help="fault, healthy, decoy, double or blind_spot.")] = None,
    kernel: Annotated[
        bool, typer.Option("--kernel/--no-kernel", help="Run every fault once through the real notebook.")
    ] = True,
    list_only: Annotated[bool, typer.Option("--list", help="Show the cases, run none.")] = False,
    from_records: Annotated[
        bool,
        typer.Option("--golden", help="Replay the kept records by today's rules: no sandbox, no network, no clock."),
    ] = False,
    accepted: Annotated[
        bool, typer.Option("--accept", help="With --golden: take today's right verdicts for the ones to reach.")
    ] = False,
    ablated: Annotated[
        bool, typer.Option("--ablation", help="Take every look of every kept record away: nothing may become surer.")
    ] = False,
    share: Annotated[float, typer.Option(help="With --ablation: the part of the replays to make, seeded.")] = 1.0,
    record: Annotated[
        bool, typer.Option(help="Without kernels; keep what correct cases saw in tests/records, to be replayed.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Drill. Exit 0 all correct and none left out, 1 otherwise, 2 wrong use, 5 broke."""
    from runbook_lib.sandbox.extra import need_sandbox

    need_sandbox("There is nothing to drill against")
    from runbook_lib.cli import printing, record_commands
    from runbook_lib.core.errors import UsageError
    from runbook_lib.drills.kit.arena import arena
    from runbook_lib.drills.kit.case import KINDS
    from runbook_lib.drills.kit.case_list import select, through_the_notebook
    from runbook_lib.drills.kit.golden import keep_records, keep_wrong
    from runbook_lib.drills.kit.results import as_json as as_document
    from runbook_lib.drills.kit.results import exit_code

    if unknown := sorted(set(kind or ()) - set(KINDS)):
        raise UsageError(
            "There is no such kind of case", came_back=", ".join(unknown), do_next=f"Known: {', '.join(KINDS)}."
        )
    named = bool(codes or case or procedure or kind)
    replays = from_records or ablated
    if not (named or every or list_only or replays):
        raise UsageError("Say what to drill", do_next="Name causes, or give --all.")
    cases = select(codes or (), ids=case or (), procedure=procedure, kinds=kind or ())
    if list_only:
        printing.print_result(
            "\n".join(f"{each.id}  expects {each.status} {', '.join(each.codes)}".rstrip() for each in cases)
        )
        return
    if ablated:
        record_commands.ablation(cases, share=share, as_json=as_json)
    if replays:
        record_commands.golden(cases, accepted=accepted, as_json=as_json)
    by_notebook = through_the_notebook(cases) if kernel and not record else frozenset()
    outcomes: dict[str, Outcome] = {}
    with arena(cases, lambda each: each.id in by_notebook) as running:
        for number, future in enumerate(as_completed(running.futures.values()), 1):
            outcome = future.result()
            outcomes[outcome.case.id] = outcome
            mark = "ok   " if outcome.is_correct else "WRONG"
            printing.print_note(f"{number}/{len(cases)} {mark} {outcome.case.id} {outcome.why}".rstrip())
            if kept := keep_wrong(outcome):
                printing.print_note(f"  what it saw: {kept}")
    in_order = [outcomes[each.id] for each in cases]
    document = as_document(len(cases), in_order)
    if record:
        keep_records(in_order)
    if as_json:
        printing.print_json(document)
    else:
        printing.print_result(_told(document["summary"]))
    raise typer.Exit(exit_code(document["summary"]))


def _told(summary: dict[str, int]) -> str:
    counts: Sequence[str] = [f"{name.replace('_', ' ')} {count}" for name, count in summary.items()]
    return " · ".join(counts)
