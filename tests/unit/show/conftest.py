"""What the tests of displays share: a reader of HTML that knows what may occur in it, and exhibits with everything in them."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from runbook_lib.core.model import Observation, Status

TAGS = {"a", "b", "br", "code", "details", "div", "figcaption", "figure", "h3", "h4", "img", "li", "p", "pre", "span"}
TAGS |= {"strong", "style", "summary", "table", "tbody", "td", "th", "thead", "tr", "ul"}
ATTRIBUTES = {"class", "style", "href", "src", "alt", "id", "rel", "target", "data-label", "scope"}


@dataclass
class Page(HTMLParser):
    """The text of a page, and every element with its attributes."""

    text: str = ""
    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._in_style = tag == "style"

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        self.text += "" if self._in_style else data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment got in: {data!r}")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(f"a declaration got in: {decl!r}")

    def handle_pi(self, data: str) -> None:
        raise AssertionError(f"an instruction got in: {data!r}")

    def tagged(self, name: str) -> list[dict[str, str]]:
        """The attributes of every element of this name."""
        return [attributes for tag, attributes in self.elements if tag == name]


def read(html: str) -> Page:
    """Parse a page and refuse anything that a display may not hold."""
    page = Page()
    page.feed(html)
    page.close()
    assert {tag for tag, _ in page.elements} <= TAGS
    for tag, attributes in page.elements:
        assert set(attributes) <= ATTRIBUTES, tag
        address = attributes.get("href", "#")
        assert address.startswith(("#", "http://", "https://")), address
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
        assert "url(" not in attributes.get("style", "")
        assert "expression" not in attributes.get("style", "")
    assert all(tag != "style" for tag, _ in page.elements[1:])
    return page


@pytest.fixture(scope="session")
def read_page() -> Callable[[str], Page]:
    return read


@pytest.fixture(scope="session")
def colours() -> Callable[[bytes], dict[tuple[int, ...], int]]:
    """How many pixels a PNG has of each colour, to the nearest eight shades."""

    def count(png: bytes) -> dict[tuple[int, ...], int]:
        image = Image.open(BytesIO(png)).convert("RGB")
        found = image.getcolors(image.width * image.height)
        assert found is not None
        counts: dict[tuple[int, ...], int] = {}
        for number, shade in found:
            near = tuple(each // 8 for each in shade)
            counts[near] = counts.get(near, 0) + number
        return counts

    return count


@pytest.fixture(scope="session")
def png_of() -> Callable[[dict[str, str]], bytes]:
    return lambda bundle: base64.b64decode(bundle["image/png"], validate=True)


def look(status: Status | str = "ok", **given: Any) -> Observation:
    """An observation with whatever the test cares about."""
    known: dict[str, Any] = {
        "id": "tempo.trace-6a6a511a",
        "source": "tempo",
        "call": "trace",
        "arguments": {"trace_id": "4bf92f3577b34da6"},
        "nth": 1,
        "value": None,
        "why": "",
        "help": "",
        "at": "2026-11-23T08:54:00.000Z",
        "elapsed_ms": 312.9,
    }
    return Observation(**{**known, "status": Status(status), **given})


@pytest.fixture(scope="session")
def make_look() -> Callable[..., Observation]:
    return look


def span(depth: int, part: str, start_ms: float, duration_ms: float, **given: Any) -> dict[str, Any]:
    """A span of the waterfall exhibit."""
    plain: dict[str, Any] = {"critical": False, "root_cause": False, "missing": False, "attempt": None, "label": ""}
    known = {"id": f"{start_ms}", "depth": depth, "part": part, "name": f"{part} call", "start_ms": start_ms}
    return {**known, "duration_ms": duration_ms, "self_ms": 0.0, "status": "ok", **plain, **given}


@pytest.fixture(scope="session")
def make_span() -> Callable[..., dict[str, Any]]:
    return span


@pytest.fixture
def verdict() -> dict[str, Any]:
    """A confirmed verdict, as in verdict.json."""
    return {
        "schema": 1,
        "procedure": "01_failed_request",
        "incident": "INC-7",
        "run": "20261123T090500123-9f2c",
        "target": "sandbox",
        "parameters": {},
        "window": {"since": "2026-11-23T08:34:00.000Z", "until": "2026-11-23T09:04:00.000Z"},
        "status": "confirmed",
        "causes": [
            {
                "code": "request.provider_failed.overloaded",
                "subject": "anthropic",
                "summary": "Anthropic answered 529 to the third attempt.",
                "evidence": ["tempo.trace-6a6a511a"],
                "remedy": "Add together to LLM_FALLBACK_CHAIN.",
                "fingerprint": "ab",
            }
        ],
        "also": [],
        "states": [],
        "blind": [],
        "suspects": [],
        "looked_at": [
            {"id": "tempo.trace-6a6a511a", "source": "tempo", "call": "trace", "status": "ok", "elapsed_ms": 312.9}
        ],
        "not_seen": [],
        "situation": {
            "ongoing": True,
            "onset": "2026-11-23T08:44:31.000Z",
            "last_seen": "2026-11-23T09:03:58.000Z",
            "requests_failed": 37,
            "orgs_affected": 12,
            "changes": [{"at": "2026-11-23T08:40:12Z", "what": "gateway deployed", "where": "https://fly.io/apps/gw"}],
        },
        "first_evidence_s": 1.24,
        "verdict_s": 4.8,
        "started_at": "2026-11-23T09:05:00.123Z",
        "runbook_version": "0.1.0",
        "library_sha256": "ab" * 32,
        "verdict_sha256": "cd" * 32,
    }
