"""HTML that is built, never typed: every text is escaped on its way in, and only harmless links and pictures get through.

One small style sheet goes with each display (no script, no font, no network). What must be seen even where a viewer drops
style sheets (an untrusted notebook, a forge's preview) is styled inline and also said in words. Colors are translucent
or mid-tone, so that they read on dark and on light; texts inherit the page's color.
"""

import base64
import html
import re
from collections.abc import Iterable
from typing import TypeAlias

from runbook_lib.show.text import make_visible, one_line

GREEN, BLUE, AMBER, RED, GREY = "#2c974b", "#2f81d6", "#b7791f", "#d1453b", "#7d8590"

STYLE = """
.nx{max-width:68rem;line-height:1.45;overflow-wrap:anywhere;text-align:left}
.nx h3{margin:.2em 0 .3em;font-size:1.15em}.nx h4{margin:1em 0 .25em;font-size:1em}.nx p{margin:.3em 0}
.nx ul{margin:.2em 0;padding-left:1.2em}.nx figure{margin:.8em 0}.nx figcaption{font-weight:600;margin-bottom:.3em}
.nx a{color:inherit;text-decoration:underline}.nx img{max-width:100%;height:auto;border-radius:6px;display:block}
.nx pre{overflow-x:auto;font-size:.8em;line-height:1.3;white-space:pre;padding:.5em;margin:.3em 0}
.nx .nx-scroll{overflow-x:auto;max-width:100%}
.nx .nx-small{font-size:.85em;opacity:.8}
.nx table.nx-table{table-layout:auto;border-collapse:collapse;margin:.3em 0;font-size:.87em;width:auto;max-width:100%}
.nx table.nx-table th,.nx table.nx-table td{text-align:left;vertical-align:top;padding:.3em .6em;white-space:normal;
overflow-wrap:break-word;border-bottom:1px solid rgba(128,128,128,.3)}
.nx table.nx-table .nx-small{overflow-wrap:anywhere}.nx table.nx-table th{border-bottom-width:2px}
.nx table.nx-table .nx-right{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.nx table.nx-table tr.nx-nothing td{background:rgba(128,128,128,.1)}
@media screen and (min-width:641px){.nx table.nx-table td>div{min-width:17em}
.nx table.nx-table td:nth-last-child(-n+2):not(.nx-right){overflow-wrap:anywhere}}
@media (max-width:640px){.nx table.nx-stack,.nx table.nx-stack tbody,.nx table.nx-stack tr,.nx table.nx-stack td{display:block}
.nx table.nx-stack thead{display:none}.nx table.nx-stack tr{border-bottom:2px solid rgba(128,128,128,.4);padding:.3em 0}
.nx table.nx-stack td,.nx table.nx-stack .nx-right{border:0;padding:.1em .4em;text-align:left}
.nx table.nx-stack td:empty{display:none}
.nx table.nx-stack td[data-label]::before{content:attr(data-label) ": ";font-size:.85em;opacity:.7}}
@media print{.nx{max-width:none}.nx figure,.nx tr,.nx .nx-keep{break-inside:avoid}
.nx .nx-scroll{overflow:visible!important}.nx pre{white-space:pre-wrap;overflow-wrap:anywhere}
.nx table.nx-table{font-size:.72em}.nx table.nx-table td{padding:.2em .35em}
.nx table.nx-table code,.nx table.nx-table td:nth-last-child(-n+2){overflow-wrap:anywhere}}
""".replace("\n", "")


class Html(str):
    """Markup made by this module; the only text that is not escaped again."""

    __slots__ = ()


Child: TypeAlias = "Html | str | Iterable[Child] | None"

_VOID = frozenset({"img", "br", "hr"})
_PICTURE = re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]*")
_LINK = re.compile(r"(https?://[^\s/?#]+|#[\w.-]*)[^\s]*", re.IGNORECASE)


