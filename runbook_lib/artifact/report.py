"""report.html: one file that shows a run on a phone and on paper, with no script, no font and no network.

First what matters: target, status, situation, cause, evidence, what was not seen, what to do; and what the procedure wants
seen at a glance. Then what else is worth
keeping for a postmortem: deployed commits, links into the vendors' consoles. Then the whole notebook, code folded, every
step and every error shown.
"""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runbook_lib.artifact.cells import cell_html, outcome_words
from runbook_lib.artifact.files import VERDICT
from runbook_lib.artifact.record import read_looks
from runbook_lib.core.errors import ArtifactError
from runbook_lib.core.model import Json, Observation
from runbook_lib.core.redact import Masked, Redactor
from runbook_lib.procedures.base import Exhibit
from runbook_lib.show.evidence import evidence_table
from runbook_lib.show.exhibits import exhibit
from runbook_lib.show.html import STYLE, Html, band, join, link, rows_table, tag
from runbook_lib.show.target import target_line
from runbook_lib.show.text import format_moment, one_line, shorten
from runbook_lib.show.verdict import verdict_card

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_PAGE = """
:root{color-scheme:light dark}
body{font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;max-width:72rem;margin:0 auto;
padding:1rem;overflow-wrap:break-word}
header{border-bottom:2px solid rgba(128,128,128,.4);margin-bottom:1.5rem;padding-bottom:1rem}
section{margin:1.2rem 0;min-width:0}
pre,.code{overflow-x:auto;font:13px/1.45 ui-monospace,Menlo,Consolas,monospace;white-space:pre;padding:.6rem;border-radius:6px}
pre{background:rgba(128,128,128,.1)}
details>summary{cursor:pointer;font-size:.85rem;opacity:.75}
table:not(.nx-table){border-collapse:collapse;display:block;overflow-x:auto;max-width:100%;font-size:.9rem}
table:not(.nx-table) :is(th,td){text-align:left;vertical-align:top;
padding:.25rem .5rem;border-bottom:1px solid rgba(128,128,128,.3)}
img{max-width:100%;height:auto}
.error{border-left:8px solid #d1453b;padding-left:.6rem}
.own{border-left:4px solid #2f81d6;padding-left:.6rem}
.outcome{font-size:.85rem;opacity:.8}
@media print{details>summary{display:none}pre{white-space:pre-wrap}section{break-inside:avoid-page}}
""".replace("\n", "")


def report_html(folder: Path, notebook: Mapping[str, Any], run: Mapping[str, Json], redactor: Redactor) -> Masked:
    """The report of a run's folder, whole or not.

    Args:
        folder: holds verdict.json and facts.json where the run concluded, and observations.jsonl.
        notebook: the executed notebook, as JSON.
        run: run.json.
        redactor: masks once more every byte that is written.
    """
    verdict = _json(folder / VERDICT)
    facts = _json(folder / "facts.json") or {}
    looks = _looks(folder)
    title = f"{run.get('incident')} · {run.get('procedure')} · {(verdict or {}).get('status', run.get('state'))}"
    head = [
        _ending(run, notebook),
        verdict_card(verdict).body if verdict else _without_verdict(run),
        _glance(facts),
        tag("h3", "Evidence"),
        evidence_table(looks),
        _deployed(facts),
        _links(facts),
        _provenance(run),
    ]
    cells = "".join(cell_html(cell, number) for number, cell in enumerate(notebook.get("cells", []), 1))
    page = (
        "<!doctype html>"
        f'<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f"<title>{html.escape(one_line(title, 150))}</title><style>{_PAGE}{STYLE}</style></head>"
        f'<body><header class="nx">{join(head)}</header><main><h2>The notebook</h2>{cells}</main></body></html>\n'
    )
    return redactor.own(page.encode("utf-8", "replace"))


def _ending(run: Mapping[str, Json], notebook: Mapping[str, Any]) -> Html:
    """What must be known before anything else where a run did not end by itself."""
    if run.get("state") in ("done", "concluded"):
        return Html("")
    rows = [
        (one_line(number), *outcome_words(cell))
        for number, cell in enumerate(notebook.get("cells", []), 1)
        if cell.get("cell_type") == "code"
    ]
    table = rows_table(["cell", "what", "outcome"], (([*row], None, None) for row in rows))
    state = one_line(run.get("state"))
    said = "This run hit its own deadline." if state == "deadline" else f"This run is not whole: {state}."
    said += f" {shorten(run.get('why') or '', 1000)}"
    return band(
        "#d1453b", tag("strong", said), tag("details", tag("summary", "what became of each cell"), table, open="")
    )


def _without_verdict(run: Mapping[str, Json]) -> Html:
    target = one_line(run.get("target"), 80)
    return join([target_line(target, live=target != "sandbox"), tag("p", tag("strong", "There is no verdict."))])


def _glance(facts: Mapping[str, Json]) -> Html:
    """What a procedure wants seen on the first page, beside the verdict: exhibits as its facts hold them."""
    shown = facts.get("glance")
    found = [each for each in shown if isinstance(each, Mapping)] if isinstance(shown, list) else []
    drawn = [exhibit(Exhibit(str(each.get("kind")), str(each.get("title", "")), each.get("data"))) for each in found]
    return join([tag("h3", "At a glance"), *(each.body for each in drawn)]) if drawn else Html("")


def _deployed(facts: Mapping[str, Json]) -> Html:
    """The deployed commit of each part that was seen."""
    deployments = facts.get("deployments")
    found = [each for each in deployments if isinstance(each, Mapping)] if isinstance(deployments, list) else []
    if not found:
        return Html("")
    keys = ("part", "platform", "commit", "branch", "message", "state", "at")
    rows = (([*(_cell(each, key) for key in keys)], None, None) for each in found)
    return join([tag("h3", "What was deployed"), rows_table(list(keys), rows)])


def _cell(each: Mapping[str, Json], key: str) -> Html | str:
    if key == "at":
        return format_moment(each.get(key))
    text = shorten(each.get(key), 200)
    return link(text, each.get("url")) if key == "part" else text


def _links(facts: Mapping[str, Json]) -> Html:
    """Permalinks into the vendors' consoles."""
    links = facts.get("links")
    found: list[tuple[str, Json]] = []
    if isinstance(links, Mapping):
        found = [(str(name), address) for name, address in links.items()]
    elif isinstance(links, list):
        found = [
            (one_line(each.get("title") or each.get("what") or each.get("url")), each.get("url"))
            for each in links
            if isinstance(each, Mapping)
        ]
    if not found:
        return Html("")
    return join([tag("h3", "In the vendors' consoles"), tag("ul", [tag("li", link(name, url)) for name, url in found])])


def _provenance(run: Mapping[str, Json]) -> Html:
    git = run.get("git") or {}
    who = run.get("who") or {}
    commit = one_line(git.get("commit") or "unknown") + (" with local changes" if git.get("dirty") else "")
    lines = [
        f"run {one_line(run.get('run'))}"
        + (f", continues {one_line(run['continues'])}" if run.get("continues") else ""),
        f"by {one_line(who.get('user'))} on {one_line(who.get('host'))}",
        f"runbook {one_line((run.get('versions') or {}).get('runbook'))} at {commit}",
        f"library sha256 {one_line(run.get('library_sha256'))}",
        f"parameters {shorten(json.dumps(run.get('parameters'), ensure_ascii=False), 2000)}",
    ]
    return tag("details", tag("summary", "provenance"), tag("ul", [tag("li", line) for line in lines]))


def _looks(folder: Path) -> Sequence[Observation]:
    try:
        return read_looks(folder)
    except ArtifactError:
        return []


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
