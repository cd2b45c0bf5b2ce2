"""Writes every table that stands in README.md and docs/ and is a fact of the code: `make docs`. A test checks that all are current.

In README.md and in docs/procedures a generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; the files in
docs/ that are named below are generated whole.
"""

import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

WORKFLOW = ".github/workflows/nightly-audit.yml"
ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


from runbook_lib.drills.kit.documents import counts_table, drills_page  # noqa: E402
from runbook_lib.judging.causes import Catalogue, Cause  # noqa: E402
from runbook_lib.procedures.catalogues import CATALOGUES, catalogue_of  # noqa: E402
from runbook_lib.run.audits.file import FILE, find_audit, read_audit_file  # noqa: E402
from runbook_lib.run.audits.schedule import unit_text  # noqa: E402
from runbook_lib.run.home import Home  # noqa: E402
from runbook_lib.run.notebooks import Template, templates  # noqa: E402
from runbook_lib.run.parameters import declared_parameters  # noqa: E402
from runbook_lib.settings import env_example  # noqa: E402
from runbook_lib.settings.key_rights import keys_page  # noqa: E402
from runbook_lib.sources.permissions_page import permissions_page  # noqa: E402


def procedures_table() -> str:
    """The procedures, from the notebooks' own metadata."""
    rows = [
        f"| [{t.number}](docs/procedures/{t.stem}.md) | [{t.title}](notebooks/{t.path.name}) | {', '.join(t.services)} "
        f"| {t.minutes} | {t.changes} | {t.schedule or ''} |"
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


def facts_line(template: Template) -> str:
    """What a notebook's metadata says of its procedure, in one paragraph."""
    minutes = f"{template.minutes} minute{'s' if template.minutes != 1 else ''}"
    audit = f" **As an audit** {template.schedule}." if template.schedule else ""
    return (
        f"[{template.path.name}](../../notebooks/{template.path.name}) asks {', '.join(template.services)}. "
        f"**Takes** {minutes}. **Changes** {template.changes}.{audit}"
    )


def parameters_table(template: Template) -> str:
    """The parameters cell of a notebook as a table."""
    rows = [
        f"| `{each.name}` | {_default(each.default)} | {each.help.replace('|', chr(92) + '|')} |"
        for each in declared_parameters(template)
    ]
    return "\n".join(["| parameter | default | |", "|---|---|---|", *rows])


def _default(value: object) -> str:
    """A default as it would be given after `-p name=`; nothing for an empty text."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`" if text else ""


def causes_line(template: Template) -> str:
    """The codes that a procedure can name, by kind, and where each one's meaning and remedy stand."""
    catalogue = catalogue_of(template.stem)
    by_kind: dict[str, list[str]] = {}
    for cause in catalogue.all():
        by_kind.setdefault(cause.kind, []).append(f"`{cause.code}`")
    told = [
        f"**{kind}** {' · '.join(codes)}" for kind, codes in sorted(by_kind.items(), key=lambda each: -len(each[1]))
    ]
    return "\n\n".join(
        [f"All [causes](../causes.md#{template.stem}), each with its remedy and what would have shown it:", *told]
    )


Parts = Mapping[str, Callable[[], str]]
PARTS: Parts = {"procedures": procedures_table, "drills": counts_table}
FILES: dict[str, Callable[[], str]] = {
    ".env.example": env_example,
    "docs/causes.md": causes_page,
    "docs/drills.md": drills_page,
    "docs/keys.md": keys_page,
    "docs/permissions.md": permissions_page,
}


def filled(path: str, parts: Parts) -> str:
    """A page with its generated parts made anew. Raises KeyError for a part that nothing generates."""

    def fill(match: re.Match[str]) -> str:
        return f"<!-- generated: {match[1]} -->\n{parts[match[1]]()}\n<!-- end -->"

    text = (ROOT / path).read_text("utf-8")
    return re.sub(r"<!-- generated: (\w+) -->\n.*?<!-- end -->", fill, text, flags=re.S)


def procedure_pages() -> dict[str, str]:
    """The page of each procedure; FileNotFoundError for one that nobody has written."""
    pages = {}
    for template in templates(Home.find({})):
        parts: Parts = {
            "facts": partial(facts_line, template),
            "parameters": partial(parameters_table, template),
            "causes": partial(causes_line, template),
        }
        path = f"docs/procedures/{template.stem}.md"
        pages[path] = filled(path, parts)
    return pages


def workflow() -> str:
    """The workflow of the nightly audit."""
    path = ROOT / FILE
    return unit_text("github", "nightly", find_audit(path, read_audit_file(path), "nightly"), ROOT)


def documents() -> dict[str, str]:
    """Every generated file's path and its text as it should be."""
    whole = {path: make() for path, make in FILES.items()}
    return {"README.md": filled("README.md", PARTS), **procedure_pages(), **whole, WORKFLOW: workflow()}


def main() -> None:
    """Write what has changed, and say what was written."""
    for path, text in documents().items():
        file = ROOT / path
        if not file.exists() or file.read_text("utf-8") != text:
            file.write_text(text, "utf-8")
            print(f"wrote {path}")


if __name__ == "__main__":
    main()
