"""report.html: one file, no script, no network, nothing hidden, whatever was in the notebook."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.artifact.clean_html import clean_html
from runbook_lib.artifact.report import report_html
from runbook_lib.core.redact import Redactor
from runbook_lib.show.html import band, chip, join, picture, preformatted, rows_table

RUN = {
    "run": "r",
    "procedure": "90_lamp",
    "incident": "INC-7",
    "target": "live",
    "state": "done",
    "why": "",
    "parameters": {"a": "<b>"},
}
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<iframe src='https://evil.example'></iframe>",
    "<!-- swallowed",
    "<style>body{display:none}</style>",
    "<div style='position:fixed;top:0'>",
    "<a href='javascript:alert(1)'>x</a>",
    "<svg><script>1</script></svg>",
    "</main></body></html>",
    "<form action='https://evil.example'><input></form>",
    "<link rel=stylesheet href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example'>",
    "<textarea>",
    "<plaintext>",
    "<template>",
    "<details><summary>x",
]


def code(source: str, *outputs: Any, outcome: str = "done", tags: tuple[str, ...] = ("step",)) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "metadata": {"tags": list(tags), "runbook": {"outcome": outcome}},
        "source": source,
        "outputs": list(outputs),
        "execution_count": 1,
    }


def html_output(text: str) -> dict[str, Any]:
    return {"output_type": "display_data", "data": {"text/html": text, "text/plain": "x"}, "metadata": {}}


def page(tmp_path: Path, *cells: Any, run: dict[str, Any] | None = None, redactor: Redactor | None = None) -> str:
    return report_html(tmp_path, {"cells": list(cells)}, {**RUN, **(run or {})}, redactor or Redactor()).decode()


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "hr", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def tags_of(text: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(text)
    parser.close()
    assert parser.open == [], "everything that is opened is closed"
    return parser.seen


def assert_harmless(text: str) -> None:
    for tag, attributes in tags_of(text):
        assert tag not in ("script", "iframe", "object", "embed", "link", "form", "base", "svg", "input", "template")
        for name, value in attributes.items():
            assert not name.startswith("on"), name
            if name in ("src", "srcset"):
                assert str(value).startswith("data:image/")
            if name == "href":
                assert re.match(r"https?://|#", str(value)), value
            if name == "style":
                assert not re.search(r"position|url\(|display:\s*none|expression", str(value))


def test_the_policy_forbids_scripts_and_the_network(tmp_path: Path) -> None:
    text = page(tmp_path, code("run.step()"))
    assert "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\"" in text
    assert text.index("Content-Security-Policy") < text.index("<style>")
    assert 'name="viewport"' in text


@pytest.mark.parametrize("markup", HOSTILE)
def test_hostile_markup_in_any_place_is_harmless_and_hides_nothing(tmp_path: Path, markup: str) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": markup},
        {"cell_type": "raw", "metadata": {}, "source": markup},
        code(markup, html_output(markup)),
        code("x", {"output_type": "stream", "name": "stdout", "text": markup}),
        code("x", {"output_type": "error", "ename": markup, "evalue": markup, "traceback": [markup]}, outcome="failed"),
        code("x", {"output_type": "display_data", "data": {"text/markdown": markup}, "metadata": {}}),
        code("x", {"output_type": "display_data", "data": {"image/png": markup}, "metadata": {}}),
        code("the very last cell"),
    ]
    run = dict.fromkeys(("incident", "procedure", "target", "why", "run"), markup)
    (tmp_path / "verdict.json").write_text(
        json.dumps({"status": markup, "causes": [{"code": markup, "summary": markup}]})
    )
    (tmp_path / "facts.json").write_text(
        json.dumps({"links": [{"title": markup, "url": "javascript:alert(1)"}], "deployments": [{"part": markup}]})
    )
    text = page(tmp_path, *cells, run={**run, "state": "broke"})
    assert_harmless(text)
    assert "the very last cell" in text


@given(st.text(alphabet="<>/!-\"'= abscriptonerrorstyledivimg&;#x0\n", max_size=120))
def test_whatever_is_fed_in_comes_out_balanced_and_harmless(markup: str) -> None:
    assert_harmless(clean_html(markup))


def test_what_our_own_displays_use_survives() -> None:
    rows = rows_table(["a", "b"], [(["x", chip("y", "#d1453b", solid=True)], "odd", "look-1")], right=frozenset({1}))
    shown = join(
        [rows, chip("z", "#d1453b", solid=False), band("#1a5fb4", picture(b"png", "a plot")), preformatted("1 < 2")]
    )
    assert clean_html(shown).replace(", ", ",") == shown


@pytest.mark.parametrize(
    "style",
    [
        "position:fixed", "top:0", "transform:scale(0)", "display:none", "display: NONE !important", "display:none/*;*/",
        "margin-top:-9999px", "margin:-.5em", "text-indent:-1px", "width:calc(0px - 9px)", "background:url(x)",
        "background:u\\72l(x)", "color:var(--x)", "behavior:expression(1)", 'content:"a;b"', "@import 'x'",
    ],
)  # fmt: skip
def test_a_style_can_colour_and_space_and_nothing_else(style: str) -> None:
    assert clean_html(f"<p style='{style};color:red'>x</p>".replace("'x'", "x")) in (
        '<p style="color:red">x</p>',
        '<p style="">x</p>',
    )


def test_errors_and_unfinished_cells_are_never_hidden(tmp_path: Path) -> None:
    traceback = {
        "output_type": "error",
        "ename": "ValueError",
        "evalue": "no",
        "traceback": ["\x1b[0;31mValueError\x1b[0m: no"],
    }
    text = page(
        tmp_path,
        code("a()", traceback, outcome="failed"),
        code("b()", outcome="not_run"),
        run={"state": "broke", "why": "ValueError in: a()"},
    )
    assert "ValueError: no" in text
    assert "not whole" in text
    assert "cell 1: failed" in text
    assert "cell 2: not run" in text


def test_code_is_folded_and_outputs_are_open(tmp_path: Path) -> None:
    text = page(tmp_path, code("run.step()", {"output_type": "stream", "name": "stdout", "text": "seen at once"}))
    folded = re.findall(r"<details>.*?</details>", text)
    assert any("run.step()" in each for each in folded)
    assert not any("seen at once" in each for each in folded)


def test_commits_and_permalinks_are_listed(tmp_path: Path) -> None:
    facts = {
        "deployments": [{"part": "web", "platform": "vercel", "commit": "abc1234", "url": "https://vercel.com/d"}],
        "links": [{"title": "the trace", "url": "https://grafana.example/t/1"}],
    }
    (tmp_path / "facts.json").write_text(json.dumps(facts))
    text = page(tmp_path)
    assert "abc1234" in text
    assert 'href="https://grafana.example/t/1"' in text


def test_what_a_procedure_wants_seen_at_a_glance_stands_before_the_evidence(tmp_path: Path) -> None:
    data = {"columns": ["objective"], "rows": [["API availability"]]}
    glance = [{"kind": "table", "title": "Objectives", "data": data}, {"kind": "unheard of", "data": 5}, "nothing"]
    (tmp_path / "facts.json").write_text(json.dumps({"glance": glance}))
    text = page(tmp_path, code("a()"))
    assert text.index("At a glance") < text.index("API availability") < text.index("<h3>Evidence</h3>")


def test_secrets_are_masked_in_the_report_as_well(tmp_path: Path) -> None:
    text = page(
        tmp_path,
        code("x = 'known-secret-value'", html_output("a@b.example sk_live_abcdefghijkl")),
        redactor=Redactor(["known-secret-value"]),
    )
    assert "known-secret-value" not in text
    assert "sk_live_abcdefghijkl" not in text
    assert "a@b.example" not in text


def test_an_engineers_own_cells_are_marked_as_theirs(tmp_path: Path) -> None:
    text = page(tmp_path, code("mine", tags=()), code("theirs"))
    assert text.count('<section class="own">') == 1


def test_a_spoilt_record_costs_the_evidence_table_only(tmp_path: Path) -> None:
    (tmp_path / "observations.jsonl").write_text("{")
    assert "The notebook" in page(tmp_path, code("x"))
