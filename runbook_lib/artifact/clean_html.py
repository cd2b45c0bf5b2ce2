"""HTML that came from somewhere, made harmless: known elements and attributes only, always balanced, nothing hidden.

The report's Content-Security-Policy already forbids scripts and the network. This keeps what is left from hiding a step, a
warning or an error: no style sheet of strangers, no positioning, no unclosed comment that swallows the rest of the page.
nh3 reads the markup as a browser would; what is allowed is written here.
"""

import re

import nh3

_TAGS = set(
    """
    a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i img
    ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead time tr tt u ul var
    """.split()
)
_DROPPED_WITH_CONTENT = set("script style iframe object embed template noscript title svg math textarea select".split())
_ATTRIBUTES = {
    "*": set("class id title alt colspan rowspan scope open start data-label datetime style".split()),
    "a": {"href"},
    "img": {"src"},
}
_HREF = re.compile(r"(https?://[^\s]+|#[\w.-]*)", re.IGNORECASE)
_SRC = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*")

# What a style may say: color, space and size, and never so that something vanishes or reaches beyond its own place.
_SIDES = [f"-{side}" for side in ("top", "right", "bottom", "left")]
_PROPERTIES = {
    *"""
    color background background-color line-height vertical-align width max-width min-width height max-height white-space
    overflow overflow-x overflow-y overflow-wrap list-style list-style-type print-color-adjust break-inside display
    font font-family font-size font-style font-variant font-weight
    text-align text-decoration text-indent text-overflow text-transform
    border-collapse border-spacing border-radius border-color border-style border-width
    """.split(),
    *(f"{box}{side}" for box in ("border", "padding", "margin") for side in ("", *_SIDES)),
    *(f"border{side}-{what}" for side in _SIDES for what in ("color", "style", "width")),
}
_BAD_VALUE = re.compile(r"url|expression|var\(|calc|none|[\\<>@{}]|-[\d.]", re.IGNORECASE)


def clean_html(markup: str, *, id_prefix: str = "") -> str:
    """The markup without anything that could act, fetch or hide; open elements are closed at its end.

    Args:
        markup: any HTML, also a broken one.
        id_prefix: put before ids that are no look's, so that two outputs do not share one.
    """

    def attribute(_: str, name: str, value: str) -> str | None:
        if name == "href":
            return value if _HREF.fullmatch(value) else None
        if name == "src":
            return value if _SRC.fullmatch(value) else None
        if name == "style":
            return ";".join(each for each in value.split(";") if not _BAD_VALUE.search(each))
        return id_prefix + value if name == "id" and not value.startswith("look-") else value

    return nh3.clean(
        markup,
        tags=_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        filter_style_properties=_PROPERTIES,
        url_schemes={"http", "https", "data"},
    )
