"""What every display is: the same thing as plain text, as HTML and, for a picture, as a PNG; readable in any viewer."""

import base64
from dataclasses import dataclass

from runbook_lib.show.html import Html, document


@dataclass(frozen=True, repr=False)
class Display:
    """Something that Jupyter, a terminal and a report can each show in their own way.

    Args:
        plain: plain text, complete enough to do without the rest.
        body: the HTML without its frame, so that displays can be put into one another.
        png: the picture's bytes; None without a picture.
    """

    plain: str
    body: Html
    png: bytes | None = None

    @property
    def html(self) -> str:
        """The HTML with its style sheet, able to stand alone."""
        return document(self.body)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Jupyter's protocol: one representation per media type; the viewer takes the richest that it knows."""
        del include, exclude  # Jupyter filters for itself
        bundle = {"text/plain": self.plain, "text/html": self.html}
        if self.png is not None:
            bundle["image/png"] = base64.b64encode(self.png).decode()
        return bundle

    def __repr__(self) -> str:
        return self.plain
