"""Displays work in Jupyter, on a terminal and in a report, and load nothing before it is needed."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from IPython.core.formatters import DisplayFormatter

from runbook_lib.procedures.base import Exhibit, StepView
from runbook_lib.show import exhibit, step_view


def test_jupyter_gets_text_html_and_picture(make_span: Callable[..., Any], png_of: Callable[..., bytes]) -> None:
    shown = exhibit(
        Exhibit("waterfall", "Spans", {"trace_id": "a", "total_ms": 9, "spans": [make_span(0, "api", 0, 9)]})
    )
    formatter = DisplayFormatter()
    formatter.active_types = formatter.format_types
    bundle, _ = formatter.format(shown)
    assert set(bundle) == {"text/plain", "text/html", "image/png"}
    assert png_of(bundle).startswith(b"\x89PNG")
    assert bundle["text/plain"] == shown.plain == repr(shown) == str(shown)
    assert bundle["text/html"].startswith("<style>")


def test_a_step_carries_its_pictures_within(make_span: Callable[..., Any], read_page: Callable[[str], Any]) -> None:
    spans = {"trace_id": "a", "total_ms": 9, "spans": [make_span(0, "api", 0, 9)]}
    shown = step_view(StepView("s", "Q?", (), "S.", (Exhibit("waterfall", "Spans", spans),) * 2))
    page = read_page(shown.html)
    assert len(page.tagged("img")) == 2
    assert all(image["alt"].startswith("Waterfall of trace a") for image in page.tagged("img"))
    assert len(page.tagged("style")) == 1
    assert "the same as text" in page.text


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_saying_a_verdict_loads_no_plotting_and_no_http() -> None:
    code = "import sys, runbook_lib.show as s; s.verdict_text({}); s.verdict_card({})\n"
    code += (
        "print([m for m in ('matplotlib', 'pandas', 'numpy', 'ipywidgets', 'httpx', 'IPython') if m in sys.modules])"
    )
    assert run(code).strip() == "[]"


def test_a_picture_needs_and_disturbs_no_backend() -> None:
    code = "import os, sys; os.environ['MPLBACKEND'] = 'qtagg'\n"
    code += "from runbook_lib.show.latency import latency\n"
    code += "png = latency({'points': [{'at': '2026-11-23T08:00:00Z', 'ms': 3}]}).png\n"
    code += (
        "print(png[:4], [m for m in ('matplotlib.pyplot', 'matplotlib.backends.backend_qtagg') if m in sys.modules])"
    )
    assert run(code).strip() == r"b'\x89PNG' []"
