"""One cell of an executed notebook as HTML: prose rendered, code folded, outputs open, errors never hidden."""

import html
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from runbook_lib.artifact.clean_html import clean_html

_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_IMAGES = ("image/png", "image/jpeg", "image/gif")
_KNOWN_TAGS = frozenset({"parameters", "injected-parameters", "setup", "step", "conclusion"})
_MOST_TEXT = 200_000  # characters of one plain output that are shown; the notebook beside the report holds all


def cell_html(cell: Mapping[str, Any], number: int) -> str:
    """A cell as a section; its outcome stands over it where it is anything but done."""
    source = _joined(cell.get("source", ""))
    if cell.get("cell_type") == "markdown":
        return f"<section>{_markdown(source)}</section>"
    if cell.get("cell_type") != "code":
        return f"<section><pre>{html.escape(source)}</pre></section>" if source.strip() else ""
    name, outcome = outcome_words(cell)
    said = "" if outcome in ("done", "") else f'<p class="outcome error">cell {number}: {html.escape(outcome)}</p>'
    code = (
        f"<details><summary>{html.escape(name)}</summary><pre>{html.escape(source)}</pre></details>" if source else ""
    )
    outputs = "".join(_output(output, number) for output in cell.get("outputs", []))
    return f'<section class="{"" if is_template_cell(cell) else "own"}">{said}{code}{outputs}</section>'


def is_template_cell(cell: Mapping[str, Any]) -> bool:
    """Whether a cell belongs to the procedure; what an engineer added carries none of its tags."""
    tags = cell.get("metadata", {}).get("tags", [])
    return any(tag in _KNOWN_TAGS or str(tag).startswith("step:") for tag in tags)


def outcome_words(cell: Mapping[str, Any]) -> tuple[str, str]:
    """A cell's first line, and what became of it: done, failed, not run, …; empty where nobody noted it (JupyterLab)."""
    source = _joined(cell.get("source", ""))
    first = next((line.strip() for line in source.splitlines() if line.strip()), "code")
    outcome = str(cell.get("metadata", {}).get("runbook", {}).get("outcome", ""))
    if any(output.get("output_type") == "error" for output in cell.get("outputs", [])) and outcome in ("", "done"):
        outcome = "failed"
    return first if len(first) <= 100 else first[:97] + "…", outcome.replace("_", " ")


def _output(output: Mapping[str, Any], number: int) -> str:
    kind = output.get("output_type")
    if kind == "stream":
        return _plain(_joined(output.get("text", "")))
    if kind == "error":
        traceback = "\n".join(map(str, output.get("traceback", [])))
        words = traceback or f"{output.get('ename')}: {output.get('evalue')}"
        return f'<div class="error">{_plain(words)}</div>'
    data = output.get("data", {})
    for media in _IMAGES:
        if media in data and "text/html" not in data:
            encoded = re.sub(r"[^A-Za-z0-9+/=]", "", _joined(data[media]))
            return f'<p><img alt="" src="data:{media};base64,{encoded}"></p>'
    if "text/html" in data:
        return f'<div class="nx">{clean_html(_joined(data["text/html"]), id_prefix=f"cell-{number}-")}</div>'
    if "text/markdown" in data:
        return _markdown(_joined(data["text/markdown"]))
    return _plain(_joined(data["text/plain"])) if "text/plain" in data else ""


def _plain(text: str) -> str:
    clean = _ANSI.sub("", text)
    rest = len(clean) - _MOST_TEXT
    more = f"\n… {rest:,} more characters in notebook.ipynb" if rest > 0 else ""
    return f"<pre>{html.escape(clean[:_MOST_TEXT] + more)}</pre>"


def _markdown(text: str) -> str:
    return clean_html(str(_renderer()(text)))


@cache
def _renderer() -> Any:
    import mistune

    return mistune.create_markdown(escape=True, plugins=["table", "strikethrough", "url"])


def _joined(text: Any) -> str:
    return text if isinstance(text, str) else "".join(map(str, text))