def tag(name: str, *children: Child, **attributes: str | None) -> Html:
    """One element. Children and attribute values are escaped unless they are Html; an attribute that is None is left out.

    `cls` stands for class, and `data_label` for data-label. A link that is not http, https or a local anchor, and a picture
    that is not an embedded PNG, are dropped, whatever they hold.
    """
    written = []
    for key, value in attributes.items():
        if value is None or (key == "href" and not _LINK.fullmatch(value)):
            continue
        if key == "src" and not _PICTURE.fullmatch(value):
            continue
        attribute = "class" if key == "cls" else key.replace("_", "-")
        written.append(f' {attribute}="{html.escape(make_visible(value))}"')
    opening = f"<{name}{''.join(written)}>"
    return Html(opening if name in _VOID else f"{opening}{join(children)}</{name}>")


def join(children: Child) -> Html:
    """Children one after the other, each text escaped and free of control characters."""
    if children is None:
        return Html("")
    if isinstance(children, Html):
        return children
    if isinstance(children, str):
        return Html(html.escape(one_line(children)) if children.strip() else " " * bool(children))
    return Html("".join(_spaced(child) for child in children))


def document(*children: Child) -> Html:
    """A display's outermost element, with the style sheet."""
    return Html(f"<style>{STYLE}</style>{tag('div', *children, cls='nx')}")


def link(text: str, address: object) -> Html:
    """The text as a link where the address is an http or https one, else the bare text."""
    if isinstance(address, str) and _LINK.fullmatch(address) and not address.startswith("#"):
        return tag("a", text, href=address, rel="noopener noreferrer", target="_blank")
    return join(text)


def anchor(identity: object) -> str:
    """The name under which an observation can be linked to within a page."""
    return "look-" + re.sub(r"[^\w.-]", "_", str(identity), flags=re.ASCII)


def chip(text: str, color: str, *, solid: bool) -> Html:
    """A small label. A solid one proves something; one with a dashed edge and slanted text proves nothing."""
    look = f"border:1.5px {'solid' if solid else 'dashed'} {color};border-radius:9px;padding:0 7px;white-space:nowrap;"
    look += f"background-color:{_tint(color)};font-weight:600" if solid else "font-style:italic"
    return tag("span", text, style=look)


def preformatted(text: str) -> Html:
    """A block of text in which spaces and line ends matter."""
    lines = [html.escape(make_visible(line)) for line in text.split("\n")]
    return tag("pre", Html("\n".join(lines)), style="overflow-x:auto")


def band(color: str, *children: Child) -> Html:
    """A block with a thick colored edge, kept together on paper."""
    look = f"border-left:8px solid {color};background-color:{_tint(color, 0.1)};padding:8px 12px;border-radius:4px;"
    return tag("div", *children, style=look + "margin:6px 0;print-color-adjust:exact", cls="nx-keep")


def picture(png: bytes, alternative: str) -> Html:
    """An embedded PNG that shrinks with the page, with words for those who cannot see it."""
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    return tag("img", src=source, alt=alternative, style="max-width:100%;height:auto")


def rows_table(
    headings: Iterable[str],
    rows: Iterable[tuple[Iterable[Child], str | None, str | None]],
    *,
    right: frozenset[int] = frozenset(),
) -> Html:
    """A table whose rows become blocks on a phone. Each row: its cells, its class, its id; `right` columns stand flush right."""
    names = [one_line(heading) for heading in headings]
    head = tag("tr", [tag("th", name, cls="nx-right" if at in right else None) for at, name in enumerate(names)])
    body = [
        tag(
            "tr",
            [
                tag("td", cell, cls="nx-right" if at in right else None, data_label=names[at] or None)
                for at, cell in enumerate(cells)
            ],
            cls=kind,
            id=identity,
        )
        for cells, kind, identity in rows
    ]
    table = tag("table", tag("thead", head), tag("tbody", body), cls="nx-table nx-stack")
    return tag("div", table, cls="nx-scroll", style="overflow-x:auto")


def muted(*children: Child) -> Html:
    """Smaller, paler text."""
    return tag("span", *children, cls="nx-small")


def _spaced(child: Child) -> str:
    """A child; a text keeps the single space at its ends, so that words do not run into elements."""
    if isinstance(child, str) and not isinstance(child, Html) and child.strip():
        return (" " if child[0].isspace() else "") + join(child) + (" " if child[-1].isspace() else "")
    return join(child)


def _tint(color: str, alpha: float = 0.18) -> str:
    red, green, blue = (int(color[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
