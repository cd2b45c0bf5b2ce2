"""`drill --golden` and `drill --ablation`: what the kept records say by today's rules, without a sandbox."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from runbook_lib.cli import printing

if TYPE_CHECKING:
    from runbook_lib.drills.kit.case import Case


def golden(cases: Sequence["Case"], *, accepted: bool, as_json: bool) -> None:
    """Reach every kept verdict again. Exit 0 all right, 1 otherwise; `accepted` takes today's right verdicts for those to reach."""
    from runbook_lib.drills.kit.golden import accept, replay_cases
    from runbook_lib.drills.kit.results import exit_code, summary_of

    replayed = replay_cases(cases)
    if accepted:
        changed = accept(replayed)
        printing.print_note(f"{changed} verdicts of the index changed; see the difference: git diff tests/records")
        replayed = replay_cases(cases)
    for each in replayed:
        if each.why:
            printing.print_note(f"WRONG {each.name} {each.why}")
    rows = [each.as_dict() for each in replayed]
    summary = summary_of(len(rows), rows)
    if as_json:
        printing.print_json({"cases": rows, "summary": summary})
    else:
        printing.print_result(" · ".join(f"{name.replace('_', ' ')} {count}" for name, count in summary.items()))
    raise typer.Exit(exit_code(summary))


def ablation(cases: Sequence["Case"], *, share: float, as_json: bool) -> None:
    """Take every look of every record away in every way. Exit 0: nothing became surer than the whole record; 1 otherwise."""
    from runbook_lib.drills.kit.golden import ablate_cases

    result = ablate_cases(cases, share=share)
    for each in result.wrong:
        printing.print_note(f"WRONG {each.record} without {each.look} ({each.way}): {each.why}")
    if as_json:
        printing.print_json(
            {"records": result.records, "replays": result.replays, "wrong": [each.as_dict() for each in result.wrong]}
        )
    else:
        printing.print_result(f"{result.records} records · {result.replays} replays · {len(result.wrong)} wrong")
    raise typer.Exit(1 if result.wrong else 0)
