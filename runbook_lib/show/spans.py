"""The waterfall's spans as records, and which of a large tree's rows are worth a line: the rest is folded and counted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from runbook_lib.core.model import Json
from runbook_lib.show.text import finite_number, one_line, plural

ROWS = 60  # more rows than a person reads


@dataclass(frozen=True)
class Bar:
    """One row of a waterfall: a span, or several folded ones. Times in milliseconds from the trace's start."""

    depth: int
    part: str
    name: str
    start_ms: float
    end_ms: float
    self_ms: float
    failed: bool = False
    critical: bool = False
    root_cause: bool = False
    missing: bool = False
    attempt: int | None = None
    label: str = ""
    own: tuple[tuple[float, float], ...] = ()  # when it worked itself, rather than waited for its children
    folded: int = 0

    @property
    def duration_ms(self) -> float:
        """From start to end."""
        return self.end_ms - self.start_ms

    @property
    def words(self) -> str:
        """What the row is called: name, and which attempt it was."""
        return self.name if self.attempt is None else f"#{self.attempt} {self.name}"


@dataclass(frozen=True)
class Waterfall:
    """A trace, ready to be drawn: rows in tree order and the notes that belong under them."""

    trace_id: str
    total_ms: float
    bars: tuple[Bar, ...]
    spans: int
    folded: int
    skew: tuple[tuple[str, float], ...] = field(default=())

    @property
    def start_ms(self) -> float:
        """The earliest moment drawn; 0, or less where a clock shift left a span before its trace."""
        return min([0.0, *(bar.start_ms for bar in self.bars)])

    @property
    def end_ms(self) -> float:
        """The latest moment drawn; always after start_ms."""
        return max([self.total_ms, self.start_ms + 0.001, *(bar.end_ms for bar in self.bars)])


def read_waterfall(data: Mapping[str, Json]) -> Waterfall:
    """The exhibit's data as records, folded to at most ROWS rows. Missing numbers count as 0, missing texts as a dash."""
    spans = list(data.get("spans") or ())
    bars = [_bar(span) for span in spans]
    parents = parents_of(bars)
    rows = _folded(bars, parents) if len(bars) > ROWS else list(range(len(bars)))
    children: dict[int, list[int]] = {}
    for at, parent in enumerate(parents):
        children.setdefault(parent, []).append(at)
    drawn = tuple(row if isinstance(row, Bar) else _with_own(bars, row, children.get(row, [])) for row in rows)
    skew = (
        (one_line(each.get("part"), 40), finite_number(each.get("shift_ms")) or 0.0) for each in data.get("skew") or ()
    )
    return Waterfall(
        trace_id=one_line(data.get("trace_id"), 40),
        total_ms=max(0.0, finite_number(data.get("total_ms")) or 0.0),
        bars=drawn,
        spans=len(bars),
        folded=sum(bar.folded for bar in drawn),
        skew=tuple(shift for shift in skew if shift[1]),
    )


def parents_of(bars: Sequence[Bar]) -> list[int]:
    """For each row in tree order, the row of its parent; -1 at the top."""
    parents, line = [], list[int]()
    for at, bar in enumerate(bars):
        while line and bars[line[-1]].depth >= bar.depth:
            line.pop()
        parents.append(line[-1] if line else -1)
        line.append(at)
    return parents


def _bar(span: Mapping[str, Json]) -> Bar:
    start, length = finite_number(span.get("start_ms")) or 0.0, max(0.0, finite_number(span.get("duration_ms")) or 0.0)
    attempt = span.get("attempt")
    return Bar(
        depth=max(0, int(finite_number(span.get("depth")) or 0)),
        part=one_line(span.get("part") or "unknown", 24),
        name=one_line(span.get("name"), 120),
        start_ms=start,
        end_ms=start + length,
        self_ms=max(0.0, finite_number(span.get("self_ms")) or 0.0),
        failed=span.get("status") == "error",
        critical=bool(span.get("critical")),
        root_cause=bool(span.get("root_cause")),
        missing=bool(span.get("missing")),
        attempt=attempt if isinstance(attempt, int) else None,
        label=one_line(span.get("label") or "", 160),
    )


