"""Writes every table that stands in README.md and docs/ and is a fact of the code: `make docs`. A test checks that all are current.

In README.md a generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; the files in docs/ that are named
below are generated whole.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

WORKFLOW = ".github/workflows/nightly-audit.yml"
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


from runbook_lib.drills.kit.documents import counts_table, drills_page  # noqa: E402
from runbook_lib.judging.causes import Catalogue, Cause  # noqa: E402
from runbook_lib.procedures.catalogues import CATALOGUES  # noqa: E402
from runbook_lib.run.audits.file import FILE, find_audit, read_audit_file  # noqa: E402
from runbook_lib.run.audits.schedule import unit  # noqa: E402
from runbook_lib.run.home import Home  # noqa: E402
from runbook_lib.run.notebooks import templates  # noqa: E402
from runbook_lib.settings import env_example  # noqa: E402


def procedures_table() -> str:
    """The procedures, from the notebooks' own metadata."""
    rows = [
        f"| {t.number} | [{t.title}](notebooks/{t.path.name}) | {', '.join(t.services)} | {t.minutes} "
        f"| {t.changes} | {t.schedule or ''} |"
        for t in templates(Home.find({}))
    ]
    return "\n".join(
        ["| | question | services | minutes | changes | as an audit |", "|---|---|---|---|---|---|", *rows]
    )


def causes_page() -> str:
    """Every cause that a procedure can name: what is so, and the remedy."""
    parts = [
        "# What each procedure can name",
        "",
        "Generated from the procedures' `causes.py` by `make docs`; do not edit. A **fault** confirms; a **state** is true and "
        "worth saying, nothing is broken; a **blind** code names what hides the answer; an **exposure** is a finding of an "
        "audit. *Shown by* says what would have shown it: without that, it is not ruled out.",
    ]
    for catalogue in CATALOGUES:
        parts += [
            "",
            f"## {catalogue.procedure}",
            "",
            "| code | kind | what is so | what to do | shown by |",
            "|---|---|---|---|---|",
        ]
        parts += _cause_rows(catalogue)
        if catalogue.also:
            parts += ["", "It may name these as well: " + ", ".join(f"`{code}`" for code in catalogue.also) + "."]
    return "\n".join(parts) + "\n"


def _cause_rows(catalogue: Catalogue) -> list[str]:
    rows = []
    for cause in catalogue.causes.values():
        rows.append(f"| `{cause.code}` | {cause.kind} | {cause.what} | {cause.remedy} | {_shown_by(cause)} |")
        for name, sub in cause.subcodes.items():
            rows.append(f"| `{cause.code}.{name}` | | {sub.what} | {sub.remedy} | |")
    return [row.replace("\n", " ") for row in rows]


def _shown_by(cause: Cause) -> str:
    """What would have shown it, in words; empty for a cause that nothing has to exclude."""
    if cause.shown_by is None:
        return ""
    return cause.shown_by.replace("_", " ") if isinstance(cause.shown_by, str) else cause.shown_by.words()


PARTS: dict[str, Callable[[], str]] = {"procedures": procedures_table, "drills": counts_table}
FILES: dict[str, Callable[[], str]] = {
    ".env.example": env_example,
    "docs/causes.md": causes_page,
    "docs/drills.md": drills_page,
}


def readme() -> str:
    """README.md with its generated parts made anew. Raises KeyError for a part that nothing generates."""

    def fill(match: re.Match[str]) -> str:
        return f"<!-- generated: {match[1]} -->\n{PARTS[match[1]]()}\n<!-- end -->"

    text = (ROOT / "README.md").read_text("utf-8")
    return re.sub(r"<!-- generated: (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.S)


def workflow() -> str:
    """The workflow of the nightly audit."""
    path = ROOT / FILE
    return unit("github", "nightly", find_audit(path, read_audit_file(path), "nightly"), ROOT)


def documents() -> dict[str, str]:
    """Every generated file's path and its text as it should be."""
    return {"README.md": readme(), **{path: make() for path, make in FILES.items()}, WORKFLOW: workflow()}


def main() -> None:
    """Write what has changed, and say what was written."""
    for path, text in documents().items():
        file = ROOT / path
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
