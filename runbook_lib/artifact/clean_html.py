"""HTML that came from somewhere, made harmless: known elements and attributes only, always balanced, nothing hidden.

The report's Content-Security-Policy already forbids scripts and the network. This keeps what is left from hiding a step, a
warning or an error: no style sheet of strangers, no positioning, no unclosed comment that swallows the rest of the page.
"""

import html
import re
from html.parser import HTMLParser

_TAGS = frozenset(
    re.findall(
        r"\w+",
        """
        a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2
        h3 h4 h5 h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody
        td tfoot th thead time tr tt u ul var
        """,
    )
)
_VOID = frozenset({"br", "hr", "img", "col"})
_DROPPED_WITH_CONTENT = frozenset(
    {
        "script",
        "style",
        "iframe",
        "object",
        "embed",
        "template",
        "noscript",
        "title",
        "svg",
        "math",
        "textarea",
        "select",
    }
)
_ATTRIBUTES = frozenset(
    {"class", "id", "title", "alt", "colspan", "rowspan", "scope", "open", "start", "data-label", "datetime"}
)
_HREF = re.compile(r"(https?://[^\s]+|#[\w.-]*)", re.IGNORECASE)
_SRC = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*")
_PROPERTY = re.compile(
    r"(color|background|background-color|border(-[a-z-]+)?|padding(-[a-z]+)?|margin(-[a-z]+)?|font(-[a-z-]+)?|text-[a-z-]+"
    r"|white-space|overflow(-[xy])?|overflow-wrap|line-height|vertical-align|width|max-width|min-width|height|max-height"
    r"|border-radius|list-style(-type)?|print-color-adjust|break-inside|display)"
)
_BAD_VALUE = re.compile(r"url|expression|var\(|none$|[\\<>@{}]|-\d", re.IGNORECASE)


def clean_html(markup: str, *, id_prefix: str = "") -> str:
    """The markup without anything that could act, fetch or hide; open elements are closed at its end.

    Args:
        markup: any HTML, also a broken one.
        id_prefix: put before ids that are no look's, so that two outputs do not share one.
    """
    cleaner = _Cleaner(id_prefix)
    cleaner.feed(markup)
    cleaner.close()
    return cleaner.text()


class _Cleaner(HTMLParser):
    def __init__(self, id_prefix: str) -> None:
        super().__init__(convert_charrefs=True)
        self._id_prefix = id_prefix
        self._out: list[str] = []
        self._open: list[str] = []
        self._skipping: list[str] = []

    def text(self) -> str:
        return "".join(self._out) + "".join(f"</{tag}>" for tag in reversed(self._open))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED_WITH_CONTENT:
            self._skipping.append(tag)
        if self._skipping or tag not in _TAGS:
            return
        kept = "".join(filter(None, (self._attribute(tag, name, value or "") for name, value in attrs)))
        self._out.append(f"<{tag}{kept}>")
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _DROPPED_WITH_CONTENT:
            return
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._skipping:
            if tag == self._skipping[-1]:
                self._skipping.pop()
            return
        if tag in self._open:
            while True:
                closing = self._open.pop()
                self._out.append(f"</{closing}>")
                if closing == tag:
                    return

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self._out.append(html.escape(data, quote=False))

    def _attribute(self, tag: str, name: str, value: str) -> str:
        if name == "href" and tag == "a":
            return f' href="{html.escape(value)}" rel="noopener noreferrer"' if _HREF.fullmatch(value) else ""
        if name == "src" and tag == "img":
            return f' src="{html.escape(value)}"' if _SRC.fullmatch(value) else ""
        if name == "style":
            return f' style="{html.escape(_style(value))}"'
        if name == "id" and not value.startswith("look-"):
            value = self._id_prefix + value
        return f' {name}="{html.escape(value)}"' if name in _ATTRIBUTES else ""


def _style(text: str) -> str:
    """The declarations of a style attribute that only colour, space and size."""
    kept = []
    for declaration in text.split(";"):
        name, _, value = declaration.partition(":")
        name, value = name.strip().lower(), value.strip()
        if _PROPERTY.fullmatch(name) and value and not _BAD_VALUE.search(value):
            kept.append(f"{name}:{value}")
    return ";".join(kept)
