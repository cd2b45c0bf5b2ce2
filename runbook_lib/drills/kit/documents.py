"""What README.md and docs/drills.md say of the drills: every listed case, and what it came to when it was last drilled.

`runbook drill … --write-docs` leaves what its cases came to in docs/drill-results.jsonl; a case that stands there no more, or
does not stand there yet, makes the page stale, and a test says so.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runbook_lib.drills.kit.case import KINDS
from runbook_lib.drills.kit.listed import CASES
from runbook_lib.drills.kit.run_case import Outcome

RESULTS = Path(__file__).resolve().parents[3] / "docs" / "drill-results.jsonl"


def last_results() -> dict[str, dict[str, Any]]:
    """What each case came to when it was last drilled, by id; empty where nothing was kept."""
    try:
        cases = [json.loads(line) for line in RESULTS.read_text("utf-8").splitlines()]
    except FileNotFoundError:
        return {}
    return {case["id"]: case for case in cases}


def keep(outcomes: Sequence[Outcome]) -> None:
    """Keep what cases came to for the documents, in place of what they came to before; `make docs` then writes them.

    A case that is listed no more is dropped. Times are left out: they are not facts.
    """
    kept = {**last_results(), **{each.case.id: _without_times(each.as_dict()) for each in outcomes}}
    lines = [json.dumps(kept[case.id], ensure_ascii=False) + "\n" for case in CASES if case.id in kept]
    RESULTS.write_text("".join(lines), "utf-8")


def _without_times(case: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in case.items() if name != "verdict_s"}


def counts_table() -> str:
    """Cases by procedure and kind, and how many of them the last drill found correct."""
    results = last_results()
    lines = ["| procedure | " + " | ".join(kind.replace("_", " ") for kind in KINDS) + " | all | correct |"]
    lines.append("|---|" + "---|" * (len(KINDS) + 2))
    for procedure in sorted({case.procedure for case in CASES}):
        mine = [case for case in CASES if case.procedure == procedure]
        kinds = Counter(case.kind for case in mine)
        correct = sum(bool(results.get(case.id, {}).get("correct")) for case in mine)
        cells = [str(kinds[kind]) for kind in KINDS] + [str(len(mine)), str(correct)]
        lines.append(f"| {procedure} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def matrix_page() -> str:
    """Every case: what is injected, what is expected, and what the last drill got."""
    results = last_results()
    parts = [
        "# Every drill",
        "",
        "Generated from `runbook_lib/drills` and the last drills (`docs/drill-results.jsonl`) by `make docs`; do not edit.",
        "A case is **correct** when status, first code and set of codes are the expected ones (a narrower sub-code counts).",
        "",
        "| case | injected | expected | got | correct |",
        "|---|---|---|---|---|",
    ]
    for case in CASES:
        expected = f"{case.status} {_codes(case.codes)}".strip()
        result = results.get(case.id)
        got = (
            f"{result['got']['status']} {_codes(result['got']['codes'])}".strip()
            if result and result.get("got")
            else "not run"
        )
        mark = "yes" if result and result.get("correct") else "**no**"
        parts.append(f"| {case.id} | {_codes(case.injected)} | {expected} | {got} | {mark} |")
    return "\n".join(parts) + "\n"


def _codes(codes: Any) -> str:
    return ", ".join(f"`{code}`" for code in codes)
