"""What all pictures share: a figure that needs no backend, one palette, text that is never taken for mathematics, bytes of PNG.

Drawn on a light card of its own, so that it reads on dark pages, light pages and paper alike. Never pyplot: it would pick a
backend and keep every figure alive.
"""

import functools
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

from matplotlib import get_data_path
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import get_font
from PIL import Image

from runbook_lib.show.text import one_line

CARD, INK, FAINT, LINE = "#fbfbf9", "#22272e", "#6b7280", "#d9dce1"
FAILED, HEALTHY, ACCENT = "#c62828", "#3b78b5", "#7a4fbf"
WIDTH_IN, DPI = 8.0, 150

# Parts keep their color from picture to picture; parts that nobody knows take the spare ones in order of appearance.
PART_COLOURS: Mapping[str, str] = {
    "web": "#56a3d9",
    "api": "#2563a8",
    "gateway": "#7a5bb5",
    "database": "#2f8f6b",
    "postgres": "#2f8f6b",
    "supabase": "#43a889",
    "auth": "#8fae3e",
    "provider": "#d68a1c",
    "openai": "#d68a1c",
    "anthropic": "#b9643c",
    "together": "#c9a21f",
    "stripe": "#6d6af0",
}
_SPARE = ("#b05c94", "#5f8a8b", "#98803d", "#7c7f99", "#a3a61e", "#c06c6c")


def part_colors(parts: Iterable[str]) -> dict[str, str]:
    """A color for each part, in order of appearance."""
    colors: dict[str, str] = {}
    for part in parts:
        if part not in colors:
            spare = _SPARE[sum(each not in PART_COLOURS for each in colors) % len(_SPARE)]
            colors[part] = PART_COLOURS.get(part.lower(), spare)
    return colors


def new_figure(height_in: float) -> Figure:
    """An empty figure of the common width on the light card."""
    figure = Figure(figsize=(WIDTH_IN, height_in), dpi=DPI, facecolor=CARD)
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: Axes) -> None:
    """Only what is needed: no frame, pale grid, small gray ticks."""
    axes.set_facecolor(CARD)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(colors=FAINT, labelsize=8, length=0)
    axes.set_axisbelow(True)


def drawable_text(text: str, limit: int) -> str:
    """One line of text with a box in place of each character that the font cannot draw; draw it with parse_math=False."""
    glyphs = _glyphs()
    return "".join(each if ord(each) in glyphs else "□" for each in one_line(text, limit))


def to_png(figure: Figure) -> bytes:
    """The figure as a PNG of few colors; the same figure gives the same bytes."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    drawn = Image.frombuffer("RGBA", canvas.get_width_height(), pixels).convert("RGB")
    written = io.BytesIO()
    drawn.quantize(palette=_palette(drawn), dither=Image.Dither.NONE).save(written, "PNG", optimize=True)
    return written.getvalue()


def _palette(drawn: Image.Image) -> Image.Image:
    """The commonest shades and every color that means something: a lone failure's red must not be averaged away."""
    common = drawn.quantize(200, dither=Image.Dither.NONE).getpalette() or []
    telling = [CARD, INK, FAINT, LINE, FAILED, HEALTHY, ACCENT, *PART_COLOURS.values(), *_SPARE]
    fixed = [int(color[at : at + 2], 16) for color in dict.fromkeys(telling) for at in (1, 3, 5)]
    palette = Image.new("P", (1, 1))
    palette.putpalette(fixed + common[: 3 * 256 - len(fixed)])
    return palette


@functools.cache
def _glyphs() -> frozenset[int]:
    font = Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return frozenset(get_font(str(font)).get_charmap())
