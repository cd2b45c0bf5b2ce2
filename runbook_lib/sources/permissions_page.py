"""docs/permissions.md: everything that the runbook asks of anybody, made from the sources' own declarations."""

import importlib
import pkgutil
from collections.abc import Iterator

import runbook_lib.sources
from runbook_lib.core.permissions import Permitted, declared


def permissions_page() -> str:
    """The page; generated, never edited. What stands on it is all that can leave the process."""
    return "\n".join(
        [
            "# What the runbook asks",
            "",
            "Generated from the declarations in `runbook_lib/sources/*/__init__.py` by `make docs`; do not edit.",
            "",
            "This is all: whatever a source has not declared raises before it leaves the process (`core/permissions.py`),",
            "redirects are not followed, and a database is asked in a transaction that cannot write. A path is the end of the",
            "request's path; `{…}` is one segment of it. What leaves a mark needs `--active`, or is work that was asked for.",
            "",
            "| source | asks | why it only reads, or what it leaves |",
            "|---|---|---|",
            *(line for may in all_permitted().values() for line in _lines(may)),
            "",
        ]
    )


def all_permitted() -> dict[str, Permitted]:
    """What every source has declared, by source."""
    for package in pkgutil.iter_modules(runbook_lib.sources.__path__, "runbook_lib.sources."):
        importlib.import_module(package.name)
    return declared()


def _lines(may: Permitted) -> Iterator[str]:
    for request in may.requests:
        asked = f"`{request.method} {request.path}`"
        if request.queries:
            asked += " queries " + ", ".join(f"`{query}`" for query in request.queries)
        why = f"**leaves a mark:** {request.leaves_a_mark}" if request.leaves_a_mark else request.reads_by_post
        yield f"| {may.source} | {asked} | {why} |"
    for program in may.programs:
        kind, _, name = program.partition(":")
        shown = f"the program that the setting `{name}` names" if kind == "setting" else f"the program `{program}`"
        yield f"| {may.source} | {shown} | |"
    if not may.requests and not may.programs:
        yield f"| {may.source} | nothing over the network, no program | files or the database alone |"
