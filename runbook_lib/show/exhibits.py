"""Which display draws which kind of exhibit; what cannot be drawn is shown as it stands, for a picture must never cost the run."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from runbook_lib.core.model import Json
from runbook_lib.show.burn_down import burn_down
from runbook_lib.show.contrast import contrast
from runbook_lib.show.display import Display
from runbook_lib.show.html import join, muted, preformatted, tag
from runbook_lib.show.latency import latency
from runbook_lib.show.level_latency import level_latency
from runbook_lib.show.matrix import matrix
from runbook_lib.show.plan import plan
from runbook_lib.show.table import table
from runbook_lib.show.text import one_line
from runbook_lib.show.usage import usage
from runbook_lib.show.waterfall import waterfall

if TYPE_CHECKING:
    from runbook_lib.procedures.base import Exhibit

DRAWERS: Mapping[str, Callable[[Mapping[str, Json]], Display]] = {
    "table": table,
    "waterfall": waterfall,
    "latency": latency,
    "contrast": contrast,
    "matrix": matrix,
    "plan": plan,
    "usage": usage,
    "burn_down": burn_down,
    "level_latency": level_latency,
}
RAW_CHARACTERS = 4000


def exhibit(shown: "Exhibit") -> Display:
    """An exhibit as a captioned figure: a table, a waterfall, a latency plot, a contrast, a matrix, a plan or usage.

    A kind that nobody draws, and data that its drawer cannot make sense of, are shown as JSON with a word on why.
    """
    drawer = DRAWERS.get(shown.kind)
    if drawer is None:
        drawn = _raw(shown.data, f"no display draws the kind {shown.kind!r}")
    else:
        try:
            drawn = drawer(shown.data)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            drawn = _raw(shown.data, f"this {shown.kind} could not be drawn ({type(error).__name__}: {error})")
    title = one_line(shown.title, 200)
    body = tag("figure", tag("figcaption", title), drawn.body)
    return replace(drawn, plain=f"{title}\n{drawn.plain}", body=body)


def _raw(data: Json, why: str) -> Display:
    text = json.dumps(data, ensure_ascii=True, default=str, indent=1)
    rest = f"\n… {len(text) - RAW_CHARACTERS:,} more characters" if len(text) > RAW_CHARACTERS else ""
    listing, note = text[:RAW_CHARACTERS] + rest, one_line(why, 300)
    return Display(f"{note}\n{listing}", join([tag("p", muted(note)), preformatted(listing)]))
