"""The contrast exhibit: which attribute values the failing requests have and the healthy ones do not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.core.model import Json
from runbook_lib.show.display import Display
from runbook_lib.show.html import join, picture, tag
from runbook_lib.show.table import compact, table
from runbook_lib.show.text import finite_number, format_number, one_line

BARS = 12


@dataclass(frozen=True)
class Pair:
    """One attribute value: the shares of failing and of healthy requests that have it, with the counts behind them."""

    name: str
    failing: int
    failing_total: int
    healthy: int
    healthy_total: int
    lift: float | None

    @property
    def failing_ratio(self) -> float:
        """Share of the failing requests, 0 to 1."""
        return self.failing / self.failing_total if self.failing_total else 0.0

    @property
    def healthy_ratio(self) -> float:
        """Share of the healthy requests, 0 to 1."""
        return self.healthy / self.healthy_total if self.healthy_total else 0.0


def contrast(data: Mapping[str, Json]) -> Display:
    """Paired bars of `{rows: [{attribute, value, failing, healthy, failing_total, healthy_total, lift}]}`, in the order given."""
    pairs = [_pair(row) for row in data.get("rows") or ()]
    columns = ["attribute = value", "failing", "of", "healthy", "of", "lift"]
    listed = table({"columns": columns, "rows": [_row(pair) for pair in pairs]})
    if not pairs:
        said = "no attribute separates the failing requests from the healthy ones"
        return Display(said, tag("p", said))
    from runbook_lib.show.contrast_figure import draw_contrast

    png = draw_contrast(pairs[:BARS], len(pairs) - BARS)
    words = tag("details", tag("summary", "the same as a table"), listed.body)
    return Display(listed.plain, join([picture(png, "Shares of failing and healthy requests"), words]), png)


def lift_words(lift: float | None) -> str:
    """`× 6.2`; a dash where there is no number."""
    return f"× {format_number(float(f'{lift:.3g}'))}" if lift is not None else "–"


def _pair(row: Mapping[str, Json]) -> Pair:
    value = row.get("value")
    shown = value if isinstance(value, str) else compact(value)
    return Pair(
        name=one_line(f"{row.get('attribute')} = {shown}", 120),
        failing=_count(row.get("failing")),
        failing_total=_count(row.get("failing_total")),
        healthy=_count(row.get("healthy")),
        healthy_total=_count(row.get("healthy_total")),
        lift=finite_number(row.get("lift")),
    )


def _count(value: Json) -> int:
    return max(0, int(finite_number(value) or 0))


def _row(pair: Pair) -> Sequence[Json]:
    shares = f"{pair.failing:,} ({pair.failing_ratio:.0%})", f"{pair.healthy:,} ({pair.healthy_ratio:.0%})"
    return [pair.name, shares[0], pair.failing_total, shares[1], pair.healthy_total, lift_words(pair.lift)]