def _with_own(bars: Sequence[Bar], at: int, children: Sequence[int]) -> Bar:
    """The bar with the times in which none of its children ran."""
    bar, own, free_from = bars[at], list[tuple[float, float]](), bars[at].start_ms
    for child in sorted((bars[each] for each in children), key=lambda child: child.start_ms):
        if child.start_ms > free_from:
            own.append((free_from, min(child.start_ms, bar.end_ms)))
        free_from = max(free_from, child.end_ms)
        if free_from >= bar.end_ms:
            break
    if free_from < bar.end_ms:
        own.append((free_from, bar.end_ms))
    return replace(bar, own=tuple(own))


def _folded(bars: Sequence[Bar], parents: Sequence[int]) -> list[int | Bar]:
    """Rows worth a line, by what they tell; under each of them one row that counts what was left out beneath it."""
    towards_root: set[int] = set()
    for at, bar in enumerate(bars):
        if bar.root_cause:
            while at >= 0 and at not in towards_root:
                towards_root.add(at)
                at = parents[at]

    def weight(at: int) -> tuple[bool, bool, bool, bool, bool, float]:
        bar = bars[at]
        telling = bar.failed or bar.missing or bar.attempt is not None
        return (bar.root_cause, at in towards_root, bar.missing, bar.critical, telling, bar.duration_ms)

    ranked = sorted(range(len(bars)), key=weight, reverse=True)
    rows: list[int | Bar] = []
    for budget in (54, 48, 40, 29):
        rows = _rows(bars, parents, frozenset(ranked[:budget]))
        if len(rows) <= ROWS:
            break
    return rows


def _rows(bars: Sequence[Bar], parents: Sequence[int], kept: frozenset[int]) -> list[int | Bar]:
    """The kept rows in tree order; what is left out is gathered at the end of the nearest kept row above it."""
    holder: list[int] = []
    left_out: dict[int, list[int]] = {}
    for at, parent in enumerate(parents):
        above = -1 if parent < 0 else parent if parent in kept else holder[parent]
        holder.append(above)
        if at not in kept:
            left_out.setdefault(above, []).append(at)
    rows: list[int | Bar] = []
    within: list[int] = []  # the kept rows that the current one lies under

    def leave(until: int) -> None:
        while within and within[-1] != until:
            left = within.pop()
            rows.extend(_gathered(bars, left_out.get(left, []), bars[left].depth + 1))

    for at in sorted(kept):
        leave(holder[at])
        rows.append(at)
        within.append(at)
    leave(-1)
    return rows + _gathered(bars, left_out.get(-1, []), 0)


def _gathered(bars: Sequence[Bar], left_out: Sequence[int], depth: int) -> list[int | Bar]:
    """No row for none, the span itself for one, else one row for all."""
    return list(left_out) if len(left_out) < 2 else [_fold([bars[at] for at in left_out], depth)]


def _fold(bars: Sequence[Bar], depth: int) -> Bar:
    """One row for many: how many, of which parts."""
    parts = Counter(bar.part for bar in bars).most_common(3)
    names = ", ".join(f"{part} {count:,}" for part, count in parts)
    others = ", …" if len({bar.part for bar in bars}) > 3 else ""
    failed = sum(bar.failed for bar in bars)
    return Bar(
        depth=depth,
        part=parts[0][0],
        name=f"{plural(len(bars), 'span')} folded: {names}{others}" + (f"; {failed:,} failed" if failed else ""),
        start_ms=min(bar.start_ms for bar in bars),
        end_ms=max(bar.end_ms for bar in bars),
        self_ms=0.0,
        failed=bool(failed),
        folded=len(bars),
    )
