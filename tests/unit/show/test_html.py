"""HTML is built so that no text from outside can become markup."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.show.html import anchor, band, chip, document, link, preformatted, rows_table, tag
from runbook_lib.show.text import make_visible, one_line

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "<!--",
    "]]>",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "<svg/onload=alert(1)>",
    "\x00<b\x00>",
    "</pre></div></td>",
]
vendor_text = st.one_of(
    st.sampled_from(NASTY), st.text(max_size=60), st.lists(st.sampled_from(NASTY), max_size=3).map("".join)
)


@given(vendor_text)
def test_any_text_stays_text_in_every_place(read_page: Callable[[str], Any], text: str) -> None:
    html = document(
        tag("p", text, data_label=text, cls=text, id=anchor(text)),
        tag("a", "x", href=text),
        tag("img", src=text, alt=text),
        link(text, text),
        chip(text, "#2c974b", solid=True),
        band("#2c974b", text),
        preformatted(text),
        rows_table([text], [([text], text, text)]),
    )
    page = read_page(html)
    linked = ["a"] if text.lower().startswith(("http://", "https://")) else []
    table = ["div", "table", "thead", "tr", "th", "tbody", "tr", "td"]
    assert [name for name, _ in page.elements] == [
        "style",
        "div",
        "p",
        "a",
        "img",
        *linked,
        "span",
        "div",
        "pre",
        *table,
    ]
    assert page.text.count(one_line(text)) >= 5 or not text.strip()
    assert page.tagged("img")[0]["alt"] == page.tagged("p")[0]["class"] == make_visible(text)


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        " javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,x",
        "//evil.example",
        "file:///etc/passwd",
        "#x",
    ],
)
def test_a_link_that_is_no_web_address_is_plain_text(address: str) -> None:
    assert link("here", address) == "here"


def test_a_web_address_becomes_a_link_that_hands_nothing_over() -> None:
    shown = link("release 41", "https://fly.io/apps/gw?x=1&y=2")
    assert 'href="https://fly.io/apps/gw?x=1&amp;y=2"' in shown
    assert "noopener noreferrer" in shown


def test_a_picture_from_elsewhere_is_dropped() -> None:
    assert "src" not in tag("img", src="https://evil.example/x.png")
    assert "src" not in tag("img", src='data:image/png;base64,AA" onload="x')
    assert "src" in tag("img", src="data:image/png;base64,AAAA")


def test_what_proves_nothing_has_a_dashed_edge() -> None:
    assert "solid" in chip("ok", "#2c974b", solid=True)
    assert "dashed" not in chip("ok", "#2c974b", solid=True)
    assert "dashed" in chip("denied", "#2c974b", solid=False)


def test_the_style_sheet_needs_no_network_and_fixes_no_width() -> None:
    html = document("x")
    assert "url(" not in html
    assert "@import" not in html
    assert "max-width" in html
    assert "@media print" in html
    assert ";width:1" not in html
