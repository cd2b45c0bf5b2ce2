"""What README.md and docs/drills.md say of the drills: every listed case, and what its last full drill came to.

`runbook drill --all` leaves its result in docs/drill-results.json when it is asked to; a case that stands there no more, or
does not stand there yet, makes the page stale, and a test says so.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from runbook_lib.drills.case import KINDS
from runbook_lib.drills.listed import CASES

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "drill-results.json"


def last_results() -> dict[str, dict[str, Any]]:
    """The cases of the last full drill by id; empty where none was kept."""
    try:
        document = json.loads(RESULTS.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return {case["id"]: case for case in document["cases"]}


def keep(document: dict[str, Any]) -> None:
    """Keep the result of a full drill for the documents; `make docs` then writes them. Times are left out: they are not facts."""
    cases = [{name: value for name, value in case.items() if name != "verdict_s"} for case in document["cases"]]
    text = json.dumps({"cases": cases, "summary": document["summary"]}, indent=1, ensure_ascii=False)
    RESULTS.write_text(text + "\n", "utf-8")


def counts_table() -> str:
    """Cases by procedure and kind, and how many of them the last full drill found correct."""
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
    """Every case: what is injected, what is expected, and what the last full drill got."""
    results = last_results()
    parts = [
        "# Every drill",
        "",
        "Generated from `runbook_lib/drills` and the last full drill (`docs/drill-results.json`) by `make docs`; do not edit.",
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
